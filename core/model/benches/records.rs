//! What a record of a 128-token answer costs to make, to write and to read.

#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use inferbench_model::cell::fold::CellFold;
use inferbench_model::config::{Level, Slos};
use inferbench_model::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd};
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::facts::window::Window;

const TOKENS: u32 = 128;

/// An answer whose gaps scatter around 10 ms, one token an event.
fn exchange() -> Exchange {
    let mut exchange = Exchange::default();
    exchange.asked = Asked {
        input_tokens: Some(512),
        output_tokens: TOKENS,
        ..Asked::default()
    };
    exchange.sent_ns = Some(5_000_000_000);
    exchange.http_status = Some(200);
    let mut at = 5_040_000_000;
    for token in 1..=TOKENS {
        at += 9_500_000 + u64::from(token) * 7_919_317 % 1_000_003;
        exchange.read_began(at, at, at + 20_000);
        exchange.output(at, OutputKind::Text, " token", Some(token));
    }
    exchange.finish("length");
    exchange.end_marker();
    exchange
}

fn record(exchange: Exchange) -> RequestRecord {
    let key = RequestKey {
        backend: "vllm".to_owned(),
        block: 0,
        level: Level::Concurrency(64),
        phase: Phase::Measured,
        index: 4711,
    };
    exchange.finish_record(key, &StreamEnd::Clean, 7_000_000_000, false)
}

fn records(criterion: &mut Criterion) {
    let record_once = record(exchange());
    let line = serde_json::to_vec(&record_once).unwrap();
    let mut group = criterion.benchmark_group("record of 128 tokens");
    group.bench_function("make", |bencher| {
        bencher.iter_batched(exchange, record, BatchSize::SmallInput);
    });
    group.throughput(Throughput::Bytes(line.len() as u64));
    let mut buffer = Vec::with_capacity(2 * line.len());
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            serde_json::to_writer(&mut buffer, black_box(&record_once)).unwrap();
        });
    });
    group.bench_function("read", |bencher| {
        bencher.iter(|| serde_json::from_slice::<RequestRecord>(black_box(&line)).unwrap());
    });
    let window = Window {
        start_ns: 5_000_000_000,
        end_ns: 6_000_000_000,
    };
    group.bench_function("take into a cell", |bencher| {
        let mut fold = CellFold::new(Some(window), Slos::default());
        bencher.iter(|| fold.add(black_box(&record_once)));
    });
    group.finish();
}

criterion_group!(benches, records);
criterion_main!(benches);
