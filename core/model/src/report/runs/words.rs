//! What is said of several runs: sentences and warnings.

use super::{Change, ChangeOutcome, ComparedRun, DifferenceAbout, Gate, GateCheck, GateState};
use super::{RunsCompared, Warning};
use crate::config::Level;
use crate::manifest::ExitState;
use crate::report::columns::{label, lower_label};
use crate::report::compare::Reason;
use crate::report::number::{percent, three_digits};
use crate::report::warnings::{Severity, about_run};
use crate::report::wording::listed;
use crate::stats::rounded;

/// Digits of a limit: what was asked for comes back, and no trace of binary.
const LIMIT_DIGITS: i32 = 9;

/// Outcomes in the order in which they are told.
const OUTCOMES: [(ChangeOutcome, &str); 5] = [
    (ChangeOutcome::Worse, "worse"),
    (ChangeOutcome::Better, "better"),
    (ChangeOutcome::Equivalent, "equivalent"),
    (ChangeOutcome::Inconclusive, "inconclusive"),
    (ChangeOutcome::NoVerdict, "without a verdict"),
];

impl RunsCompared {
    /// What is said before all else: what the gate found or, without one, what
    /// became of the metric that comes first; `None` if nothing could be held
    /// against the baseline.
    #[must_use]
    pub fn headline(&self) -> Option<String> {
        match &self.gate {
            Some(gate) => Some(self.gate_sentence(gate)),
            None => self.change_sentence(),
        }
    }

    /// `Against base, output throughput is worse in 1 place and equivalent in 3.`
    fn change_sentence(&self) -> Option<String> {
        let first = self.changes.first()?;
        let own = self.changes.iter().filter(|c| c.metric == first.metric);
        let own: Vec<&Change> = own.collect();
        let parts = OUTCOMES.iter().filter_map(|(outcome, word)| {
            let n = own.iter().filter(|c| c.outcome == *outcome).count();
            (n > 0).then_some((*word, n))
        });
        let parts = parts.enumerate().map(|(at, (word, n))| match at {
            0 => format!("{word} in {}", counted(n, "place")),
            _ => format!("{word} in {n}"),
        });
        let parts: Vec<String> = parts.collect();
        let name = lower_label(&first.metric);
        Some(format!(
            "Against {}, {name} is {}.",
            self.baseline,
            listed(&parts)
        ))
    }

    fn gate_sentence(&self, gate: &Gate) -> String {
        let of = |state| gate.checks.iter().filter(|c| c.state == state).count();
        let (regressed, lost) = (of(GateState::Regressed), of(GateState::Lost));
        let metrics: Vec<String> = gate.metrics.iter().map(|m| lower_label(m)).collect();
        let (metrics, limit) = (listed(&metrics), gate.limit_text());
        let against = format!("than in {}", self.baseline);
        if gate.met {
            let open = match of(GateState::Undecided) {
                0 => String::new(),
                n => format!("; {n} of {} could not be decided", gate.checks.len()),
            };
            return format!(
                "No regression found: {metrics} nowhere shown to be worse {against} by more than {limit}{open}."
            );
        }
        let mut parts = Vec::new();
        if regressed > 0 {
            let places = counted(regressed, "place");
            parts.push(format!(
                "{metrics} worse {against} by more than {limit} in {places}"
            ));
        }
        if lost > 0 {
            let places = counted(lost, "place");
            parts.push(format!("results of {} lost in {places}", self.baseline));
        }
        let nothing = gate.nothing_of.iter();
        parts.extend(nothing.map(|name| format!("nothing to compare in {}", lower_label(name))));
        format!("Regression: {}.", parts.join("; "))
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut found: Vec<Warning> = Vec::new();
        let forced = self.forced.iter();
        found.extend(forced.map(|text| {
            let text = format!("the runs did other work, and were compared by force: {text}");
            about_run(Severity::Critical, text)
        }));
        found.extend(self.runs.iter().filter_map(ended_badly));
        found.extend(self.warnings.iter().cloned());
        let hardware = self.differences.iter();
        let hardware: Vec<String> = hardware
            .filter(|difference| difference.about == DifferenceAbout::Hardware)
            .map(|difference| difference.what.clone())
            .collect();
        if !hardware.is_empty() {
            let text = format!(
                "the runs come from different machines or settings of them ({}): the figures compare those too",
                listed(&hardware)
            );
            found.push(about_run(Severity::Warning, text));
        }
        if self.differences.iter().any(|d| d.what.starts_with("slo.")) {
            let text = format!(
                "the runs have different limits for goodput: it was counted anew with those of {}",
                self.baseline
            );
            found.push(about_run(Severity::Warning, text));
        }
        let text = "repeats of different runs are not paired: an interval holds the scatter within each run, and not what changed on the machine from one to the other";
        found.push(about_run(Severity::Note, text));
        found
    }
}

