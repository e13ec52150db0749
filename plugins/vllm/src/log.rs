//! Lines of vLLM's log, in the wordings of its versions.
//!
//! `tests/kv_lines.rs` says where each pattern came from.

use std::sync::LazyLock;

use inferbench_plugin_api::Evidence;
use inferbench_plugin_api::log::between;
use regex::Regex;

macro_rules! pattern {
    ($text:literal) => {
        LazyLock::new(|| Regex::new($text).expect("a fixed pattern, tried by the tests"))
    };
}

/// Parts of log lines that are read here, and those that report the start.
pub(crate) const PATTERNS: [&str; 15] = [
    "LLM engine (v",
    "KV cache",
    "KV Cache",
    "kv_cache",
    "GPU blocks",
    "Maximum concurrency",
    "oading weights took",
    "odel loading took",
    "oading model weights took",
    "attention backend",
    "AttentionBackendEnum",
    "backend on V1 engine",
    "Application startup complete",
    "non-default args",
    "max_num_batched_tokens=",
];

/// Whatever the device is called: `GPU`, `CPU`, `TPU`.
static TOKENS: LazyLock<Regex> = pattern!(r"(?i)kv[ _]cache size:\s*([\d,]+)\s*tokens");
/// Before vLLM counted tokens it counted blocks.
static BLOCKS: LazyLock<Regex> = pattern!(r"(?i)gpu blocks:\s*([\d,]+)");
static CONCURRENCY: LazyLock<Regex> =
    pattern!(r"(?i)maximum concurrency for ([\d,]+) tokens per request:\s*([\d.]+)\s*x");
/// `Available KV cache memory: 8.11 GiB`, `available_kv_cache_memory 53.29GiB`,
/// `kv_cache_size=3.81GiB`, `the rest of the memory reserved for KV Cache is 1.57GiB`.
static MEMORY: LazyLock<Regex> = pattern!(
    r"(?i)(?:available[ _]kv[ _]cache[ _]memory|kv[ _]cache[ _]size|reserved for kv cache is)[\s:=]*([\d.]+)\s*GiB"
);
/// A CPU's: `Explicitly set (1.0/14.34) GiB for KV cache on node 0`.
static SET: LazyLock<Regex> = pattern!(r"(?i)set \(([\d.]+)/[\d.]+\)\s*GiB for kv cache");
/// vLLM's `GB` of 2024 are GiB too.
static WEIGHTS: LazyLock<Regex> =
    pattern!(r"(?i)(?:loading model weights|model loading) took ([\d.]+)\s*Gi?B");
static LOADED: LazyLock<Regex> = pattern!(r"(?i)(?:loading (?:model )?weights|model loading) took");

/// `'max_num_seqs': 8` among the arguments that are not vLLM's own.
static SEQUENCES: LazyLock<Regex> = pattern!(r"non-default args.*'max_num_seqs': (\d+)");
/// `Chunked prefill is enabled with max_num_batched_tokens=2048.`
static BATCHED: LazyLock<Regex> = pattern!(
    r"(?:prefill is enabled with max_num_batched_tokens=|'max_num_batched_tokens': )(\d+)"
);

/// `(EngineCore_DP1 pid=1234)`, `(Worker_DP1_TP0_EP8 pid=1264)`.
static RANK: LazyLock<Regex> = pattern!(r"\((?:EngineCore|Worker)\w*?_DP(\d+)");

fn quantization(value: &str) -> String {
    match value {
        "None" => "none".to_owned(),
        value => value.trim_matches('\'').to_owned(),
    }
}

/// What one line of the log says.
pub(crate) fn log_line(line: &str) -> Evidence {
    let memory = group(&MEMORY, line).or_else(|| group(&SET, line));
    let dtype = between(line, " kv_cache_dtype=", ",");
    Evidence {
        data_parallel_rank: group(&RANK, line).and_then(|rank| rank.parse().ok()),
        version: between(line, "LLM engine (v", ")").map(str::to_owned),
        dtype: between(line, " dtype=torch.", ",").map(str::to_owned),
        max_model_len: between(line, " max_seq_len=", ",").and_then(|n| n.parse().ok()),
        prefix_caching: between(line, " enable_prefix_caching=", ",").map(|on| on == "True"),
        kv_cache_dtype: dtype.filter(|dtype| *dtype != "auto").map(str::to_owned),
        kv_cache_tokens: group(&TOKENS, line).and_then(whole),
        kv_cache_blocks: group(&BLOCKS, line).and_then(whole),
        kv_cache_tokens_about: about(line),
        kv_cache_bytes: memory.and_then(gib),
        weights_bytes: group(&WEIGHTS, line).and_then(gib),
        weights_loaded: LOADED.is_match(line).then_some(true),
        attention_backend: attention(line).map(str::to_owned),
        quantization: between(line, " quantization=", ",").map(quantization),
        max_running_requests: group(&SEQUENCES, line).and_then(whole),
        max_batched_tokens: group(&BATCHED, line).and_then(whole),
        ..Evidence::default()
    }
}

