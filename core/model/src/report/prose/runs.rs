//! What the report says about several runs.

use super::wording::listed;
use crate::report::figures::columns::{label, lower_label};
use crate::report::runs_data::{Change, ChangeOutcome, RunsCompared};
use crate::report::verdict::compare::Reason;
use crate::text::number::{counted, three_digits};

/// Said of a verdict on a measurement that failed the client's checks.
pub(crate) const IN_DOUBT: &str = "in doubt, a measurement is untrustworthy";

/// What would decide it.
pub(crate) fn decides(blocks: Option<u32>) -> String {
    match blocks {
        Some(n) => format!("some {n} repeats of each run would decide it"),
        None => "not even a thousand repeats would decide it".to_owned(),
    }
}

/// Outcomes in the order in which they are said.
const OUTCOMES: [(ChangeOutcome, &str); 5] = [
    (ChangeOutcome::Worse, "worse"),
    (ChangeOutcome::Better, "better"),
    (ChangeOutcome::Equivalent, "equivalent"),
    (ChangeOutcome::Inconclusive, "inconclusive"),
    (ChangeOutcome::NoVerdict, "without a verdict"),
];

impl RunsCompared {
    /// What is said before all else: what the gate found or, without one, what
    /// became of the metric that comes first; `None` if nothing could be
    /// compared with the baseline.
    #[must_use]
    pub fn headline(&self) -> Option<String> {
        match &self.gate {
            Some(gate) => Some(gate.sentence(&self.baseline)),
            None => self.change_sentence(),
        }
    }

    /// `Against base, output throughput is worse in 1 place (…) and equivalent in
    /// 3.`
    fn change_sentence(&self) -> Option<String> {
        let first = self.changes.first()?;
        let name = lower_label(&first.metric);
        let found = self.found(&first.metric)?;
        Some(format!("Against {}, {name} is {found}.", self.baseline))
    }

    /// What became of a metric in all places, as a sentence; empty if nothing of
    /// it could be compared with the baseline.
    pub(crate) fn metric_sentence(&self, metric: &str) -> String {
        let found = self.found(metric);
        found.map_or_else(String::new, |found| {
            format!("against {}: {found}.", self.baseline)
        })
    }

    /// `worse in 1 place (new at concurrency 8: 0.919 × (0.901 to 0.938)) and
    /// equivalent in 3`.
    fn found(&self, metric: &str) -> Option<String> {
        let own: Vec<&Change> = self.changes.iter().filter(|c| c.metric == metric).collect();
        let parts = OUTCOMES.iter().filter_map(|(outcome, word)| {
            let of_it: Vec<&Change> = own
                .iter()
                .copied()
                .filter(|c| c.outcome == *outcome)
                .collect();
            let is_clear = matches!(outcome, ChangeOutcome::Worse | ChangeOutcome::Better);
            let most = farthest(&of_it).filter(|_| is_clear);
            let most = most.map_or_else(String::new, |change| {
                let most = if of_it.len() > 1 { "most, " } else { "" };
                let (backend, level) = (&change.backend, change.level);
                format!(" ({most}{backend} at {level}: {})", change.ratio_words())
            });
            (!of_it.is_empty()).then_some((*word, of_it.len(), most))
        });
        let parts = parts.enumerate().map(|(at, (word, n, most))| match at {
            0 => format!("{word} in {}{most}", counted(n as u64, "place")),
            _ => format!("{word} in {n}{most}"),
        });
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| listed(&parts))
    }
}

/// The change whose ratio is farthest from 1.
fn farthest<'c>(changes: &[&'c Change]) -> Option<&'c Change> {
    let distance = |change: &Change| change.interval.map_or(0.0, |i| i.ratio.ln().abs());
    let by = |a: &&&Change, b: &&&Change| distance(a).total_cmp(&distance(b));
    changes.iter().max_by(by).copied()
}

impl Change {
    /// The ratio with its interval: `0.919 × (0.901 to 0.938)`; a dash without
    /// one.
    #[must_use]
    pub fn ratio_text(&self) -> String {
        let values = self.value.zip(self.baseline_value);
        let plain = values
            .map(|(value, was)| value / was)
            .filter(|r| r.is_finite());
        match (&self.interval, plain) {
            (Some(interval), _) => {
                let within = interval.within();
                format!("{} × ({within})", three_digits(interval.ratio))
            }
            (None, Some(ratio)) => format!("{} ×", three_digits(ratio)),
            (None, None) => "–".to_owned(),
        }
    }

    /// `0.919 times, 0.901 to 0.938`; empty without an interval.
    fn ratio_words(&self) -> String {
        self.interval.map_or_else(String::new, |interval| {
            let within = interval.within();
            format!("{} times, {within}", three_digits(interval.ratio))
        })
    }

    /// `worse`: the verdict in a word or two.
    #[must_use]
    pub fn outcome_word(&self) -> &'static str {
        match self.outcome {
            ChangeOutcome::Better => "better",
            ChangeOutcome::Worse => "worse",
            ChangeOutcome::Equivalent => "equivalent",
            ChangeOutcome::Inconclusive => "inconclusive",
            ChangeOutcome::NoVerdict => "no verdict",
        }
    }

    /// Why there is no verdict, what would help, or a reason to doubt the verdict;
    /// `None` where the verdict says all.
    #[must_use]
    pub fn outcome_more(&self) -> Option<String> {
        let why = match (self.outcome, self.reason) {
            (ChangeOutcome::Inconclusive, None) => Some(decides(self.blocks_to_decide)),
            (ChangeOutcome::Inconclusive, Some(reason)) => Some(reason.words().to_owned()),
            (ChangeOutcome::NoVerdict, reason) => Some(
                reason
                    .map_or("nothing to compare", Reason::words)
                    .to_owned(),
            ),
            _ => None,
        };
        let doubt = (self.in_doubt && self.reason != Some(Reason::ClientWasLimit))
            .then(|| IN_DOUBT.to_owned());
        let parts: Vec<String> = why.into_iter().chain(doubt).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The verdict, and what more is to be said of it.
    #[must_use]
    pub fn outcome_text(&self) -> String {
        let more = self.outcome_more().map(|more| format!(": {more}"));
        self.outcome_word().to_owned() + &more.unwrap_or_default()
    }

    /// Heading of its metric.
    #[must_use]
    pub fn label(&self) -> &str {
        label(&self.metric)
    }
}
