//! What follows from the numbers: config types, plan, schedule, prompts,
//! records, metrics and the report as data. Values in, values out: no clock,
//! file, socket or process.

pub mod cell;
pub mod config;
pub mod doctor;
pub mod facts;
pub mod hardware;
pub mod kv_cache;
pub mod metrics;
pub mod plan;
pub mod prompts;
pub mod report;
pub mod stats;
pub mod text;
pub mod verify;
pub mod yaml;
