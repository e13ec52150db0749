//! Conversations turn by turn: latency as the history grows, and what of it the prefix
//! cache saved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::measured::MeasuredCell;
use crate::cell::turns::{TURNS_APART, Turn, Turns};
use crate::config::Level;
use crate::report::Row;
use crate::stats::Summary;

/// One turn of the conversations of a backend at a level, over all repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnRow {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Turn, from 0.
    pub turn: u32,
    /// It stands for all later turns, too.
    pub and_later: bool,
    /// Successful measured requests.
    pub requests: u64,
    /// Time to first token, median, ms.
    pub ttft_ms_p50: Option<f64>,
    /// Its 90th percentile; null below 10 requests.
    pub ttft_ms_p90: Option<f64>,
    /// End-to-end latency, median, ms.
    pub e2e_latency_ms_p50: Option<f64>,
    /// Share of the requests that met their limits, 0 to 1; null without limits.
    #[serde(default)]
    pub slo_attainment: Option<f64>,
    /// Prompt tokens as the server counted them, mean.
    pub input_tokens_mean: Option<f64>,
    /// Share of the prompt that the server says it had cached, 0 to 1.
    pub cached_share: Option<f64>,
    /// Share of the prompt that an earlier request of the cell had, 0 to 1: what a cache
    /// of any size could have saved.
    pub repeated_share: Option<f64>,
    /// How much later than its pause a turn was sent at most, ms.
    pub turn_lag_ms_max: Option<f64>,
}

pub(crate) fn all(rows: &[Row], cells: &[MeasuredCell<'_>]) -> Vec<TurnRow> {
    let of_row = |row: &Row| {
        let own = cells.iter().filter(|cell| row.is_made_of(&cell.row));
        let turns = Turns::together(own.map(|cell| &cell.digest.work.turns));
        let each = turns.into_iter().enumerate();
        let rows = each.filter(|(_, turn)| turn.requests > 0);
        let rows = rows.map(|(place, turn)| turn_row(row, place, turn));
        rows.collect::<Vec<_>>()
    };
    rows.iter().flat_map(of_row).collect()
}

fn turn_row(row: &Row, place: usize, turn: Turn) -> TurnRow {
    let share = |(whole, part): (u64, u64)| (whole > 0).then(|| part as f64 / whole as f64);
    let ttft = Summary::from_values(turn.ttft_ms).with_enough_values();
    TurnRow {
        backend: row.backend.clone(),
        level: row.level,
        turn: u32::try_from(place).unwrap_or(u32::MAX),
        and_later: place + 1 == TURNS_APART,
        requests: turn.requests,
        ttft_ms_p50: ttft.p50,
        ttft_ms_p90: ttft.p90,
        e2e_latency_ms_p50: Summary::from_values(turn.e2e_latency_ms).p50,
        slo_attainment: share((turn.met.1, turn.met.0)),
        input_tokens_mean: share((turn.input.1, turn.input.0)),
        cached_share: share(turn.cached),
        repeated_share: share(turn.repeated),
        turn_lag_ms_max: Summary::from_values(turn.lag_ms).max,
    }
}
