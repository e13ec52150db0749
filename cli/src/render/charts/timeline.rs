//! Hardware and load over the time of the run: panels above each other on one
//! time axis, with the levels shaded behind them.

mod panels;

use inferbench_model::report::{CellPhase, Report, SeriesOf, StagePhase, Timeline, TimelineSeries};
use serde::Serialize;
use serde_json::{Value, json};

use super::canvas::Still;
use super::labels::{plain, short};
use super::{Chart, place_of, style};

/// Height of a panel and of the gap above it, which holds its heading, px.
const PANEL: usize = 84;
const GAP: usize = 30;
/// Room for the levels' names above and for the axis below, px.
const TOP: usize = 42;
const BOTTOM: usize = 46;
/// Width that a name above the panels is thought to have, px for a letter and px
/// for the whole axis of a laptop's page.
const LETTER: f64 = 6.6;
const WIDTH: f64 = 1080.0;
/// Lines that belong to no backend: legible on white and on black.
const NEUTRAL: &str = "#7d8590";
/// Id of the chart's element.
pub(in crate::render) const ID: &str = "chart-timeline";

/// How much higher a panel is than its largest value.
const ROOM: f64 = 1.06;

/// The chart, and the same without scripts.
#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct OverTime {
    #[serde(flatten)]
    pub(in crate::render) chart: Chart,
    /// One picture per panel.
    stills: Vec<Still>,
}

/// One panel: its heading and the quantities in it, by their names.
struct Panel {
    title: &'static str,
    names: &'static [(&'static str, &'static str)],
}

/// A quantity's name, and what it is called within its panel.
const PANELS: [Panel; 10] = [
    Panel {
        title: "Requests at the server",
        names: &[
            ("running_requests", "running"),
            ("waiting_requests", "waiting"),
        ],
    },
    Panel {
        title: "KV cache in use",
        names: &[("kv_cache_usage_ratio", "")],
    },
    Panel {
        title: "Requests put back (preemptions since start)",
        names: &[("preemptions", "")],
    },
    Panel {
        title: "GPU memory",
        names: &[("memory_used_bytes", "")],
    },
    Panel {
        title: "GPU utilisation",
        names: &[
            ("utilization_percent", "GPU"),
            ("memory_controller_percent", "memory controller"),
        ],
    },
    Panel {
        title: "GPU power",
        names: &[("power_watts", "now"), ("power_average_watts", "average")],
    },
    Panel {
        title: "GPU clocks",
        names: &[("sm_clock_mhz", "SM"), ("memory_clock_mhz", "memory")],
    },
    Panel {
        title: "CPU (100 a core)",
        names: &[
            ("backend_cpu_percent", "backend"),
            ("client_cpu_percent", "InferBench"),
            ("host_cpu_percent", "machine"),
        ],
    },
    Panel {
        title: "Memory of the host",
        names: &[
            ("backend_rss_bytes", "backend"),
            ("client_rss_bytes", "InferBench"),
        ],
    },
    Panel {
        title: "CPU power",
        names: &[("cpu_package_watts", "")],
    },
];

/// The dashes of a panel's quantities, in their order.
const DASHES: [&str; 3] = ["solid", "dot", "dash"];

/// A panel with the series that it draws.
struct Drawn<'a> {
    title: &'static str,
    lines: Vec<(&'a TimelineSeries, usize, &'static str)>,
}

/// The chart; none if nothing was sampled.
pub(super) fn timeline(report: &Report) -> Option<OverTime> {
    let timeline = report.timeline.as_ref()?;
    let panels: Vec<Drawn<'_>> = PANELS
        .iter()
        .filter_map(|panel| drawn(timeline, panel))
        .collect();
    if panels.is_empty() {
        return None;
    }
    let inner = panels.len() * (PANEL + GAP);
    let height = TOP + inner + BOTTOM;
    let devices = devices(timeline);
    let mut layout = json!({
        "autosize": true, "height": height, "showlegend": false,
        "margin": {"l": 58, "r": 14, "t": TOP, "b": BOTTOM},
        "font": {"size": 12, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x", "hoversubplots": "axis", "dragmode": "zoom",
        "shapes": shapes(report, timeline),
        "xaxis": {
            "title": {"text": "seconds since the start of the run"}, "zeroline": false,
            "range": [0.0, timeline.end_s], "showgrid": false, "nticks": 10,
            "anchor": format!("y{}", panels.len()),
        },
    });
    let mut annotations = names(report, timeline);
    let mut traces = Vec::new();
    for (at, panel) in panels.iter().enumerate() {
        let unit = Unit::of(panel);
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
            traces.push(trace(
                series,
                at,
                *nth + device.unwrap_or(0),
                colour,
                &what,
                &unit,
            ));
        }
    }
    layout["annotations"] = Value::Array(annotations);
    let chart = Chart {
        id: ID.to_owned(),
        title: "Hardware and load over time".to_owned(),
        subtitle: "means of short spans of time".to_owned(),
        height,
        plot: json!({"data": traces, "layout": layout}),
    };
    Some(OverTime {
        chart,
        stills: panels::stills(report, timeline, &panels),
    })
}

fn drawn<'a>(timeline: &'a Timeline, panel: &Panel) -> Option<Drawn<'a>> {
    let mut lines = Vec::new();
    for (nth, (name, what)) in panel.names.iter().enumerate() {
        let own = timeline.series.iter().filter(|series| series.name == *name);
        lines.extend(own.map(|series| (series, nth, *what)));
    }
    // Nothing was ever put back: there is nothing to see.
    let flat = panel.names[0].0 == "preemptions"
        && lines.iter().all(|(s, ..)| s.max.iter().all(|n| *n == 0.0));
    (!lines.is_empty() && !flat).then_some(Drawn {
        title: panel.title,
        lines,
    })
}

