//! Sentences of warnings about backends, or runs, beside each other.

use crate::facts::warning::WarningKind;
use crate::report::prose::wording::listed;
use crate::report::provenance::cache_audit::asked_again;
use crate::text::number::{grouped, three_digits};

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_backends(kind).or_else(|| of_runs(kind))
}

/// Backends beside each other.
fn of_backends(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ConditionDiffers {
            heading,
            by_backend,
            ..
        } => format!("{heading}, not the same for all: {by_backend}"),
        WarningKind::ConditionUnknown {
            heading,
            by_backend,
            ..
        } => format!("{heading} cannot be compared: {by_backend}"),
        WarningKind::AnswersPartEarly {
            start_tokens,
            pairs,
        } => {
            let pairs = pairs.iter().map(|(a, b, at_start, looked_at)| {
                let (at_start, looked_at) = (grouped(*at_start), grouped(*looked_at));
                format!("{a} and {b} ({at_start} of {looked_at})")
            });
            let pairs: Vec<String> = pairs.collect();
            format!(
                "most answers part within about the first {start_tokens} tokens, which is more than \
                 rounding does: {}; look whether they got the same prompt (chat template, \
                 beginning-of-text token) and serve the same weights",
                pairs.join(", ")
            )
        }
        WarningKind::AnswersCached {
            ratio,
            low,
            high,
            prefix_cache,
        } => format!(
            "answers may come from a cache: a prompt that was asked before {}",
            asked_again([*ratio, *low, *high], *prefix_cache)
        ),
        WarningKind::EventsDiffer { tokens_per_event } => {
            let means = tokens_per_event.iter();
            let means = means.map(|(label, mean)| format!("{} in {label}", three_digits(*mean)));
            format!(
                "different numbers of tokens come at once ({} on average): inter-token latency, time per output token and speed per user are not compared, decode time per token is",
                listed(&means.collect::<Vec<_>>())
            )
        }
        _ => return None,
    })
}

/// Runs beside each other.
fn of_runs(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::OtherWork { what } => {
            format!("the runs do not compare, which was done by force: {what}")
        }
        WarningKind::ComparedRunInterrupted { run } => {
            format!("{run} was interrupted: levels are missing")
        }
        WarningKind::ComparedRunNotEnded { run } => {
            format!("{run} has not ended, or its end was not written")
        }
        WarningKind::LevelsOfSomeRuns { what } => format!(
            "not every run has {}: an answer over all runs leaves that out",
            listed(what)
        ),
        WarningKind::MachinesDiffer { what } => format!(
            "the runs come from different machines or settings of them ({}): the figures compare those too",
            listed(what)
        ),
        WarningKind::SloDiffers { baseline } => format!(
            "the runs have different limits for goodput: it was counted anew with those of {baseline}"
        ),
        WarningKind::CurrenciesDiffer { currencies } => format!(
            "the runs' prices are in {}: what they cost is left out",
            listed(currencies)
        ),
        WarningKind::RepeatsNotPaired => "repeats of different runs are not paired: an interval holds the scatter within each run, and not what changed on the machine from one to the other".to_owned(),
        _ => return None,
    })
}
