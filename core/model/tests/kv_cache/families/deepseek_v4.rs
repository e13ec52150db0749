//! DeepSeek-V4: compressed entries, and their layout.

use super::*;

fn deepseek_v4_pro() -> Value {
    // Two layers of 128, then both in turn, and one more that predicts a further token.
    let mut ratios = vec![128, 128];
    ratios.extend([4, 128].repeat(29));
    ratios.extend([4, 0]);
    json!({"model_type": "deepseek_v4", "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 1, "head_dim": 512, "hidden_size": 7168, "sliding_window": 128,
        "index_head_dim": 128, "compress_ratios": ratios, "torch_dtype": "bfloat16"})
}

/// DeepSeek V4 Pro: 30 layers of ratio 4 and 31 of ratio 128. vLLM's announcement of
/// April 2026 gives 9.62 GiB for 1,048,576 tokens with everything in 16 bits, the
/// indexer's keys too, for which vLLM itself keeps 132 B in place of 256.
#[test]
fn deepseek_v4_keeps_one_entry_for_several_tokens() {
    const TOKENS: u64 = 1 << 20;
    let estimate = plain(&deepseek_v4_pro());
    let bytes_of = |kind: TermKind| {
        let terms = estimate.terms.iter().filter(move |term| term.kind == kind);
        terms
            .map(|term| term.sequence_bytes(TOKENS, 64))
            .sum::<u64>()
    };
    assert_eq!(
        bytes_of(TermKind::Compressed),
        30 * (TOKENS / 4) * 1024 + 31 * (TOKENS / 128) * 1024
    );
    assert_eq!(bytes_of(TermKind::Indexer), 30 * (TOKENS / 4) * 132);
    assert_eq!(bytes_of(TermKind::SlidingWindow), 61 * 128 * 1024);
    let all_16_bits = bytes_of(TermKind::Compressed)
        + bytes_of(TermKind::SlidingWindow)
        + bytes_of(TermKind::Indexer) / 132 * 256;
    assert!((all_16_bits as f64 / GIB - 9.62).abs() < 0.005);
    // Values and scores in 32 bits: 8 tokens x 2 x 2 x 512 for ratio 4, the indexer's
    // 128 in place of 512, 128 tokens x 2 x 512 for ratio 128.
    let states = 30 * (8 * 2048 + 8 * 512) * 4 + 31 * 128 * 1024 * 4;
    assert_eq!(estimate.bytes_per_sequence, states);
}

/// vLLM's own 8-bit layout: 448 elements, 64 positions in 16 bits, 7 scales and a byte.
#[test]
fn deepseek_v4_has_a_layout_of_584_bytes() {
    for name in ["fp8", "fp8_ds_mla"] {
        let options = KvOptions {
            dtype: Some(name.to_owned()),
            tensor_parallel: 8,
            ..KvOptions::default()
        };
        let estimate = estimated(&deepseek_v4_pro(), &options);
        assert_eq!(
            estimate.terms[0].formula,
            "61 layers x (448 + 64 x 2 + 8) B, whole on each GPU"
        );
        assert_eq!(estimate.terms[1].bytes_per_entry, Some(31 * 584));
    }
}

#[test]
fn deepseek_v4_without_a_list_has_its_class_s_pattern() {
    let config = without(&deepseek_v4_pro(), "compress_ratios");
    let estimate = plain(&with(&config, "num_hidden_layers", json!(43)));
    // 43 layers: 2 of 128, then 128 and 4 in turn: 21 of 128 after them, 20 of 4.
    let bytes_of = |ratio: u64| {
        let mut terms = estimate.terms.iter();
        let found = terms.find(|t| t.kind == TermKind::Compressed && t.tokens_per_entry == ratio);
        found.map(|term| term.layers)
    };
    assert_eq!((bytes_of(128), bytes_of(4)), (Some(23), Some(20)));
    let odd = with(&deepseek_v4_pro(), "compress_ratios", json!(vec![8; 61]));
    assert_eq!(
        refused(&odd, &KvOptions::default()),
        "`compress_ratios` is 8 for a layer, must be 0, 4 or 128"
    );
    let dealt = KvOptions {
        tensor_parallel: 8,
        decode_context_parallel: 8,
        ..KvOptions::default()
    };
    assert!(refused(&deepseek_v4_pro(), &dealt).starts_with("`context parallel size` is 8"));
}
