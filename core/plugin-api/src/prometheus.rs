//! Prometheus' text format, as servers expose their metrics.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::Evidence;

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// Name of the metric.
    pub name: &'a str,
    /// Labels in their order.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// Value; may be infinite or not a number.
    pub value: f64,
}

impl Sample<'_> {
    /// Value of the label `name`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels.find_map(|(key, value)| (*key == name).then_some(value.as_ref()))
    }
}

/// The samples of one exposition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples<'a> {
    samples: Vec<Sample<'a>>,
}

impl<'a> Samples<'a> {
    /// Reads an exposition. Lines that are no sample are skipped.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        Self {
            samples: text.lines().filter_map(sample).collect(),
        }
    }

    /// The same samples, but for those that differ in the labels `repeated` alone: of
    /// these the largest is kept. For ranks that all report what is one thing, such
    /// as the GPUs of a tensor-parallel group.
    #[must_use]
    pub fn each_once(self, repeated: &[&str]) -> Self {
        let mut kept: Vec<Sample<'a>> = Vec::with_capacity(self.samples.len());
        let mut places: HashMap<(&str, Labels<'a>), usize> = HashMap::new();
        for mut sample in self.samples {
            sample.labels.retain(|(name, _)| !repeated.contains(name));
            match places.entry((sample.name, sample.labels.clone())) {
                Entry::Occupied(place) => {
                    let known = &mut kept[*place.get()];
                    known.value = known.value.max(sample.value);
                }
                Entry::Vacant(place) => {
                    place.insert(kept.len());
                    kept.push(sample);
                }
            }
        }
        Self { samples: kept }
    }

    /// The samples of metric `name`, one for each set of labels.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Sample<'a>> {
        self.samples.iter().filter(move |s| s.name == name)
    }

    /// The first sample of metric `name`.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Sample<'a>> {
        self.named(name).next()
    }

    /// Sum over all sets of labels; `None` if there is no finite value.
    #[must_use]
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.finite(name).reduce(|sum, value| sum + value)
    }

    /// Mean over all sets of labels; `None` if there is no finite value.
    #[must_use]
    pub fn mean(&self, name: &str) -> Option<f64> {
        let count = self.finite(name).count();
        self.sum(name).map(|sum| sum / count as f64)
    }

    /// The sum of one counter over that of another; `None` if that is 0.
    #[must_use]
    pub fn ratio(&self, part: &str, whole: &str) -> Option<f64> {
        let whole = self.sum(whole).filter(|whole| *whole > 0.0)?;
        Some(self.sum(part)? / whole)
    }

    /// All samples in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Sample<'a>> {
        self.samples.iter()
    }

    fn finite(&self, name: &str) -> impl Iterator<Item = f64> {
        let values = self.named(name).map(|sample| sample.value);
        values.filter(|value| value.is_finite())
    }

    /// The evidence in the metrics that `names` names: counts are summed over
    /// the sets of labels (one for each engine), the usage ratio is their mean. When the
    /// process was started stands under the name that all of Prometheus' clients have.
    #[must_use]
    pub fn evidence(&self, names: &MetricNames) -> Evidence {
        let sum = |name: &str| self.sum(name);
        Evidence {
            running_requests: sum(names.running_requests),
            waiting_requests: sum(names.waiting_requests),
            kv_cache_usage_ratio: self.mean(names.kv_cache_usage_ratio),
            prefix_cache_queries: sum(names.prefix_cache_queries),
            prefix_cache_hits: sum(names.prefix_cache_hits),
            preemptions: sum(names.preemptions),
            prompt_tokens: sum(names.prompt_tokens),
            generation_tokens: sum(names.generation_tokens),
            started_unix_s: self.finite(PROCESS_START).reduce(f64::min),
            ..Evidence::default()
        }
    }
}

/// The evidence in metrics in Prometheus' format, under these names.
#[must_use]
pub fn evidence(bytes: &[u8], names: &MetricNames) -> Evidence {
    Samples::parse(&String::from_utf8_lossy(bytes)).evidence(names)
}

