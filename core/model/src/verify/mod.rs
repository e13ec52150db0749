//! What an auditor asks of a run: rules, each with an id, and what was found
//! against them. The records are read elsewhere and handed in one by one.

mod cell;
mod record;
mod replica;
pub mod wire;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use cell::AskedByPlan;
pub use cell::CellAudit;
pub use record::{RecordRules, faults};
use wire::WireComparison;

/// Findings of one rule that are listed; more are only counted.
const LISTED_PER_RULE: usize = 10;

/// What a finding means for the run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A reader should know.
    Note,
    /// A figure is to be read with care.
    Flag,
    /// The run is not what it says it is.
    Reject,
}

impl Severity {
    /// As a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Flag => "flag",
            Self::Reject => "reject",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Id, which stays.
    pub id: &'static str,
    /// What a finding means.
    pub severity: Severity,
    /// What must hold.
    pub claim: &'static str,
}

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $claim:literal;)+) => {
        $(#[doc = $claim] pub const $name: Rule = Rule {
            id: $id, severity: Severity::$severity, claim: $claim,
        };)+
        /// Every rule, in the order of the ids.
        pub const RULES: &[Rule] = &[$($name),+];
    };
}

rules! {
    DERIVED = "V01", Reject, "every derived file is what follows from the facts, byte for byte";
    FILES = "V02", Reject, "every file of facts has the size and hash that run.json gives";
    RECORD = "V03", Reject, "every record agrees with itself: times, gaps, tokens, hash and marks of the text";
    ACCOUNTED = "V04", Reject, "every request of a cell is recorded once: indices from 0 without gap or double";
    SCHEDULE = "V05", Reject, "an open loop's send times are those of its seed; those of a trace ascend";
    WINDOW = "V06", Reject, "every request of a cell lies between its start and its end";
    PLANNED = "V07", Reject, "every cell is one of the plan, and the plan is that of the config";
    COMPLETE = "V08", Flag, "every cell of the plan was measured to its end";
    SAMPLES = "V09", Flag, "every cell has 30 successful requests or more";
    FAILED = "V10", Flag, "at most 5 % of a cell's requests failed";
    CLIENT = "V11", Flag, "every cell keeps the thresholds of the self-check, of which some are the client's, some the machine's, some the server's";
    SAME_WORK = "V12", Flag, "nothing breaks the comparison of the backends";
    REPEATS = "V13", Flag, "every backend was started afresh in at least 3 repeats";
    PLUGINS = "V14", Note, "the plugins that measured are still where they were";
    REAL = "V15", Note, "nothing is simulated";
    SEALED = "V16", Reject, "run.json is as the run wrote it at its end";
    ASKED = "V17", Reject, "every request asked for what the config and its seed say, as often as the config says";
    WIRE = "V18", Reject, "the times of the records are those of the packets, as a capture shows them";
    WIRE_SOME = "V19", Flag, "no single time of the records is far from that of its packets";
    ORIGIN = "V20", Reject, "a backend is simulated if its plugin says so, and the run's clock covers every cell";
    PROMPTS = "V21", Reject, "the prompts are those that the config and its seed give";
    SEARCHED = "V22", Reject, "a search measured the loads, and a tuning made the starts, that their own figures call for";
    REPLICA = "V23", Reject, "every request went to the replica whose turn it was, and a conversation stayed on its own";
    SHARDS = "V24", Reject, "the facts of every shard that was merged are as its run left them";
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Where: a file with its line, a cell, a backend.
    pub place: String,
    /// What was found there.
    pub words: String,
}

/// What was found against one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleResult {
    /// Id of the rule.
    pub id: String,
    /// What a finding means.
    pub severity: Severity,
    /// What must hold.
    pub claim: String,
    /// Number of findings.
    pub count: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// Why it could not be looked at; absent if it could.
    pub unchecked: Option<String>,
}

/// The outcome of all rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Every rule, in the order of the ids.
    pub rules: Vec<RuleResult>,
    /// Whether none of the severity *reject* has a finding.
    pub accepted: bool,
    /// What a capture shows of the run; absent if none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireComparison>,
}

impl Default for Verification {
    fn default() -> Self {
        let rules = RULES.iter().map(|rule| RuleResult {
            id: rule.id.to_owned(),
            severity: rule.severity,
            claim: rule.claim.to_owned(),
            count: 0,
            findings: Vec::new(),
            unchecked: None,
        });
        Self {
            rules: rules.collect(),
            accepted: true,
            wire: None,
        }
    }
}

impl Verification {
    /// Notes something that does not hold.
    pub fn find(&mut self, rule: Rule, place: impl fmt::Display, words: impl Into<String>) {
        self.accepted &= rule.severity != Severity::Reject;
        let Some(result) = self.rules.iter_mut().find(|result| result.id == rule.id) else {
            return;
        };
        result.count += 1;
        if result.findings.len() < LISTED_PER_RULE {
            result.findings.push(Finding {
                place: place.to_string(),
                words: words.into(),
            });
        }
    }

    /// Notes that a rule could not be looked at.
    pub fn cannot(&mut self, rule: Rule, why: impl Into<String>) {
        if let Some(result) = self.rules.iter_mut().find(|result| result.id == rule.id) {
            result.unchecked = Some(why.into());
        }
    }
}

/// JSON Schema of what `verify --json` writes.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Verification).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_ascend() {
        assert!(RULES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn only_a_rejecting_rule_rejects_and_only_the_first_findings_are_listed() {
        let mut verification = Verification::default();
        verification.find(SAMPLES, "a", "12 of 30");
        assert!(verification.accepted);
        for line in 0..20 {
            verification.find(RECORD, line, "x");
        }
        assert!(!verification.accepted);
        let record = &verification.rules[2];
        assert_eq!((record.count, record.findings.len()), (20, LISTED_PER_RULE));
    }
}
