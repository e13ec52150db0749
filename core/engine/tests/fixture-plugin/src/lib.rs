//! Two backends in one library, for the tests of the boundary: an engine that
//! generates inside the process, and one that misbehaves as its options ask.

mod engine;
mod faulty;
mod mischief;

pub use engine::FixtureEngine;
pub use faulty::FixtureFaulty;

inferbench_plugin_api::register_backend!(FixtureFaulty);
inferbench_plugin_api::export_backend!(FixtureEngine);
