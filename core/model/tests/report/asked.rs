//! What backends were asked for that they cannot do, or that says little of real
//! use.

use inferbench_model::facts::warning::{WarningCode, WarningKind};
use inferbench_model::report::Report;
use inferbench_test_support::runs::{Run, two_backends};

fn kinds(report: &Report, label: &str) -> Vec<WarningKind> {
    let own = report.warnings.iter();
    let own = own.filter(|warning| warning.backend.as_deref() == Some(label));
    own.map(|warning| warning.kind.clone()).collect()
}

fn has(report: &Report, label: &str, code: WarningCode) -> bool {
    kinds(report, label).iter().any(|kind| kind.code() == code)
}

#[test]
fn a_backend_that_takes_one_request_at_a_time_is_named_with_the_levels_above() {
    let mut run = two_backends();
    assert!(!has(&run.report(), "slow", WarningCode::OneRequestAtATime));
    run.manifest.backends[1].one_request_at_a_time = true;
    let report = run.report();
    assert!(report.backends[1].one_request_at_a_time);
    // Of the levels 1 and 2.
    let expected = WarningKind::OneRequestAtATime { levels: 1 };
    assert!(kinds(&report, "slow").contains(&expected));
    assert!(!has(&report, "fast", WarningCode::OneRequestAtATime));
}

fn speculating(workload: &str) -> Run {
    let mut run = two_backends();
    let stage = run.manifest.stages.iter_mut().find(|s| s.backend == "fast");
    stage.unwrap().command = Some(vec!["serve".to_owned(), "--speculative-config".to_owned()]);
    run.config.workload = serde_json::from_str(workload).unwrap();
    run.manifest.config = serde_json::to_value(&run.config).unwrap();
    run
}

#[test]
fn speculation_is_a_warning_with_random_prompts_of_forced_length_alone() {
    let warns = |workload: &str| {
        let report = speculating(workload).report();
        has(&report, "fast", WarningCode::SpeculationOnRandomPrompts)
    };
    assert!(warns(r#"{"output_tokens": 5}"#));
    assert!(!warns(r#"{"output_tokens": 5, "force_output": false}"#));
    assert!(!warns(
        r#"{"output_tokens": 5, "prompts": "jsonl", "file": "x"}"#
    ));
}

#[test]
fn acceptance_is_shown_where_the_server_counts_it() {
    let mut run = two_backends();
    for stage in run
        .manifest
        .stages
        .iter_mut()
        .filter(|s| s.backend == "slow")
    {
        stage.evidence.draft_acceptance_ratio = Some(0.25);
    }
    let report = run.report();
    let accepted_ratio = 0.25;
    let expected = WarningKind::SpeculationAcceptance { accepted_ratio };
    assert!(kinds(&report, "slow").contains(&expected));
    assert!(has(
        &report,
        "slow",
        WarningCode::SpeculationOnRandomPrompts
    ));
    let shown = report.warnings.iter().find(|w| w.kind == expected).unwrap();
    assert!(shown.text.contains("25"), "{}", shown.text);
}
