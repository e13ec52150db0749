//! KV caches of published models against sizes that their servers logged or
//! their authors published. Each test names its source.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_model::kv_cache::{
    Budget, KvEstimate, KvOptions, Room, TermKind, estimate, forecast,
};
use serde_json::{Value, json};

const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;

fn estimated(config: &Value, options: &KvOptions) -> KvEstimate {
    estimate(config.to_string().as_bytes(), options).unwrap()
}

fn plain(config: &Value) -> KvEstimate {
    estimated(config, &KvOptions::default())
}

fn tp(tensor_parallel: u32) -> KvOptions {
    KvOptions {
        tensor_parallel,
        ..KvOptions::default()
    }
}

fn dtype(name: &str) -> KvOptions {
    KvOptions {
        dtype: Some(name.to_owned()),
        ..KvOptions::default()
    }
}

/// A model with grouped heads.
fn gqa(model_type: &str, layers: u32, heads: u32, kv_heads: u32, head_dim: u32) -> Value {
    json!({"model_type": model_type, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "head_dim": head_dim, "hidden_size": 4096,
        "torch_dtype": "bfloat16"})
}

fn deepseek(model_type: &str) -> Value {
    json!({"model_type": model_type, "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
        "v_head_dim": 128, "torch_dtype": "bfloat16"})
}

fn gib_of(estimate: &KvEstimate, tokens: u64) -> f64 {
    (estimate.bytes_per_token * tokens) as f64 / GIB
}

fn assert_near(value: f64, published: f64, half_unit: f64) {
    let near = (value - published).abs() <= half_unit;
    assert!(near, "{value} is not {published}");
}

