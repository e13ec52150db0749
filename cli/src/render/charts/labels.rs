//! Names at the ends of lines, instead of a legend.

use super::axis::Scale;
use super::drawing::{Drawing, Point, Series};
use super::sizes::{BOTTOM, NAME_RIGHT, TOP};
use crate::render::names::{ShortNames, shortened};
use inferbench_model::text::visible::visible;

/// Least vertical distance of two names, px.
const STEP: f64 = 15.0;
/// Width of a letter, px.
const LETTER: f64 = 7.0;
/// Longest name at a line's end, letters.
const LETTERS: usize = 14;
/// Assumed width of the chart, px; the real one depends on the reader's window.
const WIDTH: f64 = 640.0;

/// A name at the end of a line.
pub(super) struct EndLabel {
    pub(super) place: usize,
    pub(super) text: String,
    /// Where its line ends, in the units of the data.
    pub(super) x: f64,
    pub(super) y: f64,
    /// Height of the name above that point, px, and its distance to the right.
    pub(super) up: f64,
    pub(super) right: f64,
}

/// Least height of a name above the axis, whose ticks have names too, px.
const ABOVE_AXIS: f64 = 9.0;
/// Width of a letter of a point's own label, px.
const LABEL_LETTER: f64 = 6.2;

/// Distance from the end of a line to its name, px. It starts right of the label that
/// the end itself has.
fn name_right(end: &Point) -> f64 {
    let letters = match end.labelled {
        true => end.label.chars().count(),
        false => 0,
    };
    NAME_RIGHT.max(LABEL_LETTER / 2.0 * letters as f64 + 6.0)
}

/// A name right of each line's last point, moved up where it would overlap
/// another. `y`: the scale of the view.
pub(super) fn end_labels(drawing: &Drawing, y: &Scale) -> Vec<EndLabel> {
    let inner = (drawing.height - TOP - BOTTOM) as f64;
    let mut ends: Vec<(&Series, &Point)> = drawing
        .named()
        .filter_map(|series| Some((series, series.end()?)))
        .collect();
    ends.sort_by(|a, b| a.1.y.total_cmp(&b.1.y));
    let names = short_names(drawing.named().map(|series| series.name.as_str()));
    let mut taken: Vec<Taken> = Vec::new();
    let mut labels: Vec<EndLabel> = Vec::new();
    for (series, end) in ends {
        let (x, value, right) = (end.x, end.y, name_right(end));
        let text = names.short(&series.name);
        let own = Taken {
            across: drawing.x.share(x) * WIDTH + right - NAME_RIGHT,
            width: LETTER * (2 + text.chars().count()) as f64,
            up: (y.share(value) * inner + drawing.names_up).max(ABOVE_AXIS),
        };
        taken.push(own.above(&taken));
        labels.push(EndLabel {
            place: series.place,
            text,
            x,
            y: value,
            up: 0.0,
            right,
        });
    }
    keep_below(&mut taken, inner + drawing.names_up);
    for (label, own) in labels.iter_mut().zip(&taken) {
        label.up = own.up - y.share(label.y) * inner;
    }
    labels
}

/// Moves names that are above the top down again, and those that they then
/// overlap. `taken`: in the order they were placed, from below.
fn keep_below(taken: &mut [Taken], top: f64) {
    for at in (0..taken.len()).rev() {
        let (own, above) = taken[at..]
            .split_first_mut()
            .expect("the slice starts at an element");
        own.up = own.up.min(top);
        for other in above.iter() {
            if own.meets(other) {
                own.up = own.up.min(other.up - STEP);
            }
        }
    }
}

/// The space of a name, px.
struct Taken {
    across: f64,
    width: f64,
    up: f64,
}

impl Taken {
    /// The same, moved up where it would overlap one of `others`, which were
    /// placed from below.
    fn above(mut self, others: &[Self]) -> Self {
        for other in others {
            if self.meets(other) && self.up < other.up + STEP {
                self.up = other.up + STEP;
            }
        }
        self
    }

    /// Whether the two overlap horizontally.
    fn meets(&self, other: &Self) -> bool {
        self.across <= other.across + other.width && self.across + self.width >= other.across
    }
}

/// Room for the longest name, px.
pub(super) fn margin<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    18 + LETTER as usize * short_names(names).longest()
}

/// How much further right than most a name stands at the end of any of the lines, px.
pub(super) fn most_shift(lines: &[Series]) -> usize {
    let ends = lines.iter().filter_map(Series::end).map(name_right);
    (ends.fold(NAME_RIGHT, f64::max) - NAME_RIGHT).ceil() as usize
}

/// A name short enough for a chart. Long names often differ at their end, so the
/// middle is cut out.
pub(super) fn short(name: &str) -> String {
    shortened(name, LETTERS)
}

/// The names of a chart's lines or of a table's rows, each short enough and all different.
pub(in crate::render) fn short_names<'n>(names: impl Iterator<Item = &'n str>) -> ShortNames {
    ShortNames::new(names, LETTERS)
}

/// Escapes a text for plotly.js, which reads a few HTML tags.
pub(super) fn plain(text: &str) -> String {
    visible(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::charts::drawing::Role;

    #[test]
    fn a_name_moves_up_only_from_names_that_it_would_overlap() {
        let at = |across, up| Taken {
            across,
            width: 50.0,
            up,
        };
        let placed = [at(0.0, 10.0), at(300.0, 12.0)];
        // 10 + 15; free of the second one, which begins at 300
        assert!((at(20.0, 11.0).above(&placed).up - 25.0).abs() < 1e-9);
        assert!((at(100.0, 11.0).above(&placed).up - 11.0).abs() < 1e-9);
    }

    #[test]
    fn names_pushed_above_the_top_move_down_together() {
        let at = |across, up| Taken {
            across,
            width: 50.0,
            up,
        };
        // five names in steps of 15 from 80 on end at 140: the top is at 100
        let mut taken: Vec<Taken> = (0..5)
            .map(|n| at(0.0, 80.0 + 15.0 * f64::from(n)))
            .collect();
        taken.push(at(300.0, 90.0));
        keep_below(&mut taken, 100.0);
        let ups: Vec<f64> = taken.iter().map(|own| own.up).collect();
        assert_eq!(ups, [40.0, 55.0, 70.0, 85.0, 100.0, 90.0]);
    }

    #[test]
    fn a_name_keeps_clear_of_the_axis_and_of_the_label_of_its_point() {
        let end = Point {
            label: "1, 4, 8".to_owned(),
            labelled: true,
            ..Point::default()
        };
        let line = Series {
            role: Role::Main,
            place: 0,
            name: "vllm".to_owned(),
            hover: String::new(),
            points: vec![end.clone()],
        };
        let drawing = Drawing {
            x: Scale::of_values([10.0].into_iter(), false),
            y: Scale::of_values([10.0].into_iter(), false),
            height: 250,
            right: 46,
            names_up: 0.0,
            shaded: None,
            series: vec![line],
            views: Vec::new(),
            unified: false,
        };
        let labels = end_labels(&drawing, &drawing.y);
        assert!((labels[0].up - ABOVE_AXIS).abs() < 1e-9);
        // seven letters of 6.2 px in the middle of the point, and 6 px more
        assert!((labels[0].right - 27.7).abs() < 1e-9);
        let plain = Point {
            labelled: false,
            ..end
        };
        assert!((name_right(&plain) - NAME_RIGHT).abs() < 1e-9);
    }
}
