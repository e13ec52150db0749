//! KV caches of models whose layers differ, of checkpoints that ask for a type of
//! cache, and of servers with several ranks. Figures are worked out by hand beside
//! each test, or come from the source that it names.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_model::kv_cache::{
    Budget, DtypeSource, KvEstimate, KvOptions, LaunchFacts, Room, TermKind, estimate,
    estimate_of_files, forecast,
};
use serde_json::{Value, json};

const GIB: f64 = 1_073_741_824.0;

fn estimated(config: &Value, options: &KvOptions) -> KvEstimate {
    estimate(config.to_string().as_bytes(), options).unwrap()
}

fn plain(config: &Value) -> KvEstimate {
    estimated(config, &KvOptions::default())
}

fn refused(config: &Value, options: &KvOptions) -> String {
    let error = estimate(config.to_string().as_bytes(), options);
    error.unwrap_err().to_string()
}

fn with(config: &Value, field: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[field] = value;
    config
}

fn without(config: &Value, field: &str) -> Value {
    let mut config = config.clone();
    config.as_object_mut().unwrap().remove(field);
    config
}

fn llama() -> Value {
    json!({"model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "hidden_size": 4096, "torch_dtype": "bfloat16"})
}

fn deepseek_v3() -> Value {
    json!({"model_type": "deepseek_v3", "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
        "n_routed_experts": 256, "torch_dtype": "bfloat16"})
}

/// LiquidAI/LFM2-1.2B: 16 layers, 6 with attention of 8 heads of 64 elements, 10 short
/// convolutions that keep 2 inputs of 2048 channels.
#[test]
fn lfm2_keeps_tokens_in_six_layers_and_inputs_in_ten() {
    let listed = json!({"model_type": "lfm2", "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "hidden_size": 2048, "conv_L_cache": 3,
        "full_attn_idxs": [2, 5, 8, 10, 12, 14], "torch_dtype": "bfloat16"});
    let estimate = plain(&listed);
    assert_eq!(estimate.bytes_per_token, 6 * 8 * 128 * 2);
    assert_eq!(estimate.bytes_per_sequence, 10 * 2048 * 2 * 2);
    let convolution = &estimate.terms[0];
    assert_eq!(convolution.kind, TermKind::Convolution);
    assert_eq!(convolution.formula, "10 layers x (2\u{202f}048 x 2 x 2 B)");
    let types: Vec<&str> = (0..16)
        .map(|at| match [2, 5, 8, 10, 12, 14].contains(&at) {
            true => "full_attention",
            false => "conv",
        })
        .collect();
    let typed = without(&listed, "full_attn_idxs");
    let typed = with(&typed, "layer_types", json!(types));
    let typed = with(&typed, "model_type", json!("lfm2_moe"));
    assert_eq!(plain(&typed).terms, estimate.terms);
    let unlisted = refused(&without(&listed, "full_attn_idxs"), &KvOptions::default());
    assert!(
        unlisted.starts_with("`layer_types` is missing"),
        "{unlisted}"
    );
}

/// MiniMax-Text-01: 80 layers, every eighth with attention of 8 heads of 128; the others
/// a state of 64 heads x 128 x 128: 4 bytes each in its own code, the model's 2 as
/// `minimax` in transformers and vLLM.
#[test]
fn minimax_has_a_state_in_seven_layers_of_eight() {
    let kinds = [0, 0, 0, 0, 0, 0, 0, 1].repeat(10);
    let own = json!({"model_type": "minimax_text_01", "num_hidden_layers": 80,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
        "hidden_size": 6144, "attn_type_list": kinds,
        "torch_dtype": "bfloat16"});
    let estimate = plain(&own);
    assert_eq!(estimate.bytes_per_token, 10 * 8 * 256 * 2);
    assert_eq!(estimate.bytes_per_sequence, 70 * 64 * 128 * 128 * 4);
    let mut types = vec!["linear_attention"; 7];
    types.push("full_attention");
    let renamed = with(&own, "model_type", json!("minimax"));
    let renamed = with(&renamed, "layer_types", json!(types.repeat(10)));
    let renamed = plain(&without(&renamed, "attn_type_list"));
    assert_eq!(renamed.bytes_per_token, 40_960);
    assert_eq!(renamed.bytes_per_sequence, 70 * 64 * 128 * 128 * 2);
    let short = with(&own, "attn_type_list", json!([1, 0]));
    assert_eq!(
        refused(&short, &KvOptions::default()),
        "`attn_type_list` is a list of 2, must be 80, as the number of layers says"
    );
}

/// MiMo-V2.5, 128,000 tokens in 16 bits: 1,474,560,000 elements of 9 layers that look
/// at everything (4 heads of 192 + 128) and 12,779,520 of 39 windows of 128 tokens (8
/// such heads), 2.7704 GiB: test of a public calculator, quoted with its figures.
#[test]
fn mimo_v2_has_other_heads_in_its_windows() {
    let pattern: Vec<u64> = (0..48)
        .map(|at| u64::from(at % 5 != 0 || at > 40))
        .collect();
    assert_eq!(pattern.iter().sum::<u64>(), 39);
    let config = json!({"model_type": "mimo_v2_flash", "num_hidden_layers": 48,
        "num_attention_heads": 64, "num_key_value_heads": 4, "head_dim": 192, "v_head_dim": 128,
        "swa_num_attention_heads": 64, "swa_num_key_value_heads": 8, "swa_head_dim": 192,
        "swa_v_head_dim": 128, "sliding_window_size": 128, "hidden_size": 4096,
        "hybrid_layer_pattern": pattern, "torch_dtype": "bfloat16"});
    let estimate = plain(&config);
    let bytes = 2 * (1_474_560_000 + 12_779_520);
    assert_eq!(estimate.sequence_bytes(128_000), bytes);
    assert!((bytes as f64 / GIB - 2.7704).abs() < 5e-5);
    let odd = with(&config, "hybrid_layer_pattern", json!(vec![2; 48]));
    assert_eq!(
        refused(&odd, &KvOptions::default()),
        "`hybrid_layer_pattern` is 2 for a layer, must be 0 or 1"
    );
}

/// Step-3: 61 layers, one group of 256 elements for keys and for values. Step-3.5 Flash:
/// 8 groups of 128 in all layers, windows of 512 in three layers of four.
#[test]
fn step_models_name_their_heads_groups() {
    let step3 = json!({"model_type": "step3_vl", "text_config": {"model_type": "step3_text",
        "num_hidden_layers": 61, "num_attention_heads": 64, "num_attention_groups": 1,
        "head_dim": 256, "hidden_size": 7168, "torch_dtype": "bfloat16"}});
    assert_eq!(plain(&step3).bytes_per_token, 61 * 512 * 2);
    let bare = json!({"model_type": "step3", "num_hidden_layers": 61, "num_attention_heads": 64,
        "hidden_size": 7168, "torch_dtype": "bfloat16"});
    assert_eq!(
        refused(&bare, &KvOptions::default()),
        "`num_attention_groups` is missing, which `model_type` \"step3\" needs"
    );
    // The published list goes on with three layers that predict further tokens.
    let types = [
        "full_attention",
        "sliding_attention",
        "sliding_attention",
        "sliding_attention",
    ];
    let step35 = json!({"model_type": "step3p5", "num_hidden_layers": 45,
        "num_attention_heads": 64, "num_attention_groups": 8, "head_dim": 128,
        "hidden_size": 4096, "sliding_window": 512, "layer_types": types.repeat(12),
        "attention_other_setting": {"attention_type": "sliding_attention",
            "num_attention_heads": 96, "num_attention_groups": 4, "head_dim": 128},
        "torch_dtype": "bfloat16"});
    let estimate = plain(&step35);
    let (full, windows) = (12 * 8 * 256 * 2, 33 * 4 * 256 * 2);
    assert_eq!(estimate.bytes_per_token, full + windows);
    assert_eq!(estimate.sequence_bytes(8192), 8192 * full + 512 * windows);
}

/// Zyphra/Zamba2-2.7B: 54 layers of Mamba 2 (5120 inner channels, 80 heads of 64, states of
/// 64), 9 of them with attention over twice the hidden size: 32 heads of 160.
#[test]
fn zamba2_has_attention_beside_some_of_its_states() {
    let config = json!({"model_type": "zamba2", "num_hidden_layers": 54, "hidden_size": 2560,
        "num_attention_heads": 32, "n_mamba_heads": 80, "mamba_d_state": 64,
        "torch_dtype": "bfloat16"});
    let estimate = plain(&config);
    assert_eq!(estimate.bytes_per_token, 9 * 32 * 320 * 2);
    // Convolution (5120 + 2 x 64) x 3, state 80 x 64 x 64, 2 bytes each.
    assert_eq!(
        estimate.bytes_per_sequence,
        54 * (5248 * 3 * 2 + 80 * 64 * 64 * 2)
    );
    let other = with(&config, "num_hidden_layers", json!(38));
    assert_eq!(
        refused(&other, &KvOptions::default()),
        "`layers_block_type` is missing, which `model_type` \"zamba2\" needs"
    );
    let listed = plain(&with(&other, "hybrid_layer_ids", json!([5, 11])));
    assert_eq!(listed.bytes_per_token, 2 * 32 * 320 * 2);
}

/// Nemotron NAS as Llama-3.3-Nemotron-Super-49B is written: layers without attention,
/// with a linear layer for it, and with groups of 8 or 16 of 64 heads of 128.
#[test]
fn nemotron_nas_keeps_what_each_layer_has() {
    let attention = |group: Value, no_op: bool, linear: bool| {
        json!({"attention": {"n_heads_in_group": group, "no_op": no_op,
            "replace_with_linear": linear, "window_length": null}, "ffn": {"ffn_mult": 1.0}})
    };
    let config = json!({"model_type": "nemotron-nas", "num_hidden_layers": 4,
        "num_attention_heads": 64, "num_key_value_heads": null, "hidden_size": 8192,
        "torch_dtype": "bfloat16", "block_configs": [
            attention(json!(8), false, false), attention(json!(null), true, false),
            attention(json!(null), false, true), attention(json!(16), false, false)]});
    assert_eq!(plain(&config).bytes_per_token, (8 + 4) * 256 * 2);
    let empty = with(&config, "block_configs", json!([{}, {}, {}, {}]));
    assert_eq!(
        refused(&empty, &KvOptions::default()),
        "`block_configs.attention` is missing, which `model_type` \"nemotron-nas\" needs"
    );
    let wrong = with(&config, "block_configs", json!(vec![1; 4]));
    assert_eq!(
        refused(&wrong, &KvOptions::default()),
        "`block_configs` is a list, must be a list of objects"
    );
}

/// apple/OpenELM-270M: 3, 4 and 5 KV heads of 64 in 5, 7 and 4 of 16 layers: 63 in all.
#[test]
fn openelm_has_a_number_of_heads_for_each_layer() {
    let heads = [vec![3; 5], vec![4; 7], vec![5; 4]].concat();
    let config = json!({"model_type": "openelm", "num_transformer_layers": 16, "head_dim": 64,
        "model_dim": 1280, "num_kv_heads": heads, "torch_dtype": "bfloat16"});
    assert_eq!(plain(&config).bytes_per_token, 63 * 128 * 2);
    let none = refused(&without(&config, "num_kv_heads"), &KvOptions::default());
    assert!(none.starts_with("`num_kv_heads` is missing"), "{none}");
    let zero = refused(
        &with(&config, "num_kv_heads", json!(vec![0; 16])),
        &KvOptions::default(),
    );
    assert_eq!(
        zero,
        "`num_kv_heads` is 0 for a layer, must be from 1 to 65536"
    );
}

/// Llama-3.2-11B-Vision: 8 of 40 layers look at images; 32 x 8 heads x 256 x 2 B of text.
#[test]
fn mllama_keeps_text_in_its_self_attention() {
    let config = json!({"model_type": "mllama", "text_config": {
        "model_type": "mllama_text_model", "num_hidden_layers": 40, "num_attention_heads": 32,
        "num_key_value_heads": 8, "hidden_size": 4096, "torch_dtype": "bfloat16",
        "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38]}});
    assert_eq!(plain(&config).bytes_per_token, 131_072);
    let unlisted = json!({"model_type": "mllama",
        "text_config": without(&config["text_config"], "cross_attention_layers")});
    assert_eq!(plain(&unlisted).terms, plain(&config).terms);
}

/// Llama-like Hunyuan-Large: each second of 64 layers uses the cache of the one before.
#[test]
fn cross_layer_attention_halves_the_cache() {
    let config = json!({"model_type": "hunyuan", "num_hidden_layers": 64,
        "num_attention_heads": 80, "num_key_value_heads": 8, "attention_head_dim": 128,
        "hidden_size": 6400, "use_cla": true, "cla_share_factor": 2, "torch_dtype": "bfloat16"});
    assert_eq!(plain(&config).bytes_per_token, 32 * 8 * 256 * 2);
    let off = with(&config, "use_cla", json!(false));
    assert_eq!(plain(&off).bytes_per_token, 64 * 8 * 256 * 2);
    let wrong = with(&config, "cla_share_factor", json!(0));
    assert!(refused(&wrong, &KvOptions::default()).starts_with("`cla_share_factor` is 0"));
}

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
    let of = |kind: TermKind| {
        let terms = estimate.terms.iter().filter(move |term| term.kind == kind);
        terms
            .map(|term| term.sequence_bytes(TOKENS, 64))
            .sum::<u64>()
    };
    assert_eq!(
        of(TermKind::Compressed),
        30 * (TOKENS / 4) * 1024 + 31 * (TOKENS / 128) * 1024
    );
    assert_eq!(of(TermKind::Indexer), 30 * (TOKENS / 4) * 132);
    assert_eq!(of(TermKind::SlidingWindow), 61 * 128 * 1024);
    let all_16_bits =
        of(TermKind::Compressed) + of(TermKind::SlidingWindow) + of(TermKind::Indexer) / 132 * 256;
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
    let of = |ratio: u64| {
        let mut terms = estimate.terms.iter();
        let found = terms.find(|t| t.kind == TermKind::Compressed && t.tokens_per_entry == ratio);
        found.map(|term| term.layers)
    };
    assert_eq!((of(128), of(4)), (Some(23), Some(20)));
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

/// 32 layers x 8 heads x 256 x 1 B in place of 2 B.
#[test]
fn a_checkpoint_that_asks_for_fp8_has_it_under_auto() {
    let scheme = json!({"quant_method": "compressed-tensors",
        "kv_cache_scheme": {"num_bits": 8, "type": "float", "strategy": "tensor"}});
    let config = with(&llama(), "quantization_config", scheme);
    let estimate = plain(&config);
    assert_eq!(estimate.bytes_per_token, 65_536);
    assert_eq!(estimate.dtype, "fp8_e4m3");
    assert_eq!(estimate.dtype_source, Some(DtypeSource::KvCacheScheme));
    let set = |dtype: &str| KvOptions {
        dtype: Some(dtype.to_owned()),
        ..KvOptions::default()
    };
    assert_eq!(estimated(&config, &set("auto")), estimate);
    let own = estimated(&config, &set("bfloat16"));
    assert_eq!(
        (own.bytes_per_token, own.dtype_source),
        (131_072, Some(DtypeSource::Option))
    );
    // sgl-project/sglang#4743: SGLang goes by its flag.
    let sglang = ["python3", "-m", "sglang.launch_server"].map(str::to_owned);
    let options = LaunchFacts::from_command(&sglang, []).options();
    assert_eq!(
        estimated(&config, &options).dtype_source,
        Some(DtypeSource::Model)
    );
    let file =
        br#"{"producer": {"name": "modelopt"}, "quantization": {"kv_cache_quant_algo": "FP8"}}"#;
    let beside = estimate_of_files(llama().to_string().as_bytes(), Some(file), &options).unwrap();
    assert_eq!(beside.bytes_per_token, 65_536);
    assert_eq!(beside.dtype_source, Some(DtypeSource::HfQuantConfig));
    let broken = estimate_of_files(llama().to_string().as_bytes(), Some(b"{"), &options).unwrap();
    assert_eq!(broken.dtype_source, Some(DtypeSource::Model));
}

/// vllm-project/vllm#26877: 61 x 576 x 2 B / 8 on each GPU.
#[test]
fn context_ranks_deal_a_compressed_cache_out() {
    let options = KvOptions {
        tensor_parallel: 8,
        decode_context_parallel: 8,
        ..KvOptions::default()
    };
    let estimate = estimated(&deepseek_v3(), &options);
    assert_eq!(estimate.bytes_per_token, 8784);
    assert_eq!((estimate.context_parallel, estimate.gpus()), (8, 8));
    // 5,120 tokens are 640 here, 40 blocks of 16, 70,272 B each.
    assert_eq!(estimate.sequence_bytes(5120), 640 * 70_272);
    assert_eq!(forecast(&estimate, Room::Bytes(16 << 30), 64, 5120), None);
    let three = KvOptions {
        decode_context_parallel: 3,
        ..options
    };
    assert_eq!(
        refused(&deepseek_v3(), &three),
        "`tensor parallel size` is 8, must be a multiple of decode context parallel size, 3"
    );
}

/// Qwen3-235B on 8 GPUs repeats its 4 heads; two context ranks make that good.
#[test]
fn context_ranks_make_up_for_repeated_heads() {
    let config = with(&llama(), "num_key_value_heads", json!(4));
    let options = KvOptions {
        tensor_parallel: 8,
        decode_context_parallel: 2,
        ..KvOptions::default()
    };
    // One head of 256 elements in 32 layers, half of the tokens.
    assert_eq!(
        estimated(&config, &options).bytes_per_token,
        32 * 256 * 2 / 2
    );
    let windowed = with(&config, "model_type", json!("mistral"));
    let windowed = with(&windowed, "sliding_window", json!(4096));
    assert!(refused(&windowed, &options).starts_with("`context parallel size` is 2, must be 1"));
}

/// Four engines with 16 GiB each: 20 requests x 5,120 tokens x 131,072 B are 12.5 GiB on
/// each, and 25 fit on each.
#[test]
fn a_level_is_divided_among_engines() {
    let options = KvOptions {
        data_parallel: 4,
        ..KvOptions::default()
    };
    let estimate = estimated(&llama(), &options);
    assert_eq!(estimate.bytes_per_token, 131_072);
    let room = Room::Bytes(16 << 30);
    assert_eq!(forecast(&estimate, room, 80, 5120), None);
    assert_eq!(forecast(&estimate, room, 100, 5120), None);
    assert_eq!(
        forecast(&estimate, room, 101, 5120).unwrap(),
        "concurrency 101 x 5\u{202f}120 tokens, 26 on each of 4 ranks, needs 16.2 GiB, 16.0 GiB are free: expect queueing or preemption above 100"
    );
    assert_eq!(estimate.gpus(), 4);
}

/// SGLang with `--tp 8 --dp 4 --enable-dp-attention`: heads are split over 2 GPUs, and
/// there are 4 caches on 8 GPUs.
#[test]
fn ranks_of_attention_split_fewer_heads() {
    let options = KvOptions {
        tensor_parallel: 8,
        data_parallel: 4,
        attention_data_parallel: true,
        ..KvOptions::default()
    };
    let estimate = estimated(&llama(), &options);
    assert_eq!(estimate.bytes_per_token, 131_072 / 2);
    assert_eq!((estimate.gpus(), estimate.data_parallel), (8, 4));
    let five = KvOptions {
        data_parallel: 5,
        ..options
    };
    assert_eq!(
        refused(&llama(), &five),
        "`tensor parallel size` is 8, must be a multiple of data parallel size, 5"
    );
}

/// Experts are split over the engines, other weights are not: 8 ranks have at least an
/// eighth each. A dense model is whole on each.
#[test]
fn weights_of_experts_are_a_lower_limit() {
    let options = KvOptions {
        data_parallel: 8,
        ..KvOptions::default()
    };
    let mut experts = estimated(&deepseek_v3(), &options);
    experts.weight_bytes = Some(800);
    assert_eq!(experts.weight_bytes_per_gpu(), Some(100));
    let mut dense = estimated(&llama(), &options);
    dense.weight_bytes = Some(800);
    assert_eq!(dense.weight_bytes_per_gpu(), Some(800));
    let fits = dense.capacity(&Budget::of_cache(1 << 30), 8192).unwrap();
    assert_eq!(fits.tokens, Some(8192));
}

/// NVIDIA-Nemotron as transformers writes it: a word per layer.
#[test]
fn nemotron_h_is_read_in_both_spellings() {
    let letters = json!({"model_type": "nemotron_h", "num_hidden_layers": 4,
        "hybrid_override_pattern": "ME*-", "num_attention_heads": 32, "num_key_value_heads": 8,
        "head_dim": 128, "hidden_size": 4096, "mamba_num_heads": 128, "mamba_head_dim": 64,
        "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4, "torch_dtype": "bfloat16"});
    let words = with(
        &letters,
        "layers_block_type",
        json!(["mamba", "moe", "attention", "mlp"]),
    );
    let words = without(&words, "hybrid_override_pattern");
    assert_eq!(plain(&words).terms, plain(&letters).terms);
    let odd = with(
        &words,
        "layers_block_type",
        json!(["mamba", "rwkv", "attention", "mlp"]),
    );
    assert_eq!(
        refused(&odd, &KvOptions::default()),
        "`layers_block_type` is \"rwkv\" for a layer, must be mamba, attention, mlp or moe"
    );
}