fn about(line: &str) -> Option<f64> {
    let found = CONCURRENCY.captures(line)?;
    let length = whole(found.get(1)?.as_str())?;
    let times: f64 = found.get(2)?.as_str().parse().ok()?;
    Some(times * length as f64)
}

fn attention(line: &str) -> Option<&str> {
    between(line, "Using AttentionBackendEnum.", " ")
        .or_else(|| between(line, "Using ", " attention backend"))
        .or_else(|| between(line, "Using ", " backend on V1 engine"))
}

fn group<'a>(pattern: &Regex, line: &'a str) -> Option<&'a str> {
    Some(pattern.captures(line)?.get(1)?.as_str())
}

fn whole(text: &str) -> Option<u64> {
    text.replace(',', "").parse().ok()
}

fn gib(text: &str) -> Option<u64> {
    let gib: f64 = text.parse().ok()?;
    let bytes = gib * (1_u64 << 30) as f64;
    (bytes > 0.0).then_some(bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_the_kv_cache_is_read_whatever_the_device() {
        // Lines of vLLM 0.32.0 on a CPU; a GPU's say `GPU KV cache size`.
        for device in ["CPU", "GPU"] {
            let line = format!(
                "(EngineCore pid=1790) INFO 11-25 01:18:39 [kv_cache_utils.py:2327] {device} KV cache \
                 size: 1,048,576 tokens, Maximum concurrency for 2,048 tokens per request: 512.00x"
            );
            assert_eq!(log_line(&line).kv_cache_tokens, Some(1_048_576));
        }
        let memory = "INFO [gpu_worker.py:1] Available KV cache memory: 1.50 GiB";
        assert_eq!(log_line(memory).kv_cache_bytes, Some(1_610_612_736));
    }

    #[test]
    fn a_line_names_the_rank_that_it_is_of() {
        for (line, rank) in [
            (
                "(EngineCore_DP1 pid=12) INFO [kv_cache_utils.py:2235] GPU KV cache size: 1,224,353 tokens",
                Some(1),
            ),
            (
                "(Worker_DP10_TP0_EP8 pid=9) Available KV cache memory: 8.11 GiB",
                Some(10),
            ),
            (
                "(Worker_TP1 pid=9) Available KV cache memory: 8.11 GiB",
                None,
            ),
            ("(EngineCore pid=1790) GPU KV cache size: 1 tokens", None),
        ] {
            assert_eq!(log_line(line).data_parallel_rank, rank, "{line}");
        }
    }

    #[test]
    fn the_engine_s_first_line_reports_version_dtype_and_length() {
        let line = "INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: \
                    model='/m', trust_remote_code=False, dtype=torch.float32, max_seq_len=2048, \
                    kv_cache_dtype=auto, enable_prefix_caching=True, x=1";
        let evidence = log_line(line);
        assert_eq!(evidence.version.as_deref(), Some("0.32.0"));
        assert_eq!(evidence.dtype.as_deref(), Some("float32"));
        assert_eq!(evidence.max_model_len, Some(2048));
        assert_eq!(evidence.prefix_caching, Some(true));
    }

    #[test]
    fn the_attention_backend_is_read_in_three_wordings() {
        for (line, name) in [
            (
                "Using FLASH_ATTN attention backend out of potential backends: ['X']",
                "FLASH_ATTN",
            ),
            (
                "Using AttentionBackendEnum.FLASHINFER backend.",
                "FLASHINFER",
            ),
            (
                "Using Flash Attention backend on V1 engine.",
                "Flash Attention",
            ),
        ] {
            assert_eq!(log_line(line).attention_backend.as_deref(), Some(name));
        }
    }
}
