//! What one request costs to encode, by the form and length of its prompt.

#![allow(clippy::unwrap_used, reason = "a failed unwrap ends the bench")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use inferbench_plugin_api::openai::{Endpoint, OpenAiWire};
use inferbench_plugin_api::{PromptContent, RequestSpec};

fn encode(criterion: &mut Criterion) {
    let wire = OpenAiWire {
        endpoint: Endpoint::Completions,
        headers: Vec::new(),
        extra_body: serde_json::Map::new(),
        continuous_usage: true,
        forces_length: true,
    };
    let mut group = criterion.benchmark_group("encode");
    for tokens in [16u32, 512, 8192] {
        let ids = PromptContent::TokenIds((0..tokens).map(|i| 1000 + i % 30_000).collect());
        let text = PromptContent::Text("word ".repeat(tokens as usize));
        for (form, prompt) in [("token ids", ids), ("text", text)] {
            let request = RequestSpec {
                output_tokens: 128,
                ..RequestSpec::one_token("model", prompt)
            };
            group.bench_with_input(
                BenchmarkId::new(form, tokens),
                &request,
                |bencher, request| {
                    bencher.iter(|| wire.encode(request).unwrap());
                },
            );
        }
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
