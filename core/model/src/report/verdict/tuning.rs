//! What a tuning has found of each sweep: which point is best, and is it sure.

mod from_facts;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::effects::Effect;
use crate::config::{Objective, SearchOver};

pub(crate) use from_facts::all;

/// What a tuning has found of one sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tuning {
    /// Label of the swept backend.
    pub backend: String,
    /// What was made large.
    pub objective: Objective,
    /// What the load is, where that is the objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<SearchOver>,
    /// How it ended.
    pub end: TuningEnd,
    /// Label of the best point; absent if none has a value.
    pub best: Option<String>,
    /// Whether it is sure.
    pub verdict: TuningVerdict,
    /// Every point, the best first; those that were left out after them.
    pub points: Vec<TunedPoint>,
    /// Which settings mattered, by what was measured of all points alike.
    pub effects: Vec<Effect>,
    /// The best point as an entry of `backends` in a config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// The command line that its server was started with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// All this in words.
    #[serde(default)]
    pub text: String,
}

/// How a tuning ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TuningEnd {
    /// Every point had a look, and the last few were measured in full.
    Done,
    /// Its budget was spent.
    OutOfTime,
    /// It was cut off.
    CutOff,
}

/// What the last few points show, measured in full on fresh servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TuningVerdict {
    /// The best is better than each other by more than 3 %.
    Better,
    /// No two of them differ by more than 3 %.
    Equal,
    /// Neither is shown.
    Open,
    /// Fewer than two of them, or than two repeats, have values.
    NoVerdict,
}

/// One point of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TunedPoint {
    /// Its label.
    pub backend: String,
    /// The settings that were swept.
    pub settings: BTreeMap<String, Value>,
    /// What became of it.
    pub end: PointEnd,
    /// Each start, in order.
    pub rounds: Vec<TunedRound>,
    /// Geometric mean of the repeats that were measured in full; of a point that was left
    /// out, that of its looks, the longer ones weighing more.
    pub value: Option<f64>,
    /// The best against it, where both were measured in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_against: Option<BestAgainst>,
    /// Why it did not start or did not last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The best point against another: a ratio with its 95 % interval, for all of them
/// together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BestAgainst {
    /// Ratio of the best to the other.
    pub ratio: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointEnd {
    /// It was measured in full.
    Finalist,
    /// Others were better in a look.
    LeftOut,
    /// The time did not suffice for a look.
    NotReached,
    /// It did not start, or did not last.
    Failed,
    /// Nothing that was measured of it keeps the promise, or has a value.
    NoValue,
}

/// One start of a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TunedRound {
    /// Block, from 0.
    pub block: u32,
    /// Part of a full measurement, 0 to 1.
    pub share: f64,
    /// The value of the objective.
    pub value: Option<f64>,
    /// Everything that was measured can be trusted.
    pub trustworthy: bool,
}
