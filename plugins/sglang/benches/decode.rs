//! What one message of `/generate` costs to decode: it repeats the whole text.

#![allow(missing_docs, reason = "criterion's macros write undocumented items")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::{Decoder, Events, Message};
use inferbench_sglang::{NativeDecoder, Streaming};

fn whole_answer(criterion: &mut Criterion) {
    let capture = include_str!("../tests/captures/generate.sse");
    let messages: Vec<&[u8]> = capture
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(str::as_bytes)
        .collect();
    let mut buffer = EventBuf::default();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(messages.len() as u64));
    group.bench_function("sglang generate, one answer", |bencher| {
        bencher.iter(|| {
            let mut decoder = NativeDecoder::new(Streaming::default());
            for message in &messages {
                buffer.clear();
                let mut out = Events::new(&mut buffer);
                decoder.feed(Message::Data(message), &mut out).unwrap();
            }
        });
    });
    group.finish();
}

criterion_group!(benches, whole_answer);
criterion_main!(benches);
