//! The panels as one chart for plotly.js.

use inferbench_model::report::{Report, SeriesOf, Timeline, TimelineSeries};
use serde_json::{Value, json};

use super::panel::{
    BAND_OPACITY, DASHES, Drawn, LETTER, Unit, colour, devices, end_s, extent, keys, label, parts,
};
use super::time_unit::TimeUnit;
use crate::render::charts::chart::backend_index;
use crate::render::charts::labels::{plain, short};
use crate::render::charts::sizes::TICK_AWAY;
use crate::render::style::{self, NEUTRAL};

/// Height of a panel and of the gap above it, which holds its heading, px.
const PANEL: usize = 84;
const GAP: usize = 30;
/// Room below a run's first heading for the names of its backends and levels, px.
const NAMES: usize = 30;
/// Height of a backend's name above its levels', px.
const BACKEND_UP: f64 = 15.0;
/// Room above all panels and for the axis below, px.
const TOP: usize = 4;
const BOTTOM: usize = 46;
/// With fewer readings than this from a server, each is shown as a marker.
const FEW_READINGS: usize = 200;
/// Room left and right of the axis, px.
const LEFT: usize = 58;
const RIGHT: usize = 14;
/// Width that the axis has on a laptop's page, px.
const WIDTH: f64 = 1080.0;

/// Data and layout, and the height, px.
pub(super) fn plot(report: &Report, panels: &[Drawn<'_>]) -> (Value, usize) {
    let inner: usize = panels.iter().map(height).sum();
    let mut layout = layout(panels, TOP + inner + BOTTOM);
    let end_s = end_s(panels);
    let time = TimeUnit::for_length(end_s);
    let (mut annotations, mut least, mut shapes) = (Vec::new(), Vec::new(), Vec::new());
    let mut traces = Vec::new();
    let mut above = 0;
    for (at, panel) in panels.iter().enumerate() {
        above += height(panel);
        let unit = &panel.unit;
        let from_top = |pixels: usize| 1.0 - pixels as f64 / inner as f64;
        let domain = [from_top(above).max(0.0), from_top(above - PANEL)];
        layout[axis_key(at)] = json!({
            "domain": domain, "fixedrange": true, "zeroline": false, "nticks": 4,
            "range": [0.0, unit.high], "tickformat": unit.ticks, "ticklabelstandoff": TICK_AWAY,
        });
        let devices = devices(panel.of.timeline);
        annotations.push(heading(panel, axis_ref(at), &devices));
        least.push(0.0);
        if panel.is_first {
            for (name, width) in names(report, panel.of.timeline, end_s, axis_ref(at)) {
                annotations.push(name);
                least.push(width);
            }
        }
        shapes.extend(bands(report, panel.of.timeline, time, axis_ref(at)));
        for (series, nth, what) in &panel.lines {
            let device = devices
                .iter()
                .position(|device| Some(*device) == series.device);
            let colour = colour(report, series);
            let what = label(series, what, devices.len() > 1);
            let dash = *nth + device.unwrap_or(0);
            let over = Over {
                time,
                panel: at,
                colour,
            };
            traces.extend(band(series, over, unit));
            traces.push(trace(series, over, dash, &what, unit));
        }
    }
    layout["annotations"] = Value::Array(annotations);
    layout["shapes"] = Value::Array(shapes);
    let plot =
        json!({"data": traces, "layout": layout, "least_widths": least, "margins": LEFT + RIGHT});
    (plot, TOP + inner + BOTTOM)
}

/// Height of a panel with what stands above it, px.
fn height(panel: &Drawn<'_>) -> usize {
    PANEL + GAP + if panel.is_first { NAMES } else { 0 }
}

fn layout(panels: &[Drawn<'_>], height: usize) -> Value {
    let end_s = end_s(panels);
    let time = TimeUnit::for_length(end_s);
    let several = panels.iter().any(|panel| panel.of.run.is_some());
    json!({
        "autosize": true, "height": height, "showlegend": false,
        "margin": {"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM},
        "font": {"size": 12, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x", "hoversubplots": "axis", "dragmode": "zoom",
        "xaxis": {
            "title": {"text": time.title(several)}, "zeroline": false,
            "range": [0.0, time.of_s(end_s)], "showgrid": false, "nticks": 10, "hoverformat": ".2f",
            "ticklabelstandoff": TICK_AWAY,
            "anchor": axis_ref(panels.len() - 1),
        },
    })
}

fn axis_key(at: usize) -> String {
    axis_ref(at).replace('y', "yaxis")
}

fn axis_ref(at: usize) -> String {
    match at {
        0 => "y".to_owned(),
        at => format!("y{}", at + 1),
    }
}

/// Where and how a series is drawn.
#[derive(Clone, Copy)]
struct Over {
    time: TimeUnit,
    panel: usize,
    colour: &'static str,
}

/// The band from least to most behind a line of means; `None` if all of them are
/// equal.
fn band(series: &TimelineSeries, over: Over, unit: &Unit) -> Option<Value> {
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
            x.push(json!(over.time.of_s(series.t_s[at])));
            y.push(json!(value / unit.scale));
        }
    }
    Some(json!({
        "type": "scatter", "mode": "lines", "x": x, "y": y, "xaxis": "x",
        "yaxis": axis_ref(over.panel), "fill": "toself", "fillcolor": over.colour,
        "opacity": BAND_OPACITY, "line": {"width": 0}, "hoverinfo": "skip",
    }))
}

/// A line with its gaps.
fn trace(series: &TimelineSeries, over: Over, dash: usize, what: &str, unit: &Unit) -> Value {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for part in parts(series) {
        if !x.is_empty() {
            x.push(Value::Null);
            y.push(Value::Null);
        }
        let times = series.t_s[part.clone()].iter();
        x.extend(times.map(|t_s| json!(over.time.of_s(*t_s))));
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
        "x": x, "y": y, "xaxis": "x", "yaxis": axis_ref(over.panel), "connectgaps": false,
        "line": {"color": over.colour, "width": 1.6, "dash": DASHES[dash % DASHES.len()], "shape": shape},
        "marker": {"color": over.colour, "size": 4},
        "name": plain(what), "hovertemplate": format!("{}: {format}<extra></extra>", plain(what)),
    })
}

/// The heading above a panel.
fn heading(panel: &Drawn<'_>, axis: String, devices: &[u32]) -> Value {
    let up = 3 + if panel.is_first { NAMES } else { 0 };
    json!({
        "text": format!("<b>{}</b>{}", panel.title, plain(&keys(panel, devices))),
        "xref": "paper", "yref": format!("{axis} domain"), "x": 0, "y": 1, "yshift": up,
        "xanchor": "left", "yanchor": "bottom", "showarrow": false, "font": {"size": 12},
    })
}

/// Bands behind a panel: starts, levels, and measured windows. Those of one look are
/// one shape.
fn bands(report: &Report, timeline: &Timeline, time: TimeUnit, axis: String) -> Vec<Value> {
    let mut looks: Vec<(&str, f64, String)> = Vec::new();
    let mut band = |from: Option<f64>, to: Option<f64>, colour: &'static str, opacity: f64| {
        let Some((from, to)) = from.zip(to) else {
            return;
        };
        let [from, to] = [from, to].map(|t_s| time.of_s(t_s));
        let path = format!("M{from},0V1H{to}V0Z");
        match looks
            .iter_mut()
            .find(|own| (own.0, own.1) == (colour, opacity))
        {
            Some((_, _, all)) => all.push_str(&path),
            None => looks.push((colour, opacity, path)),
        }
    };
    for stage in &timeline.stages {
        band(stage.start_s, stage.ready_s, NEUTRAL, 0.14);
    }
    for cell in &timeline.cells {
        let colour = style::colour(backend_index(report, &cell.backend));
        band(Some(cell.start_s), Some(cell.end_s), colour, 0.09);
        band(cell.window_start_s, cell.window_end_s, colour, 0.10);
    }
    let shape = |(colour, opacity, path): (&str, f64, String)| {
        json!({
            "type": "path", "layer": "below", "xref": "x", "yref": format!("{axis} domain"),
            "path": path, "fillcolor": colour, "opacity": opacity, "line": {"width": 0},
        })
    };
    looks.into_iter().map(shape).collect()
}

