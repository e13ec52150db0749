(function () {
  "use strict";
  const every = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);

  // --- the table ---------------------------------------------------------

  const table = byId("results-table");

  function chooseBaseline(value) {
    every("[data-against]", table).forEach((ratio) => { ratio.hidden = ratio.dataset.against !== value; });
  }

  // Lines are sorted within their level; a third time gives the first order back.
  function sortBy(column, order) {
    every("tbody", table).forEach((level) => {
      const lines = every("tr.line", level);
      lines.forEach((line, at) => { line.dataset.first = line.dataset.first || String(at); });
      const keyed = lines.map((line) => ({ line, value: valueAt(line, column), first: Number(line.dataset.first) }));
      keyed.sort((a, b) => {
        if (order === "none") { return a.first - b.first; }
        const missing = Number(a.value === null) - Number(b.value === null);
        if (missing !== 0) { return missing; }
        const less = a.value < b.value ? -1 : Number(a.value > b.value);
        return (order === "ascending" ? less : -less) || a.first - b.first;
      });
      keyed.forEach((entry) => level.appendChild(entry.line));
    });
  }

  // A text or a number; null where there is none.
  function valueAt(line, column) {
    const cell = cellAt(line, column);
    const value = cell && cell.dataset.value;
    if (value === undefined || value === null) { return null; }
    return column === 0 ? value : Number(value);
  }

  // A line without figures has one cell that spans their columns.
  function cellAt(line, column) {
    let at = 0;
    for (const cell of line.cells) {
      if (at === column && cell.colSpan === 1) { return cell; }
      at += cell.colSpan;
    }
    return null;
  }

  // Heading and lines with all digits.
  function rows() {
    const headings = every("thead th", table).map((heading) => heading.dataset.plain);
    const found = [["Level"].concat(headings)];
    every("tbody", table).forEach((level) => {
      every("tr.line", level).forEach((line) => {
        const values = headings.map((_, column) => {
          const cell = cellAt(line, column);
          return (cell && cell.dataset.value) || "";
        });
        found.push([level.dataset.level].concat(values));
      });
    });
    return found;
  }

  function quoted(field) {
    return /[",\r\n]/.test(field) ? '"' + field.replace(/"/g, '""') + '"' : field;
  }

  function copyTable() {
    const text = rows().map((row) => row.map((field) => field.replace(/[\t\r\n]/g, " ")).join("\t")).join("\n");
    const said = byId("results-said");
    const done = () => { said.textContent = "copied, tab-separated"; };
    const byHand = () => {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      said.textContent = document.execCommand("copy") ? "copied, tab-separated" : "this browser does not allow it";
      area.remove();
    };
    if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done, byHand); } else { byHand(); }
  }

  function saveTable(event) {
    const text = rows().map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = event.currentTarget.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  if (table) {
    byId("results-controls").hidden = false;
    byId("copy-results").addEventListener("click", copyTable);
    byId("save-results").addEventListener("click", saveTable);
    const baseline = byId("baseline");
    if (baseline) {
      baseline.addEventListener("change", () => chooseBaseline(baseline.value));
      chooseBaseline(baseline.value);
    }
    const headings = every("thead th", table);
    const next = { none: "ascending", ascending: "descending", descending: "none" };
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const order = next[heading.getAttribute("aria-sort") || "none"];
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        if (order !== "none") { heading.setAttribute("aria-sort", order); }
        sortBy(column, order);
      });
    });
  }

  // --- the charts --------------------------------------------------------

  const plots = JSON.parse(byId("plots").textContent);
  const hidden = new Set();
  let view = "p50";

  // What is shown of a chart: without the hidden backends, in the chosen view.
  function show(id) {
    const plot = plots[id];
    if (!plot.places || !byId(id).data) { return; }
    const shown = plot.places.map((place, at) => !hidden.has(place) && [null, view].includes(plot.parts[at]));
    const changes = {};
    const chosen = plot.views[view];
    if (chosen) { changes["yaxis.range"] = chosen.range.slice(); }
    plot.labels.forEach((place, at) => {
      changes["annotations[" + at + "].visible"] = !hidden.has(place);
      if (chosen) { changes["annotations[" + at + "].yshift"] = chosen.ups[at]; }
    });
    Plotly.update(byId(id), { visible: shown }, changes);
  }

  function showAll() {
    Object.keys(plots).forEach(show);
  }

  // The keys above the charts become switches.
  function switches() {
    every(".legend").forEach((key) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "legend";
      button.setAttribute("aria-pressed", "true");
      button.append(...key.childNodes);
      key.replaceWith(button);
      const place = Number(key.dataset.place);
      button.addEventListener("click", () => {
        if (!hidden.delete(place)) { hidden.add(place); }
        button.setAttribute("aria-pressed", String(!hidden.has(place)));
        showAll();
      });
    });
  }

  // Pointing at one level shows it in every chart over the levels.
  const shared = [];
  let busy = false;
  function joined(element) {
    const others = (act) => {
      if (busy) { return; }
      busy = true;
      shared.forEach((other) => { if (other !== element) { act(other); } });
      busy = false;
    };
    element.on("plotly_hover", (event) => {
      others((other) => Plotly.Fx.hover(other, { xval: event.points[0].x }));
    });
    element.on("plotly_unhover", () => others((other) => Plotly.Fx.unhover(other)));
    shared.push(element);
  }

  // Names that would lie on each other in so narrow a window.
  function leaveOut(element, plot) {
    const width = element.clientWidth - plot.margins;
    const least = plot.least_widths || [];
    plot.layout.annotations = (plot.layout.annotations || []).filter((_, at) => !(least[at] > width));
  }

  function draw(id) {
    const element = byId(id);
    // Its still picture goes first: the chart takes its width.
    element.parentElement.classList.add("drawn");
    leaveOut(element, plots[id]);
    Plotly.newPlot(element, plots[id].data, plots[id].layout, { displayModeBar: false, responsive: true });
    if (plots[id].layout.hovermode === "x unified") { joined(element); }
    if (hidden.size > 0 || view !== "p50") { show(id); }
  }

  function controls() {
    switches();
    every(".scripted").forEach((hint) => { hint.hidden = false; });
    if (Object.values(plots).some((plot) => plot.views && Object.keys(plot.views).length)) {
      every(".views").forEach((choice) => { choice.hidden = false; });
      const parts = Object.values(plots).flatMap((plot) => plot.parts || []);
      every("input[name=view]").forEach((choice) => {
        choice.disabled = choice.value !== "p50" && !parts.includes(choice.value);
        if (choice.disabled) { choice.parentElement.title = "too few samples"; }
        choice.addEventListener("change", () => {
          view = choice.value;
          every(".of-view").forEach((hint) => { hint.hidden = hint.dataset.view !== view; });
          showAll();
        });
      });
    }
  }

  // One chart after the other, those in sight first, so that the page answers
  // in between.
  async function drawAll() {
    const own = Object.keys(plots).map((id) => ({ element: byId(id), draw: () => draw(id) }));
    const charts = own.concat(window.explore || []);
    const away = (chart) => {
      const box = chart.element.parentElement.getBoundingClientRect();
      return Math.max(0, box.top - window.innerHeight, -box.bottom);
    };
    while (charts.length > 0) {
      const distances = charts.map(away);
      const [next] = charts.splice(distances.indexOf(Math.min(...distances)), 1);
      next.draw();
      await new Promise((done) => setTimeout(done, 0));
    }
    document.documentElement.dataset.drawn = "yes";
  }

  // The chart library is packed: half the size of the page. A browser that
  // cannot unpack it keeps the still pictures.
  async function unpack() {
    const packed = Uint8Array.from(atob(byId("library").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const library = document.createElement("script");
    library.textContent = await new Response(stream).text();
    document.head.append(library);
  }

  const read = new Promise((done) => document.addEventListener("DOMContentLoaded", done));
  if (window.DecompressionStream) {
    Promise.all([unpack(), read]).then(() => {
      controls();
      return drawAll();
    });
  }
})();
