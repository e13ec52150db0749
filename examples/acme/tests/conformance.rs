//! The plugin does what InferBench asks of every plugin, and reads what its
//! server really answered.

// Linked for its registration, which nothing names.
use inferbench_acme as _;
use inferbench_plugin_api::abi::this_library;
use inferbench_testkit::{conformance, exchanges::replay_folder};
use serde_json::Map;

#[test]
fn it_passes_the_conformance_suite() {
    let report = conformance(this_library(), "acme", &Map::new());
    assert!(report.passed(), "{report}");
}

#[test]
fn it_reads_every_recorded_exchange() {
    let report = replay_folder(this_library(), "exchanges");
    assert!(report.passed(), "{report}");
}
