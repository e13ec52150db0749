//! Lines of SGLang's log, in the wordings of its versions.
//!
//! `tests/kv_lines.rs` says where each pattern came from.

use std::sync::LazyLock;

use inferbench_plugin_api::Evidence;
use regex::Regex;

macro_rules! pattern {
    ($text:literal) => {
        LazyLock::new(|| Regex::new($text).expect("a fixed pattern, tried by the tests"))
    };
}

/// Parts of log lines that are read here, and the one that reports the start.
pub(crate) const PATTERNS: [&str; 4] = [
    "KV Cache is allocated",
    "max_total_num_tokens=",
    "oad weight end",
    "The server is fired up",
];

static TOKENS: LazyLock<Regex> = pattern!(r"(?i)(?:#tokens:|max_total_num_tokens[=:])\s*([\d,]+)");
/// K and V apart, or both in one for latent attention. SGLang's GB are GiB.
static SIZES: LazyLock<Regex> = pattern!(r"(?i)\b(K|V|KV) size:\s*([\d.]+)\s*GB");
static DTYPE: LazyLock<Regex> = pattern!(r"(?i)KV Cache is allocated.*\bdtype:\s*torch\.(\w+)");
static LENGTH: LazyLock<Regex> = pattern!(r"context_len[=:]\s*(\d+)");
static RUNNING: LazyLock<Regex> = pattern!(r"max_running_requests[=:]\s*(\d+)");
static CHUNK: LazyLock<Regex> = pattern!(r"chunked_prefill_size[=:]\s*(\d+)");
static WEIGHTS: LazyLock<Regex> = pattern!(r"(?i)load weight end.*\bmem usage=([\d.]+)\s*GB");
static LOADED: LazyLock<Regex> = pattern!(r"(?i)load weight end");

/// `[2026-11-25 01:43:27 DP1 TP1] ...`.
static RANK: LazyLock<Regex> = pattern!(r"^\[[^\]]*\bDP(\d+)\b");

/// What one line of the log says.
pub(crate) fn log_line(line: &str) -> Evidence {
    Evidence {
        data_parallel_rank: group(&RANK, line).and_then(|rank| rank.parse().ok()),
        kv_cache_tokens: group(&TOKENS, line).and_then(whole),
        kv_cache_bytes: sizes(line).and_then(gib),
        kv_cache_dtype: group(&DTYPE, line).map(str::to_owned),
        max_model_len: group(&LENGTH, line).and_then(whole),
        weights_bytes: group(&WEIGHTS, line)
            .and_then(|text| text.parse().ok())
            .and_then(gib),
        max_running_requests: group(&RUNNING, line).and_then(whole),
        max_batched_tokens: group(&CHUNK, line).and_then(whole),
        weights_loaded: LOADED.is_match(line).then_some(true),
        ..Evidence::default()
    }
}

/// Sum of the sizes on a line about the cache, GiB.
fn sizes(line: &str) -> Option<f64> {
    let found = SIZES.captures_iter(line);
    let each = found.filter_map(|size| size.get(2)?.as_str().parse::<f64>().ok());
    each.reduce(|sum, size| sum + size)
}

/// Bytes of a size rounded to a hundredth of a GiB; below one GiB that is too
/// coarse.
pub(crate) fn gib(gib: f64) -> Option<u64> {
    (gib >= 1.0).then(|| (gib * (1_u64 << 30) as f64).round() as u64)
}

fn group<'a>(pattern: &Regex, line: &'a str) -> Option<&'a str> {
    Some(pattern.captures(line)?.get(1)?.as_str())
}

fn whole(text: &str) -> Option<u64> {
    text.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_rank_that_it_is_of() {
        let line =
            "[2026-11-25 01:43:27 DP3 TP6] KV Cache is allocated. #tokens: 65536, KV size: 1.03 GB";
        assert_eq!(log_line(line).data_parallel_rank, Some(3));
        let line =
            "[2026-11-25 01:43:27 TP1] KV Cache is allocated. #tokens: 65536, KV size: 1.03 GB";
        assert_eq!(log_line(line).data_parallel_rank, None);
    }

    #[test]
    fn log_lines_report_the_size_of_the_cache() {
        // Lines of SGLang 0.5.23.
        let line = "[2026-11-25 01:43:27] KV Cache is allocated. dtype: torch.float32, \
                    #tokens: 65536, K size: 0.03 GB, V size: 0.03 GB";
        assert_eq!(log_line(line).kv_cache_tokens, Some(65536));
        let line = "max_total_num_tokens=65537, chunked_prefill_size=4096, context_len=2048, x";
        let evidence = log_line(line);
        assert_eq!(evidence.kv_cache_tokens, Some(65537));
        assert_eq!(evidence.max_model_len, Some(2048));
        assert_eq!(evidence.max_batched_tokens, Some(4096));
        let line = "chunked_prefill_size=-1, max_prefill_tokens=16384, max_running_requests=4096, ";
        let evidence = log_line(line);
        assert_eq!(evidence.max_running_requests, Some(4096));
        assert_eq!(evidence.max_batched_tokens, None, "it is not chunked");
    }
}
