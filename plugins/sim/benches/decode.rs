//! What one event of the simulator costs to decode, the
//! plugin boundary included.

#![allow(missing_docs, reason = "criterion's macros write undocumented items")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inferbench_plugin_api::abi::{EventBuf, this_library};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{Message, OpenContext, PromptContent, RequestSpec, Server};
use inferbench_sim::Sim;

/// A token as that server writes it, with its id and the running usage.
const EVENT: &str = r#"{"id":"cmpl-sim-0000000000000000","object":"text_completion","created":1795610736,"model":"m","choices":[{"index":0,"text":" w18035","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,"token_ids":[18035]}],"usage":{"prompt_tokens":3,"total_tokens":5,"completion_tokens":2}}"#;

fn one_event(criterion: &mut Criterion) {
    let context = OpenContext::default();
    let client = BackendClient::open(this_library(), &Sim::describe().name, &context).unwrap();
    let spec = RequestSpec::one_token("m", PromptContent::TokenIds(vec![1, 2, 3]));
    let mut decoder = client.decoder(&spec).unwrap();
    let mut buffer = EventBuf::default();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sim completions event", |bencher| {
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
