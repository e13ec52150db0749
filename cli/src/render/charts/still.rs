//! A chart as a picture that needs no script: where each line and text stands,
//! in the box of an SVG. How they are written is the template's business.

use serde::Serialize;

use super::axis::Scale;
use super::drawing::{Drawing, Point, Role, Series};
use super::labels::{end_labels, short};
use super::{BOTTOM, LEFT, TOP};
use crate::render::style;

/// A picture.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Still {
    width: usize,
    height: usize,
    /// Left and right end of the axes, and the lower one.
    left: f64,
    right: f64,
    bottom: f64,
    top: f64,
    /// Heights of the lines across.
    grid: Vec<f64>,
    texts: Vec<Text>,
    /// Width of the shaded part, from the left end of the axes, and its height.
    shaded: Option<(f64, f64)>,
    strokes: Vec<Stroke>,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Serialize)]
struct Text {
    x: f64,
    y: f64,
    /// `start`, `middle` or `end`.
    anchor: &'static str,
    /// Less weight than the names of the lines.
    soft: bool,
    text: String,
}

#[derive(Debug, Clone, Serialize)]
struct Stroke {
    path: String,
    colour: &'static str,
    width: f64,
    dash: &'static str,
    opacity: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Mark {
    /// Where the middle of its box of 12 by 12 lies.
    x: f64,
    y: f64,
    path: &'static str,
    colour: &'static str,
    hollow: bool,
}

/// Ring around a point.
const RING: &str = "M6-2.5a8.5 8.5 0 1 0 .01 0z";
/// Half of a bar's height, and of a whisker's end, px.
const HALF_BAR: f64 = 9.0;
const HALF_END: f64 = 3.0;

/// The box of the axes.
struct Frame<'d> {
    x: &'d Scale,
    y: &'d Scale,
    left: f64,
    top: f64,
    across: f64,
    down: f64,
}

impl Frame<'_> {
    fn x(&self, value: f64) -> f64 {
        rounded(self.left + self.x.share(value) * self.across)
    }

    fn y(&self, value: f64) -> f64 {
        rounded(self.top + (1.0 - self.y.share(value)) * self.down)
    }
}

/// To a tenth of a pixel: more only takes room.
fn rounded(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

/// The picture of a chart, `width` px wide, with the percentile `view` beside
/// the figures that are compared.
pub(super) fn still(drawing: &Drawing, width: usize, view: &str) -> Still {
    let y = drawing.scale_of(view);
    let left = left_of(drawing);
    let frame = Frame {
        x: &drawing.x,
        y,
        left,
        top: TOP as f64,
        across: width as f64 - left - drawing.right as f64,
        down: (drawing.height - TOP - BOTTOM) as f64,
    };
    let shown = drawing.series.iter().filter(|series| match series.role {
        Role::Upper(own) => own == view,
        _ => true,
    });
    let (mut strokes, mut marks) = (Vec::new(), Vec::new());
    for series in shown {
        strokes.extend(lines(&frame, series));
        strokes.extend(whiskers(&frame, series));
        marks.extend(markers(&frame, series));
    }
    let grid = y.ticks().into_iter().filter(|_| y.grid);
    Still {
        width,
        height: drawing.height,
        left: frame.left,
        right: frame.left + frame.across,
        top: frame.top,
        bottom: frame.top + frame.down,
        grid: grid.map(|(value, _)| frame.y(value)).collect(),
        texts: texts(drawing, &frame),
        shaded: drawing.shaded.map(|shaded| {
            let width = rounded(frame.x(shaded) - frame.left);
            (width, frame.down)
        }),
        strokes,
        marks,
    }
}

/// Names on the vertical axis need more room than numbers.
fn left_of(drawing: &Drawing) -> f64 {
    let ticks = drawing.y.ticks.iter().flatten();
    let longest = ticks
        .map(|(_, text)| text.chars().count())
        .max()
        .unwrap_or(0);
    (LEFT as f64).max(12.0 + 7.0 * longest as f64)
}

fn path(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let command = if at == 0 { 'M' } else { 'L' };
        path.push_str(&format!("{command}{x} {y}"));
    }
    // A line of one point is a dot.
    if let [(x, y)] = points {
        path.push_str(&format!("L{x} {y}"));
    }
    path
}

fn lines(frame: &Frame<'_>, series: &Series) -> Vec<Stroke> {
    let of = |width, dash, opacity| Stroke {
        path: path(&series.of(|point| (frame.x(point.x), frame.y(point.y)))),
        colour: style::colour(series.place),
        width,
        dash,
        opacity,
    };
    match series.role {
        Role::Main => vec![of(2.2, style::dash_lengths(series.place), 1.0)],
        Role::Upper(_) => vec![of(1.0, style::dash_lengths(series.place), 1.0)],
        Role::Best => vec![Stroke {
            colour: super::BEST,
            ..of(11.0, "none", super::BEST_OPACITY)
        }],
        Role::Ring => Vec::new(),
        Role::Bar => {
            let bar = |point: &Point| Stroke {
                path: path(&[
                    (frame.left, frame.y(point.y)),
                    (frame.x(point.x), frame.y(point.y)),
                ]),
                ..of(2.0 * HALF_BAR, "none", 1.0)
            };
            series.of(bar)
        }
    }
}

