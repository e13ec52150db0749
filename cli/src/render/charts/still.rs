//! A chart as a still image that needs no script.

use super::canvas::{Canvas, Pen, Still, path};
use super::drawing::{Drawing, Role, Series};
use super::labels::end_labels;
use super::sizes::{BEST, BEST_OPACITY};
use crate::render::style;

/// Ring around a point.
const RING: &str = "M6-2.5a8.5 8.5 0 1 0 .01 0z";
/// Half the height of a bar, and half the length of a whisker's end, px.
const HALF_BAR: f64 = 9.0;
const HALF_END: f64 = 3.0;
/// Width of a line, of a thin one, of the best band, and of a whisker, px.
const LINE: f64 = 2.2;
const THIN: f64 = 1.0;
const BAND: f64 = 11.0;
const WHISKER: f64 = 1.2;

/// The still image of a chart, `width` px wide, with the percentile `view` beside
/// the typical values.
pub(super) fn still(drawing: &Drawing, width: usize, view: &str) -> Still {
    let y = drawing.scale_of(view);
    let size = [width, drawing.height];
    let mut canvas = Canvas::new([&drawing.x, y], size, drawing.right);
    for label in end_labels(drawing, y) {
        let at = (
            canvas.x(label.x) + label.right,
            canvas.y(label.y) - label.up + 4.0,
        );
        canvas.put(at, "start", false, &label.text);
    }
    for series in &drawing.series {
        point_texts(&mut canvas, series);
    }
    let shown = drawing.series.iter().filter(|series| match series.role {
        Role::Upper(own) => own == view,
        _ => true,
    });
    for series in shown {
        lines(&mut canvas, series);
        whiskers(&mut canvas, series);
        markers(&mut canvas, series, drawing.marker_scale(series));
    }
    if let Some(shaded) = drawing.shaded {
        canvas.shade_to(shaded);
    }
    canvas.finish()
}

fn lines(canvas: &mut Canvas<'_>, series: &Series) {
    let colour = style::colour(series.place);
    let dashed = |width| Pen {
        dash: style::dash_lengths(series.place),
        ..Pen::solid(colour, width)
    };
    let points = series.map_points(|point| (point.x, point.y));
    match series.role {
        Role::Main => canvas.line(&points, dashed(LINE)),
        Role::Upper(_) => canvas.line(&points, dashed(THIN)),
        Role::Best => canvas.line(
            &points,
            Pen {
                opacity: BEST_OPACITY,
                ..Pen::solid(BEST, BAND)
            },
        ),
        Role::Ring => {}
        Role::Bar => {
            for (x, y) in points {
                canvas.bar(x, y, Pen::solid(colour, 2.0 * HALF_BAR));
            }
        }
    }
}

fn whiskers(canvas: &mut Canvas<'_>, series: &Series) {
    let mut all = String::new();
    for point in &series.points {
        let (x, y) = (canvas.x(point.x), canvas.y(point.y));
        if let Some((low, high)) = point.x_reach {
            let (low, high) = (canvas.x(low), canvas.x(high));
            all.push_str(&path(&[(low, y), (high, y)]));
        }
        if let Some((low, high)) = point.y_reach {
            let (low, high) = (canvas.y(low), canvas.y(high));
            all.push_str(&path(&[(x, low), (x, high)]));
            for end in [low, high] {
                all.push_str(&path(&[(x - HALF_END, end), (x + HALF_END, end)]));
            }
        }
    }
    canvas.stroke(all, Pen::solid(style::colour(series.place), WHISKER));
}

fn markers(canvas: &mut Canvas<'_>, series: &Series, scale: f64) {
    let (marker, ring) = match series.role {
        Role::Main => ((style::marker_path(series.place), scale), false),
        Role::Ring => ((RING, 1.0), true),
        _ => return,
    };
    for point in &series.points {
        let at = (canvas.x(point.x), canvas.y(point.y));
        let hollow = ring || point.hollow;
        let colour = match point.dominated {
            true => style::NEUTRAL,
            false => style::colour(series.place),
        };
        canvas.mark(at, marker, colour, hollow);
    }
}

fn point_texts(canvas: &mut Canvas<'_>, series: &Series) {
    for point in &series.points {
        let (x, y) = (canvas.x(point.x), canvas.y(point.y));
        let far = point.x_reach.map_or(x, |(_, far)| canvas.x(far).max(x));
        if series.role == Role::Bar {
            canvas.put((far + 5.0, y + 4.0), "start", false, &point.text);
        } else if point.labelled {
            let up = if point.ringed { 12.0 } else { 8.0 };
            canvas.put((x, y - up), "middle", true, &point.label);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::charts::axis::Scale;
    use crate::render::charts::drawing::Point;
    use crate::render::charts::sizes::HEIGHT;

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
    fn drawn(series: Vec<Series>) -> Still {
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
        let still = drawn(vec![line]);
        assert_eq!(still.strokes[0].path, "M54 206L304 16");
        // from 16 px to 16 + 19, with ends of 3 px to each side
        assert_eq!(
            still.strokes[1].path,
            "M304 35L304 16M301 35L307 35M301 16L307 16"
        );
        assert_eq!((still.marks[1].x, still.marks[1].y), (298.0, 10.0));
        // the first 20 of 100
        assert_eq!(still.shaded, [(54.0, 100.0)]);
        // 0, 20, 40, 60, 80 and 100 on both axes, the title, and the name
        assert_eq!(still.texts.len(), 6 + 6 + 1 + 1);
        assert_eq!(still.texts[13].text, "a<b");
    }

    #[test]
    fn only_the_percentile_of_its_view_is_drawn() {
        let both = vec![
            series(Role::Upper("p90"), &[(0.0, 10.0), (100.0, 10.0)]),
            series(Role::Upper("p99"), &[(0.0, 20.0), (100.0, 20.0)]),
        ];
        let paths: Vec<String> = drawn(both).strokes.into_iter().map(|s| s.path).collect();
        // 20 % of 190 px above the axis
        assert_eq!(paths, ["M54 168L554 168"]);
    }
}
