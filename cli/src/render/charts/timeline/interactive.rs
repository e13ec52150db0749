//! The panels as one chart for plotly.js.

use inferbench_model::report::{Report, SeriesOf, Timeline, TimelineSeries};
use serde_json::{Value, json};

use super::panel::{
    BAND_OPACITY, DASHES, Drawn, LETTER, Unit, colour, devices, extent, keys, label, parts,
};
use crate::render::charts::chart::backend_index;
use crate::render::charts::labels::{plain, short};
use crate::render::style::{self, NEUTRAL};

/// Height of a panel and of the gap above it, which holds its heading, px.
const PANEL: usize = 84;
const GAP: usize = 30;
/// Room for the levels' names above and for the axis below, px.
const TOP: usize = 42;
const BOTTOM: usize = 46;
/// With fewer readings than this from a server, each is shown as a marker.
const FEW_READINGS: usize = 200;
/// Room left and right of the axis, px.
const LEFT: usize = 58;
const RIGHT: usize = 14;
/// Width that the axis has on a laptop's page, px.
const WIDTH: f64 = 1080.0;

/// Data and layout, and the height, px.
pub(super) fn plot(report: &Report, timeline: &Timeline, panels: &[Drawn<'_>]) -> (Value, usize) {
    let inner = panels.len() * (PANEL + GAP);
    let height = TOP + inner + BOTTOM;
    let devices = devices(timeline);
    let mut layout = layout(report, timeline, height, panels.len());
    let names = names(report, timeline);
    let (mut annotations, least): (Vec<Value>, Vec<f64>) = names.into_iter().unzip();
    let mut traces = Vec::new();
    for (at, panel) in panels.iter().enumerate() {
        let unit = Unit::for_panel(panel);
        let (top, bottom) = domain(at, inner);
        layout[axis_key(at)] = json!({
            "domain": [bottom, top], "fixedrange": true, "zeroline": false, "nticks": 4,
            "range": [0.0, unit.high], "tickformat": unit.ticks,
        });
        annotations.push(heading(panel, &unit, top, inner, &devices));
        for (series, nth, what) in &panel.lines {
            let device = devices
                .iter()
                .position(|device| Some(*device) == series.device);
            let colour = colour(report, series);
            let what = label(series, what, devices.len() > 1);
            let dash = *nth + device.unwrap_or(0);
            traces.extend(band(series, at, colour, &unit));
            traces.push(trace(series, at, dash, colour, &what, &unit));
        }
    }
    layout["annotations"] = Value::Array(annotations);
    let plot =
        json!({"data": traces, "layout": layout, "least_widths": least, "margins": LEFT + RIGHT});
    (plot, height)
}

fn layout(report: &Report, timeline: &Timeline, height: usize, panels: usize) -> Value {
    json!({
        "autosize": true, "height": height, "showlegend": false,
        "margin": {"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM},
        "font": {"size": 12, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x", "hoversubplots": "axis", "dragmode": "zoom",
        "shapes": shapes(report, timeline),
        "xaxis": {
            "title": {"text": "seconds since the start of the run"}, "zeroline": false,
            "range": [0.0, timeline.end_s], "showgrid": false, "nticks": 10,
            "anchor": format!("y{panels}"),
        },
    })
}

fn axis_key(at: usize) -> String {
    if at == 0 {
        "yaxis".to_owned()
    } else {
        format!("yaxis{}", at + 1)
    }
}

/// Top and bottom of a panel, as shares of the height of all.
fn domain(at: usize, inner: usize) -> (f64, f64) {
    let from_top = |pixels: usize| 1.0 - pixels as f64 / inner as f64;
    let top = at * (PANEL + GAP) + GAP;
    (from_top(top), from_top(top + PANEL).max(0.0))
}

/// The band from least to most behind a line of means; `None` if all of them are
/// equal.
fn band(series: &TimelineSeries, panel: usize, colour: &str, unit: &Unit) -> Option<Value> {
    let mut ranges = series.min.iter().zip(&series.max);
    ranges.any(|(min, max)| min < max).then_some(())?;
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for part in parts(series) {
        if !x.is_empty() {
            x.push(Value::Null);
            y.push(Value::Null);
        }
        let there = part.clone().map(|at| (at, series.max[at]));
        let back = part.rev().map(|at| (at, series.min[at]));
        for (at, value) in there.chain(back) {
            x.push(json!(series.t_s[at]));
            y.push(json!(value / unit.scale));
        }
    }
    Some(json!({
        "type": "scatter", "mode": "lines", "x": x, "y": y, "xaxis": "x",
        "yaxis": format!("y{}", panel + 1), "fill": "toself", "fillcolor": colour,
        "opacity": BAND_OPACITY, "line": {"width": 0}, "hoverinfo": "skip",
    }))
}

/// A line with its gaps.
fn trace(
    series: &TimelineSeries,
    panel: usize,
    dash: usize,
    colour: &str,
    what: &str,
    unit: &Unit,
) -> Value {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for part in parts(series) {
        if !x.is_empty() {
            x.push(Value::Null);
            y.push(Value::Null);
        }
        x.extend(series.t_s[part.clone()].iter().map(|t_s| json!(t_s)));
        y.extend(
            series.mean[part]
                .iter()
                .map(|mean| json!(mean / unit.scale)),
        );
    }
    let format = match series.unit.as_str() {
        "ratio" => "%{y:.1%}".to_owned(),
        _ => format!("%{{y:.3~s}}{}", unit.suffix),
    };
    let shape = if series.name == "preemptions" {
        "hv"
    } else {
        "linear"
    };
    let mode = match series.t_s.len() {
        1 => "markers",
        n if n < FEW_READINGS && series.of == SeriesOf::Server => "lines+markers",
        _ => "lines",
    };
    json!({
        "type": "scatter", "mode": mode,
        "x": x, "y": y, "xaxis": "x", "yaxis": format!("y{}", panel + 1), "connectgaps": false,
        "line": {"color": colour, "width": 1.6, "dash": DASHES[dash % DASHES.len()], "shape": shape},
        "marker": {"color": colour, "size": 4},
        "name": plain(what), "hovertemplate": format!("{}: {format}<extra></extra>", plain(what)),
    })
}

/// The heading above a panel.
fn heading(panel: &Drawn<'_>, unit: &Unit, top: f64, inner: usize, devices: &[u32]) -> Value {
    let text = keys(panel, unit, devices);
    let (title, rest) = text.split_at(panel.title.len());
    json!({
        "text": format!("<b>{title}</b>{}", plain(rest)),
        "xref": "paper", "yref": "paper", "x": 0, "y": top + 3.0 / inner as f64,
        "xanchor": "left", "yanchor": "bottom", "showarrow": false, "font": {"size": 12},
    })
}

/// Bands behind all panels: starts, levels, and measured windows.
fn shapes(report: &Report, timeline: &Timeline) -> Value {
    let band = |x0: f64, x1: f64, colour: &str, opacity: f64| {
        json!({
            "type": "rect", "layer": "below", "xref": "x", "yref": "paper",
            "x0": x0, "x1": x1, "y0": 0, "y1": 1,
            "fillcolor": colour, "opacity": opacity, "line": {"width": 0},
        })
    };
    let mut shapes = Vec::new();
    for stage in &timeline.stages {
        if let (Some(start), Some(ready)) = (stage.start_s, stage.ready_s) {
            shapes.push(band(start, ready, NEUTRAL, 0.14));
        }
    }
    for cell in &timeline.cells {
        let colour = style::colour(backend_index(report, &cell.backend));
        shapes.push(band(cell.start_s, cell.end_s, colour, 0.09));
        if let (Some(from), Some(to)) = (cell.window_start_s, cell.window_end_s) {
            shapes.push(band(from, to, colour, 0.10));
        }
    }
    Value::Array(shapes)
}

/// Names above the panels, of each stage and below it of its levels, each with the
/// least width of the axis at which it fits, px. Names that do not fit even on a
/// wide page are left out.
fn names(report: &Report, timeline: &Timeline) -> Vec<(Value, f64)> {
    let mut found = Vec::new();
    let least = |text: &str, from: f64, to: f64| {
        text.chars().count() as f64 * LETTER * timeline.end_s / (to - from)
    };
    let name = |text: &str, from: f64, to: f64, above: f64| {
        let name = json!({
            "text": plain(text), "xref": "x", "yref": "paper", "x": f64::midpoint(from, to), "y": 1,
            "yshift": above, "xanchor": "center", "yanchor": "bottom", "showarrow": false,
            "font": {"size": 11},
        });
        (name, least(text, from, to).ceil())
    };
    let fits = |text: &str, from: f64, to: f64| least(text, from, to) <= WIDTH;
    for stage in &timeline.stages {
        let Some((from, to)) = extent(stage, &timeline.cells) else {
            continue;
        };
        let label = short(&stage.backend);
        let long = format!("{label} · repeat {}", stage.block + 1);
        let text = if report.blocks > 1 && fits(&long, from, to) {
            long
        } else {
            label
        };
        if fits(&text, from, to) {
            found.push(name(&text, from, to, 16.0));
        }
    }
    for cell in &timeline.cells {
        let text = cell.level.value_text();
        if fits(&text, cell.start_s, cell.end_s) {
            found.push(name(&text, cell.start_s, cell.end_s, 0.0));
        }
    }
    found
}
