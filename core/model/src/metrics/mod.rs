//! Every metric with its name, unit, formula and source, in two tables:
//! [`requests`] and [`hardware`]. The reference page is made of the same rows.

mod hardware;
mod requests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::SloConfig;
use crate::facts::record::RequestRecord;
use crate::facts::window::Window;
use crate::hardware::{CellHardware, Served};
use crate::stats::Summary;
use crate::stats::packed::Packed;

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

/// How the values of a metric come out of the records of a cell, one by one.
pub enum Values {
    /// One value per request that counts.
    PerRequest(fn(&RequestRecord) -> Option<f64>),
    /// Any number of values per request that counts, pooled over requests.
    Pooled(Pooled),
    /// One value per cell.
    PerCell(PerCell),
    /// One value per cell, out of what was sampled of the hardware meanwhile.
    OfHardware(fn(&CellHardware, &Served) -> Option<f64>),
}

impl Values {
    /// Whether a cell has one value, and so no percentiles.
    #[must_use]
    pub fn is_one_per_cell(&self) -> bool {
        matches!(self, Self::PerCell(_) | Self::OfHardware(_))
    }
}

/// Values that are pooled over requests: whole numbers, so that millions of
/// them can be kept.
pub struct Pooled {
    /// Adds the values of a request.
    pub each: fn(&RequestRecord, &mut Packed),
    /// Whole numbers in one unit of the metric, such as nanoseconds in a
    /// millisecond.
    pub per_unit: f64,
}

/// A sum over all requests of a cell, divided by a time.
pub struct PerCell {
    /// What a request of any phase adds; the metric is absent if one is `None`.
    pub of: fn(&Load, &RequestRecord) -> Option<f64>,
    /// The time.
    pub over: Over,
}

/// The time that a sum is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Length of the measured window.
    Window,
    /// From the cell's first send to its last end.
    Cell,
}

/// What the figures of a cell depend on besides its records.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// The measured window; absent if nothing was measured.
    pub window: Option<Window>,
    /// Limits for goodput.
    pub slo: SloConfig,
}

impl Load {
    /// Whether a request succeeded and ended inside the window.
    fn completed(&self, record: &RequestRecord) -> bool {
        let window = self.window.filter(|_| record.is_ok());
        window.is_some_and(|window| window.contains(record.end_ns))
    }
}

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

/// Every metric, in the order of tables and pages.
#[must_use]
pub fn all() -> Vec<&'static Metric> {
    requests::REQUESTS
        .iter()
        .chain(&hardware::HARDWARE)
        .collect()
}

/// The metric of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    let mut metrics = requests::REQUESTS.iter().chain(&hardware::HARDWARE);
    metrics.find(|metric| metric.name == name)
}

/// The reference page of all metrics, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    for metric in all() {
        let kind = match metric.values {
            Values::PerRequest(_) => "one value per request",
            Values::Pooled(_) => "pooled over the requests of a cell",
            Values::PerCell(_) | Values::OfHardware(_) => "one value per cell",
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_metric_of_the_contract_is_there_once() {
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
            assert!(names.contains(&name), "{name} is missing");
        }
        let unique: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len());
    }
}
