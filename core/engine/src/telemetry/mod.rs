//! Samples GPUs and the host while a run goes on. What the samples mean is for the
//! model.

pub mod gpu;
pub mod host;
