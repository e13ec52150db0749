//! What holds for the figures of any cell.

use inferbench_model::cell::fold::CellFold;
use inferbench_model::config::{Level, Rate, SloConfig};
use inferbench_model::facts::exchange::{Exchange, OutputKind, StreamEnd};
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::facts::window::Window;
use inferbench_model::metrics::MetricValue;
use inferbench_model::stats::{Summary, percentile};
use inferbench_model::text::units::ms_between;
use proptest::collection::vec;
use proptest::prelude::*;

const SECOND_NS: u64 = 1_000_000_000;

/// One answer with the times its events were stamped with.
#[derive(Debug, Clone)]
struct Stamped {
    record: RequestRecord,
    times: Vec<u64>,
}

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        1 => Just(Phase::Warmup),
        8 => Just(Phase::Measured),
    ]
}

fn stamped(level: Level) -> impl Strategy<Value = Stamped> {
    (
        0..600 * SECOND_NS,
        vec(
            (0..2 * SECOND_NS, prop::option::weighted(0.9, 0..9u32)),
            0..40,
        ),
        0..SECOND_NS,
        phase(),
        prop::bool::weighted(0.9),
    )
        .prop_map(move |(sent_ns, events, tail_ns, phase, finished)| {
            let mut exchange = Exchange::default();
            exchange.asked.output_tokens = 40;
            exchange.scheduled_ns = Some(sent_ns);
            exchange.sent_ns = Some(sent_ns);
            exchange.http_status = Some(200);
            let mut at = sent_ns;
            let mut times = Vec::new();
            for (gap, tokens) in events {
                at += gap;
                times.push(at);
                // Counts are as reported: in any order, sometimes none.
                exchange.output(at, OutputKind::Text, "a", tokens);
            }
            if finished {
                exchange.end_marker();
            }
            let key = RequestKey {
                backend: "b".to_owned(),
                block: 0,
                level,
                phase,
                index: 0,
            };
            let record = exchange.finish_record(key, &StreamEnd::Clean, at + tail_ns, false);
            Stamped { record, times }
        })
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![
        (1..64u32).prop_map(Level::Concurrency),
        (0.1..100.0f64).prop_map(|rate| Level::RequestRate(Rate(rate))),
    ]
}

fn cell() -> impl Strategy<Value = Vec<RequestRecord>> {
    level().prop_flat_map(|level| vec(stamped(level).prop_map(|s| s.record), 1..30))
}

fn slo() -> impl Strategy<Value = SloConfig> {
    let limit = || prop::option::of(1.0..2000.0f64);
    (limit(), limit(), limit()).prop_map(|(ttft_ms, tpot_ms, e2e_latency_ms)| SloConfig {
        ttft_ms,
        tpot_ms,
        e2e_latency_ms,
    })
}

fn number(metrics: &indexmap::IndexMap<String, MetricValue>, name: &str) -> Option<f64> {
    match metrics[name] {
        MetricValue::Number(number) => number,
        MetricValue::Summary(_) => panic!("{name} is a summary"),
    }
}