fn whiskers(frame: &Frame<'_>, series: &Series) -> Option<Stroke> {
    let mut all = String::new();
    for point in &series.points {
        let (x, y) = (frame.x(point.x), frame.y(point.y));
        if let Some((low, high)) = point.x_reach {
            let (low, high) = (frame.x(low), frame.x(high));
            all.push_str(&path(&[(low, y), (high, y)]));
        }
        if let Some((low, high)) = point.y_reach {
            let (low, high) = (frame.y(low), frame.y(high));
            all.push_str(&path(&[(x, low), (x, high)]));
            for end in [low, high] {
                all.push_str(&path(&[(x - HALF_END, end), (x + HALF_END, end)]));
            }
        }
    }
    (!all.is_empty()).then(|| Stroke {
        path: all,
        colour: style::colour(series.place),
        width: 1.2,
        dash: "none",
        opacity: 1.0,
    })
}

fn markers(frame: &Frame<'_>, series: &Series) -> Vec<Mark> {
    let (path, ring) = match series.role {
        Role::Main => (style::marker_path(series.place), false),
        Role::Ring => (RING, true),
        _ => return Vec::new(),
    };
    series.of(|point| Mark {
        x: rounded(frame.x(point.x) - 6.0),
        y: rounded(frame.y(point.y) - 6.0),
        path,
        colour: style::colour(series.place),
        hollow: ring || point.hollow,
    })
}

/// What is written, each with where it stands.
struct Words(Vec<Text>);

impl Words {
    fn put(&mut self, (x, y): (f64, f64), anchor: &'static str, soft: bool, text: &str) {
        self.0.push(Text {
            x: rounded(x),
            y: rounded(y),
            anchor,
            soft,
            text: text.to_owned(),
        });
    }
}

fn texts(drawing: &Drawing, frame: &Frame<'_>) -> Vec<Text> {
    let mut words = Words(Vec::new());
    of_axes(&mut words, frame);
    for label in end_labels(drawing, frame.y) {
        let at = (
            frame.x(label.x) + super::NAME_RIGHT,
            frame.y(label.y) - label.up + 4.0,
        );
        words.put(at, "start", false, &label.text);
    }
    for series in &drawing.series {
        of_points(&mut words, frame, series);
    }
    words.0
}

fn of_axes(words: &mut Words, frame: &Frame<'_>) {
    let bottom = frame.top + frame.down;
    for (value, text) in frame.y.ticks() {
        let at = (frame.left - 6.0, frame.y(value) + 4.0);
        words.put(at, "end", true, &short(&text));
    }
    for (value, text) in frame.x.ticks() {
        words.put((frame.x(value), bottom + 16.0), "middle", true, &text);
    }
    let middle = frame.left + frame.across / 2.0;
    words.put((middle, bottom + 34.0), "middle", true, &frame.x.title);
}

fn of_points(words: &mut Words, frame: &Frame<'_>, series: &Series) {
    for point in &series.points {
        let (x, y) = (frame.x(point.x), frame.y(point.y));
        let far = point.x_reach.map_or(x, |(_, far)| frame.x(far).max(x));
        if series.role == Role::Bar {
            words.put((far + 5.0, y + 4.0), "start", false, &point.text);
        } else if point.labelled {
            words.put((x, y - 8.0), "middle", true, &point.label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::charts::HEIGHT;

    fn scale() -> Scale {
        Scale {
            title: "load".to_owned(),
            low: 0.0,
            high: 100.0,
            log: false,
            ticks: None,
            grid: true,
        }
    }

    fn series(role: Role, points: &[(f64, f64)]) -> Series {
        let points = points.iter().map(|(x, y)| Point {
            x: *x,
            y: *y,
            ..Point::default()
        });
        Series {
            role,
            place: 0,
            name: "a<b".to_owned(),
            hover: String::new(),
            points: points.collect(),
        }
    }

    /// Axes of 500 by 190 px: 54 px from the left, 16 from above.
    fn picture(series: Vec<Series>) -> Still {
        let drawing = Drawing {
            x: scale(),
            y: scale(),
            height: HEIGHT,
            right: 46,
            names_up: 0.0,
            shaded: Some(20.0),
            series,
            views: Vec::new(),
            unified: false,
        };
        still(&drawing, 600, "p99")
    }

    #[test]
    fn points_stand_where_their_values_say() {
        let mut line = series(Role::Main, &[(0.0, 0.0), (50.0, 100.0)]);
        line.points[1].y_reach = Some((90.0, 100.0));
        let picture = picture(vec![line]);
        assert_eq!(picture.strokes[0].path, "M54 206L304 16");
        // from 16 px to 16 + 19, with ends of 3 px to each side
        assert_eq!(
            picture.strokes[1].path,
            "M304 35L304 16M301 35L307 35M301 16L307 16"
        );
        assert_eq!((picture.marks[1].x, picture.marks[1].y), (298.0, 10.0));
        assert_eq!(picture.shaded, Some((100.0, 190.0)));
        // 0, 20, 40, 60, 80 and 100 on both axes, the title, and the name
        assert_eq!(picture.texts.len(), 6 + 6 + 1 + 1);
        assert_eq!(picture.texts[13].text, "a<b");
    }

    #[test]
    fn only_the_percentile_of_its_view_is_drawn() {
        let both = vec![
            series(Role::Upper("p90"), &[(0.0, 10.0), (100.0, 10.0)]),
            series(Role::Upper("p99"), &[(0.0, 20.0), (100.0, 20.0)]),
        ];
        let paths: Vec<String> = picture(both).strokes.into_iter().map(|s| s.path).collect();
        // 20 % of 190 px above the axis
        assert_eq!(paths, ["M54 168L554 168"]);
    }
}
