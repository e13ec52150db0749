//! What one stream message costs to decode.

#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::openai::OpenAiDecoder;
use inferbench_plugin_api::{Decoder, Events, Message};

fn one_chunk(criterion: &mut Criterion) {
    let capture = include_str!("../tests/captures/vllm-completions-continuous-usage.sse");
    let chunk = capture.lines().next().unwrap();
    let chunk = chunk.strip_prefix("data: ").unwrap().as_bytes();
    let mut decoder = OpenAiDecoder::new();
    let mut buffer = EventBuf::default();
    let mut group = criterion.benchmark_group("decoder");
    group.throughput(Throughput::Bytes(chunk.len() as u64));
    group.bench_function("vllm chunk with usage", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            let mut out = Events::new(&mut buffer);
            decoder.feed(Message::Data(chunk), &mut out)
        });
    });
    group.finish();
}

criterion_group!(benches, one_chunk);
criterion_main!(benches);