proptest! {
    #[test]
    fn percentiles_rise_and_stay_within_the_sample(
        mut values in vec(-1e9..1e9f64, 1..200),
        mut percents in vec(0.0..=100.0f64, 2..20),
    ) {
        values.sort_by(f64::total_cmp);
        percents.sort_by(f64::total_cmp);
        let found: Vec<f64> = percents.iter().map(|p| percentile(&values, *p).unwrap()).collect();
        for pair in found.windows(2) {
            prop_assert!(pair[0] <= pair[1], "{pair:?}");
        }
        prop_assert!(found[0] >= values[0]);
        prop_assert!(found[found.len() - 1] <= values[values.len() - 1]);
    }

    #[test]
    fn a_summary_is_ordered_and_does_not_depend_on_order(values in vec(0.0..1e9f64, 1..100)) {
        let summary = Summary::from_values(values.iter().copied());
        prop_assert_eq!(summary, Summary::from_values(values.iter().rev().copied()));
        let ordered = [summary.min, summary.p50, summary.p90, summary.p95, summary.p99, summary.max];
        for pair in ordered.windows(2) {
            prop_assert!(pair[0].unwrap() <= pair[1].unwrap(), "{ordered:?}");
        }
        let mean = summary.mean.unwrap();
        let slack = mean * 1e-12;
        prop_assert!(summary.min.unwrap() <= mean + slack && mean <= summary.max.unwrap() + slack);
    }

    #[test]
    fn gaps_sum_to_last_minus_first(stamped in stamped(Level::Concurrency(1))) {
        let record = &stamped.record;
        match (record.first_output_ns, record.last_output_ns) {
            (Some(first), Some(last)) => {
                let sum: f64 = record.itl_ms.iter().sum();
                prop_assert!((sum - ms_between(first, last)).abs() < 1e-6);
            }
            _ => prop_assert!(record.itl_ms.is_empty() && record.ttft_ms.is_none()),
        }
    }

    #[test]
    fn event_times_are_those_that_were_stamped(stamped in stamped(Level::Concurrency(1))) {
        let record = &stamped.record;
        prop_assert_eq!(record.event_times_ns(), stamped.times.clone());
        prop_assert_eq!(record.first_output_ns, stamped.times.first().copied());
        prop_assert_eq!(record.last_output_ns, stamped.times.last().copied());
        let counts = record.tokens_per_event.as_ref().map(Vec::len);
        prop_assert!(counts.is_none_or(|n| n == stamped.times.len()));
        let text = serde_json::to_string(record).unwrap();
        let back: RequestRecord = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.event_times_ns(), stamped.times);
    }

    #[test]
    fn tpot_times_tokens_gives_back_the_span(stamped in stamped(Level::Concurrency(1))) {
        let record = &stamped.record;
        if let Some(tpot) = record.tpot_ms {
            let tokens = f64::from(record.output_tokens.unwrap());
            let span = record.e2e_latency_ms.unwrap() - record.ttft_ms.unwrap();
            prop_assert!(tokens >= 2.0);
            prop_assert!((tpot * (tokens - 1.0) - span).abs() < 1e-6);
        }
    }

    #[test]
    fn goodput_is_at_most_request_throughput(records in cell(), slo in slo()) {
        let metrics = CellFold::from_records(&records, slo.into()).metrics();
        match (number(&metrics, "goodput"), number(&metrics, "request_throughput")) {
            (Some(good), Some(all)) => prop_assert!(0.0 <= good && good <= all),
            (good, _) => prop_assert_eq!(good, None),
        }
    }

    #[test]
    fn tokens_in_the_window_are_at_most_the_output_tokens(records in cell()) {
        let Some(window) = Window::from_records(&records) else { return Ok(()) };
        prop_assert!(window.length_s() > 0.0);
        for record in &records {
            match (window.tokens_of(record), record.output_tokens) {
                (Some(inside), Some(all)) => {
                    prop_assert!(0.0 <= inside && inside <= f64::from(all), "{inside} of {all}");
                }
                (inside, all) => prop_assert!(inside.is_none() && all.is_none()),
            }
        }
    }

    #[test]
    fn the_window_does_not_depend_on_the_order_of_records(records in cell()) {
        let mut sorted = records.clone();
        sorted.sort_by_key(|record| record.end_ns);
        prop_assert_eq!(Window::from_records(&sorted), Window::from_records(&records));
        sorted.reverse();
        prop_assert_eq!(Window::from_records(&sorted), Window::from_records(&records));
    }

    #[test]
    fn no_figure_is_infinite_or_not_a_number(records in cell(), slo in slo()) {
        for (name, value) in CellFold::from_records(&records, slo.into()).metrics() {
            let finite = value.typical().is_none_or(f64::is_finite);
            prop_assert!(finite, "{} is {:?}", name, value);
        }
    }
}
