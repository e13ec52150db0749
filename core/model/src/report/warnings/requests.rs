//! Of requests that failed or were sent again, for each backend and each replica.

use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::warning::{Warning, WarningKind};
use crate::report::data::Report;
use crate::report::figures::replicas::ReplicaRow;

/// How many requests of each backend failed, and were sent again, over all its
/// levels and repeats.
pub(super) fn of_requests(report: &Report) -> impl Iterator<Item = Warning> {
    report.backends.iter().flat_map(|backend| {
        let own = || {
            let rows = report.rows.iter();
            rows.filter(|row| row.backend == backend.label)
        };
        let mut counts = Counts::default();
        own().for_each(|row| counts.add(&row.counts));
        let levels = |has: fn(&Counts) -> bool| {
            let found = own().filter(|row| has(&row.counts));
            found.map(|row| row.level).collect::<Vec<Level>>()
        };
        let failed = levels(|counts| counts.failed > 0);
        let resent = levels(|counts| counts.resent > 0);
        let found = [
            (counts.warning(), failed),
            (counts.resent_warning(), resent),
        ];
        found
            .into_iter()
            .filter_map(|(kind, levels)| Some(Warning::about(&backend.label, kind?).at(levels)))
    })
}

/// A replica is named where this share of its requests failed, and more than so many times
/// the share of the others.
const FAILS_FROM_SHARE: f64 = 0.01;
const FAILS_MORE_TIMES: f64 = 2.0;

/// Replicas that fail more than the others of their backend.
pub(super) fn of_replicas(report: &Report) -> impl Iterator<Item = Warning> {
    report.replicas.iter().filter_map(|row| {
        let is_other = |other: &&ReplicaRow| {
            other.backend == row.backend && other.level == row.level && other.replica != row.replica
        };
        let mut others = Counts::default();
        let rows = report.replicas.iter().filter(is_other);
        rows.for_each(|other| others.add(&other.counts));
        let failed_share = |counts: &Counts| {
            let requests = counts.ok + counts.failed;
            (requests > 0).then(|| counts.failed as f64 / requests as f64)
        };
        let (own, theirs) = (failed_share(&row.counts)?, failed_share(&others)?);
        if own < FAILS_FROM_SHARE || own <= FAILS_MORE_TIMES * theirs {
            return None;
        }
        let kind = WarningKind::ReplicaFails {
            replica: row.url.clone().unwrap_or_else(|| row.replica.to_string()),
            failed: row.counts.failed,
            requests: row.counts.ok + row.counts.failed,
        };
        Some(Warning::about(&row.backend, kind).at(vec![row.level]))
    })
}
