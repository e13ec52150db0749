//! Words decide nothing: a report without any sentence has the same figures,
//! verdicts, marks and codes.

use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::warning::WarningCode;
use inferbench_model::report::{Report, Severity};
use inferbench_test_support::runs::{Run, fail, one_failed, one_of_each, two_backends};

/// Takes every sentence out of a report.
fn silence(report: &mut Report) {
    report.answer.clear();
    for mark in &mut report.trust {
        mark.text.clear();
    }
    for tile in &mut report.tiles {
        tile.sentence.clear();
        tile.doubts.iter_mut().for_each(|doubt| doubt.text.clear());
    }
    for absence in report
        .rows
        .iter_mut()
        .filter_map(|row| row.absence.as_mut())
    {
        absence.text.clear();
    }
    for warning in &mut report.warnings {
        warning.text.clear();
    }
}

/// A run whose client was the limit, some of whose requests failed and whose
/// prompts were counted otherwise than sent.
fn troubled() -> Run {
    let mut run = two_backends();
    let mut taken = std::mem::take(&mut run.records);
    run.cells.clear();
    for (place, mut records) in taken.drain(..).enumerate() {
        records[0].input_tokens = Some(600);
        fail(&mut records[1], "timeout", None, "nothing came");
        let busy = SelfCheck {
            client_cpu_percent: Some(if place == 0 { 97.0 } else { 5.0 }),
            ..SelfCheck::default()
        };
        run.add_checked(records, busy);
    }
    run
}

#[test]
fn a_report_without_words_has_the_same_verdicts_marks_and_codes() {
    for run in [two_backends(), one_of_each(), one_failed(), troubled()] {
        let mut report = run.report();
        assert!(!report.answer.is_empty());
        silence(&mut report);
        assert_eq!(report, run.report_without_words());
    }
}

#[test]
fn every_warning_has_a_code_and_the_severity_of_its_code() {
    let report = troubled().report();
    let codes: Vec<WarningCode> = report.warnings.iter().map(|w| w.code()).collect();
    for expected in [
        WarningCode::ClientBusy,
        WarningCode::RequestsFailed,
        WarningCode::PromptLengthDiffers,
    ] {
        assert!(codes.contains(&expected), "{codes:?}");
    }
    for warning in &report.warnings {
        assert_eq!(warning.severity, warning.code().severity());
        assert!(!warning.text.is_empty());
    }
    assert_eq!(report.warnings[0].severity, Severity::Critical);
}
