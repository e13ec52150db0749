//! Models whose layers differ in what they keep.

use super::*;

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
