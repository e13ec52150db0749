//! Which cell a fact is about, and how its requests ended.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Level;
use crate::facts::record::{Phase, RequestRecord};
use crate::facts::warning::WarningKind;

/// Measured requests by outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Succeeded.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Failed ones by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// Those of both kinds that were sent again, since the server had closed a
    /// kept connection before the first byte of an answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resent: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Counts {
    /// Counts of the measured requests among `records`.
    #[must_use]
    pub fn from_records(records: &[RequestRecord]) -> Self {
        let mut counts = Self::default();
        let measured = records.iter().filter(|r| r.phase == Phase::Measured);
        measured.for_each(|record| counts.note(record));
        counts
    }

    /// Counts one more request.
    pub fn note(&mut self, record: &RequestRecord) {
        self.resent += u64::from(record.resent);
        if record.is_ok() {
            self.ok += 1;
            return;
        }
        self.failed += 1;
        let reason = record.reason.as_deref().unwrap_or("unknown");
        *self.by_reason.entry(reason.to_owned()).or_default() += 1;
    }

    /// A warning of the failed ones; `None` if none failed.
    #[must_use]
    pub fn warning(&self) -> Option<WarningKind> {
        (self.failed > 0).then(|| WarningKind::RequestsFailed {
            failed: self.failed,
            requests: self.ok + self.failed,
            by_reason: self.by_reason.clone(),
        })
    }

    /// A warning of those that were sent again; `None` if none was.
    #[must_use]
    pub fn resent_warning(&self) -> Option<WarningKind> {
        (self.resent > 0).then(|| WarningKind::RequestsResent {
            resent: self.resent,
            requests: self.ok + self.failed,
        })
    }

    /// Adds the counts of another cell.
    pub fn add(&mut self, other: &Self) {
        self.resent += other.resent;
        self.ok += other.ok;
        self.failed += other.failed;
        for (reason, n) in &other.by_reason {
            *self.by_reason.entry(reason.clone()).or_default() += n;
        }
    }
}

/// Identity of a cell. As text: `vllm at concurrency 8, repeat 2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CellKey {
    /// Label of the backend.
    pub backend: String,
    /// Block, from 0.
    pub block: u32,
    /// Level of the load.
    pub level: Level,
}

impl CellKey {
    /// Whether it is the key of this cell.
    #[must_use]
    pub fn is(&self, backend: &str, block: u32, level: Level) -> bool {
        self.level == level && self.block == block && self.backend == backend
    }
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeat = self.block.saturating_add(1);
        write!(f, "{} at {}, repeat {repeat}", self.backend, self.level)
    }
}
