//! `/metrics`: the engine's state under vLLM's names. It counts nothing itself.

use super::args::Args;
use super::model::EngineCounts;

/// Counts since the server began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Well-formed generation requests so far.
    pub(crate) accepted: u64,
    /// Generation requests answered to the end, with whatever status.
    pub(crate) answered: u64,
    /// Tokens of prompts whose first token came out.
    pub(crate) prompt_tokens: u64,
    /// Tokens generated.
    pub(crate) generation_tokens: u64,
    /// Answers that ended by themselves.
    pub(crate) stopped: u64,
    /// Answers that reached max_tokens.
    pub(crate) reached_length: u64,
    /// Requests whose client left.
    pub(crate) aborted: u64,
}

/// What `/metrics` shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Snapshot {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) kv_usage: f64,
    pub(crate) engine: EngineCounts,
    pub(crate) counts: Counts,
}

/// Prometheus text, version 0.0.4.
pub(crate) fn render(args: &Args, s: &Snapshot) -> String {
    let model = args
        .model
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    let labels = format!("engine=\"0\",model_name=\"{model}\"");
    let mut out = format!(
        "# HELP inferbench_sim_info These figures are simulated.\n# TYPE inferbench_sim_info gauge\n\
         inferbench_sim_info{{version=\"{}\"}} 1.0\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut metric = |name: &str, kind: &str, help: &str, extra: &str, value: f64| {
        if !help.is_empty() {
            out.push_str(&format!(
                "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}\n"
            ));
        }
        out.push_str(&format!("vllm:{name}{{{labels}{extra}}} {value:?}\n"));
    };
    let c = &s.counts;
    metric(
        "num_requests_running",
        "gauge",
        "Requests in the batch.",
        "",
        s.running as f64,
    );
    metric(
        "num_requests_waiting",
        "gauge",
        "Requests in the queue.",
        "",
        s.waiting as f64,
    );
    metric(
        "kv_cache_usage_perc",
        "gauge",
        "KV blocks held, 1 = all.",
        "",
        s.kv_usage,
    );
    let e = &s.engine;
    metric(
        "num_preemptions_total",
        "counter",
        "Preempted sequences.",
        "",
        e.preemptions as f64,
    );
    let help = "Prompt tokens looked up in the prefix cache.";
    metric(
        "prefix_cache_queries_total",
        "counter",
        help,
        "",
        e.prefix_queries as f64,
    );
    let help = "Prompt tokens found in the prefix cache.";
    metric(
        "prefix_cache_hits_total",
        "counter",
        help,
        "",
        e.prefix_hits as f64,
    );
    let help = "Tokens of prefilled prompts, cached ones included.";
    metric(
        "prompt_tokens_total",
        "counter",
        help,
        "",
        c.prompt_tokens as f64,
    );
    metric(
        "generation_tokens_total",
        "counter",
        "Tokens generated.",
        "",
        c.generation_tokens as f64,
    );
    let reason = ["stop", "length", "abort"].map(|r| format!(",finished_reason=\"{r}\""));
    let help = "Requests by how they ended.";
    metric(
        "request_success_total",
        "counter",
        help,
        &reason[0],
        c.stopped as f64,
    );
    metric(
        "request_success_total",
        "counter",
        "",
        &reason[1],
        c.reached_length as f64,
    );
    metric(
        "request_success_total",
        "counter",
        "",
        &reason[2],
        c.aborted as f64,
    );
    let size_tokens = u64::from(args.kv_blocks) * u64::from(args.block_size);
    let config = format!(
        ",block_size=\"{}\",num_gpu_blocks=\"{}\",kv_cache_size_tokens=\"{size_tokens}\",enable_prefix_caching=\"{}\"",
        args.block_size,
        args.kv_blocks,
        if args.prefix_caching { "True" } else { "False" },
    );
    metric(
        "cache_config_info",
        "gauge",
        "Simulated KV cache.",
        &config,
        1.0,
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn names_and_label_shapes_are_vllm_s() {
        let args = Args::try_parse_from(["inferbench-sim", "--prefix-caching"]).unwrap();
        let snapshot = Snapshot {
            running: 3,
            waiting: 0,
            kv_usage: 0.5,
            engine: EngineCounts::default(),
            counts: Counts {
                prompt_tokens: 7,
                ..Counts::default()
            },
        };
        let text = render(&args, &snapshot);
        for line in [
            "vllm:num_requests_running{engine=\"0\",model_name=\"simulated\"} 3.0\n",
            "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"simulated\"} 0.5\n",
            "vllm:prompt_tokens_total{engine=\"0\",model_name=\"simulated\"} 7.0\n",
            "block_size=\"16\",num_gpu_blocks=\"8192\",kv_cache_size_tokens=\"131072\",enable_prefix_caching=\"True\"} 1.0\n",
        ] {
            assert!(text.contains(line), "{line} not in {text}");
        }
    }
}
