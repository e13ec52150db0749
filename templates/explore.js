(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("explore").textContent);
  var config = { displayModeBar: false, responsive: true };
  var NEUTRAL = "#7d8590";
  // from few to much waiting: apart for every eye, and legible on white and on black
  var SCALE = [[0, "#3f7fd6"], [0.5, "#b25fc0"], [1, "#e5562b"]];

  function get(id) { return document.getElementById(id); }
  function digits(value) { return String(Number(value.toPrecision(3))); }
  function ms(value) { return value < 999.5 ? digits(value) + " ms" : digits(value / 1000) + " s"; }
  function with_unit(value, unit) { return unit === "ms" ? ms(value) : digits(value) + " " + unit; }

  function fill(select, choices, chosen) {
    select.textContent = "";
    choices.forEach(function (choice) {
      var option = document.createElement("option");
      option.value = String(choice.value);
      option.textContent = choice.text;
      option.selected = choice.value === chosen;
      select.appendChild(option);
    });
    select.parentNode.hidden = choices.length < 2;
  }
  function choices(list, of, names) {
    var seen = [];
    list.forEach(function (one) { if (seen.indexOf(one[of]) < 0) { seen.push(one[of]); } });
    seen.sort(function (a, b) { return a - b; });
    return seen.map(function (value) { return { value: value, text: names(value) }; });
  }
  function level_name(level) { return data.levels[level]; }
  function last(list) { return list[list.length - 1]; }

  function layout(height, more) {
    var base = {
      autosize: true, height: height, showlegend: false, separators: ".\u202f",
      margin: { l: 54, r: 18, t: 12, b: 46 },
      font: { size: 12, family: "system-ui, sans-serif" },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest"
    };
    Object.keys(more).forEach(function (key) { base[key] = more[key]; });
    ["xaxis", "yaxis", "yaxis2"].forEach(function (key) { if (base[key]) { base[key].ticklabelstandoff = 4; } });
    return base;
  }
  // linear from zero, or logarithmic with ticks at 1, 2 and 5 where the range passes 30
  function axis(low, high, unit, title, narrow) {
    var found = { title: { text: title }, zeroline: false, fixedrange: true, tickangle: 0 };
    if (!(low > 0 && high / low > 30)) {
      found.range = [0, high > 0 ? high * 1.05 : 1];
      found.nticks = 7;
      found.tickformat = ",";
      return found;
    }
    found.type = "log";
    found.range = [Math.log10(low / 1.15), Math.log10(high * 1.15)];
    found.tickvals = [];
    var steps = high / low > (narrow ? 200 : 3000) ? [1] : narrow ? [1, 5] : [1, 2, 5];
    for (var decade = -6; decade < 9; decade += 1) {
      steps.forEach(function (step) { found.tickvals.push(Number(step + "e" + decade)); });
    }
    found.ticktext = found.tickvals.map(function (value) { return with_unit(value, unit); });
    found.title.text = title.replace(", " + unit, "");
    return found;
  }
  function is_narrow() { return document.body.clientWidth < 620; }
  function line(backend, width, dash) {
    return { color: data.backends[backend].colour, width: width, dash: dash || data.backends[backend].dash };
  }

  function spread() {
    var metric = get("spread-metric"), level = get("spread-level");
    fill(metric, data.distributions.map(function (one, at) { return { value: at, text: one.label }; }), 0);
    function levels() {
      var own = choices(data.distributions[Number(metric.value)].curves, "level", level_name);
      var wanted = level.value === "" ? NaN : Number(level.value);
      var has = own.some(function (choice) { return choice.value === wanted; });
      fill(level, own, has ? wanted : last(own).value);
    }
    function draw() {
      var one = data.distributions[Number(metric.value)];
      var curves = one.curves.filter(function (curve) { return curve.level === Number(level.value); });
      var low = Infinity, high = 0;
      var traces = curves.map(function (curve) {
        var shares = data.shares[curve.shares];
        low = Math.min(low, curve.values[0]);
        high = Math.max(high, last(curve.values));
        return {
          type: "scatter", mode: "lines", x: curve.values, y: shares,
          line: Object.assign(line(curve.backend, 2.2), { shape: shares.length > curve.n ? "hv" : "linear" }),
          name: data.backends[curve.backend].short,
          text: curve.values.map(function (value) { return with_unit(value, one.unit); }),
          hovertemplate: "%{y:.4~p} have at most %{text}"
        };
      });
      Plotly.react("chart-spread", traces, layout(340, {
        xaxis: Object.assign(axis(low, high, one.unit, one.label + ", " + one.unit, is_narrow()), { showgrid: true }),
        yaxis: {
          title: { text: "share of " + one.of }, range: [0, 1.02], tickvals: [0, 0.25, 0.5, 0.75, 0.9, 0.99],
          ticktext: ["0", "25 %", "50 %", "75 %", "90 %", "99 %"], zeroline: false, fixedrange: true
        }
      }), config);
      var counts = curves.map(function (curve) { return data.backends[curve.backend].label + " " + curve.n.toLocaleString("en").replace(/,/g, "\u202f"); });
      get("spread-note").textContent = "Number of " + one.of + ": " + counts.join(", ") + "." + (one.caution ? " Caution: " + one.caution + "." : "");
    }
    levels();
    metric.addEventListener("change", function () { levels(); draw(); });
    level.addEventListener("change", draw);
    draw();
  }

  function stalls() {
    var level = get("stalls-level");
    var own = choices(data.gaps, "level", level_name);
    fill(level, own, last(own).value);
    function draw() {
      var found = data.gaps.filter(function (gaps) { return gaps.level === Number(level.value); });
      var low = Infinity, high = 0, width = 1, without = false, end = 1;
      var traces = [];
      found.forEach(function (gaps) {
        var name = data.backends[gaps.backend].short;
        width = Math.max(width, gaps.width);
        end = Math.max(end, last(gaps.position));
        function trace(values, what, look) {
          values.forEach(function (value) {
            if (value > 0) { low = Math.min(low, value); high = Math.max(high, value); }
          });
          traces.push(Object.assign({
            type: "scatter", mode: "lines", x: gaps.position, y: values, name: name, connectgaps: false,
            text: values.map(function (value) { return value === null ? "" : ms(value); }),
            hovertemplate: what + " %{text}"
          }, look));
        }
        trace(gaps.max, "longest", { mode: "markers", marker: { color: data.backends[gaps.backend].colour, symbol: data.backends[gaps.backend].marker + "-open", size: 5 } });
        if (gaps.p99.some(function (value) { return value !== null; })) {
          trace(gaps.p99, "p99", { line: line(gaps.backend, 1) });
        } else { without = true; }
        trace(gaps.p50, "p50", { line: line(gaps.backend, 2.2) });
      });
      Plotly.react("chart-stalls", traces, layout(320, {
        xaxis: { title: { text: "gap after the output event with this number" }, zeroline: false, showgrid: false, fixedrange: true, range: [1 - end * 0.01, end * 1.01], nticks: 10, dtick: end < 12 ? 1 : undefined, tickformat: ",d" },
        yaxis: axis(low, high, "ms", "gap, ms"), margin: { l: 78, r: 18, t: 12, b: 46 }
      }), config);
      get("stalls-note").textContent = "Thick line p50, " + (without ? "too few samples for p99" : "thin line p99") + ", points the longest gap" + (width > 1 ? "; up to " + width + " neighbouring gaps share a place" : "") + ".";
    }
    level.addEventListener("change", draw);
    draw();
  }

  function tokens() {
    var places = data.tokens.backends.length * data.tokens.tokens.length;
    var wide = get("chart-tokens").clientWidth * 0.65 / places > 40;
    var traces = data.tokens.backends.map(function (own) {
      return {
        type: "bar", x: data.tokens.tokens, y: own.shares, marker: { color: data.backends[own.backend].colour },
        name: data.backends[own.backend].short, customdata: own.events,
        text: own.shares.map(function (share) { return share > 0 && wide ? digits(share * 100) + " %" : ""; }),
        textposition: "outside", textangle: 0, cliponaxis: false, textfont: { size: 11 },
        hovertemplate: "%{y:.3~p} of its events (%{customdata:,})"
      };
    });
    Plotly.newPlot("chart-tokens", traces, layout(260, {
      barmode: "group", hovermode: "x", bargap: 0.3,
      xaxis: { type: "category", title: { text: "tokens of an event" }, fixedrange: true },
      yaxis: { title: { text: "share of events" }, tickformat: ".0%", range: [0, 1.1], tickvals: [0, 0.25, 0.5, 0.75, 1], zeroline: false, fixedrange: true }
    }), config);
  }

  function requests() {
    var backend = get("requests-backend"), level = get("requests-level"), repeat = get("requests-repeat");
    function chosen(select) { return select.value === "" ? NaN : Number(select.value); }
    function refill(select, list, of, names, pick) {
      var own = choices(list, of, names), wanted = chosen(select);
      var has = own.some(function (choice) { return choice.value === wanted; });
      fill(select, own, has ? wanted : pick(own).value);
      return list.filter(function (one) { return one[of] === chosen(select); });
    }
    function first(list) { return list[0]; }
    function show() {
      var left = refill(backend, data.requests, "backend", function (at) { return data.backends[at].label; }, first);
      left = refill(level, left, "level", level_name, last);
      draw(refill(repeat, left, "repeat", String, first)[0]);
    }
    function draw(one) {
      var rows = one.index.map(function (_, at) { return at; });
      var ttft = one.running.map(function (running, at) { return running === null ? null : one.waiting[at] * 1000; });
      var known = ttft.filter(function (value) { return value !== null; });
      var low = Math.min.apply(null, known), high = Math.max.apply(null, known);
      var log = low > 0 && high / low > 30;
      function shade(value) { return value === null ? null : log ? Math.log10(value) : value; }
      var ticks = log ? [] : [low, (low + high) / 2, high];
      if (log) {
        for (var decade = -6; decade < 9; decade += 1) {
          [1, 2, 5].forEach(function (step) {
            var value = Number(step + "e" + decade);
            if (value >= low && value <= high) { ticks.push(value); }
          });
        }
      }
      var words = one.index.map(function (index, at) {
        var text = "request " + index + "<br>sent at " + ms(one.sent[at] * 1000);
        if (ttft[at] === null) { return text + "<br>no output, over after " + ms(one.waiting[at] * 1000); }
        return text + "<br>first output after " + ms(ttft[at]) + "<br>last after " + ms((one.waiting[at] + one.running[at]) * 1000);
      });
      one.failed.forEach(function (at) { words[at] += "<br>failed"; });
      function bars(base, lengths, width, bar) {
        return {
          type: "bar", orientation: "h", base: base, x: lengths, y: rows, width: width, xaxis: "x", yaxis: "y",
          text: words, textposition: "none", hovertemplate: "%{text}<extra></extra>",
          marker: {
            color: ttft.map(function (value) { return value === null ? NEUTRAL : shade(value); }), colorscale: SCALE,
            cmin: shade(low), cmax: shade(high > low ? high : low + 1), line: { width: 0 }, showscale: bar && known.length > 0,
            colorbar: {
              title: { text: "TTFT<br>\u00a0", side: "top" }, thickness: 10, len: 0.62, y: 1, yanchor: "top", outlinewidth: 0,
              tickvals: ticks.map(shade), ticktext: ticks.map(ms)
            }
          }
        };
      }
      var firsts = one.sent.map(function (sent, at) { return sent + one.waiting[at]; });
      var traces = [
        bars(one.sent, one.waiting, 0.36, false),
        bars(firsts, one.running.map(function (running) { return running === null ? 0 : running; }), 0.92, true)
      ];
      if (one.failed.length > 0) {
        traces.push({
          type: "scatter", mode: "markers", xaxis: "x", yaxis: "y", hoverinfo: "skip",
          x: one.failed.map(function (at) { return firsts[at] + (one.running[at] || 0); }), y: one.failed,
          marker: { symbol: "x", size: 8, color: getComputedStyle(document.documentElement).getPropertyValue("--bad").trim() }
        });
      }
      var at = one.load[0].map(function (_, place) { return place * one.span; });
      at.push(at.length * one.span);
      function held(list) { return list.concat([last(list)]); }
      function band(least, most, dash, what) {
        var shared = { type: "scatter", mode: "lines", x: at, xaxis: "x", yaxis: "y2", hoverinfo: "skip" };
        traces.push(Object.assign({}, shared, { y: held(least), line: { width: 0, shape: "hv" } }));
        traces.push(Object.assign({}, shared, {
          y: held(most), line: { width: 1.8, shape: "hv", color: NEUTRAL, dash: dash }, fill: "tonexty", fillcolor: "rgba(125,133,144,0.25)",
          hoverinfo: "all", hovertemplate: "up to %{y} " + what + "<extra></extra>"
        }));
      }
      band(one.load[0], one.load[1], "solid", "in flight");
      band(one.load[2], one.load[3], "dot", "waiting");
      var shapes = [], notes = [];
      function phase(from, to, text) {
        if (!(to > from)) { return; }
        shapes.push({ type: "rect", layer: "below", xref: "x", yref: "paper", x0: from, x1: to, y0: 0, y1: 1, fillcolor: NEUTRAL, opacity: 0.16, line: { width: 0 } });
        if ((to - from) / one.end > 0.09) { name(from, to, text); }
      }
      function name(from, to, text) {
        notes.push({ text: text, xref: "x", yref: "paper", x: (from + to) / 2, y: 1, yanchor: "bottom", showarrow: false, font: { size: 11 } });
      }
      if (one.from !== null) {
        phase(0, one.from, "warm-up");
        phase(one.to, one.end, "load falls");
        name(one.from, one.to, "measured");
      }
      notes.push({ text: "<b>Requests</b>   ── in flight   ┈┈ waiting", xref: "paper", yref: "paper", x: 0, y: 0.285, xanchor: "left", yanchor: "bottom", showarrow: false });
      Plotly.react("chart-requests", traces, layout(560, {
        barmode: "overlay", dragmode: "zoom", shapes: shapes, annotations: notes, margin: { l: 54, r: 18, t: 26, b: 46 },
        xaxis: { title: { text: "seconds since the first request was sent" }, range: [0, one.end], zeroline: false, showgrid: false, anchor: "y2", nticks: 10 },
        yaxis: { domain: [0.37, 1], range: [rows.length - 0.4, -0.6], showticklabels: false, showgrid: false, zeroline: false, fixedrange: true, title: { text: "requests, first sent on top" } },
        yaxis2: { domain: [0, 0.28], rangemode: "tozero", zeroline: false, fixedrange: true, nticks: 4, tickformat: ",d" }
      }), config);
      get("requests-note").textContent = one.note + ".";
    }
    [backend, level, repeat].forEach(function (select) { select.addEventListener("change", show); });
    show();
  }

  // drawn by the page's other script, once the chart library is there
  function chart(id, draw) {
    var element = get(id);
    window.explore.push({
      element: element,
      draw: function () { element.parentElement.classList.add("drawn"); draw(); }
    });
  }
  window.explore = [];
  if (data.distributions.length > 0) { chart("chart-spread", spread); }
  if (data.gaps.length > 0) { chart("chart-stalls", stalls); }
  if (data.tokens.backends.length > 0) { chart("chart-tokens", tokens); }
  if (data.requests.length > 0) { chart("chart-requests", requests); }
})();
