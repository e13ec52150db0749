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

/// A kind of panel: its heading, and name and label of each quantity.
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

/// A run with its samples.
#[derive(Clone, Copy)]
pub(super) struct Sampled<'a> {
    /// Its label; `None` in the report of one run.
    pub(super) run: Option<&'a str>,
    pub(super) timeline: &'a Timeline,
}

/// A panel with the series that it draws.
pub(super) struct Drawn<'a> {
    pub(super) title: &'static str,
    pub(super) of: Sampled<'a>,
    pub(super) unit: Unit,
    /// It is the first of its run: the names of backends and levels stand above it.
    pub(super) is_first: bool,
    pub(super) lines: Vec<Line<'a>>,
}

/// A series, the place of its quantity in the panel, and what that is called there.
type Line<'a> = (&'a TimelineSeries, usize, &'static str);

/// The panels that have something to show. Those of one quantity follow each other,
/// one per run, with the same scale.
pub(super) fn drawn_panels<'a>(runs: &[Sampled<'a>]) -> Vec<Drawn<'a>> {
    let mut drawn: Vec<Drawn<'a>> = Vec::new();
    for panel in &PANELS {
        let own = runs.iter().map(|run| (*run, lines(run.timeline, panel)));
        let own: Vec<_> = own.filter(|(_, lines)| !lines.is_empty()).collect();
        let Some(unit) = Unit::for_lines(own.iter().flat_map(|(_, lines)| lines)) else {
            continue;
        };
        // No preemption at all: nothing to see.
        if panel.names[0].0 == "preemptions" && unit.is_zero {
            continue;
        }
        for (of, lines) in own {
            let is_first = drawn.iter().all(|other| other.of.run != of.run);
            let title = panel.title;
            drawn.push(Drawn {
                title,
                of,
                unit,
                is_first,
                lines,
            });
        }
    }
    drawn
}

fn lines<'a>(timeline: &'a Timeline, panel: &Panel) -> Vec<Line<'a>> {
    let quantities = panel.names.iter().enumerate();
    let lines = quantities.flat_map(|(nth, (name, what))| {
        let own = timeline.series.iter().filter(move |one| one.name == *name);
        own.map(move |series| (series, nth, *what))
    });
    lines.collect()
}

/// The last moment of the longest run, s.
pub(super) fn end_s(panels: &[Drawn<'_>]) -> f64 {
    let ends = panels.iter().map(|panel| panel.of.timeline.end_s);
    match ends.fold(0.0, f64::max) {
        end_s if end_s > 0.0 => end_s,
        _ => 1.0,
    }
}

pub(super) fn devices(timeline: &Timeline) -> Vec<u32> {
    let mut found: Vec<u32> = timeline.series.iter().filter_map(|s| s.device).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The unit of a panel's values.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) scale: f64,
    pub(super) suffix: &'static str,
    pub(super) ticks: &'static str,
    pub(super) high: f64,
    /// No value is above 0.
    is_zero: bool,
}

impl Unit {
    /// `None` without any line.
    fn for_lines<'l, 'a: 'l>(lines: impl Iterator<Item = &'l Line<'a>>) -> Option<Self> {
        let lines: Vec<&Line<'a>> = lines.collect();
        let values = lines.iter().flat_map(|(series, ..)| &series.max);
        let high = values.copied().fold(0.0, f64::max);
        let unit = lines.first()?.0.unit.as_str();
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
        Some(Self {
            scale,
            suffix,
            ticks,
            high: top * ROOM,
            is_zero: high <= 0.0,
        })
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

/// A panel's unit and run, and the names of its lines if there are several: what
/// follows its title.
pub(super) fn keys(panel: &Drawn<'_>, devices: &[u32]) -> String {
    let suffix = panel.unit.suffix;
    let comma = if suffix.is_empty() { "" } else { "," };
    let mut text = format!("{comma}{suffix}");
    if let Some(run) = panel.of.run {
        text.push_str(&format!(" · {}", short(run)));
    }
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
