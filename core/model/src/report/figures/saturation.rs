//! Whether a backend keeps up with the rate that an open loop offers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::figure::Row;
use crate::cell::row::CellRow;
use crate::config::Level;
use crate::report::wording::{at_levels, listed};
use crate::report::{DigestOf, Report};
use crate::text::number::three_digits;

/// Share of the offered rate below which a backend does not keep up.
pub const KEEPS_UP_FROM: f64 = 0.95;

/// Fewer requests tell nothing of a rate: one of them is too large a share.
const FEWEST_REQUESTS: usize = 20;

/// Offered and completed rate of one backend at one level of an open loop,
/// over all repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pace {
    /// Rate of the planned sends, requests/s; a random schedule is not exactly
    /// at the rate that was asked for.
    pub offered_per_s: f64,
    /// `request_throughput`, requests/s; null if it could not be had.
    pub completed_per_s: Option<f64>,
    /// False if both that rate and the rate at which requests ended, those after
    /// the last send included, are below 95 % of the offered one. The first alone is low in
    /// a short window without warm-up too.
    pub keeps_up: bool,
}

/// The pace of the cells of one backend at one level; `None` for a closed
/// loop, an infinite rate, or too few requests.
pub(crate) fn of<'a>(level: Level, cells: &[&CellRow], digest_of: &DigestOf<'a>) -> Option<Pace> {
    let Level::RequestRate(rate) = level else {
        return None;
    };
    if rate.0.is_infinite() {
        return None;
    }
    let (mut gaps, mut planned_s, mut ended_s) = (0, 0.0, 0.0);
    for cell in cells {
        let schedule = &digest_of(cell).schedule;
        gaps += schedule.planned.n.saturating_sub(1);
        planned_s += schedule.planned.length_s();
        ended_s += schedule.ended.length_s();
    }
    if gaps + 1 < FEWEST_REQUESTS || planned_s <= 0.0 {
        return None;
    }
    let offered_per_s = gaps as f64 / planned_s;
    let rates = cells
        .iter()
        .filter_map(|cell| cell.metrics.get("request_throughput")?.typical());
    let rates: Vec<f64> = rates.collect();
    let completed = rates.iter().sum::<f64>() / rates.len() as f64;
    let completed_per_s = (!rates.is_empty()).then_some(completed);
    let least = KEEPS_UP_FROM * offered_per_s;
    let ends_slowly = ended_s > 0.0 && (gaps as f64 / ended_s) < least;
    Some(Pace {
        offered_per_s,
        completed_per_s,
        keeps_up: !(ends_slowly && completed_per_s.is_some_and(|rate| rate < least)),
    })
}

/// One sentence for each backend that does not keep up at some level.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let labels = report.backends.iter().map(|backend| &backend.label);
    labels
        .filter_map(|label| {
            let own = report.rows.iter().filter(|row| row.backend == *label);
            let behind: Vec<(&Row, Pace)> = own
                .filter_map(|row| Some((row, row.pace.filter(|pace| !pace.keeps_up)?)))
                .collect();
            let levels: Vec<Level> = behind.iter().map(|(row, _)| row.level).collect();
            let rates: Vec<String> = behind
                .iter()
                .map(|(_, pace)| {
                    let completed = pace.completed_per_s.map_or("–".to_owned(), three_digits);
                    format!("{completed} of {}", three_digits(pace.offered_per_s))
                })
                .collect();
            (!behind.is_empty()).then(|| {
                format!(
                    "{label} does not keep up with the offered rate {}: it completes {} requests/s.",
                    at_levels(&report.levels, &levels),
                    listed(&rates)
                )
            })
        })
        .collect()
}
