//! Hardware and load over the time of the run: panels above each other on one
//! time axis, with the levels shaded behind them.

mod interactive;
mod still;

use std::ops::Range;

use inferbench_model::report::{CellPhase, Report, SeriesOf, StagePhase, Timeline, TimelineSeries};
use serde::Serialize;

use super::canvas::Still;
use super::labels::{plain, short};
use super::style::NEUTRAL;
use super::{Chart, place_of, style};

/// Width of a letter, px.
const LETTER: f64 = 6.6;
/// Id of the chart's element.
pub(in crate::render) const ID: &str = "chart-timeline";

/// Of the band between the least and the most behind a line of means.
const BAND_OPACITY: f64 = 0.28;

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
    let (plot, height) = interactive::plot(report, timeline, &panels);
    let chart = Chart {
        id: ID.to_owned(),
        title: "Hardware and load over time".to_owned(),
        subtitle: "means of short spans of time, before the least and the most in each".to_owned(),
        height,
        plot,
    };
    Some(OverTime {
        chart,
        stills: still::stills(report, timeline, &panels),
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
                let (scale, suffix) = inferbench_model::text::units::binary_unit(high);
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

/// The stretches of a series between its gaps.
fn parts(series: &TimelineSeries) -> Vec<Range<usize>> {
    let is_gap = |at: &usize| series.t_s[*at] - series.t_s[*at - 1] > series.gap_s;
    let mut parts = Vec::new();
    let mut from = 0;
    for gap in (1..series.t_s.len()).filter(is_gap) {
        parts.push(from..gap);
        from = gap;
    }
    parts.push(from..series.t_s.len());
    parts
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