/// When a process was started, s since 1970, as Prometheus' clients expose it.
const PROCESS_START: &str = "process_start_time_seconds";

/// Under which names a server exposes what evidence holds; empty if it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetricNames {
    /// Requests being worked on.
    pub running_requests: &'static str,
    /// Requests waiting for room.
    pub waiting_requests: &'static str,
    /// Share of the KV cache in use, 0 to 1.
    pub kv_cache_usage_ratio: &'static str,
    /// Counter of prompt tokens looked up in the prefix cache.
    pub prefix_cache_queries: &'static str,
    /// Counter of prompt tokens found there.
    pub prefix_cache_hits: &'static str,
    /// Counter of requests preempted for lack of KV-cache memory.
    pub preemptions: &'static str,
    /// Counter of prompt tokens.
    pub prompt_tokens: &'static str,
    /// Counter of generated tokens.
    pub generation_tokens: &'static str,
}

impl MetricNames {
    /// No names: `MetricNames { prompt_tokens: "x", ..MetricNames::NONE }`.
    pub const NONE: Self = Self {
        running_requests: "",
        waiting_requests: "",
        kv_cache_usage_ratio: "",
        prefix_cache_queries: "",
        prefix_cache_hits: "",
        preemptions: "",
        prompt_tokens: "",
        generation_tokens: "",
    };
}

/// The names of vLLM's engine, which other servers use too.
pub const VLLM_NAMES: MetricNames = MetricNames {
    running_requests: "vllm:num_requests_running",
    waiting_requests: "vllm:num_requests_waiting",
    kv_cache_usage_ratio: "vllm:kv_cache_usage_perc",
    prefix_cache_queries: "vllm:prefix_cache_queries_total",
    prefix_cache_hits: "vllm:prefix_cache_hits_total",
    preemptions: "vllm:num_preemptions_total",
    prompt_tokens: "vllm:prompt_tokens_total",
    generation_tokens: "vllm:generation_tokens_total",
};

/// Evidence in metrics with vLLM's names, the KV cache's size from the labels
/// of `vllm:cache_config_info` included.
#[must_use]
pub fn vllm_evidence(text: &str) -> Evidence {
    let samples = Samples::parse(text);
    let infos = || samples.named("vllm:cache_config_info");
    let whole = |label: &str| {
        let of_engine = |info: &Sample<'_>| info.label(label)?.parse::<u64>().ok();
        infos().filter_map(of_engine).reduce(|sum, n| sum + n)
    };
    let first = |label: &str| infos().next().and_then(|info| info.label(label));
    let blocks = || {
        let size: u64 = first("block_size")?.parse().ok()?;
        whole("num_gpu_blocks")?.checked_mul(size)
    };
    Evidence {
        kv_cache_tokens: whole("kv_cache_size_tokens").or_else(blocks),
        kv_cache_bytes: whole("kv_cache_memory_bytes"),
        kv_cache_blocks: whole("num_gpu_blocks"),
        kv_block_size: first("block_size").and_then(|size| size.parse().ok()),
        kv_cache_dtype: first("cache_dtype")
            .filter(|dtype| *dtype != "auto")
            .map(str::to_owned),
        draft_acceptance_ratio: samples.ratio(
            "vllm:spec_decode_num_accepted_tokens_total",
            "vllm:spec_decode_num_draft_tokens_total",
        ),
        prefix_caching: first("enable_prefix_caching").map(|on| on.eq_ignore_ascii_case("true")),
        ..samples.evidence(&VLLM_NAMES)
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let value = number(rest.split_ascii_whitespace().next()?)?;
    (!name.is_empty()).then_some(Sample {
        name,
        labels,
        value,
    })
}

fn number(word: &str) -> Option<f64> {
    match word {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        word => word.parse().ok(),
    }
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim(), value));
        rest = after;
    }
}

