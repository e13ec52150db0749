//! The wall clock jumps in the middle of a run: nothing is measured by it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::process::Stdio;

use common::place::{Place, ended};
use common::preload;
use common::{json_file, said};

const CONFIG: &str = "
name: clock
model: { id: simulated }
backends: [ { label: a, plugin: sim, options: { fixed_ttft_ms: 20, fixed_itl_ms: 20 } } ]
workload: { input_tokens: 16, output_tokens: 64 }
load: { concurrency: [4], requests: 24 }
repeats: 1
";

#[test]
fn a_wall_clock_that_jumps_moves_no_latency_and_is_warned_of() {
    for shift in ["10800", "-10800"] {
        let place = Place::new(CONFIG);
        let (library, by) = (
            preload::built(&place.path("."), preload::WALL_CLOCK),
            place.path("shift"),
        );
        fs::write(&by, "0").unwrap();
        let mut run = place.run();
        run.env("LD_PRELOAD", library).env("WALL_SHIFT_FILE", &by);
        let log = fs::File::create(place.path("stderr")).unwrap();
        let mut child = run.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        place.wait_for_records(4);
        fs::write(&by, shift).unwrap();
        assert_eq!(ended(&mut child).code(), Some(0), "{}", place.said());
        let cells = json_file(&place.folder().join("cells.json"));
        let cell = &cells["cells"][0];
        assert_eq!(cell["counts"]["ok"], 24);
        // 63 gaps of 20 ms after the first token; a jump of 3 h would be 10,800,000 ms.
        let longest_ms = cell["e2e_latency_ms"]["max"].as_f64().unwrap();
        assert!((1200.0..30_000.0).contains(&longest_ms), "{longest_ms} ms");
        let warnings = cell["warnings"].to_string();
        assert!(warnings.contains("clock-jumped"), "{shift}: {warnings}");
        let verified = said(place.command().arg("verify").arg(place.folder()));
        assert_eq!(verified.code, Some(0), "{shift}: {}", verified.out);
    }
}