fn devices(timeline: &Timeline) -> Vec<u32> {
    let mut found: Vec<u32> = timeline.series.iter().filter_map(|s| s.device).collect();
    found.sort_unstable();
    found.dedup();
    found
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

/// How a panel's values are written.
struct Unit {
    scale: f64,
    suffix: &'static str,
    ticks: &'static str,
    high: f64,
}

impl Unit {
    fn of(panel: &Drawn<'_>) -> Self {
        let values = panel.lines.iter().flat_map(|(series, ..)| &series.max);
        let high = values.copied().fold(0.0, f64::max);
        let unit = panel.lines[0].0.unit.as_str();
        let (scale, suffix, ticks) = match unit {
            "bytes" => {
                let (scale, suffix) = inferbench_model::units::binary_unit(high);
                (scale, suffix, "")
            }
            "ratio" => (1.0, "", ".0%"),
            "percent" => (1.0, " %", ""),
            "watts" => (1.0, " W", ""),
            "mhz" => (1.0, " MHz", ","),
            _ => (1.0, "", ","),
        };
        let top = match unit {
            // A share of a whole is seen against the whole.
            "ratio" => 1.0,
            "percent" if high <= 100.0 => 100.0,
            _ if high > 0.0 => high / scale,
            _ => 1.0,
        };
        Self {
            scale,
            suffix,
            ticks,
            high: top * ROOM,
        }
    }
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
    let mut last: Option<f64> = None;
    for (t_s, value) in series.t_s.iter().zip(&series.mean) {
        if last.is_some_and(|last| t_s - last > series.gap_s) {
            x.push(json!(t_s));
            y.push(Value::Null);
        }
        last = Some(*t_s);
        x.push(json!(t_s));
        y.push(json!(value / unit.scale));
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
    let lone = series.t_s.len() == 1;
    json!({
        "type": "scatter", "mode": if lone { "markers" } else { "lines" },
        "x": x, "y": y, "xaxis": "x", "yaxis": format!("y{}", panel + 1), "connectgaps": false,
        "line": {"color": colour, "width": 1.6, "dash": DASHES[dash % DASHES.len()], "shape": shape},
        "marker": {"color": colour, "size": 5},
        "name": plain(what), "hovertemplate": format!("{}: {format}<extra></extra>", plain(what)),
    })
}

fn label(series: &TimelineSeries, what: &str, several: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(device) = series.device.filter(|_| several || what.is_empty()) {
        parts.push(format!("GPU {device}"));
    }
    parts.extend(series.backend.as_deref().map(short));
    if !what.is_empty() {
        parts.push(what.to_owned());
    }
    if parts.is_empty() {
        parts.push(series.label.clone());
    }
    parts.join(" ")
}

fn colour(report: &Report, series: &TimelineSeries) -> &'static str {
    match (series.of, &series.backend) {
        (SeriesOf::Server, Some(label)) => style::colour(place_of(report, label)),
        _ => NEUTRAL,
    }
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

/// A panel's title and unit, with its lines' names where there are several.
fn keys(panel: &Drawn<'_>, unit: &Unit, devices: &[u32]) -> String {
    let comma = if unit.suffix.is_empty() { "" } else { "," };
    let mut text = format!("{}{comma}{}", panel.title, unit.suffix);
    let mut seen: Vec<String> = Vec::new();
    for (series, nth, what) in &panel.lines {
        let device = devices
            .iter()
            .position(|device| Some(*device) == series.device);
        let key = match (
            what.is_empty(),
            devices.len() > 1 && series.device.is_some(),
        ) {
            (true, false) => continue,
            // One backend is told from the next by its colour.
            (false, false) => (*what).to_owned(),
            (_, true) => label(series, what, true),
        };
        if seen.contains(&key) {
            continue;
        }
        let dash = ["──", "┈┈", "╌╌"][(nth + device.unwrap_or(0)) % DASHES.len()];
        text.push_str(&format!("   {dash} {key}"));
        seen.push(key);
    }
    text
}

/// Bands behind all panels: starts, levels, and what of them was measured.
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
        let colour = style::colour(place_of(report, &cell.backend));
        shapes.push(band(cell.start_s, cell.end_s, colour, 0.09));
        if let (Some(from), Some(to)) = (cell.window_start_s, cell.window_end_s) {
            shapes.push(band(from, to, colour, 0.10));
        }
    }
    Value::Array(shapes)
}

/// Names above the panels: of each start, and below it of its levels, where
/// there is room for them.
fn names(report: &Report, timeline: &Timeline) -> Vec<Value> {
    let mut found = Vec::new();
    let width = |from: f64, to: f64| (to - from) / timeline.end_s * WIDTH;
    let name = |text: &str, from: f64, to: f64, above: f64| {
        json!({
            "text": plain(text), "xref": "x", "yref": "paper", "x": f64::midpoint(from, to), "y": 1,
            "yshift": above, "xanchor": "center", "yanchor": "bottom", "showarrow": false,
            "font": {"size": 11},
        })
    };
    let fits =
        |text: &str, from: f64, to: f64| text.chars().count() as f64 * LETTER <= width(from, to);
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

/// From the first to the last cell of a start.
fn extent(stage: &StagePhase, cells: &[CellPhase]) -> Option<(f64, f64)> {
    let own = || {
        cells
            .iter()
            .filter(|cell| cell.backend == stage.backend && cell.block == stage.block)
    };
    let from = own().map(|cell| cell.start_s).reduce(f64::min)?;
    let to = own().map(|cell| cell.end_s).reduce(f64::max)?;
    Some((from, to))
}
