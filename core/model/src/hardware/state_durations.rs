//! How long states lasted over spans of time: each holds from its reading to
//! the next.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::spans::Spans;
use crate::text::units::s_between;

/// Reasons for a lower clock that are no throttling: nothing to do, or what the
/// user set.
const NO_THROTTLING: [&str; 5] = [
    "none",
    "gpu_idle",
    "applications_clocks_setting",
    "sync_boost",
    "display_clock_setting",
];

/// Whether a reason for a lower clock is throttling.
fn throttles(reason: &str) -> bool {
    !NO_THROTTLING.contains(&reason)
}

/// The throttle reasons of one device over several spans.
#[derive(Debug, Clone)]
pub(super) struct StateDurationsFold {
    spans: Spans,
    gap_ns: u64,
    first_open: usize,
    last: Option<(u64, Vec<String>)>,
    durations: Vec<StateDurations>,
}

/// Times over one span.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct StateDurations {
    /// Time in which the reasons are known.
    known_ns: u64,
    /// Time with any reason that is throttling.
    throttled_ns: u64,
    /// Time with each of those.
    by_reason_ns: BTreeMap<String, u64>,
}

impl StateDurations {
    /// Seconds throttled for any reason; `None` if no reason is known at any time.
    pub(super) fn throttled_s(&self) -> Option<f64> {
        (self.known_ns > 0).then(|| s_between(0, self.throttled_ns))
    }

    /// Seconds throttled for each reason; they may overlap.
    pub(super) fn by_reason_s(&self) -> BTreeMap<String, f64> {
        let each = self.by_reason_ns.iter();
        each.map(|(reason, ns)| (reason.clone(), s_between(0, *ns)))
            .collect()
    }
}

impl StateDurationsFold {
    pub(super) fn new(spans: &Spans, gap_ns: u64) -> Self {
        Self {
            spans: Rc::clone(spans),
            gap_ns,
            first_open: 0,
            last: None,
            durations: vec![StateDurations::default(); spans.len()],
        }
    }

    /// Takes the reasons that hold from now on.
    pub(super) fn add(&mut self, t_ns: u64, reasons: &[String]) {
        let reasons: Vec<String> = reasons.iter().filter(|r| throttles(r)).cloned().collect();
        if let Some((from_ns, held)) = self.last.replace((t_ns, reasons))
            && t_ns.saturating_sub(from_ns) <= self.gap_ns
        {
            self.add_time(from_ns, t_ns, &held);
        }
    }

    fn add_time(&mut self, from_ns: u64, to_ns: u64, reasons: &[String]) {
        while (self.spans.get(self.first_open)).is_some_and(|span| span.end_ns < from_ns) {
            self.first_open += 1;
        }
        let open = self.spans.iter().zip(&mut self.durations);
        let open = open.skip(self.first_open);
        for (span, durations) in open.take_while(|(span, _)| span.start_ns < to_ns) {
            let (start_ns, end_ns) = (from_ns.max(span.start_ns), to_ns.min(span.end_ns));
            let length_ns = end_ns.saturating_sub(start_ns);
            durations.known_ns = durations.known_ns.saturating_add(length_ns);
            if length_ns == 0 || reasons.is_empty() {
                continue;
            }
            durations.throttled_ns = durations.throttled_ns.saturating_add(length_ns);
            for reason in reasons {
                match durations.by_reason_ns.get_mut(reason) {
                    Some(sum) => *sum = sum.saturating_add(length_ns),
                    None => {
                        durations.by_reason_ns.insert(reason.clone(), length_ns);
                    }
                }
            }
        }
    }

    /// The times over a span.
    pub(super) fn over(&self, span: usize) -> &StateDurations {
        &self.durations[span]
    }
}
