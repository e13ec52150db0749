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
    let labels = format!("engine=\"0\",model_name=\"{}\"", escaped(&args.model));
    let mut out = format!(
        "# HELP inferbench_sim_info These figures are simulated.\n# TYPE inferbench_sim_info gauge\n\
         inferbench_sim_info{{version=\"{}\"}} 1.0\n",
        env!("CARGO_PKG_VERSION")
    );
    for metric in gauges(args, s).into_iter().chain(counters(s)) {
        let Metric {
            name, kind, help, ..
        } = metric;
        out.push_str(&format!(
            "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}\n"
        ));
        for (extra, value) in metric.values {
            out.push_str(&format!("vllm:{name}{{{labels}{extra}}} {value:?}\n"));
        }
    }
    out
}

/// A metric with one value for each set of labels of its own, each of which
/// begins with a comma.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: Vec<(String, f64)>,
}

impl Metric {
    fn one(name: &'static str, kind: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            kind,
            help,
            values: vec![(String::new(), value)],
        }
    }
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn gauges(args: &Args, s: &Snapshot) -> Vec<Metric> {
    let gauge = |name, help, value| Metric::one(name, "gauge", help, value);
    let size_tokens = u64::from(args.kv_blocks) * u64::from(args.block_size);
    let config = format!(
        ",block_size=\"{}\",num_gpu_blocks=\"{}\",kv_cache_size_tokens=\"{size_tokens}\",enable_prefix_caching=\"{}\"",
        args.block_size,
        args.kv_blocks,
        if args.prefix_caching { "True" } else { "False" },
    );
    vec![
        gauge(
            "num_requests_running",
            "Requests in the batch.",
            s.running as f64,
        ),
        gauge(
            "num_requests_waiting",
            "Requests in the queue.",
            s.waiting as f64,
        ),
        gauge(
            "kv_cache_usage_perc",
            "KV blocks held, 1 = all.",
            s.kv_usage,
        ),
        Metric {
            values: vec![(config, 1.0)],
            ..gauge("cache_config_info", "Simulated KV cache.", 1.0)
        },
    ]
}

fn counters(s: &Snapshot) -> Vec<Metric> {
    let counter = |name, help, value: u64| Metric::one(name, "counter", help, value as f64);
    let (engine, counts) = (&s.engine, &s.counts);
    let ended = [
        ("stop", counts.stopped),
        ("length", counts.reached_length),
        ("abort", counts.aborted),
    ];
    let ended = ended.map(|(why, n)| (format!(",finished_reason=\"{why}\""), n as f64));
    vec![
        counter(
            "num_preemptions_total",
            "Preempted sequences.",
            engine.preemptions,
        ),
        counter(
            "prefix_cache_queries_total",
            "Prompt tokens looked up in the prefix cache.",
            engine.prefix_queries,
        ),
        counter(
            "prefix_cache_hits_total",
            "Prompt tokens found in the prefix cache.",
            engine.prefix_hits,
        ),
        counter(
            "prompt_tokens_total",
            "Tokens of prefilled prompts, cached ones included.",
            counts.prompt_tokens,
        ),
        counter(
            "generation_tokens_total",
            "Tokens generated.",
            counts.generation_tokens,
        ),
        Metric {
            values: ended.to_vec(),
            ..counter("request_success_total", "Requests by how they ended.", 0)
        },
    ]
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
