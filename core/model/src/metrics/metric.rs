//! What a metric is, and how its values come out of the records of a cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Slos;
use crate::facts::record::RequestRecord;
use crate::facts::window::Window;
use crate::hardware::{CellHardware, Served};
use crate::stats::Summary;
use crate::stats::packed::Packed;

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It describes, and does not rank.
    Neither,
}
pub struct Metric {
    /// Name, final: other people's scripts rely on it.
    pub name: &'static str,
    /// Heading, in plain words.
    pub label: &'static str,
    /// Unit of the value.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// What it is, in a line.
    pub what: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// Where the definition comes from, and what others call it.
    pub source: &'static str,
    /// How its values come out of the records of a cell.
    pub values: Values,
}

/// How the values of a metric come out of the records of a cell, one by one.
pub enum Values {
    /// One value per request that counts.
    PerRequest(fn(&RequestRecord) -> Option<f64>),
    /// One value per request that counts, out of the one that another metric has.
    OfMetric(OfMetric),
    /// Any number of values per request that counts, pooled over requests.
    Pooled(Pooled),
    /// One value per cell.
    PerCell(PerCell),
    /// One value per cell, out of what was sampled of the hardware meanwhile.
    OfHardware(fn(&CellHardware, &Served) -> Option<f64>),
    /// One value per cell, out of the price of an hour.
    OfPrice(fn(f64, &Served) -> Option<f64>),
}

impl Values {
    /// Whether a cell has one value, and so no percentiles.
    #[must_use]
    pub fn is_one_per_cell(&self) -> bool {
        matches!(
            self,
            Self::PerCell(_) | Self::OfHardware(_) | Self::OfPrice(_)
        )
    }

    /// Whether it says what the machine used or cost, and not what requests got.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        matches!(self, Self::OfHardware(_) | Self::OfPrice(_))
    }
}

/// Values that follow from those of another metric, which need not be kept twice.
pub struct OfMetric {
    /// Name of the other, whose values are per request and which comes before.
    pub name: &'static str,
    /// The value, if there is one.
    pub of: fn(f64) -> Option<f64>,
}

/// Values that are pooled over requests: whole numbers, so that millions of
/// them can be kept.
pub struct Pooled {
    /// Adds the values of a request.
    pub each: fn(&RequestRecord, &mut Packed),
    /// Whole numbers in one unit of the metric, such as nanoseconds in a
    /// millisecond.
    pub per_unit: f64,
}

/// A sum over all requests of a cell, divided by a time or by their number.
pub struct PerCell {
    /// What a request of any phase adds; the metric is absent if one is `None`.
    pub of: fn(&Load, &RequestRecord) -> Option<f64>,
    pub over: Over,
}

/// What a sum is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Length of the measured window.
    Window,
    /// From the cell's first send to its last end.
    Cell,
    /// Not a time: the number of measured requests.
    Measured,
}

/// What the figures of a cell depend on besides its records.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// The measured window; absent if nothing was measured.
    pub window: Option<Window>,
    /// Limits for goodput.
    pub slos: Slos,
}

impl Load {
    /// Whether a request succeeded and ended inside the window.
    pub(super) fn completed(&self, record: &RequestRecord) -> bool {
        let window = self.window.filter(|_| record.is_ok());
        window.is_some_and(|window| window.contains(record.end_ns))
    }
}

/// A value as `cells.json` has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MetricValue {
    /// Of a per-request metric.
    Summary(Summary),
    /// Of a per-cell metric; null if it could not be had.
    Number(Option<f64>),
}

impl MetricValue {
    /// The number a person would compare: the median, or the one value.
    #[must_use]
    pub fn typical(&self) -> Option<f64> {
        match self {
            Self::Summary(summary) => summary.p50,
            Self::Number(number) => *number,
        }
    }
}
