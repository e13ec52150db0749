//! What is said of costs where they are shown.

use inferbench_model::report::Report;

/// The metric of cost per output token.
pub(super) const PER_MILLION_TOKENS: &str = "cost_per_million_output_tokens";
/// The metric of cost per request.
pub(super) const PER_REQUEST: &str = "cost_per_request";

/// The currency, and what is paid for; `None` if nothing has a price.
pub(super) fn note(report: &Report) -> Option<String> {
    let mut metrics = report.metrics.iter();
    let cost = metrics.find(|metric| metric.name == PER_MILLION_TOKENS)?;
    Some(format!(
        "cost: in {}, of output tokens and completed requests, at the config's price of an hour",
        cost.unit
    ))
}
