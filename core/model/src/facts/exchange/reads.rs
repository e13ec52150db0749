//! How the reads of an answer went, and which events they may have stamped late.

use crate::text::units::ms_between;

/// What an event may be stamped late by before that counts, ns: no figure is off by
/// more than this without a mark.
const LATE_NS: u64 = 500_000;

/// How the reads that carried output went.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    /// Delay of the read whose events come now.
    pub(super) current_delay_ns: Option<u64>,
    /// Within which its bytes arrived.
    pub(super) current_span_ns: u64,
    /// Arrival of its last bytes.
    pub(super) current_arrival_ns: u64,
    /// Output events of that read so far.
    pub(super) current_events: u32,
    pub(super) largest_delay_ns: Option<u64>,
    sharing: u32,
    /// Those of them that may have come earlier by [`LATE_NS`]: how many in a read, and
    /// by how many milliseconds at most.
    pub(super) late: Vec<(u32, f64)>,
    /// Output events in all.
    events: u32,
    /// Span of the first read with output, once it holds more than one event.
    pub(super) first_shared_span_ns: Option<u64>,
}

impl Reads {
    pub(super) fn output(&mut self) {
        self.largest_delay_ns = self.largest_delay_ns.max(self.current_delay_ns);
        self.current_events += 1;
        self.events += 1;
        if self.events == 2 && self.current_events == 2 && self.current_delay_ns.is_some() {
            self.first_shared_span_ns = Some(self.current_span_ns);
        }
        self.sharing += match self.current_events {
            1 => 0,
            // The first of them turns out to share its read too.
            2 => 2,
            _ => 1,
        };
    }

    pub(super) fn ended(&mut self, has_part: bool, first_ns: impl FnOnce() -> Option<u64>) {
        let shared = match (self.current_events, has_part) {
            (0, _) | (1, false) => return,
            (1, true) => {
                self.sharing += 1;
                1
            }
            (events, _) => events,
        };
        if self.current_span_ns > LATE_NS
            && let Some(first_ns) = first_ns()
            // Bytes that came before the first ones: the thread was held up otherwise.
            && let Some(span_ns) = self.current_arrival_ns.checked_sub(first_ns)
        {
            self.current_span_ns = self.current_span_ns.min(span_ns);
        }
        if self.current_span_ns > LATE_NS {
            self.late
                .push((shared, ms_between(0, self.current_span_ns)));
        }
        if self.events == self.current_events && self.current_delay_ns.is_some() {
            self.first_shared_span_ns = Some(self.current_span_ns);
        }
    }

    pub(super) fn delay_ms(&self) -> Option<f64> {
        self.largest_delay_ns.map(|delay| ms_between(0, delay))
    }

    /// Of so many events.
    pub(super) fn sharing(&self, events: usize) -> Option<u32> {
        let most = u32::try_from(events).unwrap_or(u32::MAX);
        self.largest_delay_ns.map(|_| self.sharing.min(most))
    }
}
