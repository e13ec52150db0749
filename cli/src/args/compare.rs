//! Flags of a comparison of runs, and of its gate.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use inferbench_model::metrics::{self, Better, Metric};
use inferbench_model::report::runs::CAPACITY;

/// Which runs are compared, and the gate.
#[derive(Debug, Clone, ClapArgs)]
pub struct CompareArgs {
    /// Two or more run folders, each optionally with a name.
    #[arg(required = true, num_args = 1.., value_name = "[NAME=]RUN")]
    pub runs: Vec<String>,
    /// The run that the others are compared with, by folder or name; default: the first.
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<String>,
    /// Exit with code 4 if a metric is shown to be worse than the baseline by more than this.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub fail_on_regression: Option<f64>,
    /// Metric that must not get worse, or `capacity` (repeatable); default: the metric that
    /// ranks the backends, TTFT, TPOT and, for searches, the capacity.
    #[arg(long, value_name = "NAME", value_parser = parse_metric, requires = "fail_on_regression")]
    pub metric: Vec<String>,
    /// Exit with code 5 if some check is undecided and none failed.
    #[arg(long, requires = "fail_on_regression")]
    pub require_decision: bool,
    /// Write the page, report.json and the summaries to this folder.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Compare even runs of different models or workloads, and merged ones that lack shards or were changed.
    #[arg(long)]
    pub force: bool,
}

/// A percentage from 0 % to below 100 %, as a share.
fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(str::trim);
    let percent = number.and_then(|number| number.parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("must be a percentage from 0% to below 100%, such as 5%".to_owned()),
    }
}

/// The name of a metric that ranks: more of it, or less, is better; or the capacity.
fn parse_metric(text: &str) -> Result<String, String> {
    let ranks = |metric: &&&Metric| metric.better != Better::Neither;
    let all = metrics::all();
    let known = all.iter().filter(ranks).map(|metric| metric.name);
    let known: Vec<&str> = known.chain([CAPACITY]).collect();
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("must be one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_percentage_below_a_hundred() {
        assert_eq!(parse_percent("5%"), Ok(0.05));
        assert_eq!(parse_percent("2.5 %"), Ok(0.025));
        for wrong in ["5", "0.05", "100%", "-1%", "NaN%", "%", ""] {
            assert!(parse_percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_metric_that_does_not_rank_is_refused() {
        assert!(parse_metric("ttft_ms").is_ok());
        for wrong in ["input_tokens", "latency"] {
            let error = parse_metric(wrong).unwrap_err();
            assert!(error.contains("output_token_throughput"), "{error}");
        }
    }
}
