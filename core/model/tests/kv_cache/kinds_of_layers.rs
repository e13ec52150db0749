//! Layers that do not keep every token: windows, compressed caches, states.

use super::*;

/// alvarobartt/hf-mem#70: gpt-oss-20b, 8192 tokens x 32 requests: 12.00 GiB, and
/// 6.09 GiB with the window's cap.
#[test]
fn a_window_caps_half_of_gpt_oss_20b() {
    let estimate = plain(&gpt_oss(24));
    assert_near(gib_of(&estimate, 8192 * 32), 12.0, 1e-9);
    assert_near(estimate.needed_bytes(32, 8192) as f64 / GIB, 6.094, 0.0005);
    // Without `layer_types` the class alternates in the same way.
    let mut config = gpt_oss(24);
    config.as_object_mut().unwrap().remove("layer_types");
    assert_eq!(plain(&config), estimate);
}

/// DeepSeek-V3, bf16: 61 x 576 x 2 = 70,272 B (arXiv:2412.19437 gives layers and
/// sizes), on every GPU whole.
#[test]
fn a_compressed_cache_is_not_divided_among_gpus() {
    for options in [KvOptions::default(), tp(8)] {
        assert_eq!(
            estimated(&deepseek("deepseek_v3"), &options).bytes_per_token,
            70_272
        );
    }
}

/// sgl-project/sglang#11309: DeepSeek-V3.2 on 8 x B200: 975,424 tokens are 43.67
/// GB with fp8 and indexer; 1,462,784 are 54.52, or 65.49 with the indexer.
#[test]
fn deepseek_v3_2_has_an_indexer_beside_its_own_layout() {
    let mut config = deepseek("deepseek_v32");
    let without = estimated(&config, &dtype("fp8_ds_mla"));
    assert_eq!(without.bytes_per_token, 61 * 656);
    config["index_head_dim"] = json!(128);
    let with = estimated(&config, &dtype("fp8_ds_mla"));
    assert_eq!(with.bytes_per_token, 61 * (656 + 132));
    assert_eq!(with.terms[1].kind, TermKind::Indexer);
    assert_near(gib_of(&with, 975_424), 43.667, 0.0005);
    assert_near(gib_of(&without, 1_462_784), 54.515, 0.0005);
    assert_near(gib_of(&with, 1_462_784), 65.484, 0.0005);
    assert_eq!(with.terms[0].formula, "61 layers x (512 + 16 + 64 x 2) B");
    assert_eq!(with.terms[1].formula, "61 layers x (128 + 4) B");
}

/// unslothai/unsloth#4757: Gemma 3 27B at 131,072 tokens is 10.41 GiB, and not
/// the 62 GiB that all layers would take.
#[test]
fn gemma_3_27b_keeps_windows_in_five_layers_of_six() {
    let config = json!({"model_type": "gemma3", "torch_dtype": "bfloat16", "text_config": {
        "model_type": "gemma3_text", "num_hidden_layers": 62, "num_attention_heads": 32,
        "num_key_value_heads": 16, "head_dim": 128, "hidden_size": 5376, "sliding_window": 1024}});
    let estimate = plain(&config);
    assert_near(estimate.sequence_bytes(131_072) as f64 / GIB, 10.41, 0.005);
    let layers: Vec<u32> = estimate.terms.iter().map(|term| term.layers).collect();
    assert_eq!(layers, [52, 10]);
}

/// unslothai/unsloth#4757: DeepSeek-V3.1 at 163,840 tokens is 10.72 GiB, Kimi-K2.5
/// at 262,144 is 17.16 GiB.
#[test]
fn compressed_caches_have_their_published_sizes() {
    let v31 = plain(&deepseek("deepseek_v3"));
    assert_near(v31.sequence_bytes(163_840) as f64 / GIB, 10.72, 0.005);
    let mut text = deepseek("kimi_k2");
    text["num_attention_heads"] = json!(64);
    let kimi = json!({"model_type": "kimi_k25", "text_config": text});
    assert_near(
        plain(&kimi).sequence_bytes(262_144) as f64 / GIB,
        17.16,
        0.005,
    );
}

