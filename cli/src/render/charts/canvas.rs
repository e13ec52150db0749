//! A still image of a chart: the position of each line and text in an SVG. The
//! template writes the SVG.

use serde::Serialize;

use super::axis::Scale;
use super::labels::short;
use super::sizes::{BOTTOM, LEFT, TOP};

/// A still image.
#[derive(Debug, Clone, Serialize)]
pub(in crate::render) struct Still {
    width: usize,
    height: usize,
    /// Left and right end of the axes, and the lower one.
    left: f64,
    right: f64,
    bottom: f64,
    top: f64,
    /// Heights of the lines across.
    grid: Vec<f64>,
    pub(super) texts: Vec<Text>,
    /// Shaded parts: left end and width; as high as the axes.
    pub(super) shaded: Vec<(f64, f64)>,
    pub(super) strokes: Vec<Stroke>,
    pub(super) marks: Vec<Mark>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Text {
    x: f64,
    y: f64,
    /// `start`, `middle` or `end`.
    anchor: &'static str,
    /// Paler than the names of the lines.
    soft: bool,
    pub(super) text: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Stroke {
    pub(super) path: String,
    #[serde(flatten)]
    pen: Pen,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Pen {
    pub(super) colour: &'static str,
    /// px.
    pub(super) width: f64,
    /// SVG's lengths, or `none`.
    pub(super) dash: &'static str,
    /// 0 to 1.
    pub(super) opacity: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Mark {
    /// Upper left corner of its box of 12 by 12.
    pub(super) x: f64,
    pub(super) y: f64,
    scale: f64,
    path: &'static str,
    colour: &'static str,
    hollow: bool,
}

impl Pen {
    /// A line without gaps.
    pub(super) fn solid(colour: &'static str, width: f64) -> Self {
        Self {
            colour,
            width,
            dash: "none",
            opacity: 1.0,
        }
    }
}

/// Room around the axes, px.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) right: usize,
    pub(super) top: usize,
    pub(super) bottom: usize,
}

/// A still image that is being drawn, in the units of its axes.
pub(super) struct Canvas<'d> {
    x: &'d Scale,
    y: &'d Scale,
    /// Width of the axes, px.
    pub(super) across: f64,
    still: Still,
}

impl<'d> Canvas<'d> {
    /// Axes with their ticks and titles. `width` and `height`: of the whole
    /// image; `right`: room right of the axes, px.
    pub(super) fn new(scales: [&'d Scale; 2], size: [usize; 2], right: usize) -> Self {
        let (top, bottom) = (TOP, BOTTOM);
        Self::with_room(scales, size, Room { right, top, bottom })
    }

    /// The same, with other room around the axes than most charts have.
    pub(super) fn with_room(
        [x, y]: [&'d Scale; 2],
        [width, height]: [usize; 2],
        room: Room,
    ) -> Self {
        let (left, top) = (left_of(y), room.top as f64);
        let across = width as f64 - left - room.right as f64;
        let still = Still {
            width,
            height,
            left,
            right: left + across,
            top,
            bottom: (height - room.bottom) as f64,
            grid: Vec::new(),
            texts: Vec::new(),
            shaded: Vec::new(),
            strokes: Vec::new(),
            marks: Vec::new(),
        };
        let mut canvas = Self {
            x,
            y,
            across,
            still,
        };
        canvas.axes();
        canvas
    }

    /// Where a value on the horizontal axis stands, px.
    pub(super) fn x(&self, value: f64) -> f64 {
        rounded(self.still.left + self.x.share(value) * self.across)
    }

    /// Where a value on the vertical axis stands, px.
    pub(super) fn y(&self, value: f64) -> f64 {
        let down = self.still.bottom - self.still.top;
        rounded(self.still.top + (1.0 - self.y.share(value)) * down)
    }

    /// Draws along a path in px.
    pub(super) fn stroke(&mut self, path: String, pen: Pen) {
        if !path.is_empty() {
            self.still.strokes.push(Stroke { path, pen });
        }
    }

    /// Draws a line through points in the units of the axes.
    pub(super) fn line(&mut self, points: &[(f64, f64)], pen: Pen) {
        let points = points.iter().map(|(x, y)| (self.x(*x), self.y(*y)));
        let points: Vec<(f64, f64)> = points.collect();
        self.stroke(path(&points), pen);
    }

    /// Draws a bar from the left end of the axes to a value.
    pub(super) fn bar(&mut self, to: f64, at: f64, pen: Pen) {
        let y = self.y(at);
        self.stroke(path(&[(self.still.left, y), (self.x(to), y)]), pen);
    }

    /// Puts a marker, a path in a box of 12 by 12, with its middle at a point in px.
    pub(super) fn mark(
        &mut self,
        (x, y): (f64, f64),
        (path, scale): (&'static str, f64),
        colour: &'static str,
        hollow: bool,
    ) {
        self.still.marks.push(Mark {
            x: rounded(x - 6.0 * scale),
            y: rounded(y - 6.0 * scale),
            scale,
            path,
            colour,
            hollow,
        });
    }

    /// Writes text at a point in px. `soft`: paler than names.
    pub(super) fn put(&mut self, (x, y): (f64, f64), anchor: &'static str, soft: bool, text: &str) {
        self.still.texts.push(Text {
            x: rounded(x),
            y: rounded(y),
            anchor,
            soft,
            text: text.to_owned(),
        });
    }

    /// Shades what lies before a value on the horizontal axis.
    pub(super) fn shade_to(&mut self, to: f64) {
        let left = self.still.left;
        let width = rounded(self.x(to) - left).max(0.0);
        self.still.shaded.push((left, width));
    }

    /// Shades what lies between two values on the horizontal axis.
    pub(super) fn shade(&mut self, from: f64, to: f64) {
        let (from, to) = (self.x(from), self.x(to));
        self.still.shaded.push((from, rounded(to - from)));
    }

    /// The finished image.
    pub(super) fn finish(self) -> Still {
        self.still
    }

    fn axes(&mut self) {
        let (left, bottom) = (self.still.left, self.still.bottom);
        for (value, text) in self.y.ticks() {
            let y = self.y(value);
            if self.y.grid {
                self.still.grid.push(y);
            }
            self.put((left - 6.0, y + 4.0), "end", true, &short(&text));
        }
        for (value, text) in self.x.ticks() {
            self.put((self.x(value), bottom + 18.0), "middle", true, &text);
        }
        let middle = left + self.across / 2.0;
        let title = self.x.title.clone();
        if !title.is_empty() {
            self.put((middle, bottom + 36.0), "middle", true, &title);
        }
    }
}

/// To a tenth of a pixel; more digits only make the file larger.
fn rounded(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

/// Names on the vertical axis need more room than numbers.
fn left_of(y: &Scale) -> f64 {
    let ticks = y.ticks.iter().flatten();
    let longest = ticks
        .map(|(_, text)| short(text).chars().count())
        .max()
        .unwrap_or(0);
    (LEFT as f64).max(12.0 + 7.0 * longest as f64)
}

/// A line through points in px.
pub(super) fn path(points: &[(f64, f64)]) -> String {
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
