//! The report's figures and sentences, checked against hand arithmetic.

use inferbench_model::config::Level;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::report::{self, FairnessState, Outcome, Severity, warning_line};
use inferbench_test_support::runs::{Run, Timetable, fail, records, two_backends};
use proptest::prelude::*;

pub(crate) const FIRST: Timetable = Timetable {
    concurrency: 1,
    ttft_ms: 10.0,
    jitter_ms: 0.0,
    gap_ms: 5.0,
    tokens: 5,
    n: 8,
};

pub(crate) fn with_gap(gap_ms: f64) -> Timetable {
    Timetable { gap_ms, ..FIRST }
}

fn at(concurrency: u32, gap_ms: f64) -> Timetable {
    Timetable {
        concurrency,
        ..with_gap(gap_ms)
    }
}

#[test]
fn figures_follow_from_the_timetable() {
    let report = two_backends().report();
    let fast = report.row("fast", &Level::Concurrency(2)).unwrap();
    // two slots, 5 tokens in 10 + 4 * 5 ms each: 2 * 5 / 0.030
    let throughput = &fast.figures["output_token_throughput"];
    assert!((throughput.typical.unwrap() - 1000.0 / 3.0).abs() < 1e-6);
    assert_eq!((throughput.n, throughput.p50), (2, None));
    let ttft = &fast.figures["ttft_ms"];
    assert_eq!((ttft.typical, ttft.n), (Some(10.0), 16));
    assert!(ttft.best);
    let p99 = ttft.p99.unwrap();
    assert_eq!((p99.value, p99.n, p99.needed), (None, 16, 100));
    let slow = report.row("slow", &Level::Concurrency(2)).unwrap();
    assert_eq!(slow.figures["ttft_ms"].ratio_to_best, Some(4.0));
    assert_eq!(slow.counts.ok, 16);
}

#[test]
fn percentiles_are_pooled_over_repeats_and_never_averaged() {
    let mut run = Run::new(&["fast"], &[1], 2);
    // 9 requests of 10 ms and 1 of 100 ms: the pooled median is 10, the mean of
    // the medians 55
    run.add(records("fast", 0, Timetable { n: 9, ..FIRST }));
    run.add(records(
        "fast",
        1,
        Timetable {
            n: 1,
            ttft_ms: 100.0,
            ..FIRST
        },
    ));
    let report = run.report();
    let ttft = &report.rows[0].figures["ttft_ms"];
    assert_eq!(ttft.typical, Some(10.0));
    assert_eq!((ttft.block_min, ttft.block_max), (Some(10.0), Some(100.0)));
    // type 7 over nine 10s and one 100: rank 0.9 * 9 = 8.1, so 10 + 0.1 * 90
    assert!((ttft.p90.unwrap().value.unwrap() - 19.0).abs() < 1e-9);
}

#[test]
fn a_clear_winner_is_named_with_its_ratio() {
    let report = two_backends().report();
    assert_eq!(
        report.answer,
        [
            "fast serves Qwen/Qwen2.5-0.5B-Instruct fastest here.",
            "It gives 2.00 to 4.00 times the output tokens per second of the next backend at every level.",
        ]
    );
    let comparison = report
        .comparison("ttft_ms", &Level::Concurrency(2))
        .unwrap();
    assert_eq!(comparison.outcome, Outcome::Faster);
    assert!((comparison.interval.unwrap().ratio - 0.25).abs() < 1e-9);
}

#[test]
fn a_winner_that_changes_with_the_load_is_named_per_level() {
    let mut run = Run::new(&["a", "b"], &[1, 2, 4], 2);
    for block in 0..2 {
        for (concurrency, gap_a, gap_b) in [(1, 5.0, 10.0), (2, 10.0, 5.0), (4, 20.0, 5.0)] {
            run.add(records("a", block, at(concurrency, gap_a)));
            run.add(records("b", block, at(concurrency, gap_b)));
        }
    }
    let report = run.report();
    assert_eq!(
        report.answer[0],
        "Which backend serves Qwen/Qwen2.5-0.5B-Instruct fastest changes with the load: a at concurrency 1 and b from concurrency 2 on."
    );
}

#[test]
fn equal_backends_are_called_equal() {
    let mut run = Run::new(&["a", "b"], &[1, 2], 2);
    for block in 0..2 {
        for concurrency in [1, 2] {
            run.add(records("a", block, at(concurrency, 5.0)));
            run.add(records("b", block, at(concurrency, 5.0)));
        }
    }
    assert_eq!(
        run.report().answer,
        ["a and b serve Qwen/Qwen2.5-0.5B-Instruct equally fast at every level (within 3 %)."]
    );
}

#[test]
fn scattered_repeats_show_no_winner() {
    let mut run = Run::new(&["a", "b"], &[1], 2);
    for (block, gap_a, gap_b) in [(0, 5.0, 10.0), (1, 11.0, 10.0)] {
        run.add(records("a", block, with_gap(gap_a)));
        run.add(records("b", block, with_gap(gap_b)));
    }
    assert_eq!(
        run.report().answer,
        [
            "No winner could be shown: at concurrency 1 the repeats scatter too much to tell a and b apart."
        ]
    );
}