fn delta_net(layers: u32, kv_heads: u32, v_heads: u32) -> Value {
    json!({"model_type": "qwen3_5", "text_config": {"model_type": "qwen3_5_text",
        "num_hidden_layers": layers, "num_attention_heads": 24, "num_key_value_heads": kv_heads,
        "head_dim": 256, "hidden_size": 5120, "full_attention_interval": 4,
        "linear_num_key_heads": 16, "linear_num_value_heads": v_heads,
        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
        "mamba_ssm_dtype": "float32", "dtype": "bfloat16"}})
}

/// unslothai/unsloth#4757: Qwen3.5 27B at 262,144 tokens is 16.00 GiB beside its
/// states. An SGLang log of the same shapes (48 gated delta nets of 64 layers):
/// 360 + 1 slots are 0.99 GB of convolution and 50.77 GB of state, and 228,520
/// tokens of fp8 K are 3.49 GB.
#[test]
fn a_gated_delta_net_keeps_a_state_per_sequence() {
    let estimate = plain(&delta_net(64, 4, 48));
    assert_near(gib_of(&estimate, 262_144), 16.0, 1e-9);
    let slots = 361.0 * estimate.bytes_per_sequence as f64 / GIB;
    assert_near(slots, 0.99 + 50.77, 0.01);
    let fp8 = estimated(&delta_net(64, 4, 48), &dtype("fp8"));
    assert_near(gib_of(&fp8, 228_520) / 2.0, 3.49, 0.005);
    // States are kept in types of their own.
    assert_eq!(fp8.bytes_per_sequence, estimate.bytes_per_sequence);
    let state = &estimate.terms[0];
    assert_eq!((state.kind, state.layers), (TermKind::LinearAttention, 48));
    assert_eq!(
        state.formula,
        "48 layers x ((2 x 16 x 128 + 48 x 128) x 3 x 2 B + 48 x 128 x 128 x 4 B)"
    );
}

/// sgl-project/sglang#39851: a state of Qwen3.5-4B (24 of 32 layers, 32 value
/// heads) is some 51 MB; a log of the same shapes has 65 slots in 3.05 + 0.07 GB.
#[test]
fn a_smaller_delta_net_has_its_published_state() {
    let estimate = plain(&delta_net(32, 4, 32));
    let bytes = estimate.bytes_per_sequence as f64;
    assert_near(bytes / 1e6, 51.5, 0.6);
    assert_near(65.0 * bytes / GIB, 3.05 + 0.07, 0.025);
}

/// ggml-org/llama.cpp#5328: each sequence of Mamba 3B takes 23.75 MiB, in f32.
#[test]
fn mamba_2_8b_takes_23_75_mib_per_sequence_and_nothing_per_token() {
    let config = json!({"model_type": "mamba", "num_hidden_layers": 64, "hidden_size": 2560,
        "intermediate_size": 5120, "state_size": 16, "conv_kernel": 4, "torch_dtype": "float32"});
    let estimate = plain(&config);
    assert_near(estimate.bytes_per_sequence as f64 / MIB, 23.75, 1e-9);
    assert_eq!(estimate.bytes_per_token, 0);
    assert_eq!(estimate.tokens_in(1 << 30), None);
    let fits = estimate.capacity(&Budget::of_cache(1 << 30), 8192).unwrap();
    // 1024 / 23.75 = 43.1
    assert_eq!((fits.tokens, fits.sequences), (None, Some(43)));
}

/// raullenchai/Rapid-MLX#1423: Gemma 4 12B grows by 16 KiB per token (8 layers,
/// one head of 512), and all of its layers would by 384 KiB with the other 40's
/// 8 heads of 256.
#[test]
fn gemma_4_has_other_heads_in_its_global_layers() {
    let types: Vec<&str> = (0..48)
        .map(|at| {
            if at % 6 == 5 {
                "full_attention"
            } else {
                "sliding_attention"
            }
        })
        .collect();
    let config = json!({"model_type": "gemma4", "text_config": {"model_type": "gemma4_text",
        "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 256, "hidden_size": 3840, "num_global_key_value_heads": 1,
        "global_head_dim": 512, "attention_k_eq_v": true, "sliding_window": 1024,
        "layer_types": types, "dtype": "bfloat16"}});
    let estimate = plain(&config);
    let grows = estimate.sequence_bytes(8192 + 1600) - estimate.sequence_bytes(8192);
    assert_eq!(grows, 1600 * 16 * 1024);
    assert_eq!(estimate.terms[0].bytes_per_token, 40 * 8192);
}

