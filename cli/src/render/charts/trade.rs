//! Throughput against speed per user.

use inferbench_model::report::Report;
use plotly::common::{Font, Mode, Position};
use plotly::layout::{Axis, AxisRange, HoverMode};
use plotly::{Plot, Scatter};

use super::axis::ValueAxis;
use super::labels::{label_margin, plain, point_labels};
use super::{
    BOTTOM, Chart, HEIGHT, Points, RINGED, RenderError, TOP, has_pressed, layout, line, marker,
    rings,
};

/// Throughput against speed per user, a labelled point per level.
pub(super) fn trade(report: &Report) -> Result<Option<Chart>, RenderError> {
    let (x_name, y_name) = ("per_user_token_rate", "output_token_throughput");
    let mut plot = Plot::new();
    let mut drawn = Vec::new();
    for (place, backend) in report.backends.iter().enumerate() {
        let rows = report
            .rows
            .iter()
            .filter(|row| row.backend == backend.label);
        let mut levels = Vec::new();
        let points: Vec<(f64, f64, String)> = rows
            .filter_map(|row| {
                let (x, y) = (row.typical(x_name)?, row.typical(y_name)?);
                levels.push(row.level);
                Some((x, y, row.level.value_text()))
            })
            .collect();
        if points.is_empty() {
            continue;
        }
        let x: Vec<f64> = points.iter().map(|(x, ..)| *x).collect();
        let y: Vec<f64> = points.iter().map(|(_, y, _)| *y).collect();
        let texts: Vec<String> = points.into_iter().map(|(.., text)| text).collect();
        let shown = sparse(&texts, report.backends.len(), report.levels.len());
        plot.add_trace(
            Scatter::new(x.clone(), y.clone())
                .mode(Mode::LinesMarkersText)
                .text_array(shown)
                .hover_text_array(texts)
                .text_position(Position::TopRight)
                .text_font(Font::new().size(11))
                .line(line(place))
                .marker(marker(place))
                .name(plain(&backend.label))
                .hover_template(
                    "%{hovertext}: %{y:.3s} tokens/s in all, %{x:.3s} tokens/s per user",
                )
                .show_legend(false),
        );
        let points = Points {
            place,
            label: backend.label.clone(),
            x,
            y,
        };
        if let Some(rings) = rings(report, &points, |at| levels[at]) {
            plot.add_trace(rings);
        }
        drawn.push(points);
    }
    if drawn.is_empty() {
        return Ok(None);
    }
    let y_axis = ValueAxis::of(drawn.iter().flat_map(|p| p.y.iter().copied()), false);
    let fastest = drawn.iter().flat_map(|p| &p.x).copied().fold(0.0, f64::max);
    let x_high = fastest * 1.06;
    let height = HEIGHT + 90;
    let x_axis = Axis::new()
        .title("output tokens/s per user (p50)")
        .range(AxisRange::new(0.0, x_high))
        .n_ticks(6)
        .zero_line(false)
        .fixed_range(true);
    let inner = (height - TOP - BOTTOM) as f64;
    let labels = point_labels(&drawn, x_high, y_axis.high, inner);
    plot.set_layout(
        layout(label_margin(&drawn))
            .height(height)
            .x_axis(x_axis)
            .y_axis(y_axis.to_axis())
            .hover_mode(HoverMode::Closest)
            .annotations(labels),
    );
    let axis = report.levels.first().map_or("level", |level| level.axis());
    let ringed = if has_pressed(report) { RINGED } else { "" };
    Ok(Some(Chart {
        id: "chart-trade".to_owned(),
        title: "Throughput against speed per user".to_owned(),
        subtitle: format!(
            "output tokens/s in all over output tokens/s per user; a point per {axis}; up and right is better{ringed}"
        ),
        height,
        plot: serde_json::from_str(&plot.to_json())?,
    }))
}

/// With many lines only their ends are labelled, or the labels lie on each
/// other; with one level none is.
fn sparse(texts: &[String], lines: usize, levels: usize) -> Vec<String> {
    let last = texts.len().saturating_sub(1);
    let shown = |at: usize| levels > 1 && (lines <= 3 || at == 0 || at == last);
    let kept = texts.iter().enumerate();
    kept.map(|(at, text)| {
        if shown(at) {
            text.clone()
        } else {
            String::new()
        }
    })
    .collect()
}
