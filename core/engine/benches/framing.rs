//! What it costs to take the HTTP framing and the event framing off an answer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use inferbench_engine::http::{Framer, ResponseReader};
use inferbench_plugin_api::Framing;

const EVENTS: usize = 1024;
const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One event in one chunk, as vLLM writes it.
fn event() -> Vec<u8> {
    let data = r#"data: {"id":"cmpl-ab4c37f8f2b936e6","object":"text_completion","created":1795569294,"model":"tiny","choices":[{"index":0,"text":" bits","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":null}],"usage":{"prompt_tokens":8,"total_tokens":14,"completion_tokens":6}}"#;
    let data = format!("{data}\n\n");
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

fn framing(criterion: &mut Criterion) {
    let event = event();
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for per_read in [1, 16] {
        let read = event.repeat(per_read);
        let name = BenchmarkId::new("events per read", per_read);
        group.bench_with_input(name, &read, |bencher, read| {
            bencher.iter(|| {
                let mut reader = ResponseReader::default();
                let mut framer = Framer::new(Framing::Sse);
                let mut messages = 0;
                reader.push(HEAD, &mut |_| ()).unwrap();
                for _ in 0..EVENTS / per_read {
                    reader
                        .push(read, &mut |data| {
                            framer.push(data, &mut |_| messages += 1).unwrap();
                        })
                        .unwrap();
                }
                assert_eq!(messages, EVENTS);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
