//! One metric at a single level: a bar per backend, and a thin line to its p99.

use inferbench_model::report::{MetricColumn, Report};
use inferbench_model::text::number::three_digits;

use super::axis::Scale;
use super::chart::backend_index;
use super::drawing::{Drawing, Point, Role, Series};
use super::labels::short_names;
use super::sizes::{BOTTOM, TOP};

/// Room for a bar, px.
const BAR: usize = 34;
/// Room for the text beside the longest bar, px.
const WORDS: usize = 130;

/// The chart and its subtitle.
pub(super) fn bars(report: &Report, metric: &MetricColumn) -> (Drawing, String) {
    let mut series = Vec::new();
    let mut names = Vec::new();
    let short = short_names(report.rows.iter().map(|row| row.backend.as_str()));
    let mut has_p99 = false;
    for row in &report.rows {
        let Some(figure) = row.figures.get(&metric.name) else {
            continue;
        };
        let Some(value) = figure.typical else {
            continue;
        };
        let p99 = figure.p99.and_then(|p99| p99.value);
        has_p99 |= p99.is_some();
        series.push(bar(report, &row.backend, names.len(), value, p99));
        names.push(short.short(&row.backend));
    }
    let points = series.iter().flat_map(|own| &own.points);
    let ends = points.map(|point| point.x_reach.map_or(point.x, |(_, far)| far));
    let x = Scale::of_values(ends, false);
    let last = names.len() as f64 - 0.5;
    let drawing = Drawing {
        x,
        y: Scale {
            // Downwards: the first backend is on top.
            low: last,
            high: -0.5,
            ..Scale::of_steps("", names)
        },
        height: TOP + BAR * series.len() + BOTTOM,
        right: WORDS,
        names_up: 0.0,
        shaded: None,
        series,
        views: Vec::new(),
        unified: false,
    };
    (drawing, subtitle(metric, has_p99))
}

fn subtitle(metric: &MetricColumn, has_p99: bool) -> String {
    let mut text = metric.unit.clone();
    if metric.has_percentiles {
        text.push_str(", median");
    }
    if has_p99 {
        text.push_str("; the line ends at p99");
    }
    text
}

fn bar(report: &Report, label: &str, at: usize, value: f64, p99: Option<f64>) -> Series {
    let text = match p99 {
        Some(p99) => format!("{}, p99 {}", three_digits(value), three_digits(p99)),
        None => three_digits(value),
    };
    Series {
        role: Role::Bar,
        place: backend_index(report, label),
        name: label.to_owned(),
        hover: String::new(),
        points: vec![Point {
            x: value,
            y: at as f64,
            x_reach: p99.map(|p99| (value, p99)),
            text,
            ..Point::default()
        }],
    }
}
