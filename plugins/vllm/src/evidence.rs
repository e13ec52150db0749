//! What vLLM tells of itself, in its metrics, its answers and its log.

use inferbench_plugin_api::openai::{MODELS_PROBE, models_evidence};
use inferbench_plugin_api::{Evidence, EvidenceSource, PluginError, prometheus};
use serde_json::Value;

use crate::wire::{SERVER_INFO_PROBE, VERSION_PROBE};

/// What one piece of evidence says.
///
/// # Errors
/// If an answer that should be JSON is not.
pub(crate) fn read(source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
    let text = || String::from_utf8_lossy(bytes);
    match source {
        EvidenceSource::Metrics => Ok(prometheus::vllm_evidence(&text())),
        EvidenceSource::LogLine => Ok(log_line(&text())),
        EvidenceSource::Info(name) => match name.as_str() {
            MODELS_PROBE => models_evidence(bytes),
            VERSION_PROBE => version(bytes),
            SERVER_INFO_PROBE => server_info(bytes),
            _ => Ok(Evidence::default()),
        },
    }
}

fn version(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = serde_json::from_slice(bytes)?;
    Ok(Evidence {
        version: answer["version"].as_str().map(str::to_owned),
        ..Evidence::default()
    })
}

fn server_info(bytes: &[u8]) -> Result<Evidence, PluginError> {
    let answer: Value = serde_json::from_slice(bytes)?;
    let config = answer.get("vllm_config").unwrap_or(&Value::Null);
    let at = |path: &str| config.pointer(path);
    let text = |path: &str| at(path).and_then(Value::as_str);
    let whole = |path: &str| at(path).and_then(Value::as_u64);
    let dtype = text("/model_config/dtype");
    Ok(Evidence {
        model: text("/model_config/model").map(str::to_owned),
        dtype: dtype.map(|dtype| dtype.trim_start_matches("torch.").to_owned()),
        max_model_len: whole("/model_config/max_model_len"),
        kv_cache_tokens: whole("/cache_config/kv_cache_size_tokens"),
        kv_cache_bytes: whole("/cache_config/kv_cache_memory_bytes"),
        prefix_caching: at("/cache_config/enable_prefix_caching").and_then(Value::as_bool),
        attention_backend: text("/attention_config/backend").map(str::to_owned),
        ..Evidence::default()
    })
}

fn log_line(line: &str) -> Evidence {
    Evidence {
        version: between(line, "LLM engine (v", ")").map(str::to_owned),
        dtype: between(line, " dtype=torch.", ",").map(str::to_owned),
        max_model_len: between(line, " max_seq_len=", ",").and_then(|n| n.parse().ok()),
        prefix_caching: between(line, " enable_prefix_caching=", ",").map(|on| on == "True"),
        kv_cache_tokens: between(line, "KV cache size: ", " tokens")
            .and_then(|n| n.replace(',', "").parse().ok()),
        kv_cache_bytes: between(line, "Available KV cache memory: ", " GiB").and_then(gib),
        attention_backend: attention(line).map(str::to_owned),
        ..Evidence::default()
    }
}

fn attention(line: &str) -> Option<&str> {
    between(line, "Using AttentionBackendEnum.", " ")
        .or_else(|| between(line, "Using ", " attention backend"))
        .or_else(|| between(line, "Using ", " backend on V1 engine"))
}

fn gib(text: &str) -> Option<u64> {
    let gib: f64 = text.parse().ok()?;
    let bytes = gib * (1_u64 << 30) as f64;
    (bytes > 0.0).then_some(bytes.round() as u64)
}

/// The part of `line` after `start` and before the next `end`.
fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(start)?;
    Some(rest.split_once(end)?.0)
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
    fn the_engine_s_first_line_tells_version_dtype_and_length() {
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
