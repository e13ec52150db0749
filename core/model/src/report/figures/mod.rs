//! The figures of each backend at each level, before any verdict.

pub(crate) mod capacity;
pub(crate) mod classes;
pub(crate) mod columns;
pub(crate) mod distribution;
pub(crate) mod figure;
pub(crate) mod pareto;
mod parts;
pub(crate) mod replicas;
pub(crate) mod requests;
pub(crate) mod row;
pub(crate) mod saturation;
pub(crate) mod steady_state;
pub(crate) mod streaming;
pub(crate) mod turns;