/// vLLM's cache manager: a window keeps ceil(min(W - 1 + step, length) / block)
/// + 1 blocks of a request, a chunk min(chunk + step, length) without the one.
#[test]
fn a_window_keeps_the_tokens_of_a_step_and_a_block_more() {
    let options = KvOptions {
        batched_tokens: Some(2048),
        ..KvOptions::default()
    };
    let mut config = gqa("mistral", 1, 32, 8, 128);
    config["sliding_window"] = json!(4096);
    let estimate = estimated(&config, &options);
    // ceil(6143 / 16) + 1 = 385 blocks of 16 tokens of 4096 B.
    assert_eq!(estimate.sequence_bytes(100_000), 385 * 16 * 4096);
    assert_eq!(estimate.sequence_bytes(1000), 64 * 16 * 4096);
    let llama4 = json!({"model_type": "llama4", "text_config": {"model_type": "llama4_text",
        "num_hidden_layers": 4, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "hidden_size": 5120, "attention_chunk_size": 8192,
        "no_rope_layers": [], "torch_dtype": "bfloat16"}});
    let estimate = estimated(&llama4, &options);
    // Three layers of a chunk, and the fourth without positions.
    let chunks = 3 * 640 * 16 * 4096;
    assert_eq!(estimate.sequence_bytes(100_000), chunks + 100_000 * 4096);
}

/// Mamba 2 after vLLM's state shapes: convolution (I + 2 x G x S) / TP x (k - 1),
/// state heads / TP x head size x S; computed by hand.
#[test]
fn mamba_2_is_split_over_gpus() {
    let config = json!({"model_type": "mamba2", "num_hidden_layers": 10, "num_heads": 80,
        "head_dim": 64, "n_groups": 8, "state_size": 128, "conv_kernel": 4,
        "hidden_size": 2560, "torch_dtype": "bfloat16"});
    // (80 x 64 + 2 x 8 x 128) x 3 x 2 + 80 x 64 x 128 x 2
    assert_eq!(
        plain(&config).bytes_per_sequence,
        10 * (7168 * 6 + 655_360 * 2)
    );
    assert_eq!(
        estimated(&config, &tp(2)).bytes_per_sequence,
        5 * (7168 * 6 + 655_360 * 2)
    );
    let float32 = KvOptions {
        state_dtype: Some("float32".to_owned()),
        ..KvOptions::default()
    };
    assert_eq!(
        estimated(&config, &float32).bytes_per_sequence,
        10 * (7168 * 6 + 655_360 * 4)
    );
}

#[test]
fn hybrids_keep_both_kinds() {
    let nemotron = json!({"model_type": "nemotron_h", "num_hidden_layers": 5,
        "hybrid_override_pattern": "M-M*-", "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "hidden_size": 5120, "mamba_num_heads": 128, "mamba_head_dim": 64,
        "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4, "torch_dtype": "bfloat16"});
    let estimate = plain(&nemotron);
    assert_eq!(estimate.bytes_per_token, 8 * 256 * 2);
    assert_eq!(
        estimate.bytes_per_sequence,
        2 * ((128 * 64 + 2 * 8 * 128) * 3 * 2 + 128 * 64 * 128 * 2)
    );
    let jamba = json!({"model_type": "jamba", "num_hidden_layers": 8, "attn_layer_period": 8,
        "attn_layer_offset": 4, "num_attention_heads": 32, "num_key_value_heads": 8,
        "hidden_size": 4096, "mamba_expand": 2, "mamba_d_state": 16, "mamba_d_conv": 4,
        "torch_dtype": "bfloat16"});
    let estimate = plain(&jamba);
    assert_eq!(estimate.bytes_per_token, 8 * 256 * 2);
    assert_eq!(estimate.bytes_per_sequence, 7 * 8192 * (3 + 16) * 2);
}
