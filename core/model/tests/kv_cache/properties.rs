//! Whatever a config holds, an estimate or one line follows, and estimates obey
//! the order of their inputs.

use inferbench_model::kv_cache::{
    Budget, KvOptions, LaunchFacts, Room, estimate, forecast, parse_size, weights_of_header,
    weights_of_index,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const TYPES: [&str; 20] = [
    "llama",
    "qwen2",
    "gemma3_text",
    "gpt_oss",
    "deepseek_v32",
    "llama4_text",
    "qwen3_next",
    "nemotron_h",
    "jamba",
    "kimi_linear",
    "gemma4_text",
    "mamba",
    "lfm2",
    "minimax",
    "zamba2",
    "mimo_v2_flash",
    "step3p5",
    "nemotron-nas",
    "openelm",
    "deepseek_v4",
];

const FIELDS: [&str; 43] = [
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "hidden_size",
    "torch_dtype",
    "kv_lora_rank",
    "qk_rope_head_dim",
    "index_head_dim",
    "sliding_window",
    "layer_types",
    "full_attention_interval",
    "attention_chunk_size",
    "text_config",
    "no_rope_layers",
    "linear_attn_config",
    "hybrid_override_pattern",
    "attn_layer_period",
    "attn_layer_offset",
    "linear_num_key_heads",
    "linear_num_value_heads",
    "linear_key_head_dim",
    "linear_value_head_dim",
    "linear_conv_kernel_dim",
    "num_kv_shared_layers",
    "state_size",
    "conv_kernel",
    "intermediate_size",
    "mamba_ssm_dtype",
    "architectures",
    "quantization_config",
    "kv_cache_scheme",
    "kv_cache_quant_algo",
    "num_bits",
    "block_configs",
    "attention",
    "n_heads_in_group",
    "num_kv_heads",
    "hybrid_layer_pattern",
    "compress_ratios",
    "attention_other_setting",
    "cross_attention_layers",
    "cla_share_factor",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..70).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9_*-]{0,8}".prop_map(Value::from),
        Just(json!("bfloat16")),
        Just(json!(["full_attention", "sliding_attention"])),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&FIELDS[..]), inner), 0..6).prop_map(
                |fields| {
                    let fields = fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value));
                    Value::Object(fields.collect::<Map<_, _>>())
                }
            ),
        ]
    })
}

fn config() -> impl Strategy<Value = Value> {
    let field = (prop::sample::select(&FIELDS[..]), any_json());
    (
        prop::sample::select(&TYPES[..]),
        prop::collection::vec(field, 0..25),
    )
        .prop_map(|(model_type, fields)| {
            let mut config = json!({"model_type": model_type});
            for (name, value) in fields {
                config[name] = value;
            }
            config
        })
}

fn one_line(text: &str) {
    assert!(!text.contains('\n') && !text.is_empty(), "{text:?}");
}

proptest! {
    #[test]
    fn any_config_gives_an_estimate_or_one_line(
        config in config(), tp in 0_u32..9, pp in 0_u32..5, block in 0_u32..64,
        dcp in 0_u32..5, dp in 0_u32..5, inside in any::<bool>(),
        step in proptest::option::of(any::<u64>()), tokens in any::<u64>(),
    ) {
        let options = KvOptions {
            tensor_parallel: tp,
            pipeline_parallel: pp,
            decode_context_parallel: dcp,
            data_parallel: dp,
            attention_data_parallel: inside,
            block_size: block,
            batched_tokens: step,
            ..KvOptions::default()
        };
        match estimate(config.to_string().as_bytes(), &options) {
            Ok(estimate) => {
                let bytes = estimate.sequence_bytes(tokens);
                prop_assert!(estimate.sequence_bytes(tokens / 2) <= bytes);
                let _ = forecast(&estimate, Room::Bytes(tokens), tokens, tokens);
                let _: Result<_, _> = estimate.capacity(&Budget::of_cache(tokens), tokens);
            }
            Err(error) => one_line(&error.to_string()),
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = estimate(&bytes, &KvOptions::default()) {
            one_line(&error.to_string());
        }
        let _: Result<_, _> = weights_of_header("m", &bytes);
        let _: Result<_, _> = weights_of_index("i", &bytes);
    }

    #[test]
    fn any_json_is_read_without_harm(value in any_json(), text in ".{0,30}") {
        let bytes = value.to_string();
        let _: Result<_, _> = estimate(bytes.as_bytes(), &KvOptions::default());
        let _: Result<_, _> = weights_of_header("m", bytes.as_bytes());
        let _: Result<_, _> = weights_of_index("i", bytes.as_bytes());
        let _: Result<_, _> = parse_size(&text);
        let _ = LaunchFacts::from_command(&[text.clone(), value.to_string()], [("VLLM_CPU_KVCACHE_SPACE", &text[..])]);
    }

    #[test]
    fn what_fits_fits_and_one_more_does_not(
        layers in 1_u32..80, kv_heads in 1_u32..17, group in 1_u32..9, memory in 1_u64..1 << 40,
        context in 1_u64..100_000,
    ) {
        let config = json!({"model_type": "llama", "num_hidden_layers": layers,
            "num_attention_heads": kv_heads * group, "num_key_value_heads": kv_heads,
            "head_dim": 128, "torch_dtype": "bfloat16"});
        let estimate = estimate(config.to_string().as_bytes(), &KvOptions::default());
        let estimate = estimate.map_err(|e| TestCaseError::fail(e.to_string()))?;
        let fits = estimate.capacity(&Budget::of_cache(memory), context);
        let fits = fits.map_err(|e| TestCaseError::fail(e.to_string()))?;
        let sequences = fits.sequences.unwrap_or(0);
        prop_assert!(estimate.needed_bytes(sequences, context) <= memory);
        prop_assert!(estimate.needed_bytes(sequences + 1, context) > memory);
        let tokens = fits.tokens.unwrap_or(0);
        prop_assert!(tokens * estimate.bytes_per_token <= memory);
        prop_assert!((tokens + 16) * estimate.bytes_per_token > memory);
    }
}
