//! What a chart shows, as plain data. The interactive chart and the still image are
//! both drawn from it, so they show the same.

use super::axis::Scale;

/// Each line's markers are this much larger than those of the next line above it,
/// up to so many times.
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
    /// Height of a name above the end of its line, px.
    pub(super) names_up: f64,
    /// The x axis is shaded from its start to here.
    pub(super) shaded: Option<f64>,
    /// What is drawn, lowest first.
    pub(super) series: Vec<Series>,
    /// Views of a chart over levels, the first is the default; empty if there is
    /// only one.
    pub(super) views: Vec<View>,
    /// Hovering shows all values at one x together.
    pub(super) unified: bool,
}

/// The role of a series in a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The typical values: a line with markers and a name at its end.
    Main,
    /// A higher percentile of the same metric: a thin line.
    Upper(&'static str),
    /// The Pareto front: a broad band below the lines, of no backend.
    Best,
    /// Rings around points of a line.
    Ring,
    /// A bar from zero to each x, at each y.
    Bar,
}

/// Points of one backend.
pub(super) struct Series {
    pub(super) role: Role,
    /// Index of the backend in the report.
    pub(super) place: usize,
    /// Name for the reader.
    pub(super) name: String,
    /// Text over a point, in plotly's hover syntax.
    pub(super) hover: String,
    pub(super) points: Vec<Point>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    /// Least and most over repeats along each axis.
    pub(super) x_reach: Option<(f64, f64)>,
    pub(super) y_reach: Option<(f64, f64)>,
    /// Text when hovering over it.
    pub(super) text: String,
    /// Text beside it, if `labelled`.
    pub(super) label: String,
    pub(super) labelled: bool,
    /// Its marker is hollow.
    pub(super) hollow: bool,
    /// It has a ring around it.
    pub(super) ringed: bool,
    /// Another point is better in everything: its marker is grey.
    pub(super) dominated: bool,
}

/// One of several views of the same chart.
pub(super) struct View {
    /// Name of the percentile that it adds to p50; `p50` adds none.
    pub(super) name: &'static str,
    pub(super) y: Scale,
}

impl Drawing {
    /// The y axis of the view of that name, or the only one.
    pub(super) fn scale_of(&self, view: &str) -> &Scale {
        let found = self.views.iter().find(|own| own.name == view);
        found.map_or(&self.y, |view| &view.y)
    }

    /// Scale of the markers of a line: larger for lower lines, so that overlapping
    /// points are all visible.
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
    pub(super) fn map_points<T>(&self, value: impl Fn(&Point) -> T) -> Vec<T> {
        self.points.iter().map(value).collect()
    }

    /// The point beside which the name is written.
    pub(super) fn end(&self) -> Option<&Point> {
        self.points.last()
    }
}
