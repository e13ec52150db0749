//! Labels that stand at the ends of lines instead of a legend.

use plotly::common::{Anchor, Font};
use plotly::layout::Annotation;

use super::axis::ValueAxis;
use super::{BOTTOM, HEIGHT, Points, TOP};

/// Least distance of two labels at the lines' ends, px.
const LABEL_STEP: f64 = 14.0;
/// Width of a letter, px.
const LETTER: f64 = 7.0;
/// Longest label at a line's end, letters.
const LABEL_LETTERS: usize = 14;

/// A label at the right end of each line, moved apart where they would lie on
/// each other.
pub(super) fn end_labels(lines: &[Points], axis: &ValueAxis) -> Vec<Annotation> {
    let pixels = (HEIGHT - TOP - BOTTOM) as f64 / (axis.high - axis.low);
    let mut ends: Vec<(&Points, f64, f64)> = lines
        .iter()
        .filter_map(|points| Some((points, *points.x.last()?, axis.at(*points.y.last()?))))
        .collect();
    ends.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut below = f64::NEG_INFINITY;
    ends.into_iter()
        .map(|(points, x, y)| {
            let natural = (y - axis.low) * pixels;
            let placed = natural.max(below + LABEL_STEP);
            below = placed;
            label(&short(&points.label), x, y).y_shift(placed - natural)
        })
        .collect()
}

/// Width and height in which the labels of the wide chart must not touch, px;
/// its real width is the reader's.
const WIDE: f64 = 900.0;

/// A label right of each line's rightmost point, moved up where it would lie on
/// another. `x_high`, `y_high`: ends of the axes, which begin at 0.
pub(super) fn point_labels(
    lines: &[Points],
    x_high: f64,
    y_high: f64,
    height: f64,
) -> Vec<Annotation> {
    let mut ends: Vec<(&Points, f64, f64)> = lines
        .iter()
        .filter_map(|points| {
            let pairs = points.x.iter().copied().zip(points.y.iter().copied());
            let (x, y) = pairs.max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some((points, x, y))
        })
        .collect();
    ends.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut placed: Vec<(f64, f64, f64)> = Vec::new();
    ends.into_iter()
        .map(|(points, x, y)| {
            let (across, natural) = (x / x_high * WIDE, y / y_high * height);
            let width = LETTER * (2 + short(&points.label).chars().count()) as f64;
            let mut up = natural;
            for (other_across, width_of_other, other_up) in &placed {
                let apart =
                    across > other_across + width_of_other || across + width < *other_across;
                if !apart && up < other_up + LABEL_STEP {
                    up = up.max(other_up + LABEL_STEP);
                }
            }
            placed.push((across, width, up));
            label(&short(&points.label), x, y).y_shift(up - natural)
        })
        .collect()
}

fn label(text: &str, x: f64, y: f64) -> Annotation {
    Annotation::new()
        .text(plain(text))
        .x(x)
        .y(y)
        .x_shift(9.0)
        .x_anchor(Anchor::Left)
        .y_anchor(Anchor::Middle)
        .show_arrow(false)
        .font(Font::new().size(12))
}

pub(super) fn label_margin(lines: &[Points]) -> usize {
    let longest = lines.iter().map(|p| short(&p.label).chars().count()).max();
    18 + 7 * longest.unwrap_or(0)
}

pub(super) fn short(label: &str) -> String {
    if label.chars().count() <= LABEL_LETTERS {
        return label.to_owned();
    }
    let start: String = label.chars().take(LABEL_LETTERS - 1).collect();
    format!("{start}…")
}

/// plotly.js reads a few HTML tags in texts; a label has none.
pub(super) fn plain(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
