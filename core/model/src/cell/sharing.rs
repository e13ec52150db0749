//! How the output events of a cell shared reads, and by how much their stamps may
//! therefore be late.

use crate::cell::lateness::Lateness;
use crate::cell::stream_faults::share;
use crate::facts::record::RequestRecord;

/// How many output events shared a read, over requests that record it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sharing {
    pub(crate) events: u64,
    /// Those that shared their read.
    pub(crate) events_sharing: u64,
    /// By how much they may have come earlier.
    events_late: Lateness,
    /// Moments at which they came.
    pub(crate) arrivals: u64,
    pub(crate) answers: u64,
    /// By how much first outputs may have come earlier.
    firsts_late: Lateness,
}

/// A figure is off if it is so by more than this, ms ...
const OFF_MS: f64 = 0.5;
/// ... and by more than this share of it.
const OFF_SHARE: f64 = 0.02;

/// By how much a figure of `value_ms` may be off.
fn allowed_ms(value_ms: Option<f64>) -> f64 {
    OFF_MS.max(OFF_SHARE * value_ms.unwrap_or(0.0))
}

impl Sharing {
    pub(crate) fn add(&mut self, record: &RequestRecord) {
        let Some(sharing) = record.events_sharing_a_read else {
            return;
        };
        self.events += u64::from(record.output_events());
        self.events_sharing += u64::from(sharing);
        match &record.events_stamped_late {
            // Older versions have not recorded it.
            None => self.events_late.add(u64::from(sharing), f64::INFINITY),
            Some(reads) => {
                for (events, late_ms) in reads {
                    self.events_late.add(u64::from(*events), *late_ms);
                }
            }
        }
        self.arrivals += u64::from(record.output_arrivals());
        self.answers += 1;
        self.firsts_late
            .add(1, record.first_output_early_ms.unwrap_or(0.0));
    }

    /// Of both.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            events_sharing: self.events_sharing + other.events_sharing,
            events_late: self.events_late.with(other.events_late),
            arrivals: self.arrivals + other.arrivals,
            answers: self.answers + other.answers,
            firsts_late: self.firsts_late.with(other.firsts_late),
        }
    }

    /// Share of the output events that may have come so much earlier that a p99 of
    /// `itl_p99_ms` would be off; 0 without events.
    pub(crate) fn events_late_share(&self, itl_p99_ms: Option<f64>) -> f64 {
        share(self.events_late.above(allowed_ms(itl_p99_ms)), self.events)
    }

    /// Share of the first outputs that may have come so much earlier that their p99, or,
    /// all together, their mean would be off; 0 without answers.
    pub(crate) fn firsts_late_share(&self, ttft: (Option<f64>, Option<f64>)) -> f64 {
        let (mean_ms, p99_ms) = ttft;
        let is_mean_off = self.firsts_late.sum_ms() > allowed_ms(mean_ms) * self.answers as f64;
        let limit_ms = match is_mean_off {
            true => OFF_MS,
            false => allowed_ms(p99_ms),
        };
        share(self.firsts_late.above(limit_ms), self.answers)
    }
}
