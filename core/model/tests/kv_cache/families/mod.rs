//! KV caches of models whose layers differ, of checkpoints that ask for a type of
//! cache, and of servers with several ranks. Figures are worked out by hand beside
//! each test, or come from the source that it names.

mod deepseek_v4;
mod layers;
mod ranks;

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
