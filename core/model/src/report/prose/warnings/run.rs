//! Sentences of warnings about the run as a whole.

use crate::facts::warning::WarningKind;
use crate::report::prose::wording::{changed_files, listed};
use crate::text::number::grouped;

pub(super) fn words(kind: &WarningKind) -> Option<String> {
    of_end(kind)
        .or_else(|| of_shards(kind))
        .or_else(|| of_config(kind))
}

/// How far it came.
fn of_end(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::RunInterrupted => "the run was interrupted: levels are missing".to_owned(),
        WarningKind::RunNotEnded => "the run has not ended, or its end was not written".to_owned(),
        WarningKind::CellCutShort { block, lacks } => format!(
            "repeat {}: not measured to its end: {lacks}",
            u64::from(*block) + 1
        ),
        WarningKind::OneRepeat => {
            "one repeat gives figures and no verdict; set repeats to 2 or more for one".to_owned()
        }
        WarningKind::OlderVersion { sentence } => sentence.clone(),
        _ => return None,
    })
}

/// Its shards.
fn of_shards(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::ShardsMissing {
            merged,
            count,
            missing,
        } => {
            let missing: Vec<String> = missing.iter().map(u32::to_string).collect();
            let missing = listed(&missing);
            format!("partial {merged} of {count}: shards {missing} are missing, so less load was made than was asked for")
        }
        WarningKind::ShardsChanged { changed } => format!(
            "facts were changed after the run: {}",
            changed_files(changed)
        ),
        WarningKind::ShardClocksApart { apart_ms, share } => format!(
            "the clocks of the shards may be {apart_ms:.1} ms apart, {:.1} % of the measured window: rates are uncertain by as much, latencies are not",
            share * 100.0
        ),
        WarningKind::ShardClockStepped { shard, step_ms } => format!(
            "the wall clock of shard {shard} was set by {step_ms:.1} ms while it ran: its times may be off by as much against the others"
        ),
        WarningKind::ShardClocksUnknown => "how far the clocks of the shards are apart is not known: rates are uncertain, latencies are not".to_owned(),
        _ => return None,
    })
}

/// What its config has too few of.
fn of_config(kind: &WarningKind) -> Option<String> {
    Some(match kind {
        WarningKind::LevelsNeverFull {
            requests,
            least,
            most,
            enough,
        } => format!(
            "load.requests: {} requests cannot fill {}: the level is never reached; give {} or more",
            grouped(*requests),
            slots(*least, *most),
            grouped(*enough)
        ),
        WarningKind::LevelsPartlyFull {
            requests,
            least,
            most,
            enough,
        } => format!(
            "load.requests: of {} requests at {} more than a quarter will end while the load is falling; give {} or more",
            grouped(*requests),
            slots(*least, *most),
            grouped(*enough)
        ),
        WarningKind::FewRepeats { repeats: 1, needed } => format!(
            "repeats is 1: there will be figures and no verdict; set {needed} or more (rule V13 of verify)"
        ),
        WarningKind::FewRepeats { repeats, needed } => format!(
            "repeats is {repeats}: most verdicts will be inconclusive; set {needed} or more (rule V13 of verify)"
        ),
        WarningKind::FewRequests { requests, needed } => format!(
            "load.requests: {requests} a level are too few for a steady median; set {needed} or more (rule V09 of verify)"
        ),
        _ => return None,
    })
}

/// `concurrency 16 to 128`.
fn slots(least: u32, most: u32) -> String {
    match least == most {
        true => format!("concurrency {least}"),
        false => format!("concurrency {least} to {most}"),
    }
}
