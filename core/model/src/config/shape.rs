//! How the rate of an open loop goes over time, as the config writes it. What follows
//! from it is for `plan::rate_curve`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::units::DurationText;

/// How the rate goes over time. Every rate is a factor of the level's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LoadShape {
    /// One rate after the other; the last one goes on.
    Steps(Vec<Step>),
    /// From one rate to another, evenly; the latter goes on.
    Ramp(Ramp),
    /// Another rate for a time, the level's own before and after it.
    Spike(Spike),
    /// The level's rate and none at all by turns.
    OnOff(OnOff),
}

/// A rate that holds for a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long it holds.
    #[serde(rename = "for")]
    pub lasts: DurationText,
    /// Factor of the level's rate; 0 is a pause.
    #[schemars(range(min = 0))]
    pub rate: f64,
}

/// A rate that rises or falls evenly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Factor of the level's rate at the start.
    #[schemars(range(min = 0))]
    pub from: f64,
    /// The same at the end, and from then on.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub to: f64,
    /// How long it takes.
    pub over: DurationText,
}

/// A rate that is another one for a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spike {
    /// When it begins.
    pub at: DurationText,
    /// How long it lasts.
    #[serde(rename = "for")]
    pub lasts: DurationText,
    /// Factor of the level's rate; 0 is a pause.
    #[schemars(range(min = 0))]
    pub rate: f64,
}

/// Load and none by turns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnOff {
    /// How long there is load.
    pub on: DurationText,
    /// How long there is none.
    pub off: DurationText,
}
