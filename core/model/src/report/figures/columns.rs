//! Which metrics a report shows, under which headings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::row::Row;
use crate::metrics::{self, Better, DEPENDS_ON_EVENTS, Metric, PRICE_UNIT};

/// The metric that is measured between events.
pub(crate) const BETWEEN_EVENTS: &str = "itl_ms";

/// The metric that says nothing beside TTFT where no reasoning comes first.
const FIRST_ANSWER: &str = "ttft_answer_ms";

/// Less than any token takes, and more than the rounding of a time.
const LEAST_REASONING_MS: f64 = 0.001;

/// What is said of it where it is not compared.
const CAUTION: &str = "events carry different numbers of tokens here: not compared";

/// One metric of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetricColumn {
    /// Name, as in `cells.json`.
    pub name: String,
    /// Heading for a reader.
    pub label: String,
    /// Unit of its values.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// Whether it has percentiles; a rate has none.
    pub has_percentiles: bool,
    /// What it is, in a line.
    pub what: String,
    /// How it is computed.
    pub formula: String,
    /// Where the definition comes from.
    pub source: String,
    /// Why its values do not compare between the backends; absent if they do.
    pub caution: Option<String>,
}

impl MetricColumn {
    /// `mixed`: the events of the backends carry different numbers of tokens at
    /// some level; `currency`: of every price.
    pub(crate) fn new(metric: &Metric, mixed: bool, currency: Option<&str>) -> Self {
        let not_compared = mixed && DEPENDS_ON_EVENTS.contains(&metric.name);
        Self {
            name: metric.name.to_owned(),
            label: label(metric.name).to_owned(),
            unit: match metric.unit {
                PRICE_UNIT => currency.unwrap_or(PRICE_UNIT).to_owned(),
                unit => unit.to_owned(),
            },
            better: metric.better,
            has_percentiles: !metric.values.is_one_per_cell(),
            what: metric.what.to_owned(),
            formula: metric.formula.to_owned(),
            source: plain(metric.source),
            caution: not_compared.then(|| CAUTION.to_owned()),
        }
    }
}

/// The text without the links and code marks that it has in the book.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = next_link(rest) {
        plain.push_str(before);
        plain.push_str(name);
        rest = after;
    }
    plain.push_str(rest);
    plain.replace('`', "")
}

/// What stands before a link, its name, and what follows it.
fn next_link(text: &str) -> Option<(&str, &str, &str)> {
    let (named, linked) = text.split_once("](")?;
    let (before, name) = named.rsplit_once('[')?;
    let (_, after) = linked.split_once(')')?;
    Some((before, name, after))
}

/// Metrics of which at least one row has a value of its own.
pub(crate) fn with_values<'m>(metrics: &[&'m Metric], rows: &[Row]) -> Vec<&'m Metric> {
    metrics
        .iter()
        .copied()
        .filter(|metric| rows.iter().any(|row| row.typical(metric.name).is_some()))
        .filter(|metric| metric.name != FIRST_ANSWER || rows.iter().any(reasons_first))
        .collect()
}

/// Whether the first token of the answer came later than the first of all.
fn reasons_first(row: &Row) -> bool {
    let mean = |name: &str| row.figures.get(name).and_then(|figure| figure.mean);
    let both = mean("ttft_ms").zip(mean(FIRST_ANSWER));
    both.is_some_and(|(first, answer)| answer - first > LEAST_REASONING_MS)
}

/// Heading of a metric; its name if it has none of its own.
pub(crate) fn label(name: &str) -> &str {
    match name {
        "capacity" => "Capacity",
        _ => metrics::named(name).map_or(name, |metric| metric.label),
    }
}

/// Heading of a metric inside a sentence.
pub(crate) fn lower_label(metric: &str) -> String {
    let text = label(metric);
    match text.split_at_checked(1) {
        // GPU and CPU stay as they are.
        Some((first, rest)) if !rest.starts_with(char::is_uppercase) => {
            format!("{}{rest}", first.to_lowercase())
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_no_links_into_the_book() {
        assert_eq!(
            plain("`a_b`, rss; [Hardware](../x.md) and [KV](y.md)."),
            "a_b, rss; Hardware and KV."
        );
        assert_eq!(plain("[0, 1] (both)"), "[0, 1] (both)");
    }
}