/// Names above the first panel of a run, of each stage and below it of its levels,
/// each with the least width of the axis at which it fits, px. Names that do not fit
/// even on a wide page are left out.
fn names(report: &Report, timeline: &Timeline, end_s: f64, axis: String) -> Vec<(Value, f64)> {
    let time = TimeUnit::for_length(end_s);
    let mut found = Vec::new();
    let least = |text: &str, from: f64, to: f64| {
        (text.chars().count() + 1) as f64 * LETTER * end_s / (to - from)
    };
    let name = |text: &str, from: f64, to: f64, above: f64| {
        let name = json!({
            "text": plain(text), "xref": "x", "yref": format!("{axis} domain"),
            "x": time.of_s(f64::midpoint(from, to)), "y": 1, "yshift": above,
            "xanchor": "center", "yanchor": "bottom", "showarrow": false, "font": {"size": 11},
        });
        (name, least(text, from, to).ceil())
    };
    let fits = |text: &str, from: f64, to: f64| least(text, from, to) <= WIDTH;
    for stage in &timeline.stages {
        let Some((from, to)) = extent(stage, &timeline.cells) else {
            continue;
        };
        let label = short(&stage.backend);
        let long = format!("{label} · repeat {}", stage.block.saturating_add(1));
        let text = match report.blocks > 1 && fits(&long, from, to) {
            true => long,
            false => label,
        };
        if fits(&text, from, to) {
            found.push(name(&text, from, to, BACKEND_UP));
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
