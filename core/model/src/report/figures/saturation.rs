//! Whether a backend keeps up with the rate that an open loop offers.

use super::row::Pace;
use crate::cell::measured::MeasuredCell;
use crate::config::Level;

/// Share of the offered rate below which a backend does not keep up.
pub const KEEPS_UP_FROM: f64 = 0.95;

/// Fewer requests say nothing about a rate: one of them is too large a share.
const FEWEST_REQUESTS: usize = 20;

/// The pace of the cells of one backend at one level; `None` for a closed
/// loop, an infinite rate, or too few requests.
pub(crate) fn pace(level: Level, cells: &[&MeasuredCell<'_>]) -> Option<Pace> {
    if !level.is_timed() {
        return None;
    }
    let (mut gaps, mut planned_s, mut ended_s) = (0, 0.0, 0.0);
    for cell in cells {
        let schedule = &cell.digest.schedule;
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
        .filter_map(|cell| cell.row.metrics.get("request_throughput")?.typical());
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
