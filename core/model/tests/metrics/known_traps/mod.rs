//! Figures that benchmark tools are known to get wrong, each row with what is
//! right. Rows k01 to k06 are about KV-cache arithmetic, which is not covered
//! yet.

mod latencies;
mod server_limits;
mod tokens;

use inferbench_model::cell::row::{CellRow, row};
use inferbench_model::config::{Level, SloConfig, load};
use inferbench_model::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd, Usage};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::key::{CellKey, Counts};
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::window::Window;
use inferbench_model::metrics::MetricValue;
use inferbench_model::report::warning_words;
use inferbench_model::stats::{Summary, percentile};
use serde_json::Value;

struct Case {
    given: Value,
    expect: Value,
}

fn case(id: &str) -> Case {
    let rows: Vec<Value> =
        serde_json::from_str(include_str!("../../cases/metrics_cases.json")).unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap();
    Case {
        given: row["given"].clone(),
        expect: row["expect"].clone(),
    }
}

impl Case {
    fn given(&self, key: &str) -> f64 {
        self.given[key].as_f64().unwrap()
    }

    fn expect(&self, key: &str) -> f64 {
        self.expect[key].as_f64().unwrap()
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    let items = list.as_array().unwrap();
    items.iter().map(|item| item.as_f64().unwrap()).collect()
}

fn near(value: impl Into<Option<f64>>, expected: f64) {
    let value = value.into();
    assert!(
        value.is_some_and(|value| (value - expected).abs() < 1e-5),
        "{value:?} is not {expected}"
    );
}

fn ns(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

/// One answer, all times in ms.
struct Answer {
    level: Level,
    sent_ms: f64,
    events_ms: Vec<f64>,
    /// Cumulative tokens at each event.
    cumulative: Vec<Option<u32>>,
    usage: Usage,
    asked: Asked,
    end_ms: f64,
    end: StreamEnd,
}

fn answer(events_ms: impl Into<Vec<f64>>, tokens: Option<u32>) -> Answer {
    let events_ms = events_ms.into();
    Answer {
        level: Level::Concurrency(1),
        sent_ms: 0.0,
        cumulative: vec![None; events_ms.len()],
        end_ms: events_ms.last().copied().unwrap_or_default(),
        events_ms,
        usage: Usage {
            output_tokens: tokens,
            ..Usage::default()
        },
        asked: Asked {
            input_tokens: None,
            output_tokens: tokens.unwrap_or(1),
            ..Asked::default()
        },
        end: StreamEnd::Clean,
    }
}

impl Answer {
    fn record(self) -> RequestRecord {
        let mut exchange = Exchange::default();
        exchange.asked = self.asked;
        exchange.sent_ns = Some(ns(self.sent_ms));
        exchange.http_status = Some(200);
        for (at, tokens) in self.events_ms.iter().zip(self.cumulative) {
            exchange.output(ns(*at), OutputKind::Text, " ", tokens);
        }
        exchange.usage(self.usage);
        exchange.finish("length");
        exchange.finish_record(
            RequestKey {
                backend: "b".to_owned(),
                block: 0,
                level: self.level,
                phase: Phase::Measured,
                index: 0,
            },
            &self.end,
            ns(self.end_ms),
            false,
        )
    }
}

fn in_words(row: &CellRow) -> Vec<String> {
    row.warnings.iter().map(warning_words).collect()
}

fn cell(records: &[RequestRecord]) -> CellRow {
    let key = CellKey {
        backend: "b".to_owned(),
        block: 0,
        level: records[0].level,
    };
    row(key, records, SloConfig::default(), SelfCheck::default())
}

fn number(row: &CellRow, metric: &str) -> Option<f64> {
    match row.metrics[metric] {
        MetricValue::Number(number) => number,
        MetricValue::Summary(_) => panic!("{metric} is a summary"),
    }
}

fn summary(row: &CellRow, metric: &str) -> Summary {
    match row.metrics[metric] {
        MetricValue::Summary(summary) => summary,
        MetricValue::Number(_) => panic!("{metric} is a number"),
    }
}

/// Arrival times: the first, then each gap later.
fn after(first: f64, gaps: &[f64]) -> Vec<f64> {
    let mut times = vec![first];
    for gap in gaps {
        times.push(times[times.len() - 1] + gap);
    }
    times
}
