//! The panels: their headings, quantities and units.

use std::ops::Range;

use inferbench_model::report::{CellPhase, Report, SeriesOf, StagePhase, Timeline, TimelineSeries};

use crate::render::charts::chart::backend_index;
use crate::render::charts::labels::short;
use crate::render::style::{self, NEUTRAL};

/// Width of a letter, px.
pub(super) const LETTER: f64 = 6.6;
/// Opacity of the band between least and most behind a line of means.
pub(super) const BAND_OPACITY: f64 = 0.28;

/// Height of a panel relative to its largest value.
pub(super) const ROOM: f64 = 1.06;

/// One panel: its heading, and name and label of each quantity.
struct Panel {
    title: &'static str,
    names: &'static [(&'static str, &'static str)],
}

/// All panels, from the top.
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
        title: "Preemptions since the server's start",
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
pub(super) const DASHES: [&str; 3] = ["solid", "dot", "dash"];

/// A panel with the series that it draws.
pub(super) struct Drawn<'a> {
    pub(super) title: &'static str,
    pub(super) lines: Vec<(&'a TimelineSeries, usize, &'static str)>,
}

/// The panels that have something to show.
pub(super) fn drawn_panels(timeline: &Timeline) -> Vec<Drawn<'_>> {
    let drawn = PANELS.iter().filter_map(|panel| drawn(timeline, panel));
    drawn.collect()
}

fn drawn<'a>(timeline: &'a Timeline, panel: &Panel) -> Option<Drawn<'a>> {
    let mut lines = Vec::new();
    for (nth, (name, what)) in panel.names.iter().enumerate() {
        let own = timeline.series.iter().filter(|series| series.name == *name);
        lines.extend(own.map(|series| (series, nth, *what)));
    }
    // No preemption at all: nothing to see.
    let flat = panel.names[0].0 == "preemptions"
        && lines.iter().all(|(s, ..)| s.max.iter().all(|n| *n == 0.0));
    (!lines.is_empty() && !flat).then_some(Drawn {
        title: panel.title,
        lines,
    })
}

pub(super) fn devices(timeline: &Timeline) -> Vec<u32> {
    let mut found: Vec<u32> = timeline.series.iter().filter_map(|s| s.device).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The unit of a panel's values.
pub(super) struct Unit {
    pub(super) scale: f64,
    pub(super) suffix: &'static str,
    pub(super) ticks: &'static str,
    pub(super) high: f64,
}

impl Unit {
    pub(super) fn for_panel(panel: &Drawn<'_>) -> Self {
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
            // A share is drawn against the whole.
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
pub(super) fn parts(series: &TimelineSeries) -> Vec<Range<usize>> {
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

pub(super) fn label(series: &TimelineSeries, what: &str, several: bool) -> String {
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

pub(super) fn colour(report: &Report, series: &TimelineSeries) -> &'static str {
    match (series.of, &series.backend) {
        (SeriesOf::Server, Some(label)) => style::colour(backend_index(report, label)),
        _ => NEUTRAL,
    }
}

/// A panel's title and unit, and the names of its lines if there are several.
pub(super) fn keys(panel: &Drawn<'_>, unit: &Unit, devices: &[u32]) -> String {
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
            // Backends differ by colour.
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

/// From the start of the first cell of a stage to the end of its last.
pub(super) fn extent(stage: &StagePhase, cells: &[CellPhase]) -> Option<(f64, f64)> {
    let own = || {
        cells
            .iter()
            .filter(|cell| cell.backend == stage.backend && cell.block == stage.block)
    };
    let from = own().map(|cell| cell.start_s).reduce(f64::min)?;
    let to = own().map(|cell| cell.end_s).reduce(f64::max)?;
    Some((from, to))
}
