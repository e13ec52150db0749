//! The columns of the table over levels, and which of them a report shows.

use inferbench_model::report::Report;

use crate::render::cost::{self, PER_MILLION_TOKENS};

/// What of a metric a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// The figure that is compared: p50, or the mean of a rate.
    Typical,
    /// 99th percentile.
    P99,
    /// Typical value over that of the best.
    Ratio,
}

/// One column of figures.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Name of the metric.
    pub metric: &'static str,
    /// What of it.
    pub stat: Stat,
    /// Heading, without the unit.
    pub heading: &'static str,
    /// Unit as the heading shows it.
    pub unit: &'static str,
    /// Its values do not compare between the backends.
    pub cautioned: bool,
}

impl Column {
    /// The heading as it is shown: with a mark if its values do not compare.
    #[must_use]
    pub fn heading_text(&self) -> String {
        let mark = if self.cautioned { " †" } else { "" };
        format!("{}{mark}", self.heading)
    }
}

const fn column(
    metric: &'static str,
    stat: Stat,
    heading: &'static str,
    unit: &'static str,
) -> Column {
    Column {
        metric,
        stat,
        heading,
        unit,
        cautioned: false,
    }
}

/// Columns of the page and of `summary.md`.
pub const WIDE: [Column; 14] = [
    column(
        "output_token_throughput",
        Stat::Typical,
        "Output throughput",
        "tokens/s",
    ),
    column("output_token_throughput", Stat::Ratio, "vs best", "×"),
    column("ttft_ms", Stat::Typical, "TTFT p50", "ms"),
    column("ttft_ms", Stat::P99, "TTFT p99", "ms"),
    column("ttft_answer_ms", Stat::Typical, "Answer TTFT p50", "ms"),
    column("ttft_answer_ms", Stat::P99, "Answer TTFT p99", "ms"),
    column("tpot_ms", Stat::Typical, "TPOT p50", "ms"),
    column("itl_ms", Stat::P99, "ITL p99", "ms"),
    column("e2e_latency_ms", Stat::Typical, "E2E p50", "ms"),
    column("e2e_latency_ms", Stat::P99, "E2E p99", "ms"),
    column("request_throughput", Stat::Typical, "Requests", "1/s"),
    column("goodput", Stat::Typical, "Goodput", "requests/s"),
    column(PER_MILLION_TOKENS, Stat::Typical, "Cost", "per M tokens"),
    column(cost::PER_REQUEST, Stat::Typical, "Cost", "per request"),
];

/// Columns of the terminal.
pub const NARROW: [Column; 10] = [
    column("output_token_throughput", Stat::Typical, "output", "tok/s"),
    column("output_token_throughput", Stat::Ratio, "vs", "best"),
    column("ttft_ms", Stat::Typical, "TTFT", "p50 ms"),
    column("ttft_ms", Stat::P99, "TTFT", "p99 ms"),
    column("ttft_answer_ms", Stat::Typical, "answer", "p50 ms"),
    column("tpot_ms", Stat::Typical, "TPOT", "p50 ms"),
    column("itl_ms", Stat::P99, "ITL", "p99 ms"),
    column("e2e_latency_ms", Stat::Typical, "e2e", "p50 ms"),
    column("goodput", Stat::Typical, "good", "req/s"),
    column(PER_MILLION_TOKENS, Stat::Typical, "cost", "/Mtok"),
];

/// Those of `columns` for which the report has a metric. A ratio has a column
/// only where several backends are compared. In an open loop the end-to-end
/// latency is the one from the planned time.
#[must_use]
pub fn shown(report: &Report, columns: &[Column]) -> Vec<Column> {
    let several = report.measured().len() > 1;
    columns
        .iter()
        .map(|column| per_token(report, from_schedule(report, *column)))
        .filter_map(|column| {
            let metric = report.metrics.iter().find(|m| m.name == column.metric)?;
            let cautioned = metric.caution.is_some();
            let shown = several || column.stat != Stat::Ratio;
            shown.then_some(Column {
                cautioned,
                ..column
            })
        })
        .collect()
}

/// The column of the latency from the planned time in place of that from the
/// send, if there were planned times.
fn from_schedule(report: &Report, column: Column) -> Column {
    const FROM_SCHEDULE: &str = "e2e_from_schedule_ms";
    let heading = match column.heading {
        "E2E p50" => "E2E from schedule p50",
        "E2E p99" => "E2E from schedule p99",
        "e2e" => "e2e sched",
        _ => return column,
    };
    if report.metrics.iter().any(|m| m.name == FROM_SCHEDULE) {
        Column {
            metric: FROM_SCHEDULE,
            heading,
            ..column
        }
    } else {
        column
    }
}

/// The column of decode time per token in place of TPOT, where TPOT does not compare.
fn per_token(report: &Report, column: Column) -> Column {
    const PER_TOKEN: &str = "decode_ms_per_token";
    let metric = |name: &str| report.metrics.iter().find(|metric| metric.name == name);
    let does_not_compare =
        column.metric == "tpot_ms" && metric("tpot_ms").is_some_and(|m| m.caution.is_some());
    if !does_not_compare || metric(PER_TOKEN).is_none() {
        return column;
    }
    let (heading, unit) = match column.heading {
        "TPOT" => ("decode", "ms/tok"),
        _ => ("Decode per token p50", "ms"),
    };
    Column {
        metric: PER_TOKEN,
        heading,
        unit,
        ..column
    }
}
