//! What one event of the plugin's own server costs to decode, the
//! plugin boundary included.

#![allow(missing_docs, reason = "criterion's macros write undocumented items")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferbench_hf::Hf;
use inferbench_plugin_api::abi::{EventBuf, this_library};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{Message, OpenContext, PromptContent, RequestSpec, Server};

/// A token as that server writes it, with its id and the running usage.
const EVENT: &str = r#"{"id": "cmpl-7f3a5c1e2b10", "object": "text_completion", "created": 1795610736, "model": "m", "choices": [{"index": 0, "text": " bits", "token_ids": [9976], "logprobs": null, "finish_reason": null}], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}"#;

fn one_event(criterion: &mut Criterion) {
    let context = OpenContext::default();
    let client = BackendClient::open(this_library(), &Hf::describe().name, &context).unwrap();
    let spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1, 2, 3]));
    let mut decoder = client.decoder(&spec).unwrap();
    let mut buffer = EventBuf::default();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("hf completions event", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            let fed = decoder.feed(Message::Data(EVENT.as_bytes()), &mut buffer);
            fed.unwrap();
        });
    });
    group.finish();
}

criterion_group!(benches, one_event);
criterion_main!(benches);
