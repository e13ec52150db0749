//! Sizes of KV cache and weights from lines that SGLang's versions have logged,
//! each as somebody published it. The values are read off the lines.

use inferbench_plugin_api::{Evidence, Served};
use inferbench_sglang::Sglang;
use inferbench_testkit::trial::Trial;
use serde_json::json;

fn read(log: &str) -> Evidence {
    Trial::<Served<Sglang>>::new().read_log(json!({}), log)
}

fn gib(gib: f64) -> Option<u64> {
    Some((gib * 1_073_741_824.0_f64).round() as u64)
}

/// A server of SGLang 0.5.23 on a CPU. A size rounded to a hundredth of a GiB
/// is too coarse here.
#[test]
fn version_0_5_23_on_a_cpu_reports_tokens() {
    let found = read(
        "[2026-11-25 01:43:27] Load weight end. elapsed=0.09 s, type=Qwen2ForCausalLM, avail mem=18.32 GB, mem usage=0.01 GB.\n\
         [2026-11-25 01:43:27] KV Cache is allocated. dtype: torch.float32, #tokens: 65536, K size: 0.03 GB, V size: 0.03 GB\n\
         [2026-11-25 01:43:27] max_total_num_tokens=65536, chunked_prefill_size=4096, max_prefill_tokens=16384, max_running_requests=4096, context_len=2048, available_cpu_mem=18.19 GB\n",
    );
    assert_eq!(found.weights_loaded, Some(true));
    assert_eq!(found.kv_cache_tokens, Some(65_536));
    assert_eq!(found.kv_cache_dtype.as_deref(), Some("float32"));
    assert_eq!((found.kv_cache_bytes, found.weights_bytes), (None, None));
}

/// <https://github.com/vllm-project/vllm/issues/21348> (July 2025): keys and
/// values apart, no data type.
#[test]
fn keys_and_values_are_added() {
    let found = read("KV Cache is allocated. #tokens: 367404, K size: 8.23 GB, V size: 8.23 GB\n");
    assert_eq!(found.kv_cache_tokens, Some(367_404));
    assert_eq!(found.kv_cache_bytes, gib(16.46));
}

/// <https://github.com/sgl-project/sglang/pull/11309> (October 2025): a latent
/// cache has one size, and the rank stands before.
#[test]
fn a_latent_cache_has_one_size() {
    let found = read(
        "[2025-10-07 23:17:19 DP0 TP0] KV Cache is allocated. #tokens: 975424, KV size: 43.67 GB\n\
         [2025-10-07 23:17:19 DP0 TP0] Memory pool end. avail mem=37.71 GB\n",
    );
    assert_eq!(found.kv_cache_tokens, Some(975_424));
    assert_eq!(found.kv_cache_bytes, gib(43.67));
}

/// <https://github.com/sgl-project/sglang/issues/29575> (June 2026).
#[test]
fn the_scheduler_s_line_reports_tokens_and_length() {
    let found = read(
        "[2026-06-28 15:16:45] max_total_num_tokens=2086558, chunked_prefill_size=8192, max_prefill_tokens=16384, max_running_requests=33, context_len=256000, available_gpu_mem=17.22 GB\n",
    );
    assert_eq!(found.kv_cache_tokens, Some(2_086_558));
    assert_eq!(found.max_model_len, Some(256_000));
    assert_eq!(found.kv_cache_bytes, None);
}

/// <https://github.com/sgl-project/sglang/pull/18039> (January 2026): the pool
/// of the window's layers, with keys wider than values.
#[test]
fn keys_may_be_wider_than_values() {
    let found = read(
        "[2026-01-31 13:50:39 TP1] Use sliding window memory pool. full_layer_tokens=375360, swa_layer_tokens=300288\n\
         [2026-01-31 13:50:39 TP1] KV Cache is allocated. #tokens: 300288, K size: 8.38 GB, V size: 5.59 GB\n",
    );
    assert_eq!(found.kv_cache_tokens, Some(300_288));
    assert_eq!(found.kv_cache_bytes, gib(13.97));
}
