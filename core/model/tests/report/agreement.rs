//! Where the answers of two backends part, in the report.

use inferbench_model::facts::record::RequestRecord;
use inferbench_model::report::{Agreement, Parting, Report};
use inferbench_test_support::runs::{Run, Timetable, records};

/// 64 characters in 16 tokens: 4 characters a token.
fn plan(n: u64) -> Timetable {
    Timetable {
        concurrency: 1,
        ttft_ms: 10.0,
        jitter_ms: 0.0,
        gap_ms: 5.0,
        tokens: 16,
        n,
    }
}

const MARKS: &str = "0123456789abcdef";

/// An answer whose marks differ from `MARKS` from the `n`th on, from 0.
fn parts_at(record: &mut RequestRecord, n: usize) {
    let others = MARKS[n..].chars().rev();
    record.text_sha256 = Some("f".repeat(64));
    record.text_marks = Some(MARKS[..n].chars().chain(others).collect());
}

fn answers(backend: &str, n: u64) -> Vec<RequestRecord> {
    let mut answers = records(backend, 0, plan(n));
    for record in &mut answers {
        record.text_chars = Some(64);
        record.text_marks = Some(MARKS.to_owned());
    }
    answers
}

fn report(a: Vec<RequestRecord>, b: Vec<RequestRecord>) -> Report {
    let mut run = Run::new(&["a", "b"], &[1], 1);
    run.add(a);
    run.add(b);
    run.report()
}

fn agreement(a: Vec<RequestRecord>, b: Vec<RequestRecord>) -> Agreement {
    report(a, b).fairness.agreement.remove(0)
}

#[test]
fn answers_part_in_the_middle_of_a_stretch_in_tokens_from_one() {
    let mut b = answers("b", 8);
    for (record, n) in b.iter_mut().zip([1, 5, 9, 14]) {
        parts_at(record, n);
    }
    // Stretches of characters 4 to 7, 20 to 23, 36 to 39 and 56 to 59: tokens 2,
    // 6, 10 and 15 at 4 characters a token. The lower of the middle two is 6.
    let found = agreement(answers("a", 8), b);
    assert_eq!((found.compared, found.identical), (8, 4));
    let parting = Parting {
        looked_at: 8,
        placed: 4,
        median_token: 6,
        earliest_token: 2,
        of_tokens: 16,
        at_start: 1,
        mostly_at_start: false,
        words: "the others part at about token 6 of 16 (earliest: 2)".to_owned(),
    };
    assert_eq!(found.parting.as_ref(), Some(&parting));
    assert_eq!(
        found.line(),
        "4 of 8 (50.0 %); the others part at about token 6 of 16 (earliest: 2)"
    );
}

#[test]
fn answers_that_are_the_same_or_have_no_marks_part_nowhere() {
    assert_eq!(agreement(answers("a", 8), answers("b", 8)).parting, None);
    let mut unmarked = answers("b", 8);
    for record in &mut unmarked {
        record.text_sha256 = Some("f".repeat(64));
        record.text_marks = None;
    }
    let found = agreement(answers("a", 8), unmarked);
    assert_eq!((found.identical, found.parting), (0, None));
}

#[test]
fn malformed_marks_and_unknown_lengths_are_not_placed() {
    let mut b = answers("b", 8);
    for record in &mut b {
        parts_at(record, 8);
    }
    b[0].text_marks = Some("zz".to_owned());
    b[1].text_chars = Some(u64::MAX);
    b[2].output_tokens = None;
    // Reasoning came before the text, and its length is not known.
    b[3].first_content_ns = b[3].last_output_ns;
    b[4].output_tokens = Some(0);
    let found = agreement(answers("a", 8), b);
    let parting = found.parting.unwrap();
    assert_eq!((parting.looked_at, parting.placed), (3, 3));
    assert_eq!(
        parting.words,
        "3 of the others, which could be placed, part at about token 9 of 16 (earliest: 9)"
    );
}

#[test]
fn tokens_of_reasoning_are_none_of_the_text() {
    let reasoned = |backend| {
        let mut answers = answers(backend, 1);
        answers[0].first_content_ns = answers[0].last_output_ns;
        answers[0].reasoning_tokens = Some(8);
        answers
    };
    let mut b = reasoned("b");
    parts_at(&mut b[0], 8);
    // Characters 32 to 35 at 8 characters a token.
    let found = agreement(reasoned("a"), b);
    assert_eq!(found.line(), "0 of 1 (0 %); it parts at about token 5 of 8");
}

#[test]
fn the_answers_that_part_are_named_by_how_many_there_are() {
    let line = |n: u64, differing: usize| {
        let mut b = answers("b", n);
        for record in &mut b[..differing] {
            parts_at(record, 5);
        }
        agreement(answers("a", n), b).line()
    };
    let place = "at about token 6 of 16";
    assert_eq!(
        line(2, 1),
        format!("1 of 2 (50.0 %); the other one parts {place}")
    );
    assert_eq!(
        line(2, 2),
        format!("0 of 2 (0 %); they part {place} (earliest: 6)")
    );
    assert_eq!(line(2, 0), "2 of 2 (100 %)");
}

#[test]
fn the_first_thousand_requests_of_a_cell_are_placed() {
    let mut b = answers("b", 1010);
    for record in &mut b {
        parts_at(record, 0);
    }
    // In whatever order they came.
    b.reverse();
    let mut a = answers("a", 1010);
    a.swap(3, 1005);
    let found = agreement(a, b);
    let parting = found.parting.unwrap();
    assert_eq!((found.compared, parting.looked_at), (1010, 1000));
    assert_eq!(parting.placed, 1000);
}

#[test]
fn a_warning_says_when_half_of_ten_answers_part_at_the_start() {
    let warned = |n, early, mark| {
        let mut b = answers("b", n);
        for record in &mut b[..early] {
            parts_at(record, mark);
        }
        let report = report(answers("a", n), b);
        let mut texts = report.warnings.into_iter().map(|warning| warning.text);
        texts.find(|text| text.contains("answers part"))
    };
    // Mark 3 is that of characters 12 to 15, token 4; mark 4 that of token 5.
    assert_eq!(
        warned(10, 5, 3).unwrap(),
        "most answers part within about the first 4 tokens, which is more than rounding does: \
         a and b (5 of 10); look whether they got the same prompt (chat template, \
         beginning-of-text token) and serve the same weights"
    );
    assert_eq!(warned(10, 4, 3), None);
    assert_eq!(warned(10, 10, 4), None);
    assert_eq!(warned(9, 9, 0), None);
}

#[test]
fn a_report_without_places_still_reads() {
    let report = report(answers("a", 8), answers("b", 8));
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["fairness"]["agreement"][0].get("parting").is_none());
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
}
