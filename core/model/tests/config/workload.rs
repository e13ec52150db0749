//! What is refused of prompts and their lengths.

use super::*;

#[test]
fn a_workload_that_cannot_be_made_is_refused() {
    for (from, to, error) in [
        (
            "input_tokens: 512",
            "input_tokens: 0",
            "7:17: `workload.input_tokens` can be 0, must be 1 token or more",
        ),
        (
            "output_tokens: 128",
            "output_tokens: {uniform: [9, 3]}",
            "8:3: `workload.output_tokens` is from 9 to 3, the first must not be larger",
        ),
        (
            "output_tokens: 128",
            "output_tokens: {normal: [9, -3], max: 20}",
            "8:3: `workload.output_tokens` has a standard deviation of -3, must be 0 or more",
        ),
        (
            "output_tokens: 128",
            "output_tokens: {normal: [.inf, 3], max: 20}",
            "8:3: `workload.output_tokens` has a mean of inf, must be finite",
        ),
        (
            "output_tokens: 128",
            "turns: 0",
            "8:10: `workload.turns` can be 0, must be 1 or more",
        ),
        (
            "output_tokens: 128",
            "shared_prefix_tokens: 513",
            "8:25: `workload.shared_prefix_tokens` is 513, must be at most the shortest prompt, 512 tokens",
        ),
        (
            "output_tokens: 128",
            "prompts: jsonl",
            "6:1: `workload.file` is missing, `jsonl` prompts need it",
        ),
        (
            "output_tokens: 128",
            "file: p.jsonl",
            "8:9: `workload.file` is \"p.jsonl\", must be absent: synthetic prompts do not come from a file",
        ),
    ] {
        assert_eq!(changed(from, to), format!("bench.yaml:{error}"));
    }
}

#[test]
fn prompts_that_do_not_fit_the_model_are_refused_with_what_would_fit() {
    let limit = |n: u32| SMALL.replace("id: m", &format!("id: m\n  max_model_len: {n}"));
    assert!(read(&limit(640)).is_ok());
    assert_eq!(
        refused(&limit(639)),
        [(
            "bench.yaml:4:18: `model.max_model_len` is 639 tokens, but the longest prompt has 512 and the longest answer 128: 640 do not fit".to_owned(),
            Some("raise model.max_model_len, or lower workload.output_tokens to 127 at most".to_owned()),
        )]
    );
    assert_eq!(
        refused(&limit(500))[0].1.as_deref(),
        Some("raise model.max_model_len, or lower workload.input_tokens")
    );
}
