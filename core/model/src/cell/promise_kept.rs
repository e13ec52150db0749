//! Whether a measured load keeps the promise that a search is for.

use crate::cell::fold::CellFold;
use crate::cell::promise::{Broken, PromiseKept};
use crate::cell::row::CellRow;
use crate::config::SearchSlo;
use crate::metrics::MetricValue;

/// A queue grows if the time to the first token rises by this share over the window, too
/// clearly for chance.
const GROWS_BY: f64 = 0.3;
const GROWS_P: f64 = 0.001;
/// Share of the offered rate below which a backend does not keep up, and requests from
/// which on that can be said.
const KEEPS_UP_FROM: f64 = 0.95;
const FEWEST_REQUESTS: usize = 20;

impl CellRow {
    /// The row with whether this promise was kept.
    #[must_use]
    pub fn with_promise(mut self, slo: &SearchSlo, fold: &CellFold) -> Self {
        let mut broken = latencies(&self, slo);
        broken.extend(failed(&self, slo));
        if self.level.is_timed() {
            broken.extend(falls_behind(&self, fold));
            broken.extend(queue_grows(&self));
        }
        self.promise = Some(PromiseKept {
            holds: broken.is_empty(),
            broken,
        });
        self
    }
}

fn latencies(row: &CellRow, slo: &SearchSlo) -> Vec<Broken> {
    let above = |(metric, p, limit_ms): (&str, u32, f64)| {
        let value = match row.metrics.get(metric) {
            Some(MetricValue::Summary(summary)) => summary.at(p),
            _ => None,
        };
        // A latency that could not be had was not kept.
        let is_kept = value.is_some_and(|value| value <= limit_ms);
        (!is_kept).then(|| Broken::Latency {
            metric: metric.to_owned(),
            percentile: p,
            value_ms: value,
            limit_ms,
        })
    };
    let limits = slo.each().flat_map(|(metric, percentiles)| {
        let metric = match metric {
            "e2e_latency_ms" if row.level.is_timed() => "e2e_from_schedule_ms",
            metric => metric,
        };
        let each: Vec<_> = percentiles.each().collect();
        each.into_iter().map(move |(p, limit)| (metric, p, limit))
    });
    limits.filter_map(above).collect()
}

fn failed(row: &CellRow, slo: &SearchSlo) -> Option<Broken> {
    let all = row.counts.ok + row.counts.failed;
    let share = row.counts.failed as f64 / all.max(1) as f64;
    let limit = slo.failed.0;
    (share > limit || all == 0).then_some(Broken::Failed { share, limit })
}

fn falls_behind(row: &CellRow, fold: &CellFold) -> Option<Broken> {
    let schedule = fold.schedule();
    let offered_per_s = schedule.planned.rate()?;
    let ended_per_s = schedule.ended.rate()?;
    let completed_per_s = row.metrics.get("request_throughput")?.typical()?;
    let least = KEEPS_UP_FROM * offered_per_s;
    let is_behind = ended_per_s < least && completed_per_s < least;
    (schedule.planned.n >= FEWEST_REQUESTS && is_behind).then_some(Broken::FallsBehind {
        offered_per_s,
        completed_per_s,
    })
}

fn queue_grows(row: &CellRow) -> Option<Broken> {
    let trend = row.trends.ttft_ms?;
    (trend.p < GROWS_P && trend.change >= GROWS_BY).then_some(Broken::QueueGrows {
        change: trend.change,
    })
}