/// vllm-project/vllm#10517: RTX 3090, bf16: 3.81 GiB are 1952 blocks of 16, 2.89
/// GiB are 1478.
#[test]
fn llama_3_1_8b_has_the_blocks_that_vllm_logged() {
    let config = json!({"model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "hidden_size": 4096, "torch_dtype": "bfloat16"});
    let estimate = plain(&config);
    assert_eq!(estimate.bytes_per_token, 131_072);
    assert_near(gib_of(&estimate, 1952 * 16), 3.8125, 1e-9);
    assert_near(gib_of(&estimate, 1478 * 16), 2.887, 0.0005);
    let room = (3.8125 * GIB) as u64;
    assert_eq!(estimate.tokens_in(room), Some(1952 * 16));
    assert_eq!(
        estimate.terms[0].formula,
        "32 layers x 8 KV heads x (128 + 128) x 2 B"
    );
}

/// vllm-project/vllm#34076: Qwen3-Coder-30B-A3B, bf16: 262,144 tokens are 24.0
/// GiB; 34,736 tokens 3.18 GiB.
#[test]
fn qwen3_coder_30b_is_24_gib_at_its_full_length() {
    let estimate = plain(&gqa("qwen3_moe", 48, 32, 4, 128));
    assert_near(gib_of(&estimate, 262_144), 24.0, 1e-9);
    assert_near(gib_of(&estimate, 34_736), 3.180, 0.0005);
}

/// vllm-project/vllm#25350: fp8 cache, 48 layers x 4 heads x 128.
#[test]
fn an_fp8_cache_has_one_byte_per_element() {
    let estimate = estimated(&gqa("qwen3_moe", 48, 32, 4, 128), &dtype("fp8"));
    assert_near(gib_of(&estimate, 230_528), 10.553, 0.0005);
    assert_near(gib_of(&estimate, 221_000), 10.117, 0.0005);
    assert_near(gib_of(&estimate, 122_080), 5.588, 0.0005);
}

/// vllm-project/vllm#21348 (SGLang's line): Qwen3-235B-A22B, TP 4: 367,404
/// tokens, K size 8.23 GB, which are GiB.
#[test]
fn four_heads_on_four_gpus_leave_one_each() {
    let estimate = estimated(&gqa("qwen3_moe", 94, 64, 4, 128), &tp(4));
    assert_near(gib_of(&estimate, 367_404) / 2.0, 8.234, 0.0005);
    assert_eq!(
        estimate.terms[0].formula,
        "94 layers x max(1, 4 / 4) KV heads x (128 + 128) x 2 B"
    );
}

/// The same model on 8 GPUs: a KV head is on two GPUs each, so nothing is saved
/// (max(1, floor(4 / 8)) = 1).
#[test]
fn kv_heads_are_repeated_beyond_their_number() {
    let config = gqa("qwen3_moe", 94, 64, 4, 128);
    assert_eq!(
        estimated(&config, &tp(8)).bytes_per_token,
        estimated(&config, &tp(4)).bytes_per_token
    );
}

fn gpt_oss(layers: usize) -> Value {
    let types: Vec<&str> = (0..layers)
        .map(|at| {
            if at % 2 == 0 {
                "sliding_attention"
            } else {
                "full_attention"
            }
        })
        .collect();
    json!({"model_type": "gpt_oss", "num_hidden_layers": layers, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "hidden_size": 2880, "sliding_window": 128,
        "layer_types": types, "torch_dtype": "bfloat16"})
}

/// alvarobartt/hf-mem#60 (vLLM's log): gpt-oss-120b, 78,384 tokens are 5.38 GiB,
/// 73,728 B per token.
#[test]
fn gpt_oss_120b_counts_every_layer_per_token() {
    let estimate = plain(&gpt_oss(36));
    assert_eq!(estimate.bytes_per_token, 73_728);
    assert_near(gib_of(&estimate, 78_384), 5.382, 0.0005);
}

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

/// sgl-project/sglang#18263: Qwen3-30B-A3B, 1,669,816 tokens, K 76.44 GB.
#[test]
fn keys_are_half_of_qwen3_30b() {
    let estimate = plain(&gqa("qwen3_moe", 48, 32, 4, 128));
    assert_near(gib_of(&estimate, 1_669_816) / 2.0, 76.438, 0.0005);
}

/// ikawrakow/ik_llama.cpp#259: DeepSeek MLA in q8_0, 32,768 tokens: 1166.62 MiB.
#[test]
fn q8_0_packs_32_elements_into_34_bytes() {
    let estimate = estimated(&deepseek("deepseek_v3"), &dtype("q8_0"));
    let bytes = (estimate.bytes_per_token * 32_768) as f64;
    assert_near(bytes / MIB, 1166.625, 1e-9);
}

/// `head_dim` goes before hidden size by heads: Qwen3-32B (64 layers, 5120 / 64
/// = 80, but 128) has 262,144 B, not 163,840.
#[test]
fn an_explicit_head_size_wins() {
    let mut config = gqa("qwen3", 64, 64, 8, 128);
    config["hidden_size"] = json!(5120);
    assert_eq!(plain(&config).bytes_per_token, 262_144);
    // Qwen3's class has 128 of its own.
    config.as_object_mut().unwrap().remove("head_dim");
    assert_eq!(plain(&config).bytes_per_token, 262_144);
    config["model_type"] = json!("qwen2");
    assert_eq!(plain(&config).bytes_per_token, 163_840);
}

/// A server of vLLM 0.32 on a CPU with 1 GiB: 2 layers, 1 KV head, head size 64,
/// float32: its log and its gauge said 1,048,576 tokens.
#[test]
fn a_tiny_model_has_the_tokens_that_its_server_reported() {
    let mut config = gqa("llama", 2, 2, 1, 64);
    config["torch_dtype"] = json!("float32");
    let estimate = plain(&config);
    assert_eq!(estimate.tokens_in(1 << 30), Some(1_048_576));
}

/// arXiv:2309.06180 section 3: OPT-13B in FP16, 800 KiB per token.
#[test]
fn opt_13b_is_800_kib_per_token() {
    let config = json!({"model_type": "opt", "num_hidden_layers": 40, "num_attention_heads": 40,
        "hidden_size": 5120, "torch_dtype": "float16"});
    assert_eq!(plain(&config).bytes_per_token, 800 * 1024);
}

/// abetlen/llama-cpp-python#66: LLaMA 30B (60 layers, 52 heads, 6656), 512 tokens
/// in f32: `kv self size = 1560.00 MB`.
#[test]
fn llama_30b_is_1560_mib_at_512_tokens() {
    let config = json!({"model_type": "llama", "num_hidden_layers": 60, "num_attention_heads": 52,
        "hidden_size": 6656, "torch_dtype": "float16"});
    let estimate = estimated(&config, &dtype("f32"));
    assert_near(estimate.sequence_bytes(512) as f64 / MIB, 1560.0, 1e-9);
}

/// The KV cache from GPT-2 to DeepSeek V3, news.ycombinator.com/item?id=47558733:
/// GPT-2 (XL) 300 KiB, Llama 3 8B 128 KiB, DeepSeek V3 68.6 KiB per token.
#[test]
fn published_figures_per_token_hold() {
    let gpt2 = json!({"model_type": "gpt2", "n_layer": 48, "n_head": 25, "n_embd": 1600,
        "torch_dtype": "float16"});
    assert_eq!(plain(&gpt2).bytes_per_token, 300 * 1024);
    assert_eq!(
        plain(&gqa("llama", 32, 32, 8, 128)).bytes_per_token,
        128 * 1024
    );
    let deepseek = plain(&deepseek("deepseek_v3")).bytes_per_token as f64;
    assert_near(deepseek / 1024.0, 68.6, 0.05);
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

/// A scale of 4 bytes for each token and head, of K and of V.
#[test]
fn scales_per_token_and_head_are_a_term() {
    let estimate = estimated(&gqa("llama", 32, 32, 8, 128), &dtype("fp8_per_token_head"));
    assert_eq!(estimate.bytes_per_token, 32 * (8 * 256 + 2 * 8 * 4));
    assert_eq!(estimate.terms[1].kind, TermKind::Scales);
    // NVFP4: 128 / 2 + 128 / 16 = 72 B.
    let nvfp4 = estimated(&gqa("llama", 32, 32, 8, 128), &dtype("nvfp4"));
    assert_eq!(nvfp4.bytes_per_token, 32 * 8 * (72 + 72));
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
fn families_give_their_heads_in_their_own_fields() {
    // Falcon 7B: one head for all queries; 40B: 8 of 128.
    let falcon = json!({"model_type": "falcon", "num_hidden_layers": 32, "hidden_size": 4544,
        "num_attention_heads": 71, "multi_query": true, "torch_dtype": "bfloat16"});
    assert_eq!(plain(&falcon).bytes_per_token, 32 * 2 * 64 * 2);
    let falcon = json!({"model_type": "falcon", "num_hidden_layers": 60, "hidden_size": 8192,
        "num_attention_heads": 128, "num_kv_heads": 8, "new_decoder_architecture": true,
        "torch_dtype": "bfloat16"});
    assert_eq!(plain(&falcon).bytes_per_token, 60 * 8 * 128 * 2);
    let starcoder = json!({"model_type": "gpt_bigcode", "n_layer": 40, "n_head": 48,
        "n_embd": 6144, "multi_query": true, "torch_dtype": "float16"});
    assert_eq!(plain(&starcoder).bytes_per_token, 40 * 2 * 128 * 2);
    let dbrx = json!({"model_type": "dbrx", "n_layers": 40, "n_heads": 48, "d_model": 6144,
        "attn_config": {"kv_n_heads": 8}, "torch_dtype": "bfloat16"});
    assert_eq!(plain(&dbrx).bytes_per_token, 40 * 8 * 256 * 2);
    let glm = json!({"model_type": "chatglm", "num_layers": 28, "num_attention_heads": 32,
        "kv_channels": 128, "multi_query_attention": true, "multi_query_group_num": 2,
        "hidden_size": 4096, "torch_dtype": "float16"});
    assert_eq!(plain(&glm).bytes_per_token, 28 * 2 * 256 * 2);
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

/// vLLM deals 61 layers to 4 ranks as 15, 15, 16, 15: the ranks before the last
/// take what is left over.
#[test]
fn a_rank_has_its_share_of_layers_and_the_largest_counts() {
    let options = KvOptions {
        pipeline_parallel: 4,
        ..KvOptions::default()
    };
    let estimate = estimated(&deepseek("deepseek_v3"), &options);
    assert_eq!(estimate.terms[0].layers, 16);
    let too_many = KvOptions {
        pipeline_parallel: 62,
        ..KvOptions::default()
    };
    let config = deepseek("deepseek_v3").to_string();
    let error = words(&config, &too_many);
    assert_eq!(
        error,
        "`pipeline parallel size` is 62, must be at most the model's 61 layers"
    );
}

fn words(config: &str, options: &KvOptions) -> String {
    estimate(config.as_bytes(), options)
        .unwrap_err()
        .to_string()
}

/// An 80 GiB card at 0.9 with Llama 3.1 8B (16,060,522,496 B of weights): 72 GiB
/// less 14.957 GiB leave 57.04 GiB, which are 467,280 tokens, and 57 sequences of
/// 8192 at 1 GiB each.
#[test]
fn a_budget_gives_tokens_and_sequences_and_back() {
    let estimate = plain(&gqa("llama", 32, 32, 8, 128));
    let budget = Budget {
        memory_bytes: 80 << 30,
        utilization: 0.9,
        weight_bytes: 16_060_522_496,
        overhead_bytes: 0,
    };
    let fits = estimate.capacity(&budget, 8192).unwrap();
    assert_eq!(fits.cache_bytes, (72 << 30) - 16_060_522_496);
    assert_eq!(fits.tokens, Some(467_280));
    assert_eq!((fits.sequence_bytes, fits.sequences), (1 << 30, Some(57)));
    let memory = estimate.memory_for(&budget, 57, 8192);
    assert!(memory <= budget.memory_bytes);
    assert!(estimate.memory_for(&budget, 58, 8192) > budget.memory_bytes);
}

#[test]
fn a_budget_below_the_weights_is_one_line() {
    let estimate = plain(&gqa("llama", 32, 32, 8, 128));
    let budget = Budget {
        memory_bytes: 16 << 30,
        utilization: 0.9,
        weight_bytes: 16_060_522_496,
        overhead_bytes: 1 << 30,
    };
    let error = estimate.capacity(&budget, 8192).unwrap_err().to_string();
    assert_eq!(
        error,
        "no room for a KV cache: 14.4 GiB of 16.0 GiB can be used per GPU, weights take 15.0 GiB and overhead takes 1.00 GiB"
    );
    let wild = Budget {
        utilization: 1.5,
        ..budget
    };
    let error = estimate.capacity(&wild, 8192).unwrap_err().to_string();
    assert_eq!(error, "`utilization` is 1.5, must be above 0, at most 1");
}

/// 36 layers x 2048 B: 64 requests of 4,224 tokens need 18.6 GiB.
#[test]
fn a_level_that_cannot_fit_is_predicted() {
    let estimate = plain(&gqa("llama", 36, 16, 4, 128));
    let room = Room::Bytes((3.2 * GIB) as u64);
    let warning = forecast(&estimate, room, 64, 4224).unwrap();
    // 4,224 x 73,728 B = 297 MiB each.
    assert_eq!(
        warning,
        "concurrency 64 x 4\u{202f}224 tokens needs 18.6 GiB, 3.20 GiB are free: expect queueing or preemption above 11"
    );
    assert_eq!(forecast(&estimate, room, 11, 4224), None);
    let one = forecast(&estimate, Room::Bytes(1 << 20), 1, 4224).unwrap();
    assert!(
        one.ends_with("1.00 MiB are free: not one such request fits"),
        "{one}"
    );
    let tokens = forecast(&estimate, Room::Tokens(9000), 4, 4224).unwrap();
    assert_eq!(
        tokens,
        "concurrency 4 x 4\u{202f}224 tokens needs 16\u{202f}896 tokens, 9\u{202f}000 tokens are free: expect queueing or preemption above 2"
    );
}

fn failure(config: &Value) -> String {
    words(&config.to_string(), &KvOptions::default())
}

#[test]
fn an_unknown_model_type_is_named_with_what_it_lacks() {
    let config = json!({"model_type": "rwkv7", "architectures": ["Rwkv7ForCausalLM"],
        "num_hidden_layers": 24, "hidden_size": 2048});
    assert_eq!(
        failure(&config),
        "`model_type` \"rwkv7\" (architecture Rwkv7ForCausalLM) is an unsupported model type: its KV cache cannot be computed; of plain attention's fields it lacks num_attention_heads, num_key_value_heads"
    );
    assert_eq!(
        failure(&json!({"num_hidden_layers": 2})),
        "`model_type` is missing, which every config.json needs"
    );
}

#[test]
fn a_missing_field_is_named() {
    let mut config = gqa("qwen2", 24, 14, 2, 64);
    config
        .as_object_mut()
        .unwrap()
        .remove("num_key_value_heads");
    assert_eq!(
        failure(&config),
        "`num_key_value_heads` is missing, which `model_type` \"qwen2\" needs"
    );
    let mut nested = gqa("gemma3_text", 4, 8, 4, 256);
    nested.as_object_mut().unwrap().remove("num_hidden_layers");
    let nested = json!({"model_type": "gemma3", "text_config": nested});
    assert_eq!(
        failure(&nested),
        "`text_config.num_hidden_layers` is missing, which `model_type` \"gemma3_text\" needs"
    );
    let mut untyped = gqa("llama", 2, 2, 2, 64);
    untyped.as_object_mut().unwrap().remove("torch_dtype");
    assert_eq!(
        failure(&untyped),
        "`torch_dtype` is missing, which `model_type` \"llama\" needs"
    );
    assert_eq!(estimated(&untyped, &dtype("bf16")).dtype, "bfloat16");
}

#[test]
fn wrong_values_are_one_line_each() {
    let with = |field: &str, value: Value| {
        let mut config = gqa("llama", 32, 32, 8, 128);
        config[field] = value;
        failure(&config)
    };
    let must = "must be a whole number from 1 to 2\u{202f}147\u{202f}483\u{202f}648";
    assert_eq!(
        with("num_hidden_layers", json!("32")),
        format!("`num_hidden_layers` is \"32\", {must}")
    );
    assert_eq!(
        with("num_key_value_heads", json!(0)),
        format!("`num_key_value_heads` is 0, {must}")
    );
    assert_eq!(
        with("head_dim", json!(-1)),
        format!("`head_dim` is -1, {must}")
    );
    assert_eq!(
        with("num_key_value_heads", json!(5)),
        "`num_attention_heads` is 32, must be a multiple of num_key_value_heads, 5"
    );
    assert_eq!(
        with("layer_types", json!(["full_attention"])),
        "`layer_types` is a list of 1, must be 32, as `num_hidden_layers` says"
    );
    assert_eq!(
        with("torch_dtype", json!(16)),
        "`torch_dtype` is 16, must be a text"
    );
    assert!(with("torch_dtype", json!("float3")).starts_with("cache dtype \"float3\" is unknown"));
    let cut = r#"{"model_type": "llama", "num_hid"#;
    assert_eq!(
        words(cut, &KvOptions::default()),
        "config.json is not JSON: line 1, column 32: it ends too early"
    );
    assert_eq!(
        words("[]", &KvOptions::default()),
        "config.json is a list, must be an object"
    );
}

#[test]
fn heads_that_do_not_divide_are_named() {
    let config = json!({"model_type": "llama", "num_hidden_layers": 2, "num_attention_heads": 3,
        "hidden_size": 4096, "torch_dtype": "bfloat16"});
    assert_eq!(
        failure(&config),
        "`hidden_size` is 4096, must be a multiple of num_attention_heads, 3"
    );
    let config = gqa("llama", 32, 32, 8, 128).to_string();
    assert_eq!(
        words(&config, &tp(3)),
        "`num_attention_heads` is 32, must be a multiple of tensor parallel size, 3"
    );
    let six = gqa("llama", 32, 24, 6, 128).to_string();
    assert_eq!(
        words(&six, &tp(4)),
        "`num_key_value_heads` is 6, must be a multiple of tensor parallel size, 4"
    );
    assert_eq!(
        words(&config, &tp(0)),
        "`tensor parallel size` is 0, must be from 1 to 65\u{202f}536"
    );
}

#[test]
fn deepseeks_layout_is_for_compressed_caches() {
    let config = gqa("llama", 32, 32, 8, 128).to_string();
    assert_eq!(
        words(&config, &dtype("fp8_ds_mla")),
        "cache dtype \"fp8_ds_mla\" works only with compressed (MLA) caches, which `model_type` \"llama\" does not have"
    );
}
