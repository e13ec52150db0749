//! What a counter rose by over spans of time, or why that is unknown.

use std::rc::Rc;

use super::spans::{Spans, on_line};

/// Why a counter gives no figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRise {
    /// There is no window.
    NoWindow,
    /// It was never read.
    NotReported,
    /// No two readings lie around the span's start without a gap.
    StartUnknown,
    /// The same of its end.
    EndUnknown,
    /// It fell in the span.
    Fell,
    /// It was the same at both ends of the span.
    StoodStill,
}

impl NoRise {
    /// In words, of the counter of `whose`.
    pub(super) fn words(self, whose: &str) -> String {
        match self {
            Self::NoWindow => "no measured window".to_owned(),
            Self::NotReported => format!("{whose} reports no energy counter"),
            Self::StartUnknown => {
                format!("no reading of {whose}'s energy counter around the window's start")
            }
            Self::EndUnknown => {
                format!("no reading of {whose}'s energy counter around the window's end")
            }
            Self::Fell => format!("{whose}'s energy counter ran backwards in the window"),
            Self::StoodStill => format!("{whose}'s energy counter stood still over the window"),
        }
    }
}

/// One counter over several spans.
#[derive(Debug, Clone)]
pub(super) struct CounterFold {
    spans: Spans,
    gap_ns: u64,
    first_open: usize,
    last: Option<(u64, f64)>,
    ends: Vec<Ends>,
}

/// The counter at both ends of one span.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    start: Option<f64>,
    end: Option<f64>,
    fell: bool,
}

impl CounterFold {
    pub(super) fn new(spans: &Spans, gap_ns: u64) -> Self {
        Self {
            spans: Rc::clone(spans),
            gap_ns,
            first_open: 0,
            last: None,
            ends: vec![Ends::default(); spans.len()],
        }
    }

    /// Takes a reading; `t_ns` is never before that of an earlier one.
    pub(super) fn add(&mut self, t_ns: u64, value: f64) {
        let now = (t_ns, value);
        let last = self.last.replace(now).unwrap_or(now);
        while (self.spans.get(self.first_open)).is_some_and(|span| span.end_ns < last.0) {
            self.first_open += 1;
        }
        let joined = t_ns.saturating_sub(last.0) <= self.gap_ns;
        let open = self.spans.iter().zip(&mut self.ends);
        let open = open.skip(self.first_open);
        for (span, ends) in open.take_while(|(span, _)| span.start_ns <= t_ns) {
            if span.end_ns < last.0 {
                continue;
            }
            // A fall in a gap is a fall too.
            ends.fell |= value < last.1;
            if !joined {
                continue;
            }
            let at = |edge_ns: u64| {
                (last.0..=t_ns)
                    .contains(&edge_ns)
                    .then(|| on_line(last, now, edge_ns))
            };
            ends.start = ends.start.or_else(|| at(span.start_ns));
            ends.end = ends.end.or_else(|| at(span.end_ns));
        }
    }

    /// What the counter rose by over a span, always above 0.
    pub(super) fn rise(&self, span: usize) -> Result<f64, NoRise> {
        if self.last.is_none() {
            return Err(NoRise::NotReported);
        }
        let ends = &self.ends[span];
        if ends.fell {
            return Err(NoRise::Fell);
        }
        let start = ends.start.ok_or(NoRise::StartUnknown)?;
        let rise = ends.end.ok_or(NoRise::EndUnknown)? - start;
        if rise > 0.0 {
            Ok(rise)
        } else {
            Err(NoRise::StoodStill)
        }
    }
}
