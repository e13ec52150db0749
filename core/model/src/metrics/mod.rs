//! Every metric with its name, unit, formula and source, in three tables:
//! `requests`, `cost` and `hardware`. The reference page is made of the same rows.

mod cost;
mod hardware;
mod metric;
mod requests;

use crate::config::Slos;
pub use cost::PRICE_UNIT;
pub use metric::{Better, Load, Metric, MetricValue, Over, PerCell, Pooled, Values};

/// Every metric, in the order of tables and pages.
#[must_use]
pub fn all() -> Vec<&'static Metric> {
    each().collect()
}

/// The metric of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    each().find(|metric| metric.name == name)
}

fn each() -> impl Iterator<Item = &'static Metric> {
    let requests = requests::REQUESTS.iter();
    requests.chain(cost::COST).chain(hardware::HARDWARE)
}

/// Metrics of the time between tokens, which an answer that came at once does not
/// show.
const BETWEEN_TOKENS: [&str; 4] = [
    "tpot_ms",
    "itl_ms",
    "decode_ms_per_token",
    "per_user_token_rate",
];

/// Metrics that events with different numbers of tokens falsify: a gap lies between
/// events, and TPOT divides by tokens that came with the first of them.
pub const DEPENDS_ON_EVENTS: [&str; 3] = ["itl_ms", "tpot_ms", "per_user_token_rate"];

/// Whether a metric is about the time between tokens, goodput and attainment under a
/// limit of it included.
#[must_use]
pub fn needs_time_between_tokens(metric: &str, slos: &Slos) -> bool {
    let is_of_limits = ["goodput", "slo_attainment"].contains(&metric);
    BETWEEN_TOKENS.contains(&metric) || (is_of_limits && slos.limit_tpot())
}

/// The reference page of all metrics, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    for metric in all() {
        let kind = match metric.values {
            Values::PerRequest(_) | Values::OfMetric(_) => "one value per request",
            Values::Pooled(_) => "pooled over the requests of a cell",
            Values::PerCell(_) | Values::OfHardware(_) | Values::OfPrice(_) => "one value per cell",
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
