//! The chart of one metric at one level.

use inferbench_model::report::number::three_digits;
use inferbench_model::report::{MetricColumn, Report};
use plotly::common::{HoverInfo, Line, Marker, Mode, Orientation, Position};
use plotly::layout::{Axis, AxisRange, BarMode, HoverMode, Margin};
use plotly::{Bar, Plot, Scatter};

use super::labels::{plain, short};
use super::{Chart, RenderError, TOP, layout, place_of, style, subtitle};

/// One level has no line to follow: a bar per backend, p99 as an outline.
pub(super) fn bars(report: &Report, metric: &MetricColumn) -> Result<Chart, RenderError> {
    let mut plot = Plot::new();
    let rows: Vec<_> = report
        .rows
        .iter()
        .filter_map(|row| Some((row, row.figures.get(&metric.name)?)))
        .filter_map(|(row, figure)| Some((row, figure, figure.typical?)))
        .collect();
    let p99: Vec<Option<f64>> = rows
        .iter()
        .map(|(_, figure, _)| figure.p99.and_then(|p99| p99.value))
        .collect();
    let has_upper = p99.iter().any(Option::is_some);
    let labels: Vec<String> = rows
        .iter()
        .map(|(row, ..)| plain(&short(&row.backend)))
        .collect();
    let places: Vec<f64> = (0..rows.len()).map(|place| place as f64).collect();
    for (at, (row, _, value)) in rows.iter().enumerate() {
        let place = place_of(report, &row.backend);
        plot.add_trace(
            Bar::new(vec![*value], vec![places[at]])
                .orientation(Orientation::Horizontal)
                .width(0.55)
                .marker(Marker::new().color(style::colour(place)))
                .hover_info(HoverInfo::Skip)
                .show_legend(false),
        );
        plot.add_trace(
            Scatter::new(vec![p99[at].unwrap_or(*value)], vec![places[at]])
                .mode(Mode::Text)
                .text(words(*value, p99[at]))
                .text_position(Position::MiddleRight)
                .hover_info(HoverInfo::Skip)
                .show_legend(false),
        );
        if let Some(p99) = p99[at] {
            plot.add_trace(
                Scatter::new(vec![*value, p99], vec![places[at]; 2])
                    .mode(Mode::Lines)
                    .line(Line::new().color(style::colour(place)).width(1.5))
                    .hover_info(HoverInfo::Skip)
                    .show_legend(false),
            );
        }
    }
    let largest = rows
        .iter()
        .map(|(.., value)| *value)
        .chain(p99.into_iter().flatten());
    let top = largest.fold(0.0, f64::max);
    let height = 44 + 34 * rows.len();
    let y_axis = Axis::new()
        .tick_values(places)
        .tick_text(labels)
        .range(AxisRange::new(rows.len() as f64 - 0.5, -0.5))
        .show_grid(false)
        .zero_line(false)
        .auto_margin(true)
        .fixed_range(true);
    let x_axis = Axis::new()
        .range(AxisRange::new(0.0, top * 1.35))
        .n_ticks(5)
        .tick_format(",")
        .fixed_range(true)
        .zero_line(false);
    plot.set_layout(
        layout(16)
            .height(height)
            .margin(Margin::new().left(54).right(16).top(TOP).bottom(28))
            .x_axis(x_axis)
            .y_axis(y_axis)
            .bar_mode(BarMode::Overlay)
            .hover_mode(HoverMode::Closest),
    );
    Ok(Chart {
        id: format!("chart-{}", metric.name),
        title: metric.label.clone(),
        subtitle: subtitle(metric, has_upper, false),
        height,
        plot: serde_json::from_str(&plot.to_json())?,
    })
}

/// What stands beside a bar, after a no-break space that keeps it off the bar.
fn words(value: f64, p99: Option<f64>) -> String {
    match p99 {
        Some(p99) => format!("\u{a0}{}, p99 {}", three_digits(value), three_digits(p99)),
        None => format!("\u{a0}{}", three_digits(value)),
    }
}