#[test]
fn the_first_sentence_says_that_a_run_is_simulated() {
    let mut run = two_backends();
    for backend in &mut run.manifest.backends {
        backend.simulated = true;
    }
    let report = run.report();
    assert!(report.simulated);
    assert!(report.answer[0].starts_with("Simulated: fast"));
    run.manifest.backends[0].simulated = false;
    assert!(run.report().answer[0].starts_with("Partly simulated (slow): fast"));
}

#[test]
fn what_more_than_two_backends_all_have_is_said_once() {
    let warned = |labels: &[&str], odd: &[&str]| {
        let mut run = Run::new(labels, &[1, 2], 1);
        for label in labels {
            for concurrency in [1, 2] {
                let mut own = records(label, 0, at(concurrency, 5.0));
                if odd.contains(label) {
                    own[3].output_tokens = Some(4);
                }
                run.add(own);
            }
        }
        let report = run.report();
        let about = report.warnings.iter();
        let about = about.filter(|w| w.text.contains("another length"));
        about
            .map(|w| warning_line(w, &report.levels))
            .collect::<Vec<_>>()
    };
    let three = ["a", "b", "c"];
    assert_eq!(
        warned(&three, &three),
        [
            "at every level: 1 of 8 answers had another length than was asked; and 5 more like it, over all backends"
        ]
    );
    let own =
        "at every level: 1 of 8 answers had another length than was asked; and 1 more like it";
    let of = |label| format!("{label}, {own}");
    assert_eq!(warned(&three, &["a", "b"]), [of("a"), of("b")]);
    assert_eq!(warned(&["a", "b"], &["a", "b"]), [of("a"), of("b")]);
}

#[test]
fn unequal_work_is_a_critical_warning() {
    let mut run = Run::new(&["a", "b"], &[1], 1);
    run.add(records("a", 0, FIRST));
    let mut longer = records("b", 0, FIRST);
    for record in &mut longer {
        record.input_tokens = Some(540);
        record.text_sha256 = Some("f".repeat(64));
    }
    longer[0].text_sha256 = Some(format!("{:064x}", 0));
    run.add(longer);
    let report = run.report();
    let prompt = &report.fairness.rows[0];
    assert_eq!(
        (prompt.what.as_str(), prompt.state),
        ("Prompt tokens", FairnessState::Differs)
    );
    assert!(report.warnings.iter().any(|warning| {
        warning.severity == Severity::Critical && warning.text.contains("Prompt tokens")
    }));
    let agreement = &report.fairness.agreement[0];
    assert_eq!((agreement.identical, agreement.compared), (1, 8));
    let command = report
        .fairness
        .rows
        .iter()
        .find(|row| row.what == "Launched as")
        .unwrap();
    assert!(!command.breaks());
}

#[test]
fn the_schema_of_cells_describes_a_row() {
    let run = two_backends();
    let file = inferbench_model::cell::row::CellsFile {
        schema_version: 1,
        simulated: false,
        cells: run.cells,
    };
    let schema = jsonschema::validator_for(&inferbench_model::cell::row::schema()).unwrap();
    let json = serde_json::to_value(file).unwrap();
    assert!(
        schema.is_valid(&json),
        "{:?}",
        schema.iter_errors(&json).next()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_report_follows_its_schema_and_survives_json(
        gaps in prop::collection::vec(0.1f64..50.0, 8),
        n in 1u64..20,
        tokens in 1u32..6,
        failed in 0usize..20,
        limited: bool,
    ) {
        let mut run = Run::new(&["a", "b"], &[1, 2], 2);
        let mut gap = gaps.iter();
        for block in 0..2 {
            for concurrency in [1, 2] {
                for backend in ["a", "b"] {
                    let gap_ms = *gap.next().unwrap();
                    let plan = Timetable { n, tokens, ..at(concurrency, gap_ms) };
                    let mut own = records(backend, block, plan);
                    own.iter_mut().take(failed).for_each(|r| fail(r, "timeout", None, "late"));
                    let check = SelfCheck { client_was_limit: limited, ..SelfCheck::default() };
                    run.add_checked(own, check);
                }
            }
        }
        let report = run.report();
        let schema = jsonschema::validator_for(&report::schema()).unwrap();
        let json = serde_json::to_value(&report).unwrap();
        prop_assert!(schema.is_valid(&json), "{:?}", schema.iter_errors(&json).next());
        prop_assert!(!report.answer.is_empty());
        for row in &report.rows {
            for figure in row.figures.values() {
                if let (Some(p50), Some(p99)) = (figure.p50, figure.p99) {
                    prop_assert!(p99.value.is_none() || p50.value <= p99.value);
                }
            }
        }
    }
}
