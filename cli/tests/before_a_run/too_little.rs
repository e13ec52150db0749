//! A config whose requests and repeats are too few is good, and what they are too
//! few for is reported before anything runs.

use crate::common::place::Place;
use crate::common::said;

const FEW: &str = "
name: few
model: { id: simulated }
backends:
  - { plugin: sim, options: { fixed_ttft_ms: 1, fixed_itl_ms: 1 } }
workload: { input_tokens: 8, output_tokens: 2 }
load: { concurrency: [1, 16], requests: 12 }
repeats: 1
";

const WARNINGS: [&str; 3] = [
    "warning: load.requests: 12 requests cannot fill concurrency 16: the level is never reached; give 128 or more\n",
    "note: repeats is 1: there will be figures and no verdict; set 3 or more (rule V13 of verify)\n",
    "note: load.requests: 12 a level are too few for a steady median; set 30 or more (rule V09 of verify)\n",
];

#[test]
fn validate_warns_of_levels_that_never_reach_their_load_and_accepts_them() {
    let place = Place::new(FEW);
    let said = said(
        place
            .command()
            .arg("validate")
            .arg(place.path("bench.yaml")),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.err, WARNINGS.concat());
    assert!(said.out.contains("measurements: 2 (1 backend, 1 repeat, "));
}

#[test]
fn a_run_says_the_same_before_it_starts() {
    let place = Place::new(FEW);
    let said = said(&mut place.run());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.starts_with(&WARNINGS.concat()), "{}", said.err);
}
