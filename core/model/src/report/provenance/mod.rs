//! Where the figures come from: backends, machine, versions, self-check.

pub(crate) mod backend;
pub(crate) mod cache_audit;
pub(crate) mod environment;
pub(crate) mod fact;
pub(crate) mod reproduce;
pub(crate) mod self_check;
mod workload;
