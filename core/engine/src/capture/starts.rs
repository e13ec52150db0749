//! Which backend was under load at a moment of the wall clock. A run has its own clock
//! and some moments on both; only a step of the wall clock changes their difference.

use inferbench_model::facts::manifest::{Anchor, Manifest};

use super::error::CaptureError;

/// What the moments on both clocks are exact to, and more, ns.
const SLACK_NS: u64 = 20_000_000;

/// One start of a backend, while it was under load.
#[derive(Debug)]
pub(super) struct Start {
    /// Label.
    pub(super) backend: String,
    pub(super) block: u32,
    /// What the wall clock may be ahead of the run's, ns.
    pub(super) offsets_ns: Vec<i64>,
    /// First and last moment of its cells, on the run's clock.
    run_ns: (u64, u64),
}

/// All starts of a run.
#[derive(Debug)]
pub(super) struct Starts {
    pub(super) all: Vec<Start>,
}

impl Start {
    /// First and last moment of its load, wall clock, ns, by each of the offsets.
    fn spans(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (from, to) = self.run_ns;
        let offsets = self.offsets_ns.iter();
        offsets.map(move |offset| {
            (
                from.saturating_add_signed(*offset),
                to.saturating_add_signed(*offset),
            )
        })
    }
}

impl Starts {
    /// The starts that have cells.
    ///
    /// # Errors
    /// If no moment is known on both clocks.
    pub(super) fn read(manifest: &Manifest) -> Result<Self, CaptureError> {
        let anchors: Vec<(u64, i64)> = manifest.anchors.iter().filter_map(offset).collect();
        if anchors.is_empty() {
            return Err(CaptureError::NoAnchor);
        }
        let mut all: Vec<Start> = Vec::new();
        for cell in &manifest.cells {
            let span = (cell.start_ns, cell.end_ns);
            let known = all.iter_mut().find(|start| {
                (start.backend.as_str(), start.block) == (&cell.key.backend, cell.key.block)
            });
            match known {
                Some(start) => {
                    let (from, to) = start.run_ns;
                    start.run_ns = (from.min(span.0), to.max(span.1));
                }
                None => all.push(Start {
                    backend: cell.key.backend.clone(),
                    block: cell.key.block,
                    offsets_ns: Vec::new(),
                    run_ns: span,
                }),
            }
        }
        for start in &mut all {
            start.offsets_ns = offsets_around(&anchors, start.run_ns);
        }
        Ok(Self { all })
    }

    /// The start that was under load at this moment of the wall clock.
    pub(super) fn at(&self, wall_ns: u64) -> Option<usize> {
        let holds = |start: &Start, slack_ns: u64| {
            start.spans().any(|(from, to)| {
                (from.saturating_sub(slack_ns)..=to.saturating_add(slack_ns)).contains(&wall_ns)
            })
        };
        let exact = self.all.iter().position(|start| holds(start, 0));
        exact.or_else(|| self.all.iter().position(|start| holds(start, SLACK_NS)))
    }

    /// First and last moment of all load, wall clock, ns.
    pub(super) fn span_ns(&self) -> (u64, u64) {
        let spans = || self.all.iter().flat_map(Start::spans);
        let from = spans().map(|span| span.0).min();
        let to = spans().map(|span| span.1).max();
        (from.unwrap_or(0), to.unwrap_or(0))
    }
}

/// A moment of the run's clock, and what the wall clock is ahead of it then.
fn offset(anchor: &Anchor) -> Option<(u64, i64)> {
    let utc: jiff::Timestamp = anchor.utc.parse().ok()?;
    let wall_ns = i64::try_from(utc.as_nanosecond()).ok()?;
    let run_ns = i64::try_from(anchor.monotonic_ns).ok()?;
    Some((anchor.monotonic_ns, wall_ns - run_ns))
}

/// The offsets before and after a span, once if they are the same.
fn offsets_around(anchors: &[(u64, i64)], (from, to): (u64, u64)) -> Vec<i64> {
    let before = anchors.iter().rev().find(|(at, _)| *at <= from);
    let after = anchors.iter().find(|(at, _)| *at >= to);
    let mut around: Vec<i64> = [before, after]
        .into_iter()
        .flatten()
        .map(|(_, by)| *by)
        .collect();
    if around.is_empty() {
        around.extend(anchors.first().map(|(_, by)| *by));
    }
    if around.len() == 2 && around[0].abs_diff(around[1]) < SLACK_NS / 2 {
        around.pop();
    }
    around
}

/// A moment of the wall clock in UTC, RFC 3339 with milliseconds.
pub(super) fn utc(wall_ns: u64) -> String {
    let moment = jiff::Timestamp::from_nanosecond(i128::from(wall_ns));
    moment.map_or_else(|_| wall_ns.to_string(), |moment| format!("{moment:.3}"))
}
