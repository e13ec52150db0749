//! The columns of the table over levels: those of the page and the summary, those of the
//! terminal, and which of them a report shows.

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
    /// What is shown in its place where that says more.
    instead: Option<Instead>,
}

/// Another metric in the place of a column.
#[derive(Debug, Clone, Copy)]
struct Instead {
    metric: &'static str,
    heading: &'static str,
    unit: &'static str,
}

impl Column {
    /// With the latency from the planned time in its place, if there were planned times.
    const fn or_from_schedule(self, heading: &'static str) -> Self {
        let (metric, unit) = (FROM_SCHEDULE, self.unit);
        self.or(Instead {
            metric,
            heading,
            unit,
        })
    }

    /// With decode time per token in its place, if its own metric does not compare.
    const fn or_per_token(self, heading: &'static str, unit: &'static str) -> Self {
        let metric = PER_TOKEN;
        self.or(Instead {
            metric,
            heading,
            unit,
        })
    }

    const fn or(self, instead: Instead) -> Self {
        Self {
            instead: Some(instead),
            ..self
        }
    }

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
        instead: None,
    }
}

/// Latency from the planned time of an open loop.
const FROM_SCHEDULE: &str = "e2e_from_schedule_ms";
/// Decode time per token, also where events carry several tokens.
const PER_TOKEN: &str = "decode_ms_per_token";

/// Columns of the page and of `summary.md`.
pub const WIDE: &[Column] = &[
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
    column("tpot_ms", Stat::Typical, "TPOT p50", "ms").or_per_token("Decode per token p50", "ms"),
    column("itl_ms", Stat::P99, "ITL p99", "ms"),
    column("e2e_latency_ms", Stat::Typical, "E2E p50", "ms")
        .or_from_schedule("E2E from schedule p50"),
    column("e2e_latency_ms", Stat::P99, "E2E p99", "ms").or_from_schedule("E2E from schedule p99"),
    column("request_throughput", Stat::Typical, "Requests", "1/s"),
    column("goodput", Stat::Typical, "Goodput", "requests/s"),
    column(PER_MILLION_TOKENS, Stat::Typical, "Cost", "per M tokens"),
    column(cost::PER_REQUEST, Stat::Typical, "Cost", "per request"),
];

/// Columns of the terminal.
pub const NARROW: &[Column] = &[
    column("output_token_throughput", Stat::Typical, "output", "tok/s"),
    column("output_token_throughput", Stat::Ratio, "vs", "best"),
    column("ttft_ms", Stat::Typical, "TTFT", "p50 ms"),
    column("ttft_ms", Stat::P99, "TTFT", "p99 ms"),
    column("ttft_answer_ms", Stat::Typical, "answer", "p50 ms"),
    column("tpot_ms", Stat::Typical, "TPOT", "p50 ms").or_per_token("decode", "ms/tok"),
    column("itl_ms", Stat::P99, "ITL", "p99 ms"),
    column("e2e_latency_ms", Stat::Typical, "e2e", "p50 ms").or_from_schedule("e2e sched"),
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
        .map(|column| in_place_of(report, *column))
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

/// What is shown in place of a column, where that says more: the latency from the planned
/// time if there were planned times, decode time per token where TPOT does not compare.
fn in_place_of(report: &Report, column: Column) -> Column {
    let metric = |name: &str| report.metrics.iter().find(|metric| metric.name == name);
    let compares = metric(column.metric).is_none_or(|own| own.caution.is_none());
    let instead = column.instead.filter(|instead| {
        metric(instead.metric).is_some() && (instead.metric != PER_TOKEN || !compares)
    });
    let Some(instead) = instead else {
        return column;
    };
    Column {
        metric: instead.metric,
        heading: instead.heading,
        unit: instead.unit,
        ..column
    }
}
