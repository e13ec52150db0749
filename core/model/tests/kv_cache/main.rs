//! KV caches of published models against sizes that their servers logged or
//! their authors published. Each test names its source.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod families;
mod kinds_of_layers;
mod properties;
mod refused;

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

fn words(config: &str, options: &KvOptions) -> String {
    estimate(config.as_bytes(), options)
        .unwrap_err()
        .to_string()
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
