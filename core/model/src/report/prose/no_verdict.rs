//! Why there is no verdict, in words: sentences without a capital letter, `None`
//! where the reason does not hold.

use crate::config::Level;
use crate::report::prose::wording::{at_levels, listed};
use crate::report::verdict::compare::{FAILED_LIMIT, Reason};
use crate::report::{Report, Row};

/// Shards of the run are missing.
pub(crate) fn partial(report: &Report) -> Option<String> {
    let partial = report.partial?;
    Some(format!(
        "only {} of {} shards were merged, so the load was not what was asked for. Run all of them again.",
        partial.merged, partial.count
    ))
}

/// Facts of its shards are not as their runs left them.
pub(crate) fn changed(report: &Report) -> Option<String> {
    (!report.changed.is_empty()).then(|| {
        "facts were changed after the run, so the figures are not of what was measured.".to_owned()
    })
}

/// Backends did other work than each other.
pub(crate) fn unequal(report: &Report) -> Option<String> {
    let differ: Vec<String> = report
        .fairness
        .unequal_work()
        .map(|row| row.what.to_lowercase())
        .collect();
    (!differ.is_empty()).then(|| {
        format!(
            "the backends did not do the same work ({} differ). Give them the same and run again.",
            listed(&differ)
        )
    })
}

/// The client was the limit.
pub(crate) fn untrusted(report: &Report) -> Option<String> {
    let limited: Vec<Level> = report
        .levels
        .iter()
        .copied()
        .filter(|level| {
            report
                .rows
                .iter()
                .any(|row| row.level == *level && row.client_was_limit)
        })
        .collect();
    (!limited.is_empty()).then(|| {
        let at = at_levels(&report.levels, &limited);
        format!("the client, not a backend, was the limit {at}.")
    })
}

/// Output of a backend was not seen.
pub(crate) fn unseen(report: &Report) -> Option<String> {
    let unseen: Vec<&Row> = report
        .rows
        .iter()
        .filter(|row| row.has_unseen_output())
        .collect();
    let mut who: Vec<String> = unseen.iter().map(|row| row.backend.clone()).collect();
    who.dedup();
    let is_in = |level: &&Level| unseen.iter().any(|row| row.level == **level);
    let levels: Vec<Level> = report.levels.iter().filter(is_in).copied().collect();
    (!who.is_empty()).then(|| {
        let at = at_levels(&report.levels, &levels);
        format!("output of {} was not seen {at}.", listed(&who))
    })
}

/// Too many requests failed, and whose.
pub(crate) fn failing(report: &Report, metric: &str) -> Option<String> {
    let at = without_verdict(report, metric, Reason::TooManyFailed)?;
    let labels = report.backends.iter().map(|backend| &backend.label);
    let fails = |label: &&String| {
        let mut own = report.rows.iter().filter(|row| row.backend == **label);
        own.any(|row| row.failed_share() > FAILED_LIMIT)
    };
    let who: Vec<String> = labels.filter(fails).cloned().collect();
    Some(format!(
        "too many requests of {} failed {at}.",
        listed(&who)
    ))
}

/// The figures moved while they were taken.
pub(crate) fn unsteady(report: &Report, metric: &str) -> Option<String> {
    without_verdict(report, metric, Reason::NotSteady).map(|at| {
        format!("the figures rose or fell while they were taken {at}: warm up and measure longer.")
    })
}

/// No request met the SLO.
pub(crate) fn none_within(report: &Report, metric: &str) -> Option<String> {
    without_verdict(report, metric, Reason::AllZero)
        .map(|at| format!("no request of any backend met the SLO {at}."))
}

/// The levels that have no verdict for that reason, in words.
fn without_verdict(report: &Report, metric: &str, reason: Reason) -> Option<String> {
    let of_it = report
        .comparisons
        .iter()
        .filter(|c| c.metric == metric && c.reason == Some(reason));
    let levels: Vec<Level> = of_it.map(|c| c.level).collect();
    (!levels.is_empty()).then(|| at_levels(&report.levels, &levels))
}
