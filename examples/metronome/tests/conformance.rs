//! The engine does what InferBench asks of every plugin.

// Linked for its registration, which nothing names.
use inferbench_metronome as _;
use inferbench_plugin_api::abi::this_library;
use inferbench_testkit::conformance;
use serde_json::Map;

#[test]
fn it_passes_the_conformance_suite() {
    let report = conformance(this_library(), "metronome", &Map::new());
    assert!(report.passed(), "{report}");
}
