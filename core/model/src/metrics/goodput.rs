//! Completed requests per second that met every SLO.

use super::{Better, CellInput, Metric, Values};
use crate::config::SloConfig;
use crate::record::RequestRecord;

inventory::submit! {
    Metric {
        order: 4,
        name: "goodput",
        unit: "requests/s",
        better: Better::Higher,
        what: "Completed requests per second that met every SLO.",
        formula: "successful requests that ended inside the measured window and met every limit of slo / length of the window; absent if no limit is set",
        source: "DistServe, arXiv:2401.09670. A request that lacks a value which a limit asks for does not meet it; tpot_ms of a one-token answer is met.",
        values: Values::PerCell(value),
    }
}

fn value(input: &CellInput<'_>) -> Option<f64> {
    let window = input.window.filter(|_| input.slo.is_set())?;
    let good = input
        .completed_in_window(window)
        .filter(|record| meets(record, &input.slo))
        .count();
    Some(good as f64 / window.length_s())
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
