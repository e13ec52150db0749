//! Levels at which a backend's figures did not stand still, so that they depend
//! on when they were taken.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::figure::Row;
use super::saturation::Pace;
use crate::cell::row::CellRow;
use crate::cell::steady_state::Trends;
use crate::config::Level;
use crate::report::Report;
use crate::report::prose::warnings::{Severity, Warning};
use crate::stats::median;
use crate::stats::trend::Trend;
use crate::text::number::percent;

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Output tokens over time.
    OutputTokens,
    /// Time to first token.
    TtftMs,
    /// Time per output token.
    TpotMs,
}

const ALL: [Series; 3] = [Series::OutputTokens, Series::TtftMs, Series::TpotMs];

/// A series of one backend at one level that rose or fell over the measured
/// window in most of its repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unsteady {
    /// Which series.
    pub series: Series,
    /// Change over the window as a share of the median: the middle one of the
    /// repeats that changed.
    pub change: f64,
    /// Repeats in which it changed that way.
    pub repeats: usize,
    /// Repeats in which it could be told.
    pub of: usize,
}

impl Series {
    fn of(self, trends: &Trends) -> Option<Trend> {
        match self {
            Self::OutputTokens => trends.output_tokens,
            Self::TtftMs => trends.ttft_ms,
            Self::TpotMs => trends.tpot_ms,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::OutputTokens => "output tokens per second",
            Self::TtftMs => "time to first token",
            Self::TpotMs => "time per output token",
        }
    }

    /// Whether a metric moves with the series.
    fn carries(self, metric: &str) -> bool {
        match metric {
            "ttft_ms" => self == Self::TtftMs,
            "tpot_ms" | "itl_ms" | "decode_ms_per_token" | "per_user_token_rate" => {
                self == Self::TpotMs
            }
            "e2e_latency_ms" | "e2e_from_schedule_ms" => self != Self::OutputTokens,
            "goodput" => true,
            _ => self == Self::OutputTokens,
        }
    }
}

/// The unsteady series of one backend's cells at a level. A backend that cannot
/// keep up with an offered rate, or is sent everything at once, has a queue that
/// grows or shrinks all the time: that is no fault of the measurement, and told
/// by its pace.
pub(crate) fn of(level: Level, cells: &[&CellRow], pace: Option<Pace>) -> Vec<Unsteady> {
    let is_queueing = match level {
        Level::Concurrency(_) => false,
        Level::RequestRate(rate) => rate.0.is_infinite() || pace.is_some_and(|p| !p.keeps_up),
    };
    if is_queueing {
        return Vec::new();
    }
    let found = ALL.into_iter().map(|series| unsteady(series, cells));
    found.flatten().collect()
}

fn unsteady(series: Series, cells: &[&CellRow]) -> Option<Unsteady> {
    let trends = cells.iter().filter_map(|cell| series.of(&cell.trends));
    let trends: Vec<Trend> = trends.collect();
    let mattering = trends.iter().filter(|trend| trend.matters());
    let (up, down): (Vec<f64>, Vec<f64>) = mattering
        .map(|trend| trend.change)
        .partition(|change| *change > 0.0);
    let changes = if up.len() > down.len() { up } else { down };
    let repeats = changes.len();
    let change = median(changes).filter(|_| 2 * repeats > trends.len())?;
    Some(Unsteady {
        series,
        change,
        repeats,
        of: trends.len(),
    })
}

/// Which way a metric of a row moved while it was taken: for the better, for the
/// worse; empty if it stood still.
fn ways(row: &Row, metric: &str) -> impl Iterator<Item = bool> {
    let own = row.unsteady.iter().filter(|u| u.series.carries(metric));
    own.map(|u| (u.series == Series::OutputTokens) == (u.change > 0.0))
}

/// Whether a lead of `best` over `second` could have come out otherwise over
/// another window: the one was getting worse, or the other better.
pub(crate) fn undermines(best: &Row, second: &Row, metric: &str) -> bool {
    ways(best, metric).any(|better| !better) || ways(second, metric).any(|better| better)
}

/// Whether a metric of the row moved at all while it was taken.
pub(crate) fn is_unsteady(row: &Row, metric: &str) -> bool {
    ways(row, metric).next().is_some()
}

pub(crate) fn warnings(report: &Report) -> impl Iterator<Item = Warning> {
    report.rows.iter().flat_map(|row| {
        row.unsteady.iter().map(|unsteady| Warning {
            severity: Severity::Critical,
            text: unsteady.words(),
            backend: Some(row.backend.clone()),
            levels: vec![row.level],
        })
    })
}

impl Unsteady {
    /// What happened, and what to do.
    fn words(&self) -> String {
        let way = if self.change > 0.0 { "rises" } else { "falls" };
        let repeats = match self.of {
            1 => String::new(),
            of => format!(" in {} of {of} repeats", self.repeats),
        };
        format!(
            "not steady: {} {way} by {} over the measured time{repeats}; warm up longer (load.warmup_requests) and measure longer",
            self.series.words(),
            percent(self.change.abs())
        )
    }
}
