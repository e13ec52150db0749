//! The page's charts: one metric over the levels each, and throughput against
//! speed per user. Every number comes from the report.

mod axis;
mod bars;
mod canvas;
mod chart;
mod drawing;
pub(super) mod explore;
mod interactive;
mod labels;
mod levels;
mod pareto;
mod rings;
mod sizes;
mod still;
pub(super) mod timeline;

use inferbench_model::report::Report;
use serde::Serialize;

use bars::bars;
use canvas::Still;
use chart::Chart;
use drawing::{Drawing, Role};
pub(super) use labels::short_names;
use levels::{THROUGHPUT, levels};
use pareto::pareto;
use sizes::{STILL_WIDTH, WIDE_STILL_WIDTH};
use timeline::OverTime;

/// Metrics with a chart over the levels, in order.
const OVER_LEVELS: [&str; 11] = [
    THROUGHPUT,
    "ttft_ms",
    "ttft_answer_ms",
    "tpot_ms",
    "itl_ms",
    "e2e_latency_ms",
    "goodput",
    "slo_attainment",
    "cost_per_million_output_tokens",
    "gpu_energy_joules_per_output_token",
    "cpu_energy_joules_per_output_token",
];

/// Id of the chart of throughput against speed per user.
pub(super) const PARETO: &str = "chart-trade";

/// A chart, and the same as a still image that needs no script.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PageChart {
    #[serde(flatten)]
    pub(super) chart: Chart,
    /// Shown until the chart is drawn, and on paper.
    still: Still,
    /// Whether it has p99 lines.
    has_p99: bool,
    /// Percentiles that the metric has but this chart has no values of.
    without: Vec<&'static str>,
}

/// The charts of a report; none if nothing was measured.
pub(super) fn all(report: &Report) -> Vec<PageChart> {
    let mut charts = Vec::new();
    if let Some((drawing, subtitle)) = pareto(report) {
        let title = "Throughput against speed per user";
        let named = (PARETO, title, subtitle);
        charts.push(page_chart(named, &drawing, WIDE_STILL_WIDTH, false));
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
        charts.push(page_chart(named, &drawing, STILL_WIDTH, has_percentiles));
    }
    charts
}

fn page_chart(
    (id, title, subtitle): (&str, &str, String),
    drawing: &Drawing,
    width: usize,
    has_percentiles: bool,
) -> PageChart {
    let has = |view: &str| {
        let mut roles = drawing.series.iter().map(|series| series.role);
        roles.any(|role| matches!(role, Role::Upper(own) if own == view))
    };
    PageChart {
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
