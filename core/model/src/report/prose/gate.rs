//! What the gate found, in words.

use super::runs::{IN_DOUBT, decides};
use super::wording::listed;
use crate::config::Level;
use crate::report::figures::columns::lower_label;
use crate::report::runs_data::{CAPACITY, Gate, GateCheck, GateState};
use crate::stats::rounded;
use crate::text::number::{counted, percent};

/// Digits of a limit: the number that was asked for, without binary noise.
const LIMIT_DIGITS: i32 = 9;

impl Gate {
    /// What was found, with the worst place: what a reader of a pull request
    /// needs first.
    pub(crate) fn sentence(&self, baseline: &str) -> String {
        if self.met {
            self.met_sentence(baseline)
        } else {
            self.failed_sentence(baseline)
        }
    }

    fn count(&self, state: GateState) -> usize {
        self.checks.iter().filter(|c| c.state == state).count()
    }

    fn met_sentence(&self, baseline: &str) -> String {
        let metrics: Vec<String> = self.metrics.iter().map(|m| lower_label(m)).collect();
        let (metrics, limit) = (listed(&metrics), self.limit_text());
        let (open, all) = (self.count(GateState::Undecided), self.checks.len());
        let worse = format!("worse than in {baseline} by more than {limit}");
        if open == 0 {
            let places = counted(all as u64, "place");
            return format!("No regression: {metrics} not {worse} in any of {places}.");
        }
        if open == all {
            let places = counted(all as u64, "place");
            return format!(
                "No regression found, and none excluded: whether {metrics} is {worse} could not be decided in any of {places}."
            );
        }
        format!(
            "No regression found: {metrics} nowhere shown to be {worse}; {open} of {all} places could not be decided."
        )
    }

    fn failed_sentence(&self, baseline: &str) -> String {
        let mut parts = Vec::new();
        let regressed = || {
            self.checks
                .iter()
                .filter(|c| c.state == GateState::Regressed)
        };
        let by = |check: &&GateCheck| check.worse_by.unwrap_or(0.0);
        if let Some(worst) = regressed().max_by(|a, b| by(a).total_cmp(&by(b))) {
            let most = match self.count(GateState::Regressed) {
                1 => String::new(),
                n => format!(", the worst of {n} places beyond {}", self.limit_text()),
            };
            let than = format!(" than in {baseline}");
            parts.push(format!("{}{most}", worst.found(&than)));
        }
        let mut lost = self.checks.iter().filter(|c| c.state == GateState::Lost);
        if let Some(first) = lost.next() {
            let more = match lost.count() {
                0 => String::new(),
                n => format!(" and in {} more", counted(n as u64, "place")),
            };
            parts.push(format!("lost: {}{more}", first.line()));
        }
        let nothing: Vec<String> = self.nothing_of.iter().map(|m| lower_label(m)).collect();
        if parts.is_empty() {
            return format!(
                "Gate not met: nothing in {} could be held against {baseline}.",
                listed(&nothing)
            );
        }
        if !nothing.is_empty() {
            parts.push(format!("nothing to compare in {}", listed(&nothing)));
        }
        format!("Regression: {}.", parts.join("; "))
    }

    /// The limit as a percentage: `5 %`.
    #[must_use]
    pub fn limit_text(&self) -> String {
        format!("{} %", rounded(self.limit * 100.0, LIMIT_DIGITS))
    }

    /// What failed first, then what could not be decided, then the rest.
    pub fn by_weight(&self) -> impl Iterator<Item = &GateCheck> {
        [
            GateState::Regressed,
            GateState::Lost,
            GateState::Undecided,
            GateState::Held,
        ]
        .into_iter()
        .flat_map(|state| self.checks.iter().filter(move |check| check.state == state))
    }
}

impl GateCheck {
    /// `new, output throughput at concurrency 8: 8.10 % worse (95 %: 6.20 % to
    /// 9.90 % worse)`, and what would decide it.
    #[must_use]
    pub fn line(&self) -> String {
        if self.state == GateState::Lost && self.worse_by.is_none() {
            return format!("{}: no result, {} has one", self.place(), self.baseline);
        }
        let more = match (self.state, self.reason) {
            (GateState::Lost, _) => Some("more than 5 % of its requests failed".to_owned()),
            (GateState::Undecided, Some(reason)) => Some(format!("no verdict: {}", reason.words())),
            (GateState::Undecided, None) if self.is_capacity() => Some(
                "the edges lie too close for this limit: a finer tolerance would tell".to_owned(),
            ),
            (GateState::Undecided, None) if self.shown_worse => Some(format!(
                "surely worse, by how much is open; {}",
                decides(self.blocks_to_decide)
            )),
            (GateState::Undecided, None) => Some(decides(self.blocks_to_decide)),
            _ => None,
        };
        let doubt = (self.in_doubt && self.reason.is_none()).then(|| IN_DOUBT.to_owned());
        let parts: Vec<String> = [Some(self.found("")), more, doubt]
            .into_iter()
            .flatten()
            .collect();
        parts.join("; ")
    }

    /// The place, and by how much it is worse. `than`: what stands behind that.
    fn found(&self, than: &str) -> String {
        let by = self.worse_by.map_or_else(|| "no ratio".to_owned(), amount);
        let ends = self.low.zip(self.high).map(|(low, high)| {
            let range = range(low, high);
            // What edges say is no estimate.
            let claim = if self.is_capacity() {
                "between"
            } else {
                "95 %"
            };
            format!(" ({claim}: {range})")
        });
        let ends = ends.unwrap_or_default();
        format!("{}: {by}{than}{ends}", self.place())
    }

    fn is_capacity(&self) -> bool {
        self.metric == CAPACITY
    }

    fn place(&self) -> String {
        let level: &Level = &self.level;
        format!("{}, {} at {level}", self.backend, lower_label(&self.metric))
    }
}

/// `8.10 % worse`, `2.00 % better`.
fn amount(worse: f64) -> String {
    match worse < 0.0 {
        true => format!("{} better", percent(-worse)),
        false => format!("{} worse", percent(worse)),
    }
}

/// `6.20 % to 9.90 % worse`; both directions named where it reaches over none.
fn range(low: f64, high: f64) -> String {
    match (low < 0.0, high < 0.0) {
        (false, false) => format!("{} to {}", percent(low), amount(high)),
        (true, true) => format!("{} to {}", percent(-high), amount(low)),
        _ => format!("{} to {}", amount(low), amount(high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_names_both_directions_only_where_it_reaches_over_none() {
        assert_eq!(range(0.062, 0.099), "6.20 % to 9.90 % worse");
        assert_eq!(range(-0.03, 0.02), "3.00 % better to 2.00 % worse");
        assert_eq!(range(-0.04, -0.01), "1.00 % to 4.00 % better");
    }
}
