//! The table over levels as text, for the page, the summary and the terminal:
//! how a figure is written, which is marked as best. Its columns are `columns`.

use inferbench_model::report::{Figure, Percentile, Report, Row};
use inferbench_model::stats::inference::is_bounded;
use inferbench_model::text::number::{grouped, three_digits};
use serde::Serialize;

use super::against::{self, RatioText};
use super::charts::short_names;
pub use super::columns::{Column, NARROW, Stat, WIDE, shown};
use super::cost;
use super::names::ShortNames;

/// One figure as text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The text; a dash if there is nothing.
    pub text: String,
    /// It is the best of its column at this level, or as good as the best.
    pub best: bool,
    /// The percentile would need more values than there are: how many of how
    /// many.
    pub too_few: Option<String>,
    /// It is a p90, in place of a p99 that would need more values.
    pub lower: bool,
    /// More about it: the reason of a dash, or the spread.
    pub title: String,
    /// The value with all its digits, for sorting and for files.
    pub value: Option<f64>,
    /// The value against that of each backend that may be the baseline.
    pub against: Vec<RatioText>,
}

/// One backend at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Label of the backend.
    pub backend: String,
    /// The same, cut in its middle if it is long.
    pub brief: String,
    /// Place of the backend in the report, from 0.
    pub place: usize,
    /// Why there are no figures.
    pub absence: Option<String>,
    /// One cell per column.
    pub cells: Vec<Cell>,
    pub ok: String,
    /// Failed requests; empty if there was none.
    pub failed: String,
    /// Successful requests, as a number.
    pub ok_count: u64,
    /// Failed requests, as a number.
    pub failed_count: u64,
    /// In some repeat a threshold of the self-check was broken.
    pub untrustworthy: bool,
}

/// The backends at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The level in words.
    pub level: String,
    /// One line per backend.
    pub lines: Vec<Line>,
}

