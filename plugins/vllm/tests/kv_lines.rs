//! Sizes of KV cache and weights from lines that vLLM's versions have logged,
//! each as somebody published it. The values are read off the lines.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_plugin_api::{Evidence, Served};
use inferbench_testkit::trial::Trial;
use inferbench_vllm::Vllm;
use serde_json::json;

fn read(log: &str) -> Evidence {
    Trial::<Served<Vllm>>::new().read_log(json!({}), log)
}

fn gib(gib: f64) -> Option<u64> {
    Some((gib * 1_073_741_824.0_f64).round() as u64)
}

/// A server of vLLM 0.32.0 on a CPU.
#[test]
fn version_0_32_on_a_cpu_reports_tokens_and_memory() {
    let found = read(
        "(Worker pid=1924) INFO 11-25 01:18:38 [default_loader.py:501] Loading weights took 0.02 seconds\n\
         (Worker pid=1924) INFO 11-25 01:18:39 [cpu_worker.py:260] Explicitly set (1.0/14.34) GiB for KV cache on node 0.\n\
         (EngineCore pid=1790) INFO 11-25 01:18:39 [kv_cache_utils.py:2327] CPU KV cache size: 1,048,576 tokens, Maximum concurrency for 2,048 tokens per request: 512.00x\n",
    );
    assert_eq!(found.weights_loaded, Some(true));
    assert_eq!(found.kv_cache_bytes, gib(1.0));
    assert_eq!(found.kv_cache_tokens, Some(1_048_576));
    assert_eq!(found.kv_cache_tokens_about, Some(1_048_576.0));
}

/// <https://github.com/vllm-project/vllm/issues/21348> (July 2025).
#[test]
fn lines_of_2025_report_memory_and_tokens_apart() {
    let found = read("Available KV cache memory: 8.11 GiB\nGPU KV cache size: 178,880 tokens\n");
    assert_eq!(found.kv_cache_bytes, gib(8.11));
    assert_eq!(found.kv_cache_tokens, Some(178_880));
}

/// <https://github.com/vllm-project/vllm/pull/13596> (February 2025): both the
/// wording before and the one after.
#[test]
fn the_first_lines_of_the_new_engine_count_blocks_then_tokens() {
    let before = read(
        "INFO 02-20 00:01:02 kv_cache_utils.py:522] # GPU blocks: 127626\n\
         INFO 02-20 00:01:02 kv_cache_utils.py:525] Maximum concurrency for 2048 tokens per request: 997.08x\n",
    );
    assert_eq!(before.kv_cache_blocks, Some(127_626));
    assert_eq!(before.kv_cache_tokens, None);
    let about = before.kv_cache_tokens_about.unwrap();
    assert!((about - 2_042_019.84).abs() < 1e-6);
    let after = read(
        "INFO 02-19 23:56:55 kv_cache_utils.py:524] GPU KV cache size: 2,042,016 tokens\n\
         INFO 02-19 23:56:55 kv_cache_utils.py:527] Maximum concurrency for 2,048 tokens per request: 997.08x\n",
    );
    assert_eq!(after.kv_cache_tokens, Some(2_042_016));
}

/// <https://github.com/vllm-project/vllm/issues/10517> (December 2024).
#[test]
fn lines_of_0_6_report_all_in_one_row() {
    let found = read(
        "Loading model weights took 14.9888 GB\n\
         Memory profiling results: total_gpu_memory=23.58GiB initial_memory_usage=15.34GiB peak_torch_memory=17.06GiB memory_usage_post_profile=15.35GiB non_torch_memory=0.35GiB kv_cache_size=3.81GiB gpu_memory_utilization=0.90\n\
         GPU blocks: 1952, # CPU blocks: 2048\n\
         Maximum concurrency for 20000 tokens per request: 1.56x\n",
    );
    assert_eq!(found.weights_bytes, gib(14.9888));
    assert_eq!(found.weights_loaded, Some(true));
    assert_eq!(found.kv_cache_bytes, gib(3.81));
    assert_eq!(found.kv_cache_blocks, Some(1952));
    assert_eq!(found.kv_cache_tokens_about, Some(31_200.0));
}

/// <https://github.com/vllm-project/vllm/pull/10511> (December 2024).
#[test]
fn a_table_of_the_memory_is_read() {
    let found = read(
        "INFO 12-13 19:54:18 worker.py:243] model weights take   14.96GiB\n\
         INFO 12-13 19:54:18 worker.py:243] available_kv_cache_memory    53.29GiB\n",
    );
    assert_eq!(found.kv_cache_bytes, gib(53.29));
}

/// <https://github.com/vllm-project/vllm/pull/14447> (April 2025).
#[test]
fn a_sentence_on_the_memory_is_read() {
    let found = read(
        "(VllmWorkerProcess pid=521) INFO 04-12 08:21:19 [worker.py:267] model weights take 21.21GiB; non_torch_memory takes 0.20GiB; PyTorch activation peak memory takes 0.37GiB; the rest of the memory reserved for KV Cache is 1.57GiB.\n",
    );
    assert_eq!(found.kv_cache_bytes, gib(1.57));
}

/// What vLLM logs while it serves: the share in use is no size.
#[test]
fn lines_on_the_use_of_the_cache_are_no_size() {
    let found = read(
        "Engine 000: Avg prompt throughput: 96.5 tokens/s, Avg generation throughput: 427.0 tokens/s, Running: 0 reqs, Waiting: 0 reqs, CPU KV cache usage: 0.0%, Prefix cache hit rate: 0.0%\n",
    );
    assert_eq!(found, Evidence::default());
}

/// Lines of vLLM 0.32.0 on a CPU, and of its GPU build where it cuts prompts.
#[test]
fn the_scheduler_s_limits_and_the_quantisation_are_found() {
    let limits = read(
        "(EngineCore pid=1790) INFO 11-25 01:18:16 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='/m', dtype=torch.float32, max_seq_len=2048, quantization=None, quantization_config=None, enforce_eager=True\n\
         (APIServer pid=1591) INFO 11-25 01:18:02 [api_utils.py:286] non-default args: {'host': '127.0.0.1', 'max_model_len': 2048, 'max_num_seqs': 16}\n\
         INFO [scheduler.py:231] Chunked prefill is enabled with max_num_batched_tokens=8192.\n",
    );
    assert_eq!(limits.quantization.as_deref(), Some("none"));
    assert_eq!(limits.max_running_requests, Some(16));
    assert_eq!(limits.max_batched_tokens, Some(8192));
    let awq = read("LLM engine (v0.11.0) with config: dtype=torch.float16, quantization=awq, x");
    assert_eq!(awq.quantization.as_deref(), Some("awq"));
}
