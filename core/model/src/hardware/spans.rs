//! Mean and extremes of one series over spans of time: the line through its
//! readings, cut at the edges of each span.

use std::rc::Rc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::window::Window;
use crate::text::units::s_between;

/// Spans of time, sorted by their starts; they may overlap.
pub(super) type Spans = Rc<[Window]>;

/// The indexes of one cell's spans among all of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellSpanIndexes {
    /// The measured window.
    pub(super) window: Option<usize>,
    /// Its length; 0 if there is none.
    pub(super) window_s: f64,
    /// The whole cell.
    pub(super) load: Option<usize>,
    /// From the start of its backend to its first cell.
    pub(super) startup: Option<usize>,
    /// Before the first start of any backend.
    pub(super) idle: Option<usize>,
}

/// Largest memory in use, bytes, over three parts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemoryPeaks {
    /// Before the first start of any backend.
    pub idle_bytes: Option<u64>,
    /// From the start of the cell's backend to its first cell.
    pub startup_bytes: Option<u64>,
    /// Over the whole cell, warm-up included.
    pub load_bytes: Option<u64>,
}

/// One series over several spans.
#[derive(Debug, Clone)]
pub(super) struct SpanFold {
    spans: Spans,
    gap_ns: u64,
    /// Spans before this one have ended.
    first_open: usize,
    last: Option<(u64, f64)>,
    stats: Vec<SpanStats>,
}

/// What is known of a series over one span.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SpanStats {
    /// Integral of the value over the covered time, value times seconds.
    pub(super) area: f64,
    /// Time of the span that lies between readings without a gap.
    pub(super) covered_ns: u64,
    /// Largest value of the line in the span.
    pub(super) max: Option<f64>,
    /// Readings in the span.
    pub(super) n: u64,
}

impl SpanStats {
    /// Mean over the covered time; `None` if no time is covered.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.covered_ns > 0).then(|| self.area / s_between(0, self.covered_ns))
    }
}

impl SpanFold {
    /// `gap_ns`: neighbouring readings further apart are not joined.
    pub(super) fn new(spans: &Spans, gap_ns: u64) -> Self {
        Self {
            spans: Rc::clone(spans),
            gap_ns,
            first_open: 0,
            last: None,
            stats: vec![SpanStats::default(); spans.len()],
        }
    }

    /// Takes a reading that a straight line joins to the one before.
    /// `t_ns` is never before that of an earlier reading.
    pub(super) fn add(&mut self, t_ns: u64, value: f64) {
        let now = (t_ns, value);
        if let Some(last) = self.last.replace(now)
            && t_ns.saturating_sub(last.0) <= self.gap_ns
        {
            self.join(last, now);
        }
        self.note(now);
    }

    /// Takes a reading that is the mean since `from_ns`.
    pub(super) fn add_since(&mut self, from_ns: u64, t_ns: u64, value: f64) {
        if t_ns.saturating_sub(from_ns) <= self.gap_ns {
            self.join((from_ns, value), (t_ns, value));
        }
        self.note((t_ns, value));
    }

    fn join(&mut self, from: (u64, f64), to: (u64, f64)) {
        let ended = |span: &Window| span.end_ns < from.0;
        while self.spans.get(self.first_open).is_some_and(ended) {
            self.first_open += 1;
        }
        let open = self.spans.iter().zip(&mut self.stats);
        let open = open.skip(self.first_open);
        for (span, stats) in open.take_while(|(span, _)| span.start_ns < to.0) {
            let (start_ns, end_ns) = (from.0.max(span.start_ns), to.0.min(span.end_ns));
            if start_ns >= end_ns {
                continue;
            }
            let ends = [start_ns, end_ns].map(|t_ns| on_line(from, to, t_ns));
            stats.area += (ends[0] + ends[1]) / 2.0 * s_between(start_ns, end_ns);
            stats.covered_ns = stats.covered_ns.saturating_add(end_ns - start_ns);
            stats.max = stats.max.into_iter().chain(ends).reduce(f64::max);
        }
    }

    fn note(&mut self, (t_ns, value): (u64, f64)) {
        let open = self.spans.iter().zip(&mut self.stats);
        let open = open.skip(self.first_open);
        for (span, stats) in open.take_while(|(span, _)| span.start_ns <= t_ns) {
            if span.contains(t_ns) {
                stats.n += 1;
                stats.max = stats.max.into_iter().chain([value]).reduce(f64::max);
            }
        }
    }

    /// Joins readings up to `gap_ns` apart from now on, if that is more than before.
    pub(super) fn widen(&mut self, gap_ns: u64) {
        self.gap_ns = self.gap_ns.max(gap_ns);
    }

    pub(super) fn gap_ns(&self) -> u64 {
        self.gap_ns
    }

    /// What is known of a span; nothing if it is absent.
    pub(super) fn over(&self, span: Option<usize>) -> SpanStats {
        span.map_or_else(SpanStats::default, |span| self.stats[span])
    }

    /// Peaks of memory over the parts of a run.
    pub(super) fn peaks(&self, indexes: &CellSpanIndexes) -> MemoryPeaks {
        let peak = |span| self.over(span).max.map(|bytes| bytes.round() as u64);
        MemoryPeaks {
            idle_bytes: peak(indexes.idle),
            startup_bytes: peak(indexes.startup),
            load_bytes: peak(indexes.load),
        }
    }
}

/// The value at `t_ns` of the line from one reading to a later one.
pub(super) fn on_line(from: (u64, f64), to: (u64, f64), t_ns: u64) -> f64 {
    if to.0 == from.0 {
        return to.1;
    }
    let share = s_between(from.0, t_ns) / s_between(from.0, to.0);
    from.1 + (to.1 - from.1) * share
}
