//! Every metric, each in its own file, registered with its name, unit,
//! formula and source; the reference page is generated from the same entries.

mod achieved_concurrency;
mod cached_tokens;
mod connect_ms;
mod decode_ms_per_token;
mod e2e_from_schedule_ms;
mod e2e_latency_ms;
mod goodput;
mod input_tokens;
mod itl_ms;
mod output_token_throughput;
mod output_tokens;
mod overall_token_throughput;
mod per_user_token_rate;
mod request_throughput;
mod send_lag_ms;
mod tokens_per_event;
mod tpot_ms;
mod ttft_ms;
pub mod window;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::SloConfig;
use crate::record::RequestRecord;
use crate::stats::Summary;
use window::Window;

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It describes, and does not rank.
    Neither,
}

/// One metric.
pub struct Metric {
    /// Place in tables and pages, ascending.
    pub order: u16,
    /// Name, final: other people's scripts rely on it.
    pub name: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// What it is, in a line.
    pub what: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// Where the definition comes from, and what others call it.
    pub source: &'static str,
    /// How its values come out of the records of a cell.
    pub values: Values,
}

/// How the values of a metric come out of the records of a cell.
pub enum Values {
    /// One value per request that counts.
    PerRequest(fn(&RequestRecord) -> Option<f64>),
    /// Any number of values per request that counts, pooled over requests.
    Pooled(fn(&RequestRecord) -> Vec<f64>),
    /// One value per cell.
    PerCell(fn(&CellInput<'_>) -> Option<f64>),
}

/// The facts that a cell's figures come from.
#[derive(Debug, Clone, Copy)]
pub struct CellInput<'a> {
    /// Every request of the cell, all phases.
    pub records: &'a [RequestRecord],
    /// The measured window; absent if nothing was measured.
    pub window: Option<Window>,
    /// Limits for goodput.
    pub slo: SloConfig,
}

impl<'a> CellInput<'a> {
    /// The input of one cell, its window taken from the records.
    #[must_use]
    pub fn new(records: &'a [RequestRecord], slo: SloConfig) -> Self {
        Self {
            records,
            window: Window::of(records),
            slo,
        }
    }

    /// Successful requests of any phase that ended inside the window.
    fn completed_in_window(&self, window: Window) -> impl Iterator<Item = &'a RequestRecord> {
        self.records
            .iter()
            .filter(move |record| record.is_ok() && window.contains(record.end_ns))
    }
}

inventory::collect!(Metric);

/// A value as `cells.json` has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MetricValue {
    /// Of a per-request metric.
    Summary(Summary),
    /// Of a per-cell metric; null if it could not be had.
    Number(Option<f64>),
}

impl MetricValue {
    /// The number a person would compare: the median, or the one value.
    #[must_use]
    pub fn typical(&self) -> Option<f64> {
        match self {
            Self::Summary(summary) => summary.p50,
            Self::Number(number) => *number,
        }
    }
}

/// Every registered metric in its order.
#[must_use]
pub fn all() -> Vec<&'static Metric> {
    let mut metrics: Vec<&Metric> = inventory::iter::<Metric>().collect();
    metrics.sort_by_key(|metric| (metric.order, metric.name));
    metrics
}

/// The metric of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    inventory::iter::<Metric>().find(|metric| metric.name == name)
}

/// All values of one metric over `records` that count, unsummarised; empty for
/// a per-cell metric.
#[must_use]
pub fn samples(metric: &Metric, records: &[RequestRecord]) -> Vec<f64> {
    let counting = records.iter().filter(|record| record.counts());
    match metric.values {
        Values::PerRequest(value) => counting.filter_map(value).collect(),
        Values::Pooled(values) => counting.flat_map(values).collect(),
        Values::PerCell(_) => Vec::new(),
    }
}

/// The value of every metric for one cell.
#[must_use]
pub fn compute(input: &CellInput<'_>) -> IndexMap<String, MetricValue> {
    all()
        .into_iter()
        .map(|metric| {
            let value = match metric.values {
                Values::PerCell(value) => {
                    MetricValue::Number(value(input).filter(|value| value.is_finite()))
                }
                _ => MetricValue::Summary(Summary::of(samples(metric, input.records))),
            };
            (metric.name.to_owned(), value)
        })
        .collect()
}

/// The reference page of all metrics, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    for metric in all() {
        let kind = match metric.values {
            Values::PerRequest(_) => "one value per request",
            Values::Pooled(_) => "pooled over the requests of a cell",
            Values::PerCell(_) => "one value per cell",
        };
        let better = match metric.better {
            Better::Higher => "higher is better",
            Better::Lower => "lower is better",
            Better::Neither => "describes, does not rank",
        };
        page.push_str(&format!(
            "\n## `{}`\n\n{}\n\n- Unit: {}\n- Values: {kind}; {better}\n- Formula: {}\n- Source: {}\n",
            metric.name, metric.what, metric.unit, metric.formula, metric.source
        ));
    }
    page
}

const REFERENCE_HEAD: &str = "# Metrics

This page is generated from the metrics that the program registers.

Times come from one monotonic clock. *Sent* is the moment the last byte of a request was
handed to the socket of an open connection. An *output event* is a stream event that carries
non-empty text, reasoning or a piece of a tool call; its time is the arrival of the read that
completed it. Only successful requests of the measured phase enter per-request metrics; failed
ones are counted by reason. Percentiles interpolate linearly (type 7 of Hyndman and Fan).
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_contract_is_registered() {
        let names: Vec<&str> = all().iter().map(|metric| metric.name).collect();
        for name in [
            "ttft_ms",
            "tpot_ms",
            "itl_ms",
            "e2e_latency_ms",
            "e2e_from_schedule_ms",
            "send_lag_ms",
            "output_tokens",
            "input_tokens",
            "output_token_throughput",
            "overall_token_throughput",
            "request_throughput",
            "goodput",
            "per_user_token_rate",
        ] {
            assert!(names.contains(&name), "{name} is not registered");
        }
        let mut unique = names.clone();
        unique.dedup();
        assert_eq!(unique, names);
    }
}
