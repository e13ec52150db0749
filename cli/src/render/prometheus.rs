//! `summary.prom`: the figures in the text format of Prometheus, in base units,
//! for dashboards over many runs.

use std::sync::atomic::AtomicU64;

use inferbench_model::metrics::{self, Metric, PRICE_UNIT};
use inferbench_model::report::{Figure, Report, Row};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Export, RenderError};

inventory::submit! {
    Export {
        file: "summary.prom",
        render: render_prometheus,
    }
}

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// Shares of a sample by the value of their label.
const QUANTILES: [&str; 4] = ["0.5", "0.9", "0.95", "0.99"];

/// The file `summary.prom`.
///
/// # Errors
/// `Prometheus` if it cannot be written.
pub fn render_prometheus(report: &Report) -> Result<String, RenderError> {
    let mut registry = Registry::with_prefix("inferbench");
    for metric in metrics::all() {
        let gauges = Gauges::default();
        let mut has_any = false;
        for row in &report.rows {
            let figure = row.figures.get(metric.name);
            has_any |= figure.is_some_and(|figure| set(report, row, metric, figure, &gauges));
        }
        if has_any {
            // The registry ends each with a dot of its own.
            registry.register(name(metric), metric.what.trim_end_matches('.'), gauges);
        }
    }
    let (ok, failed) = (Gauges::default(), Gauges::default());
    for row in &report.rows {
        let labels = labels(report, row);
        ok.get_or_create(&labels).set(row.counts.ok as f64);
        failed.get_or_create(&labels).set(row.counts.failed as f64);
    }
    registry.register("requests_ok", "Successful measured requests", ok);
    registry.register("requests_failed", "Failed measured requests", failed);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(ordered(&text))
}

/// The gauges of each metric in the order of their labels: the registry gives
/// them in another order each time.
fn ordered(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let blocks = lines.chunk_by(|a, b| a.starts_with('#') == b.starts_with('#'));
    let mut sorted = String::with_capacity(text.len());
    for block in blocks {
        let mut block = block.to_vec();
        if block.first().is_some_and(|line| !line.starts_with('#')) {
            block.sort_unstable();
        }
        block.iter().for_each(|line| {
            sorted.push_str(line);
            sorted.push('\n');
        });
    }
    sorted
}

/// Sets the gauges of one figure; returns whether it had a value.
fn set(report: &Report, row: &Row, metric: &Metric, figure: &Figure, gauges: &Gauges) -> bool {
    let (_, factor) = base(metric.unit);
    let labels = labels(report, row);
    let mut has_any = false;
    let mut set_gauge = |labels: &Labels, value: Option<f64>| {
        if let Some(value) = value {
            gauges.get_or_create(labels).set(value * factor);
            has_any = true;
        }
    };
    if metric.values.is_one_per_cell() {
        set_gauge(&labels, figure.typical);
        return has_any;
    }
    let percentiles = [figure.p50, figure.p90, figure.p95, figure.p99];
    for (quantile, percentile) in QUANTILES.into_iter().zip(percentiles) {
        let mut labels = labels.clone();
        labels.push(("quantile", quantile.to_owned()));
        set_gauge(&labels, percentile.and_then(|percentile| percentile.value));
    }
    has_any
}

fn labels(report: &Report, row: &Row) -> Labels {
    vec![
        ("run", report.name.clone()),
        ("model", report.model.clone()),
        ("backend", row.backend.clone()),
        ("level", row.level.to_string()),
        ("simulated", report.simulated.to_string()),
    ]
}

/// Name of a metric with its base unit at the end, as the conventions ask.
fn name(metric: &Metric) -> String {
    let (base, _) = base(metric.unit);
    let stem = ["_ms", "_mhz", "_percent", "_s"]
        .iter()
        .find_map(|ending| metric.name.strip_suffix(ending))
        .unwrap_or(metric.name);
    if base.is_empty() || stem.contains(base) {
        stem.to_owned()
    } else {
        format!("{stem}_{base}")
    }
}

/// The base unit of a unit, and how many of it one is.
fn base(unit: &str) -> (&'static str, f64) {
    match unit {
        "ms" => ("seconds", 1e-3),
        "s" => ("seconds", 1.0),
        "mhz" => ("hertz", 1e6),
        "percent" => ("ratio", 1e-2),
        "share" => ("ratio", 1.0),
        "bytes" => ("bytes", 1.0),
        "joules" => ("joules", 1.0),
        "watts" => ("watts", 1.0),
        "celsius" => ("celsius", 1.0),
        "tokens/s" => ("tokens_per_second", 1.0),
        "requests/s" => ("requests_per_second", 1.0),
        "tokens/s/watt" => ("per_watt", 1.0),
        // Its currency is in no name.
        PRICE_UNIT => ("cost", 1.0),
        _ => ("", 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_their_base_unit() {
        for (metric, expected) in [
            ("ttft_ms", "ttft_seconds"),
            (
                "output_token_throughput",
                "output_token_throughput_tokens_per_second",
            ),
            ("gpu_sm_clock_mean_mhz", "gpu_sm_clock_mean_hertz"),
            ("backend_cpu_mean_percent", "backend_cpu_mean_ratio"),
            (
                "gpu_energy_joules_per_output_token",
                "gpu_energy_joules_per_output_token",
            ),
            ("gpu_throttled_s", "gpu_throttled_seconds"),
            ("output_tokens", "output_tokens"),
        ] {
            assert_eq!(name(metrics::named(metric).unwrap()), expected);
        }
    }

    #[test]
    fn every_unit_of_a_metric_has_a_base() {
        for metric in metrics::all() {
            let counts = matches!(metric.unit, "tokens" | "requests");
            assert!(counts || !base(metric.unit).0.is_empty(), "{}", metric.unit);
        }
    }
}
