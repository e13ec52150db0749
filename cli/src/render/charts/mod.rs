//! The page's charts: one metric over the levels each, and throughput against
//! speed per user. Every number comes from the report.

mod axis;
mod bars;
mod canvas;
mod drawing;
pub(super) mod explore;
mod interactive;
mod labels;
mod levels;
mod pareto;
mod still;
pub(super) mod timeline;

use inferbench_model::config::Level;
use inferbench_model::report::kv::{KvReport, KvUse};
use inferbench_model::report::{MetricColumn, Report};
use serde::Serialize;
use serde_json::Value;

use super::style;
use bars::bars;
use canvas::Still;
use drawing::{Drawing, Point, Role, Series};
pub(super) use labels::short;
use levels::levels;
use pareto::trade;
use timeline::OverTime;

/// The metric whose curve bends where the KV cache is the limit.
const THROUGHPUT: &str = "output_token_throughput";

/// Metrics with a chart over the levels, in order.
const OVER_LEVELS: [&str; 8] = [
    THROUGHPUT,
    "ttft_ms",
    "tpot_ms",
    "itl_ms",
    "e2e_latency_ms",
    "goodput",
    "gpu_energy_joules_per_output_token",
    "cpu_energy_joules_per_output_token",
];

/// Height of a chart, px, and what its axis titles and ticks take of it.
const HEIGHT: usize = 250;
const TOP: usize = 16;
const BOTTOM: usize = 44;
const LEFT: usize = 54;
/// How far right of a line's end its name begins, px.
const NAME_RIGHT: f64 = 12.0;
/// Width of a still picture, px of its own box: the page scales it.
const STILL_WIDTH: usize = 440;
const WIDE_STILL_WIDTH: usize = 820;

/// The band of the best points, and the part that breaks the SLO: seen on white
/// and on black, and no backend's colour.
const BEST: &str = "#8a8f98";
const BEST_OPACITY: f64 = 0.35;
const SHADE: &str = "#8a8f98";
const SHADE_OPACITY: f64 = 0.16;

/// Id of the chart of throughput against speed per user.
pub(super) const TRADE: &str = "chart-trade";

/// One chart.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Chart {
    /// Id of its element.
    pub(super) id: String,
    /// Title.
    pub(super) title: String,
    /// What the lines are, with the unit.
    pub(super) subtitle: String,
    /// Height, px.
    pub(super) height: usize,
    /// Data, layout and configuration for plotly.js.
    pub(super) plot: Value,
}

/// A chart, and the same without scripts.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pictured {
    #[serde(flatten)]
    pub(super) chart: Chart,
    /// The picture that stands until the chart is drawn, and on paper.
    still: Still,
    /// Whether it has lines of p99.
    has_p99: bool,
    /// Views of the page for which this chart has nothing more than the medians,
    /// though its metric has percentiles.
    without: Vec<&'static str>,
}

/// The charts of a report; none if nothing was measured.
pub(super) fn all(report: &Report) -> Vec<Pictured> {
    let mut charts = Vec::new();
    if let Some((drawing, subtitle)) = trade(report) {
        let title = "Throughput against speed per user";
        let named = (TRADE, title, subtitle);
        charts.push(pictured(named, &drawing, WIDE_STILL_WIDTH, false));
    }
    for name in OVER_LEVELS {
        let Some(metric) = report.metrics.iter().find(|metric| metric.name == name) else {
            continue;
        };
        let (drawing, subtitle) = match report.levels.len() {
            1 => bars(report, metric),
            _ => levels(report, metric),
        };
        let id = format!("chart-{}", metric.name);
        let named = (id.as_str(), metric.label.as_str(), subtitle);
        let has_percentiles = metric.has_percentiles && report.levels.len() > 1;
        charts.push(pictured(named, &drawing, STILL_WIDTH, has_percentiles));
    }
    charts
}

fn pictured(
    (id, title, subtitle): (&str, &str, String),
    drawing: &Drawing,
    width: usize,
    has_percentiles: bool,
) -> Pictured {
    let has = |view: &str| {
        let mut roles = drawing.series.iter().map(|series| series.role);
        roles.any(|role| matches!(role, Role::Upper(own) if own == view))
    };
    Pictured {
        chart: Chart {
            id: id.to_owned(),
            title: title.to_owned(),
            subtitle,
            height: drawing.height,
            plot: interactive::plot(drawing),
        },
        still: still::still(drawing, width, "p99"),
        has_p99: has("p99"),
        without: match has_percentiles {
            true => levels::VIEWS
                .into_iter()
                .filter(|view| !has(view))
                .collect(),
            false => Vec::new(),
        },
    }
}

/// The hardware over time; none if nothing was sampled.
pub(super) fn over_time(report: &Report) -> Option<OverTime> {
    timeline::timeline(report)
}

/// What the rings mean, behind a chart's subtitle.
const RINGED: &str = "; ringed where the KV cache was full or requests were put back";

/// Whether rings mark levels at which the KV cache was the limit.
fn has_pressed(report: &Report) -> bool {
    let pressed = |kv: &KvReport| kv.usage.iter().any(KvUse::is_pressed);
    report.kv.as_ref().is_some_and(pressed)
}

/// Rings around the points of a backend's line at which the KV cache was full or
/// requests were put back: that is where the curve bends.
fn rings<'r>(
    report: &Report,
    line: &Series,
    level_of: impl Fn(&Point) -> Option<&'r Level>,
) -> Option<Series> {
    let kv = report.kv.as_ref()?;
    let pressed =
        |point: &&Point| level_of(point).is_some_and(|level| kv.is_pressed(&line.name, level));
    let points = line.points.iter().filter(pressed).map(|point| Point {
        labelled: false,
        ..point.clone()
    });
    let points: Vec<Point> = points.collect();
    (!points.is_empty()).then(|| Series {
        role: Role::Ring,
        place: line.place,
        name: "KV cache full".to_owned(),
        hover: String::new(),
        points,
    })
}

fn hover(metric: &MetricColumn) -> String {
    format!("%{{y:.3s}} {}", metric.unit)
}

fn place_of(report: &Report, label: &str) -> usize {
    let place = report.backends.iter().position(|b| b.label == label);
    place.unwrap_or_default()
}
