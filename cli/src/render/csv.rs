//! `summary.csv`: one row per level and backend, one column per metric and
//! statistic, the unit in each column's name. The header is the same for every
//! run; a missing value is an empty field.

use inferbench_model::metrics::{self, Metric, PRICE_UNIT};
use inferbench_model::report::{Figure, Percentile, Report, Row};

use super::{Export, RenderError};

inventory::submit! {
    Export { file: "summary.csv", render: render_csv }
}

const FACTS: [&str; 8] = [
    "run",
    "model",
    "backend",
    "level_kind",
    "level_value",
    "repeats",
    "requests_ok",
    "requests_failed",
];

/// The file `summary.csv`.
///
/// # Errors
/// `Csv` if a row cannot be written.
pub fn render_csv(report: &Report) -> Result<String, RenderError> {
    let metrics = metrics::all();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = FACTS.iter().map(|name| (*name).to_owned()).collect();
    header.push("absence".to_owned());
    header.extend(metrics.iter().flat_map(|metric| columns(metric)));
    writer.write_record(&header)?;
    for row in &report.rows {
        writer.write_record(record(report, row, &metrics))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| ::csv::Error::from(std::io::Error::from(error.error().kind())))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn columns(metric: &Metric) -> Vec<String> {
    let unit = metric.unit.replace('/', "_per_");
    // A currency is of one config, and columns have the same names in all files.
    let name = if metric.name.contains(&unit) || metric.unit == PRICE_UNIT {
        metric.name.to_owned()
    } else {
        format!("{}_{unit}", metric.name)
    };
    let of_rate = ["mean", "min", "max"];
    let of_sample = ["mean", "p50", "p90", "p95", "p99", "n"];
    let statistics: &[&str] = match metric.values.is_one_per_cell() {
        true => &of_rate,
        false => &of_sample,
    };
    statistics
        .iter()
        .map(|statistic| format!("{name}_{statistic}"))
        .collect()
}

fn record(report: &Report, row: &Row, metrics: &[&Metric]) -> Vec<String> {
    let kind = match row.level {
        inferbench_model::config::Level::Concurrency(_) => "concurrency",
        inferbench_model::config::Level::RequestRate(_) => "request_rate",
        inferbench_model::config::Level::TraceSpeed(_) => "trace_speed",
    };
    let mut fields = vec![
        report.name.clone(),
        report.model.clone(),
        row.backend.clone(),
        kind.to_owned(),
        row.level.value_text(),
        row.blocks.len().to_string(),
        row.counts.ok.to_string(),
        row.counts.failed.to_string(),
        row.absence
            .as_ref()
            .map_or_else(String::new, |absence| absence.text.clone()),
    ];
    let none = Figure::default();
    for metric in metrics {
        let figure = row.figures.get(metric.name);
        let known = figure.unwrap_or(&none);
        if metric.values.is_one_per_cell() {
            fields.extend([known.mean, known.block_min, known.block_max].map(text));
        } else {
            fields.push(text(known.mean));
            fields.extend([known.p50, known.p90, known.p95, known.p99].map(carried));
            fields.push(
                figure
                    .map(|figure| figure.n.to_string())
                    .unwrap_or_default(),
            );
        }
    }
    fields
}

fn carried(percentile: Option<Percentile>) -> String {
    text(percentile.and_then(|percentile| percentile.value))
}

fn text(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_has_a_space_in_its_name() {
        let names = metrics::all().into_iter().flat_map(columns);
        let spaced: Vec<String> = names.filter(|name| name.contains(' ')).collect();
        assert_eq!(spaced, Vec::<String>::new());
    }
}
