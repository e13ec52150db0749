//! Levels at which a backend's figures were not steady, so that they depend on
//! when they were taken.

use super::row::{Pace, Row, Series, Unsteady};
use crate::cell::measured::MeasuredCell;
use crate::cell::steady_state::{ALPHA, Trends};
use crate::config::Level;
use crate::stats::inference::p_of_mean;
use crate::stats::median;
use crate::stats::trend::Trend;

const ALL: [Series; 3] = [Series::OutputTokens, Series::TtftMs, Series::TpotMs];

impl Series {
    fn trend(self, trends: &Trends) -> Option<Trend> {
        match self {
            Self::OutputTokens => trends.output_tokens,
            Self::TtftMs => trends.ttft_ms,
            Self::TpotMs => trends.tpot_ms,
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

/// Series that moved, and series of which that cannot be told.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    pub(crate) unsteady: Vec<Unsteady>,
    pub(crate) maybe_unsteady: Vec<Unsteady>,
}

/// The unsteady series of one backend's cells at a level. A backend that cannot
/// keep up with an offered rate, or is sent everything at once, has a queue that
/// grows or shrinks all the time: that is no fault of the measurement, and its pace
/// shows it. Nor is it one that the load of a trace rises and falls.
pub(crate) fn find_unsteady(
    level: Level,
    cells: &[&MeasuredCell<'_>],
    pace: Option<Pace>,
) -> Moved {
    let is_queueing = match level {
        Level::Concurrency(_) => false,
        Level::RequestRate(rate) => rate.0.is_infinite() || pace.is_some_and(|p| !p.keeps_up),
        // The load itself rises and falls.
        Level::TraceSpeed(_) => true,
    };
    if is_queueing {
        return Moved::default();
    }
    let mut moved = Moved::default();
    for series in ALL {
        let trends = cells.iter();
        let trends = trends.filter_map(|cell| series.trend(&cell.row.trends));
        let trends: Vec<Trend> = trends.collect();
        let all = trends.len();
        let sure = most(series, &trends, |trend| trend.matters(all));
        let sure = sure.or_else(|| in_all(series, &trends));
        let may = |trend: &Trend| trend.matters(all) || trend.may_matter();
        match sure {
            Some(unsteady) => moved.unsteady.push(unsteady),
            None => moved.maybe_unsteady.extend(most(series, &trends, may)),
        }
    }
    moved
}

/// The series if more than half of its repeats have a trend that matters in the same
/// direction.
fn most(series: Series, trends: &[Trend], matters: impl Fn(&Trend) -> bool) -> Option<Unsteady> {
    let mattering = trends.iter().filter(|trend| matters(trend));
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

/// The series if it moved in all of two or more repeats, and by about as much in each:
/// what depends on chance within a repeat is another in the next, which is another
/// start. By Student's t over the repeats' changes.
fn in_all(series: Series, trends: &[Trend]) -> Option<Unsteady> {
    let changes: Vec<f64> = trends.iter().map(|trend| trend.change).collect();
    let alike = p_of_mean(&changes).is_some_and(|p| p < ALPHA);
    let moved = most(series, trends, Trend::may_matter)?;
    (alike && moved.repeats == trends.len()).then_some(moved)
}

/// Which way a metric of a row moved while it was taken: for the better, for the
/// worse; empty if it was steady.
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
