//! The cell that runs, summed up for the event of its end. Figures of the last
//! seconds are for the live view.

use inferbench_model::facts::cell_end::CellRecorded;
use inferbench_model::facts::key::Counts;
use inferbench_model::facts::record::{Phase, RequestRecord};
use inferbench_model::text::units::s_between;

/// What is shown of a cell when it ends. Records themselves are not kept: a cell
/// may have more of them than fit into memory.
pub(super) struct CellProgress {
    pub(super) counts: Counts,
    pub(super) recorded: CellRecorded,
    /// Output tokens of successful requests; absent if one was not counted.
    tokens: Option<u64>,
    first_sent_ns: Option<u64>,
    /// When that request was planned, in an open loop.
    first_planned_ns: Option<u64>,
    last_end_ns: u64,
}

impl Default for CellProgress {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            recorded: CellRecorded::default(),
            tokens: Some(0),
            first_sent_ns: None,
            first_planned_ns: None,
            last_end_ns: 0,
        }
    }
}

impl CellProgress {
    pub(super) fn add(&mut self, record: &RequestRecord) {
        self.recorded.add(record);
        let sent_ns = record.sent_ns;
        if sent_ns.is_some_and(|sent_ns| self.first_sent_ns.is_none_or(|first| sent_ns < first)) {
            self.first_sent_ns = sent_ns;
            self.first_planned_ns = record.scheduled_ns;
        }
        self.last_end_ns = self.last_end_ns.max(record.end_ns);
        if record.phase == Phase::Measured {
            self.counts.note(record);
        }
        if record.is_ok() {
            let tokens = record.output_tokens.map(u64::from);
            self.tokens = self.tokens.zip(tokens).map(|(sum, tokens)| sum + tokens);
        }
    }

    /// When the first request was sent, and when it was planned.
    pub(super) fn first_send_ns(&self) -> Option<(u64, Option<u64>)> {
        Some((self.first_sent_ns?, self.first_planned_ns))
    }

    pub(super) fn overall_token_throughput(&self) -> Option<f64> {
        let seconds = s_between(self.first_sent_ns?, self.last_end_ns);
        (seconds > 0.0).then(|| Some(self.tokens? as f64 / seconds))?
    }
}
