//! Configs whose cache cannot be computed, and budgets that do not fit.

use super::*;

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