/// A label's value up to its closing quote, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut end = None;
    let mut escaped = false;
    let mut escapes = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => (escaped, escapes) = (true, true),
            b'"' => {
                end = Some(at);
                break;
            }
            _ => {}
        }
    }
    let (value, rest) = (&text[..end?], &text[end? + 1..]);
    let value = if escapes {
        Cow::Owned(unescaped(value))
    } else {
        Cow::Borrowed(value)
    };
    Some((value, rest))
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some(c @ ('\\' | '"'))) => out.push(c),
            ('\\', Some(c)) => out.extend(['\\', c]),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the format's own documentation.
    const DOCUMENTED: &str = r#"
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

rpc_duration_seconds_count 2693
"#;

    #[test]
    fn acceptance_is_what_vllm_counts_and_absent_where_nothing_is_drafted() {
        let read = |drafted: u32| {
            let text = format!(
                "vllm:spec_decode_num_draft_tokens_total{{engine=\"0\"}} {drafted}\n\
                 vllm:spec_decode_num_accepted_tokens_total{{engine=\"0\"}} 30\n"
            );
            vllm_evidence(&text).draft_acceptance_ratio
        };
        assert_eq!((read(120), read(0)), (Some(0.25), None));
        assert_eq!(vllm_evidence("").draft_acceptance_ratio, None);
    }

    #[test]
    fn the_start_of_a_server_is_told_under_the_name_that_all_clients_have() {
        let text = "process_start_time_seconds 1.7332104e+09\n";
        assert_eq!(vllm_evidence(text).started_unix_s, Some(1_733_210_400.0));
        assert_eq!(vllm_evidence("").started_unix_s, None);
    }

    #[test]
    fn the_documented_example_reads_as_documented() {
        let samples = Samples::parse(DOCUMENTED);
        assert_eq!(samples.iter().count(), 6);
        assert_eq!(samples.sum("http_requests_total"), Some(1030.0));
        let file = samples.first("msdos_file_access_time_seconds").unwrap();
        assert_eq!(file.label("path"), Some("C:\\DIR\\FILE.TXT"));
        assert_eq!(file.label("error"), Some("Cannot find file:\n\"FILE.TXT\""));
        assert_eq!(
            samples.sum("metric_without_timestamp_and_labels"),
            Some(12.47)
        );
        assert_eq!(
            samples.first("something_weird").unwrap().value,
            f64::INFINITY
        );
        assert_eq!(samples.sum("something_weird"), None);
    }

    #[test]
    fn what_several_ranks_report_of_one_thing_counts_once() {
        let text = "x{dp_rank=\"0\",tp_rank=\"0\"} 5\nx{dp_rank=\"0\",tp_rank=\"1\"} 7\n\
                    x{dp_rank=\"1\",tp_rank=\"2\"} 10\ny{tp_rank=\"0\"} 1\n";
        let samples = Samples::parse(text).each_once(&["tp_rank"]);
        assert_eq!(samples.sum("x"), Some(17.0));
        assert_eq!(samples.sum("y"), Some(1.0));
    }

    #[test]
    fn broken_lines_are_skipped() {
        let text = "a{b=\"c\nd{e=\"f\"}\n{} 1\nnan NaN\nlast{x=\"}\",} 2\ng{h} 1\ni word";
        let samples = Samples::parse(text);
        let names: Vec<_> = samples.iter().map(|sample| sample.name).collect();
        assert_eq!(names, ["nan", "last"]);
        assert_eq!(samples.first("last").unwrap().label("x"), Some("}"));
        assert_eq!(samples.sum("nan"), None);
    }

    #[test]
    fn several_engines_add_up_but_their_usage_is_a_mean() {
        let text = "vllm:num_requests_running{engine=\"0\"} 2\n\
                    vllm:num_requests_running{engine=\"1\"} 3\n\
                    vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\n\
                    vllm:kv_cache_usage_perc{engine=\"1\"} 0.75\n\
                    vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"10\"} 1\n\
                    vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"20\"} 1\n";
        let evidence = vllm_evidence(text);
        assert_eq!(evidence.running_requests, Some(5.0));
        assert_eq!(evidence.kv_cache_usage_ratio, Some(0.5));
        assert_eq!(evidence.kv_cache_tokens, Some(480));
        assert_eq!(evidence.waiting_requests, None);
    }
}
