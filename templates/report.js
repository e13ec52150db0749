(function () {
  "use strict";
  var plots = JSON.parse(document.getElementById("plots").textContent);
  var shared = [];
  var config = { displayModeBar: false, responsive: true };
  Object.keys(plots).forEach(function (id) {
    var element = document.getElementById(id);
    Plotly.newPlot(element, plots[id].data, plots[id].layout, config);
    if (plots[id].layout.hovermode === "x unified") { shared.push(element); }
  });
  // hovering one level shows it in every chart over the levels
  var busy = false;
  function others(element, act) {
    if (busy) { return; }
    busy = true;
    shared.forEach(function (other) { if (other !== element) { act(other); } });
    busy = false;
  }
  shared.forEach(function (element) {
    element.on("plotly_hover", function (event) {
      others(element, function (other) { Plotly.Fx.hover(other, { xval: event.points[0].x }); });
    });
    element.on("plotly_unhover", function () {
      others(element, function (other) { Plotly.Fx.unhover(other); });
    });
  });
})();
