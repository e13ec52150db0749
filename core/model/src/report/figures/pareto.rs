//! Throughput against speed per user: what a backend gives to all of its users
//! together, and to each of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::row::{Figure, Row};
use crate::config::{Level, SloConfig};
use crate::facts::manifest::Manifest;
use crate::text::units::{NS_PER_MS, NS_PER_S};

/// Share of requests that must meet the SLO for a level to keep it. Source: the
/// attainment goal of DistServe, arXiv:2401.09670 section 2.
pub const KEEPS_SLO_FROM: f64 = 0.9;

const SPEED: &str = "per_user_token_rate";
const THROUGHPUT: &str = "output_token_throughput";

/// Throughput against speed per user over all backends and levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trade {
    /// Whose throughput it is.
    pub per: TradePer,
    /// Output tokens per second and user below which time per output token
    /// breaks its limit; absent without such a limit.
    pub slowest_within_slo_per_s: Option<f64>,
    /// One point per backend and level, in the order of the rows.
    pub points: Vec<TradePoint>,
}

/// Whose throughput a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TradePer {
    /// The one GPU that was sampled.
    Gpu,
    /// The machine: no GPU was sampled, or several, of which a backend need not
    /// have used all.
    Machine,
}

/// One backend at one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TradePoint {
    /// Label of the backend.
    pub backend: String,
    /// Level of the load.
    pub level: Level,
    /// Output tokens per second that one user sees, median over requests.
    pub speed: Reach,
    /// Output tokens per second in all.
    pub throughput: Reach,
    /// No other point has both more throughput and more speed; of the points that
    /// keep the SLO, where there is one.
    pub best: bool,
    /// Whether at least 90 % of the completed requests met the SLO; absent
    /// without an SLO.
    pub keeps_slo: Option<bool>,
}

/// A typical value, and how far the repeats lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// Typical value.
    pub typical: f64,
    /// Smallest typical value of a repeat.
    pub low: f64,
    /// Largest typical value of a repeat.
    pub high: f64,
}

impl Reach {
    fn from_figure(figure: &Figure) -> Option<Self> {
        let typical = figure.typical?;
        Some(Self {
            typical,
            low: figure.block_min.unwrap_or(typical),
            high: figure.block_max.unwrap_or(typical),
        })
    }
}

/// `None` if no level has both a throughput and a speed.
pub(crate) fn build(manifest: &Manifest, slo: SloConfig, rows: &[Row]) -> Option<Trade> {
    let mut points: Vec<TradePoint> = rows.iter().filter_map(point).collect();
    mark_best(&mut points);
    (!points.is_empty()).then(|| Trade {
        per: match manifest.gpus.len() {
            1 => TradePer::Gpu,
            _ => TradePer::Machine,
        },
        slowest_within_slo_per_s: slo.tpot_ms.map(|ms| NS_PER_S / NS_PER_MS / ms),
        points,
    })
}

fn point(row: &Row) -> Option<TradePoint> {
    let goodput = row.typical("goodput");
    let completed = row.typical("request_throughput").filter(|rate| *rate > 0.0);
    Some(TradePoint {
        backend: row.backend.clone(),
        level: row.level,
        speed: Reach::from_figure(row.figures.get(SPEED)?)?,
        throughput: Reach::from_figure(row.figures.get(THROUGHPUT)?)?,
        best: false,
        keeps_slo: goodput
            .zip(completed)
            .map(|(good, all)| good / all >= KEEPS_SLO_FROM),
    })
}

fn mark_best(points: &mut [TradePoint]) {
    let place = |point: &TradePoint| (point.speed.typical, point.throughput.typical);
    let counts = |point: &&TradePoint| point.keeps_slo != Some(false);
    let values: Vec<(f64, f64)> = points.iter().filter(counts).map(place).collect();
    for point in points.iter_mut() {
        let (x, y) = place(point);
        let beats = |(a, b): &(f64, f64)| *a >= x && *b >= y && (*a > x || *b > y);
        point.best = counts(&&*point) && !values.iter().any(beats);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(speed: f64, throughput: f64) -> TradePoint {
        let reach = |typical| Reach {
            typical,
            low: typical,
            high: typical,
        };
        TradePoint {
            backend: "a".to_owned(),
            level: Level::Concurrency(1),
            speed: reach(speed),
            throughput: reach(throughput),
            best: false,
            keeps_slo: None,
        }
    }

    #[test]
    fn a_point_is_best_unless_another_has_more_of_both() {
        // (80, 300) has less of both than (90, 400); (100, 100) and (10, 900) are ends
        let mut points = [
            at(100.0, 100.0),
            at(80.0, 300.0),
            at(90.0, 400.0),
            at(10.0, 900.0),
        ];
        mark_best(&mut points);
        let best: Vec<bool> = points.iter().map(|point| point.best).collect();
        assert_eq!(best, [true, false, true, true]);
    }

    #[test]
    fn a_point_that_breaks_the_slo_is_not_best_and_beats_nothing() {
        let broken = TradePoint {
            keeps_slo: Some(false),
            ..at(100.0, 900.0)
        };
        let mut points = [broken, at(90.0, 400.0)];
        mark_best(&mut points);
        assert_eq!(points.map(|point| point.best), [false, true]);
    }

    #[test]
    fn equal_points_are_both_best() {
        let mut points = [at(5.0, 7.0), at(5.0, 7.0), at(5.0, 6.0)];
        mark_best(&mut points);
        assert_eq!(points.map(|point| point.best), [true, true, false]);
    }
}
