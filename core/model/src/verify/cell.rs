//! Whether the records of one cell are all that it asked.

use super::record::RecordRules;
use super::replica::ReplicaAudit;
use super::{ACCOUNTED, ASKED, COMPLETE, RECORD, REPLICA, SCHEDULE, Verification, WINDOW, record};
use crate::config::{Level, LoadConfig, WorkloadConfig};
use crate::facts::cell_end::{CellPlan, CellRecorded};
use crate::facts::manifest::CellFacts;
use crate::facts::record::RequestRecord;
use crate::plan::mixture::{Mixture, class_workload};
use crate::plan::prompt::{PromptKey, asked_lengths};
use crate::plan::schedule::Schedule;
use crate::plan::shard::Shard;

/// What the plan says that the requests of a cell ask for.
#[derive(Debug, Clone, Copy)]
pub struct AskedByPlan<'c> {
    /// The workload of the config.
    pub workload: &'c WorkloadConfig,
    /// Repeat of the cell, from 0.
    pub block: u32,
    /// Place of its level in the config.
    pub level: usize,
}

impl AskedByPlan<'_> {
    /// What is wrong with the lengths that a record asked for. Those of a file's rows, a
    /// table or a later turn are not known here.
    fn fault(&self, record: &RequestRecord) -> Option<String> {
        if record.turn.is_some_and(|turn| turn > 0) {
            return None;
        }
        let key = PromptKey {
            block: self.block,
            level: self.level,
            index: record.session.unwrap_or(record.index),
        };
        let (class, key) = self.class_of(key);
        let (name, workload) = class.map_or((None, None), |(name, part)| (Some(name), Some(part)));
        let workload = workload.as_ref().unwrap_or(self.workload);
        if let Some(name) = name.filter(|name| record.class.as_deref() != Some(name)) {
            let recorded = record.class.as_deref().unwrap_or("none");
            return Some(format!("its class is {recorded}, the seed gives {name}"));
        }
        if !workload.has_lengths_of_its_own() {
            return None;
        }
        let (input_tokens, output_tokens) = asked_lengths(workload, None, key);
        let same_input = record
            .asked_input_tokens
            .is_none_or(|asked| asked == input_tokens);
        let same = same_input && record.asked_output_tokens == output_tokens;
        (!same).then(|| {
            let asked_input = record.asked_input_tokens;
            format!(
                "it asked for {} prompt and {} answer tokens, the seed gives {input_tokens} and {output_tokens}",
                asked_input.map_or_else(|| "unknown".to_owned(), |asked| asked.to_string()),
                record.asked_output_tokens
            )
        })
    }
}

impl AskedByPlan<'_> {
    /// The class of the request with this key, its workload, and its key there.
    fn class_of(&self, key: PromptKey) -> (Option<(&str, WorkloadConfig)>, PromptKey) {
        let mixed = Mixture::from_workload(self.workload).and_then(|mixture| {
            let place = mixture.place(key);
            let own = class_workload(self.workload, place.class)?;
            let class = self.workload.classes.get(place.class)?;
            Some((class.name.as_str(), own, place.index))
        });
        match mixed {
            Some((name, own, index)) => (Some((name, own)), PromptKey { index, ..key }),
            None => (None, key),
        }
    }
}

/// Takes in the records of one cell.
#[derive(Debug)]
pub struct CellAudit<'c> {
    name: String,
    rules: RecordRules,
    asked: Option<AskedByPlan<'c>>,
    /// It was measured to its end.
    complete: bool,
    recorded: CellRecorded,
    /// Records taken in.
    taken: usize,
    /// First and last moment; absent for a cell that the manifest does not have.
    span: Option<(u64, u64)>,
    /// By index: how often it came, up to 255.
    seen: Vec<u8>,
    /// By index: planned send time.
    scheduled: Vec<Option<u64>>,
    /// Shards that made the load.
    shards: u32,
    replicas: ReplicaAudit,
}

impl<'c> CellAudit<'c> {
    /// An audit of the cell with this name in words; `facts` as the manifest has them,
    /// `rules` of its records, and what they should have `asked`, if that is known.
    #[must_use]
    pub fn new(
        name: String,
        facts: Option<&CellFacts>,
        rules: RecordRules,
        asked: Option<AskedByPlan<'c>>,
    ) -> Self {
        Self {
            name,
            rules,
            asked,
            complete: facts.is_some_and(|facts| facts.complete),
            recorded: CellRecorded::default(),
            taken: 0,
            span: facts.map(|facts| (facts.start_ns, facts.end_ns)),
            seen: Vec::new(),
            scheduled: Vec::new(),
            shards: 1,
            replicas: ReplicaAudit::default(),
        }
    }

    /// The audit of a load that so many shards made.
    #[must_use]
    pub fn of_shards(mut self, shards: u32) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// The audit of a backend that is so many replicas.
    #[must_use]
    pub fn of_replicas(mut self, replicas: usize) -> Self {
        self.replicas = ReplicaAudit::new(u32::try_from(replicas).unwrap_or(u32::MAX));
        self
    }

