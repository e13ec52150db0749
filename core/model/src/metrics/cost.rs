//! Metrics of what the load cost in money, at the price that the config gives. A new
//! one is a row of [`COST`].

use super::metric::{Better, Metric, Values};
use crate::hardware::Served;

/// Unit of every price where the config names no currency.
pub const PRICE_UNIT: &str = "price units";

const S_PER_HOUR: f64 = 3600.0;
const TOKENS_PER_MILLION: f64 = 1e6;

/// In the order of tables and pages.
pub(super) static COST: &[Metric] = &[
    Metric {
        name: "cost_per_million_output_tokens",
        label: "Cost per million output tokens",
        unit: PRICE_UNIT,
        better: Better::Lower,
        what: "What a million output tokens cost under this load, at the price of the machine that the config gives.",
        formula: "price_per_hour / 3600 / output_token_throughput * 1,000,000; null without a price",
        source: "Price of a machine over what it serves, as in InferenceMAX. The prompt's tokens are paid for too, and not counted.",
        values: Values::OfPrice(|price_per_hour, served| {
            cost(
                price_per_hour,
                served,
                served.output_tokens? / TOKENS_PER_MILLION,
            )
        }),
    },
    Metric {
        name: "cost_per_request",
        label: "Cost per request",
        unit: PRICE_UNIT,
        better: Better::Lower,
        what: "What a completed request costs under this load, at the price of the machine that the config gives.",
        formula: "price_per_hour / 3600 / request_throughput; null without a price",
        source: "Failed requests are paid for, and are not counted.",
        values: Values::OfPrice(|price_per_hour, served| {
            cost(price_per_hour, served, served.requests?)
        }),
    },
];

/// Price of the measured window, divided by what was served in it; `None` if that is
/// nothing.
fn cost(price_per_hour: f64, served: &Served, n: f64) -> Option<f64> {
    (n > 0.0).then_some(price_per_hour / S_PER_HOUR * served.window_s? / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, price_per_hour: f64, served: &Served) -> Option<f64> {
        let metric = COST.iter().find(|metric| metric.name == name).unwrap();
        match metric.values {
            Values::OfPrice(of) => of(price_per_hour, served),
            _ => None,
        }
    }

    #[test]
    fn a_price_is_shared_by_what_was_served_in_its_time() {
        // 100 s at 36 an hour are 1; 50,000 tokens in 200 requests
        let served = Served {
            window_s: Some(100.0),
            output_tokens: Some(50_000.0),
            requests: Some(200.0),
        };
        let cost = |name| value(name, 36.0, &served).unwrap();
        assert!((cost("cost_per_million_output_tokens") - 20.0).abs() < 1e-9);
        assert!((cost("cost_per_request") - 0.005).abs() < 1e-12);
        // nothing served has no cost each
        let none = Served {
            requests: Some(0.0),
            output_tokens: None,
            ..served
        };
        assert_eq!(value("cost_per_request", 36.0, &none), None);
        assert_eq!(value("cost_per_million_output_tokens", 36.0, &none), None);
    }
}
