//! From a launch plan to a server that is ready, and to its certain end. What is
//! measured on it is for `run`.

pub(crate) mod fetch;
pub mod launch;
pub mod method;
pub(crate) mod probe;
pub(crate) mod readiness;
mod stops;
pub mod supervise;

pub use stops::Stops;
