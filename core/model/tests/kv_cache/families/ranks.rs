//! Servers with several ranks, and what a checkpoint asks for.

use super::*;

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