/// What the marks on headings and figures mean; `None` if there is none.
#[must_use]
pub fn footnote(report: &Report) -> Option<String> {
    let mut cautions: Vec<(&str, Vec<&str>)> = Vec::new();
    for metric in &report.metrics {
        let Some(caution) = metric.caution.as_deref() else {
            continue;
        };
        match cautions.iter_mut().find(|(known, _)| *known == caution) {
            Some((_, labels)) => labels.push(&metric.label),
            None => cautions.push((caution, vec![&metric.label])),
        }
    }
    let mut notes: Vec<String> = cautions
        .iter()
        .map(|(caution, labels)| format!("† {}: {caution}", labels.join(", ")))
        .collect();
    let mut figures = report.rows.iter().flat_map(|row| row.figures.values());
    if !notes.is_empty() && figures.any(|figure| figure.estimated) {
        notes.push("~ estimated: the server does not count tokens per event".to_owned());
    }
    notes.extend(cost::note(report));
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// The table over levels: one group per level, one line per backend.
#[must_use]
pub fn groups(report: &Report, columns: &[Column]) -> Vec<Group> {
    let names = short_names(report.backends.iter().map(|backend| backend.label.as_str()));
    report
        .levels
        .iter()
        .map(|level| Group {
            level: level.to_string(),
            lines: report
                .rows
                .iter()
                .filter(|row| row.level == *level)
                .map(|row| line(report, row, columns, &names))
                .collect(),
        })
        .collect()
}

fn line(report: &Report, row: &Row, columns: &[Column], names: &ShortNames) -> Line {
    let place = report
        .backends
        .iter()
        .position(|backend| backend.label == row.backend);
    Line {
        backend: row.backend.clone(),
        brief: names.short(&row.backend),
        place: place.unwrap_or_default(),
        absence: row.absence.as_ref().map(|absence| absence.text.clone()),
        cells: columns.iter().map(|c| cell(report, row, c)).collect(),
        ok: grouped(row.counts.ok),
        failed: match row.counts.failed {
            0 => String::new(),
            n => grouped(n),
        },
        ok_count: row.counts.ok,
        failed_count: row.counts.failed,
        untrustworthy: report.self_check.iter().any(|check| {
            check.backend == row.backend && check.level == row.level && !check.trustworthy
        }),
    }
}

fn cell(report: &Report, row: &Row, column: &Column) -> Cell {
    let Some(figure) = row.figures.get(column.metric) else {
        return dash(absence(row));
    };
    match column.stat {
        Stat::Typical => typical(report, row, column, figure),
        Stat::P99 => match figure.p99 {
            Some(p99) => percentile(figure, &p99),
            None => dash("a rate has no percentiles"),
        },
        Stat::Ratio => match ratio_to_best(report, row, column.metric, figure) {
            Some(ratio) => number(ratio, String::new()),
            None => dash("nothing to compare with at this level"),
        },
    }
}

/// The ratio over the repeats, as everywhere; that of the figures where it is not
/// known.
fn ratio_to_best(report: &Report, row: &Row, metric: &str, figure: &Figure) -> Option<f64> {
    let best = report.comparison(metric, &row.level).map(|own| &own.best);
    let over_repeats = best.and_then(|best| figure.against(best));
    over_repeats
        .map(|against| against.ratio)
        .or(figure.ratio_to_best)
}

/// Why a row has no figure.
fn absence(row: &Row) -> &str {
    let absence = row.absence.as_ref();
    absence.map_or("no value", |absence| absence.text.as_str())
}

fn typical(report: &Report, row: &Row, column: &Column, figure: &Figure) -> Cell {
    let Some(value) = figure.typical else {
        return dash(absence(row));
    };
    let title = match (figure.block_min, figure.block_max) {
        (Some(min), Some(max)) if figure.per_block.len() > 1 => format!(
            "{} to {} over {} repeats",
            three_digits(min),
            three_digits(max),
            figure.per_block.len()
        ),
        _ => String::new(),
    };
    let best = against::is_best(report, row, column.metric);
    let shown = number(value, title);
    Cell {
        best,
        against: against::ratios(report, row, column.metric, best),
        text: match figure.estimated {
            true => format!("~{}", shown.text),
            false => shown.text,
        },
        ..shown
    }
}

fn percentile(figure: &Figure, percentile: &Percentile) -> Cell {
    if let Some(value) = percentile.value {
        return number(value, over(percentile));
    }
    let p90 = figure.p90.as_ref();
    let lower = p90.and_then(|p90| Some((p90.value?, over(p90))));
    let (n, needed) = (percentile.n, percentile.needed);
    let few = percentile
        .requests
        .filter(|requests| *requests < needed as u64);
    let (too_few, title) = match few {
        Some(requests) if n >= needed => (
            format!("{requests} of {needed} requests"),
            format!("{n} values of {requests} requests; the percentile needs {needed} requests"),
        ),
        _ => (
            format!("{n} of {needed}"),
            format!("{n} values; the percentile needs {needed}"),
        ),
    };
    let Some((p90, over)) = lower else {
        return Cell {
            text: "too few".to_owned(),
            too_few: Some(too_few),
            ..dash(&title)
        };
    };
    Cell {
        text: format!("p90\u{a0}{}", three_digits(p90)),
        lower: true,
        ..dash(&format!("p90 {over}; p99: {title}"))
    }
}

/// How many values a percentile is taken over, and its interval.
fn over(percentile: &Percentile) -> String {
    let interval = percentile.low.zip(percentile.high);
    let interval = interval.filter(|(low, high)| is_bounded(*low, *high));
    let interval = interval.map_or_else(String::new, |(low, high)| {
        format!("; 95 %: {} to {}", three_digits(low), three_digits(high))
    });
    format!("over {} values{interval}", percentile.n)
}

fn number(value: f64, title: String) -> Cell {
    Cell {
        text: three_digits(value),
        best: false,
        too_few: None,
        lower: false,
        title,
        value: Some(value),
        against: Vec::new(),
    }
}

fn dash(title: &str) -> Cell {
    Cell {
        text: "–".to_owned(),
        best: false,
        too_few: None,
        lower: false,
        title: title.to_owned(),
        value: None,
        against: Vec::new(),
    }
}