    /// The last index of each shard: none before it may be missing. The shards of a
    /// closed loop send as many as each of them can.
    fn last_indices(&self, level: Level) -> Vec<usize> {
        let shards = match level {
            Level::Concurrency(_) => self.shards as usize,
            Level::RequestRate(_) | Level::TraceSpeed(_) => 1,
        };
        let mut last = vec![0; shards];
        let seen = self.seen.iter().enumerate();
        for (index, _) in seen.filter(|(_, times)| **times > 0) {
            last[index % shards] = index;
        }
        last
    }

    /// Takes in one record, found at `place`.
    pub fn take(&mut self, record: &RequestRecord, place: &str, found: &mut Verification) {
        for words in record::faults(record, self.rules) {
            found.find(RECORD, place, words);
        }
        if let Some(words) = self.asked.and_then(|asked| asked.fault(record)) {
            found.find(ASKED, place, words);
        }
        if let Some(words) = self.replicas.fault(record, self.shards) {
            found.find(REPLICA, place, words);
        }
        self.recorded.add(record);
        let index = usize::try_from(record.index).unwrap_or(usize::MAX);
        // An index beyond what could have been sent is a gap of its own.
        self.taken += 1;
        if index > self.taken.saturating_add(MAX_GAP) {
            found.find(
                ACCOUNTED,
                place,
                format!("index {index} is out of all order"),
            );
            return;
        }
        if index >= self.seen.len() {
            self.seen.resize(index + 1, 0);
            self.scheduled.resize(index + 1, None);
        }
        self.seen[index] = self.seen[index].saturating_add(1);
        self.scheduled[index] = record.scheduled_ns;
        if let Some((start, end)) = self.span {
            let begins = record.sent_ns.unwrap_or(start);
            if begins < start || record.end_ns > end {
                found.find(WINDOW, place, format!("it lies outside {}", self.name));
            }
        }
    }

    /// Judges the cell as a whole. `arrivals`: the load and the seed of its send
    /// times.
    pub fn finish(self, level: Level, arrivals: (&LoadConfig, u64), found: &mut Verification) {
        let last = self.last_indices(level);
        for (index, times) in self.seen.iter().enumerate() {
            match times {
                1 => {}
                0 if index > last[index % last.len()] => {}
                0 => found.find(ACCOUNTED, &self.name, format!("index {index} is missing")),
                _ => found.find(
                    ACCOUNTED,
                    &self.name,
                    format!("index {index} is there {times} times"),
                ),
            }
        }
        let (load, seed) = arrivals;
        let plan = CellPlan {
            load,
            level,
            arrivals_seed: seed,
            trace: None,
            shard: Shard::WHOLE,
        };
        let end_ns = self.span.map_or(0, |(_, end_ns)| end_ns);
        if self.complete
            && let Some(shortfall) = self.recorded.shortfall(plan, end_ns)
        {
            found.find(ASKED, &self.name, shortfall.to_string());
            found.find(COMPLETE, &self.name, shortfall.to_string());
        }
        match level {
            Level::Concurrency(_) => {}
            Level::RequestRate(rate) => {
                if let Ok(schedule) = Schedule::new(load, rate, seed) {
                    self.compare_times(schedule, found);
                }
            }
            Level::TraceSpeed(_) => self.check_order(found),
        }
    }

    /// Whether each request was planned for the time that the seed gives.
    fn compare_times(&self, schedule: Schedule, found: &mut Verification) {
        let mut start = None;
        for (index, (planned, after)) in self.scheduled.iter().zip(schedule).enumerate() {
            let Some(planned) = planned else { continue };
            let start = *start.get_or_insert(planned.saturating_sub(after));
            if start + after != *planned {
                let words = format!(
                    "request {index} was planned for {planned}, the seed gives {}",
                    start + after
                );
                found.find(SCHEDULE, &self.name, words);
            }
        }
    }

    /// Whether each request was planned for no earlier time than the one before it. The
    /// times themselves are those of a file that is not at hand.
    fn check_order(&self, found: &mut Verification) {
        let mut last_ns = 0;
        for (index, planned) in self.scheduled.iter().enumerate() {
            let Some(planned_ns) = *planned else {
                if self.seen[index] > 0 {
                    let words = format!("request {index} has no planned time");
                    found.find(SCHEDULE, &self.name, words);
                }
                continue;
            };
            if planned_ns < last_ns {
                let words = format!(
                    "request {index} was planned for {planned_ns}, before the one before it"
                );
                found.find(SCHEDULE, &self.name, words);
            }
            last_ns = planned_ns;
        }
    }
}

/// Requests that may be on their way while one with a higher index is written:
/// more than any level has at once.
const MAX_GAP: usize = 1_000_000;
