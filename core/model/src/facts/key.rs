//! Which cell a fact is about, and how its requests ended.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::facts::record::{Phase, RequestRecord};

/// Measured requests by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Succeeded.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Failed ones by reason.
    pub by_reason: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts of the measured requests among `records`.
    #[must_use]
    pub fn of(records: &[RequestRecord]) -> Self {
        let mut counts = Self::default();
        let measured = records.iter().filter(|r| r.phase == Phase::Measured);
        measured.for_each(|record| counts.note(record));
        counts
    }

    /// Counts one more request.
    pub fn note(&mut self, record: &RequestRecord) {
        if record.is_ok() {
            self.ok += 1;
            return;
        }
        self.failed += 1;
        let reason = record.reason.as_deref().unwrap_or("unknown");
        *self.by_reason.entry(reason.to_owned()).or_default() += 1;
    }

    /// `3 of 40 requests failed (2 timeout, 1 server_error)`; `None` if none did.
    #[must_use]
    pub fn failed_words(&self) -> Option<String> {
        let all = self.ok + self.failed;
        let reasons = self.by_reason.iter();
        let reasons: Vec<String> = reasons.map(|(why, n)| format!("{n} {why}")).collect();
        (self.failed > 0).then(|| {
            format!(
                "{} of {all} requests failed ({})",
                self.failed,
                reasons.join(", ")
            )
        })
    }

    /// Adds the counts of another cell.
    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        for (reason, n) in &other.by_reason {
            *self.by_reason.entry(reason.clone()).or_default() += n;
        }
    }
}

/// Identity of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellKey {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
}
