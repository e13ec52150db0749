//! What follows from the numbers: config types, plan, schedule, prompts,
//! records, metrics and the report as data. Values in, values out: no clock,
//! file, socket or process.

pub mod calibration;
pub mod causes;
pub mod cell;
pub mod config;
pub mod difference;
pub mod doctor;
pub mod exchange;
pub mod fold;
pub mod hardware;
pub mod inference;
pub mod kv_cache;
pub mod manifest;
pub mod metrics;
pub mod nearest;
pub mod packed;
mod picture;
pub mod plan;
pub mod prompt;
pub mod reason;
pub mod record;
pub mod report;
pub mod sample;
pub mod schedule;
pub mod seed;
pub mod self_check;
pub mod stats;
pub mod steady;
pub mod text_marks;
pub mod trend;
pub mod units;
pub mod verify;
pub mod yaml;
