//! What a chart shows, as plain data: drawn from it are the interactive chart
//! and the still picture, so that both show the same.

use super::axis::Scale;

/// How much larger a marker is than that of the next line above it, and how often
/// that adds up.
const PEEK: f64 = 0.3;
const MOST_PEEKS: usize = 3;

/// One chart, in the units of the data.
pub(super) struct Drawing {
    pub(super) x: Scale,
    pub(super) y: Scale,
    /// Height, px.
    pub(super) height: usize,
    /// Room right of the axes for the names of the lines, px.
    pub(super) right: usize,
    /// How far above the end of its line a name stands, px, so that the line may
    /// go on below it.
    pub(super) names_up: f64,
    /// Where the part of the x axis ends that is shaded, from its start.
    pub(super) shaded: Option<f64>,
    /// What is drawn, lowest first.
    pub(super) series: Vec<Series>,
    /// Views of a chart over levels, the first shown at first; empty if there is
    /// one only.
    pub(super) views: Vec<View>,
    /// All values at one x are shown together.
    pub(super) unified: bool,
}

/// What a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The figures that are compared: a line with markers, named at its end.
    Main,
    /// A higher percentile of the same figures: a thin line.
    Upper(&'static str),
    /// Points that nothing beats: a broad band below the lines, of no backend.
    Best,
    /// Rings around points of a line.
    Ring,
    /// A bar from zero to each x, at each y.
    Bar,
}

/// Points of one backend.
pub(super) struct Series {
    pub(super) role: Role,
    /// Place of the backend in the report, from 0.
    pub(super) place: usize,
    /// Name, as the reader knows it.
    pub(super) name: String,
    /// What is shown over a point, in plotly's words.
    pub(super) hover: String,
    pub(super) points: Vec<Point>,
}

/// One point.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Least and most over repeats along each axis.
    pub(super) x_reach: Option<(f64, f64)>,
    pub(super) y_reach: Option<(f64, f64)>,
    /// What it is, for whoever points at it.
    pub(super) text: String,
    /// What stands beside it, if it is labelled.
    pub(super) label: String,
    pub(super) labelled: bool,
    /// Its marker is hollow.
    pub(super) hollow: bool,
}

/// One of several views of the same chart.
pub(super) struct View {
    /// Name of the percentile that it adds; `p50` adds none.
    pub(super) name: &'static str,
    pub(super) y: Scale,
}

impl Drawing {
    /// The view with that percentile, or the only one.
    pub(super) fn scale_of(&self, view: &str) -> &Scale {
        let found = self.views.iter().find(|own| own.name == view);
        found.map_or(&self.y, |view| &view.y)
    }

    /// How much larger the markers of a line are than those of the topmost one, so
    /// that points which lie on each other are all seen.
    pub(super) fn marker_scale(&self, line: &Series) -> f64 {
        let above = self.named().filter(|other| other.place > line.place);
        1.0 + PEEK * above.count().min(MOST_PEEKS) as f64
    }

    /// Lines with a name at their end.
    pub(super) fn named(&self) -> impl Iterator<Item = &Series> {
        let own = |series: &&Series| series.role == Role::Main && !series.points.is_empty();
        self.series.iter().filter(own)
    }
}

impl Series {
    pub(super) fn of<T>(&self, value: impl Fn(&Point) -> T) -> Vec<T> {
        self.points.iter().map(value).collect()
    }

    /// The point at which its name stands.
    pub(super) fn end(&self) -> Option<&Point> {
        self.points.last()
    }
}
