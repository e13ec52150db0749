//! Completed requests per second that met every SLO.

use super::{Better, Load, Metric, Over, PerCell, Values};
use crate::config::SloConfig;
use crate::facts::record::RequestRecord;

inventory::submit! {
    Metric {
        order: 4,
        name: "goodput",
        unit: "requests/s",
        better: Better::Higher,
        what: "Completed requests per second that met every SLO.",
        formula: "successful requests that ended inside the measured window and met every limit of slo / length of the window; absent if no limit is set",
        source: "DistServe, arXiv:2401.09670. A request that lacks a value which a limit asks for does not meet it; tpot_ms of a one-token answer is met.",
        values: Values::PerCell(PerCell { of: good, over: Over::Window }),
    }
}

fn good(load: &Load, record: &RequestRecord) -> Option<f64> {
    let met = load.slo.is_set().then(|| meets(record, &load.slo))?;
    Some(f64::from(met && load.completed(record)))
}

fn meets(record: &RequestRecord, slo: &SloConfig) -> bool {
    let within = |value: Option<f64>, limit: Option<f64>| match limit {
        None => true,
        Some(limit) => value.is_some_and(|value| value <= limit),
    };
    let one_token = record.output_tokens.is_some_and(|tokens| tokens < 2);
    within(record.ttft_ms, slo.ttft_ms)
        && (one_token || within(record.tpot_ms, slo.tpot_ms))
        && within(record.e2e_latency_ms, slo.e2e_latency_ms)
}
