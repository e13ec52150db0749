//! The page's charts: one metric over the levels each, and throughput against
//! speed per user. Every number comes from the report.

mod axis;
mod bars;
pub(super) mod explore;
mod labels;
pub(super) mod timeline;
mod trade;

use inferbench_model::config::Level;
use inferbench_model::report::kv::{KvReport, KvUse};
use inferbench_model::report::{Figure, MetricColumn, Report};
use plotly::common::{ErrorData, ErrorType, Font, HoverInfo, Line, Marker, MarkerSymbol, Mode};
use plotly::layout::{Axis, AxisRange, HoverMode, Layout, Margin};
use plotly::{Plot, Scatter};
use serde::Serialize;
use serde_json::Value;

use super::RenderError;
use super::style;
use axis::ValueAxis;
use bars::bars;
use labels::{end_labels, label_margin, plain};
use trade::trade;

/// Metrics with a chart over the levels, in order.
const OVER_LEVELS: [&str; 8] = [
    "output_token_throughput",
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
const TOP: usize = 12;
const BOTTOM: usize = 44;

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

/// The charts of a report; none if nothing was measured.
///
/// # Errors
/// `Chart` if a chart cannot be written as JSON.
pub(super) fn all(report: &Report) -> Result<Vec<Chart>, RenderError> {
    let mut charts = Vec::new();
    charts.extend(trade(report)?);
    for name in OVER_LEVELS {
        let Some(metric) = report.metrics.iter().find(|metric| metric.name == name) else {
            continue;
        };
        charts.push(if report.levels.len() == 1 {
            bars(report, metric)?
        } else {
            over_levels(report, metric)?
        });
    }
    Ok(charts)
}

/// The hardware over time; none if nothing was sampled.
pub(super) fn over_time(report: &Report) -> Option<Chart> {
    timeline::timeline(report)
}

/// Whether rings mark levels at which the KV cache was the limit.
fn has_pressed(report: &Report) -> bool {
    let pressed = |kv: &KvReport| kv.usage.iter().any(KvUse::is_pressed);
    report.kv.as_ref().is_some_and(pressed)
}

/// Rings around the points at which the KV cache was full or requests were put
/// back: that is where the curve bends.
fn rings(
    report: &Report,
    points: &Points,
    level_at: impl Fn(usize) -> Level,
) -> Option<Box<Scatter<f64, f64>>> {
    let kv = report.kv.as_ref()?;
    let pressed = |at: &usize| kv.is_pressed(&points.label, &level_at(*at));
    let places: Vec<usize> = (0..points.x.len()).filter(pressed).collect();
    let of = |values: &[f64]| places.iter().map(|at| values[*at]).collect::<Vec<f64>>();
    let ring = Marker::new()
        .symbol(MarkerSymbol::CircleOpen)
        .size(17)
        .color(style::colour(points.place))
        .line(Line::new().width(2.0).color(style::colour(points.place)));
    (!places.is_empty()).then(|| {
        Scatter::new(of(&points.x), of(&points.y))
            .mode(Mode::Markers)
            .marker(ring)
            .name("KV cache full")
            .hover_info(HoverInfo::Skip)
            .show_legend(false)
    })
}

/// What the rings mean, behind a chart's subtitle.
const RINGED: &str = "; ringed where the KV cache was full or requests were put back";

/// A backend's points in one chart: x, y, and what stands beside the line.
struct Points {
    place: usize,
    label: String,
    x: Vec<f64>,
    y: Vec<f64>,
}

fn over_levels(report: &Report, metric: &MetricColumn) -> Result<Chart, RenderError> {
    let mut plot = Plot::new();
    let typical = |figure: &Figure| figure.typical;
    let p99 = |figure: &Figure| figure.p99.and_then(|p99| p99.value);
    let middle = points(report, metric, typical);
    let upper = points(report, metric, p99);
    let has_upper = upper.iter().any(|points| !points.y.is_empty());
    for points in &upper {
        let line = Line::new()
            .color(style::colour(points.place))
            .width(1.0)
            .dash(style::dash(points.place));
        let name = format!("{} p99", points.label);
        plot.add_trace(
            Scatter::new(points.x.clone(), points.y.clone())
                .mode(Mode::Lines)
                .line(line)
                .name(plain(&name))
                .hover_template(hover(metric))
                .show_legend(false),
        );
    }
    let is_throughput = metric.name == OVER_LEVELS[0];
    for points in middle.iter().filter(|_| is_throughput) {
        if let Some(rings) = rings(report, points, |at| report.levels[points.x[at] as usize]) {
            plot.add_trace(rings);
        }
    }
    for points in &middle {
        let mut trace = Scatter::new(points.x.clone(), points.y.clone())
            .mode(Mode::LinesMarkers)
            .line(line(points.place))
            .marker(marker(points.place))
            .name(plain(&points.label))
            .hover_template(hover(metric))
            .show_legend(false);
        if report.blocks > 1 {
            trace = trace.error_y(whiskers(report, metric, points));
        }
        plot.add_trace(trace);
    }
    let values = middle
        .iter()
        .chain(&upper)
        .flat_map(|points| points.y.iter());
    let axis = ValueAxis::of(values.copied(), metric.unit == "ms");
    let ticks: Vec<String> = report.levels.iter().map(|l| l.value_text()).collect();
    let last = report.levels.len().saturating_sub(1) as f64;
    let x_title = report.levels.first().map_or("", |level| level.axis());
    let x_axis = Axis::new()
        .title(x_title)
        .tick_values((0..report.levels.len()).map(|place| place as f64).collect())
        .tick_text(ticks)
        .range(AxisRange::new(-0.15, last + 0.15))
        .show_grid(false)
        .zero_line(false)
        .fixed_range(true);
    let right = label_margin(&middle);
    plot.set_layout(
        layout(right)
            .x_axis(x_axis)
            .y_axis(axis.to_axis())
            .hover_mode(HoverMode::XUnified)
            .annotations(end_labels(&middle, &axis)),
    );
    let mut subtitle = subtitle(metric, has_upper, report.blocks > 1);
    if is_throughput && has_pressed(report) {
        subtitle.push_str(RINGED);
    }
    Ok(Chart {
        id: format!("chart-{}", metric.name),
        title: metric.label.clone(),
        subtitle,
        height: HEIGHT,
        plot: serde_json::from_str(&plot.to_json())?,
    })
}

fn subtitle(metric: &MetricColumn, has_upper: bool, has_whiskers: bool) -> String {
    let mut text = metric.unit.clone();
    if metric.has_percentiles {
        text.push_str(if has_upper {
            "; p50, thin line p99"
        } else {
            "; p50, too few samples for p99"
        });
    }
    if has_whiskers {
        text.push_str("; whiskers over repeats");
    }
    text
}

fn points(
    report: &Report,
    metric: &MetricColumn,
    value: impl Fn(&Figure) -> Option<f64>,
) -> Vec<Points> {
    report
        .backends
        .iter()
        .enumerate()
        .map(|(place, backend)| {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            for (at, level) in report.levels.iter().enumerate() {
                let figure = report
                    .row(&backend.label, level)
                    .and_then(|row| row.figures.get(&metric.name));
                if let Some(value) = figure.and_then(&value) {
                    x.push(at as f64);
                    y.push(value);
                }
            }
            Points {
                place,
                label: backend.label.clone(),
                x,
                y,
            }
        })
        .filter(|points| !points.y.is_empty())
        .collect()
}

fn whiskers(report: &Report, metric: &MetricColumn, points: &Points) -> ErrorData {
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for (x, y) in points.x.iter().zip(&points.y) {
        let figure = report
            .row(&points.label, &report.levels[*x as usize])
            .and_then(|row| row.figures.get(&metric.name));
        let reach = figure.and_then(|f| Some((f.block_max? - y, y - f.block_min?)));
        let (up, down) = reach.unwrap_or_default();
        above.push(up.max(0.0));
        below.push(down.max(0.0));
    }
    ErrorData::new(ErrorType::Data)
        .symmetric(false)
        .array(above)
        .array_minus(below)
        .color(style::colour(points.place))
        .thickness(1.2)
        .width(3)
}

fn layout(right: usize) -> Layout {
    Layout::new()
        .auto_size(true)
        .height(HEIGHT)
        .margin(Margin::new().left(54).right(right).top(TOP).bottom(BOTTOM))
        .font(Font::new().size(12).family("system-ui, sans-serif"))
        .separators(".\u{2009}")
        .paper_background_color("rgba(0,0,0,0)")
        .plot_background_color("rgba(0,0,0,0)")
        .show_legend(false)
}

fn line(place: usize) -> Line {
    Line::new()
        .color(style::colour(place))
        .width(2.2)
        .dash(style::dash(place))
}

fn marker(place: usize) -> Marker {
    Marker::new()
        .color(style::colour(place))
        .symbol(style::marker(place))
        .size(8)
}

fn hover(metric: &MetricColumn) -> String {
    format!("%{{y:.3s}} {}", metric.unit)
}

fn place_of(report: &Report, label: &str) -> usize {
    let place = report.backends.iter().position(|b| b.label == label);
    place.unwrap_or_default()
}
