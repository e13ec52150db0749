//! The cell that runs, summed up for onlookers.

use std::sync::Arc;

use inferbench_model::facts::key::Counts;
use inferbench_model::facts::record::{Phase, RequestRecord};
use inferbench_model::text::units::s_between;

use super::Running;
use super::live_view::Recent;
use crate::load::RecordSink;

/// What onlookers are told of a cell when it ends. Records themselves are not
/// kept: a cell may have more of them than fit into memory.
pub(super) struct SoFar {
    pub(super) counts: Counts,
    /// Output tokens of successful requests; absent if one was not counted.
    tokens: Option<u64>,
    first_sent_ns: Option<u64>,
    last_end_ns: u64,
}

impl Default for SoFar {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            tokens: Some(0),
            first_sent_ns: None,
            last_end_ns: 0,
        }
    }
}

impl SoFar {
    pub(super) fn add(&mut self, record: &RequestRecord) {
        let sent_ns = record.sent_ns;
        self.first_sent_ns = self.first_sent_ns.into_iter().chain(sent_ns).min();
        self.last_end_ns = self.last_end_ns.max(record.end_ns);
        if record.phase == Phase::Measured {
            self.counts.note(record);
        }
        if record.is_ok() {
            let told = record.output_tokens.map(u64::from);
            self.tokens = self.tokens.zip(told).map(|(sum, told)| sum + told);
        }
    }

    pub(super) fn overall_token_throughput(&self) -> Option<f64> {
        let seconds = s_between(self.first_sent_ns?, self.last_end_ns);
        (seconds > 0.0).then(|| Some(self.tokens? as f64 / seconds))?
    }
}

impl Running<'_> {
    /// Where the records of the next cell go.
    pub(crate) fn record_sink(&self) -> RecordSink {
        let file = self.requests.sink();
        let secrets = self.prepared.secrets.clone();
        let current = Arc::clone(&self.current);
        if let Ok(mut current) = current.lock() {
            // What a cell that ended with an error has left.
            *current = SoFar::default();
        }
        let recent = Arc::clone(&self.recent);
        if let Ok(mut recent) = recent.lock() {
            *recent = Recent::default();
        }
        Box::new(move |mut record: RequestRecord| {
            secrets.mask_record(&mut record);
            if let Ok(mut current) = current.lock() {
                current.add(&record);
            }
            // The load waits for no onlooker: what one misses is for the eye alone.
            if let Ok(mut recent) = recent.try_lock() {
                recent.add(&record);
            }
            file.send(record);
        })
    }
}
