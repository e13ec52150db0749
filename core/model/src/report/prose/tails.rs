//! Who has the lower p99 where latency decides.

use super::wording::at_levels;
use crate::config::Level;
use crate::report::Report;
use crate::report::verdict::by_outcome::ByOutcome;
use crate::report::verdict::ranking_metric::RankingMetric;
use crate::text::number::with_unit;

/// Said where latency decides and another backend than the best by p50 has the
/// lower p99.
pub(crate) fn sentences(
    report: &Report,
    ranking: RankingMetric,
    by_outcome: &ByOutcome<'_>,
) -> Vec<String> {
    if ranking != RankingMetric::Latency {
        return Vec::new();
    }
    let ahead = by_outcome.wins.values().chain(by_outcome.leads.values());
    let p99 = |backend: &str, level: &Level| {
        let figure = report.row(backend, level)?.figures.get(ranking.metric())?;
        figure.p99?.value
    };
    ahead
        .flatten()
        .filter_map(|comparison| {
            let level = &comparison.level;
            let own = p99(&comparison.best, level)?;
            let others = report.backends.iter().map(|backend| backend.label.as_str());
            let (other, least) = others
                .filter_map(|label| Some((label, p99(label, level)?)))
                .min_by(|(_, a), (_, b)| a.total_cmp(b))?;
            (least < own).then(|| {
                format!(
                    "At p99 it is {other} {}: {} against {}.",
                    at_levels(&report.levels, &[*level]),
                    with_unit(least, "ms"),
                    with_unit(own, "ms")
                )
            })
        })
        .collect()
}
