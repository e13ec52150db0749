//! Samples GPUs and the host while a run goes on.

pub mod gpu;
pub mod host;