fn ended_badly(run: &ComparedRun) -> Option<Warning> {
    let what = match run.exit_state {
        ExitState::Interrupted => "was interrupted: levels are missing",
        ExitState::Running => "has not ended, or its end was not written",
        ExitState::Done | ExitState::Incomplete => return None,
    };
    let text = format!("{} {what}", run.label);
    Some(about_run(Severity::Critical, text))
}

fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

impl GateCheck {
    /// `new, output throughput at concurrency 8: 8.10 % worse (95 %: 6.20 to
    /// 9.90 %)`, and what would decide it.
    #[must_use]
    pub fn line(&self) -> String {
        let place = place(&self.backend, &self.metric, &self.level);
        if self.state == GateState::Lost && self.worse_by.is_none() {
            return format!("{place}: no result, {} has one", self.baseline);
        }
        let by = self.worse_by.map_or_else(
            || "no ratio".to_owned(),
            |worse| match worse {
                worse if worse < 0.0 => format!("{} better", percent(-worse)),
                worse => format!("{} worse", percent(worse)),
            },
        );
        let ends = self
            .low
            .zip(self.high)
            .map(|(low, high)| format!(" (95 %: {} to {} worse)", signed(low), signed(high)));
        let more = match (self.state, self.reason) {
            (GateState::Lost, _) => "; more than 5 % of its requests failed".to_owned(),
            (GateState::Undecided, Some(reason)) => format!("; no verdict: {}", reason.words()),
            (GateState::Undecided, None) => decides(self.blocks_to_decide),
            _ => String::new(),
        };
        format!("{place}: {by}{}{more}", ends.unwrap_or_default())
    }
}

fn place(backend: &str, metric: &str, level: &Level) -> String {
    format!("{backend}, {} at {level}", lower_label(metric))
}

/// A share as `-1.2 %`.
fn signed(share: f64) -> String {
    match share < 0.0 {
        true => format!("−{}", percent(-share)),
        false => percent(share),
    }
}

fn decides(blocks: Option<u32>) -> String {
    match blocks {
        Some(n) => format!("; some {n} repeats of each run would decide it"),
        None => "; not even a thousand repeats would decide it".to_owned(),
    }
}

impl Gate {
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
            (Some(interval), _) => format!(
                "{} × ({} to {})",
                three_digits(interval.ratio),
                three_digits(interval.low),
                three_digits(interval.high)
            ),
            (None, Some(ratio)) => format!("{} ×", three_digits(ratio)),
            (None, None) => "–".to_owned(),
        }
    }

    /// `worse`, or why nothing can be said and what would help.
    #[must_use]
    pub fn outcome_text(&self) -> String {
        match (self.outcome, self.reason) {
            (ChangeOutcome::Better, _) => "better".to_owned(),
            (ChangeOutcome::Worse, _) => "worse".to_owned(),
            (ChangeOutcome::Equivalent, _) => "equivalent".to_owned(),
            (ChangeOutcome::Inconclusive, Some(reason)) => {
                format!("inconclusive: {}", reason.words())
            }
            (ChangeOutcome::Inconclusive, None) => {
                format!("inconclusive{}", decides(self.blocks_to_decide))
            }
            (ChangeOutcome::NoVerdict, reason) => {
                let why = reason.map_or("nothing to compare", Reason::words);
                format!("no verdict: {why}")
            }
        }
    }

    /// Heading of its metric.
    #[must_use]
    pub fn label(&self) -> &str {
        label(&self.metric)
    }
}
