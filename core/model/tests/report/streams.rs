//! What a report says of streams that are not as they should be, and which figures and
//! verdicts it keeps back for them.

use inferbench_model::config::Level;
use inferbench_model::facts::record::RequestRecord;
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::warning::{Warning, WarningCode};
use inferbench_model::report::{Outcome, Reason, Report};
use inferbench_test_support::runs::{Run, Timetable, records};

const AT_ONE: Level = Level::Concurrency(1);
const REPEATS: u32 = 3;

fn timetable(gap_ms: f64) -> Timetable {
    Timetable {
        concurrency: 1,
        ttft_ms: 20.0,
        jitter_ms: 0.0,
        gap_ms,
        tokens: 8,
        n: 40,
    }
}

/// Two backends of which `odd` is the faster one; `make_odd` changes its records.
fn report(make_odd: impl Fn(&mut RequestRecord)) -> Report {
    report_checked(make_odd, &SelfCheck::default())
}

/// The same, with what the client found of itself while it measured `odd`.
fn report_checked(make_odd: impl Fn(&mut RequestRecord), self_check: &SelfCheck) -> Report {
    let mut run = Run::new(&["plain", "odd"], &[1], REPEATS);
    for block in 0..REPEATS {
        run.add(records("plain", block, timetable(4.0)));
        let mut odd = records("odd", block, timetable(2.0));
        odd.iter_mut().for_each(&make_odd);
        run.add_checked(odd, self_check.clone());
    }
    run.report()
}

fn warning(report: &Report, code: WarningCode) -> &Warning {
    let mut found = report.warnings.iter().filter(|w| w.kind.code() == code);
    found.next().unwrap_or_else(|| panic!("no {code:?}"))
}

fn typical(report: &Report, backend: &str, metric: &str) -> Option<f64> {
    report.row(backend, &AT_ONE).unwrap().typical(metric)
}

fn trusts(report: &Report, backend: &str) -> bool {
    let mut own = report
        .self_check
        .iter()
        .filter(|row| row.backend == backend);
    own.all(|row| row.trustworthy)
}

/// All its output in one event.
fn whole(record: &mut RequestRecord) {
    record.itl_ms.clear();
    record.first_output_ns = record.last_output_ns;
    record.ttft_ms = record.e2e_latency_ms;
    record.tokens_per_event = None;
    record.tpot_ms = record.tpot_from_times_ms();
    record.decode_ms_per_token = None;
}

#[test]
fn a_server_that_did_not_stream_has_no_time_between_tokens_and_is_not_compared_in_it() {
    let report = report(whole);
    for metric in [
        "tpot_ms",
        "itl_ms",
        "decode_ms_per_token",
        "per_user_token_rate",
    ] {
        assert_eq!(typical(&report, "odd", metric), None, "{metric}");
        let comparison = report.comparison(metric, &AT_ONE).unwrap();
        assert_eq!(comparison.reason, Some(Reason::OneBackend), "{metric}");
    }
    let text = &warning(&report, WarningCode::NotStreamed).text;
    assert!(
        text.starts_with("the server did not stream: 40 of 40 answers"),
        "{text}"
    );
    let throughput = report
        .comparison("output_token_throughput", &AT_ONE)
        .unwrap();
    assert_eq!(throughput.outcome, Outcome::Faster);
}

#[test]
fn a_tenth_of_answers_at_once_leaves_the_figures_of_the_others() {
    let few = |share: u64| {
        report(move |record| {
            if record.index % share == 0 {
                whole(record);
            }
        })
    };
    // 4 of 40 is a tenth, 5 are more.
    assert_eq!(typical(&few(10), "odd", "tpot_ms"), Some(2.0));
    assert_eq!(typical(&few(8), "odd", "tpot_ms"), None);
}

#[test]
fn output_that_was_not_seen_takes_every_verdict_of_its_level_away() {
    let report = report(|record| {
        record.unread_events = 4;
        record.unread_field = Some("choices[].delta.thoughts".to_owned());
        // Of 8 tokens the last 4 came as events.
        record.itl_ms.truncate(3);
        record.tokens_per_event = None;
        record.tpot_ms = None;
        record.decode_ms_per_token = None;
    });
    for metric in ["output_token_throughput", "ttft_ms", "e2e_latency_ms"] {
        let comparison = report.comparison(metric, &AT_ONE).unwrap();
        assert_eq!(comparison.outcome, Outcome::NoVerdict, "{metric}");
        assert_eq!(comparison.reason, Some(Reason::OutputNotSeen), "{metric}");
    }
    assert!(!trusts(&report, "odd") && trusts(&report, "plain"));
    let text = &warning(&report, WarningCode::OutputNotSeen).text;
    assert!(text.contains("`choices[].delta.thoughts`"), "{text}");
    assert!(
        report.answer[0].starts_with("No verdict: output of odd was not seen"),
        "{:?}",
        report.answer
    );
}

#[test]
fn unreadable_messages_are_told_from_the_first_on_and_cost_trust_above_a_hundredth() {
    // 320 events in a cell: 3 unreadable ones are 0.93 %, 4 are 1.23 %.
    let unreadable = |n: u64| {
        report(move |record| {
            if record.index < n {
                record.malformed_events = 1;
                record.malformed_example = Some("<html>".to_owned());
            }
        })
    };
    let few = unreadable(3);
    let text = &warning(&few, WarningCode::MessagesUnreadable).text;
    assert!(
        text.starts_with("3 of 323 messages could not be read"),
        "{text}"
    );
    assert!(text.contains("`<html>`"), "{text}");
    assert!(trusts(&few, "odd"));
    let many = unreadable(4);
    warning(&many, WarningCode::ManyMessagesUnreadable);
    assert!(!trusts(&many, "odd"));
}

#[test]
fn a_finish_reason_that_is_not_known_is_shown_with_its_share() {
    let report = report(|record| {
        if record.index < 5 {
            record.finish_reason = Some("repetition".to_owned());
        }
    });
    let text = &warning(&report, WarningCode::FinishReasonUnknown).text;
    assert!(
        text.starts_with(
            "5 of 40 answers ended with a finish reason that is not known (5 `repetition`)"
        ),
        "{text}"
    );
}

#[test]
fn more_events_than_tokens_are_told() {
    // 40 answers of 8 events, of which four have a token less: 4 of 320 are 1.25 %.
    let report = report(|record| {
        if record.index < 4 {
            record.output_tokens = Some(7);
        }
    });
    let text = &warning(&report, WarningCode::MoreEventsThanTokens).text;
    assert!(
        text.starts_with("320 output events came and the server counts 316 tokens"),
        "{text}"
    );
    assert!(trusts(&report, "odd"));
}

#[test]
fn a_count_that_lacks_more_than_a_tenth_of_the_events_is_not_trusted() {
    // 288 of 320 are nine tenths.
    let lacking = |answers: u64| {
        report(move |record| {
            if record.index < answers {
                record.output_tokens = Some(7);
            }
        })
    };
    assert!(trusts(&lacking(32), "odd"));
    let many = lacking(33);
    assert!(!trusts(&many, "odd"));
    let text = &warning(&many, WarningCode::TokensUndercounted).text;
    assert!(
        text.starts_with("320 output events came and the server counts 287 tokens"),
        "{text}"
    );
}

#[test]
fn decode_time_that_is_estimated_is_compared_and_named_so() {
    let report = report(|record| {
        // 8 tokens in 2 events of 4: (7 * 2 ms) / (8 - 4) tokens.
        let span_ms: f64 = record.itl_ms.iter().sum();
        record.itl_ms = vec![span_ms];
        record.tokens_per_event = None;
        let (decode_ms, is_estimated) = record.decode_from_times_ms().unwrap();
        record.decode_ms_per_token = Some(decode_ms);
        record.decode_is_estimated = is_estimated;
    });
    assert_eq!(typical(&report, "odd", "decode_ms_per_token"), Some(3.5));
    assert!(report.row("odd", &AT_ONE).unwrap().figures["decode_ms_per_token"].estimated);
    assert!(!report.row("plain", &AT_ONE).unwrap().figures["decode_ms_per_token"].estimated);
    assert_eq!(
        warning(&report, WarningCode::DecodeEstimated)
            .backend
            .as_deref(),
        Some("odd")
    );
    let compared = report.comparison("decode_ms_per_token", &AT_ONE).unwrap();
    assert_eq!(compared.outcome, Outcome::Faster);
    for metric in ["tpot_ms", "per_user_token_rate", "itl_ms"] {
        let comparison = report.comparison(metric, &AT_ONE).unwrap();
        assert_eq!(comparison.reason, Some(Reason::EventsDiffer), "{metric}");
    }
}

#[test]
fn answers_that_are_held_back_as_a_rule_say_nothing_of_the_client() {
    let held_back = |record: &mut RequestRecord| {
        let events = record.output_events();
        record.itl_ms = vec![0.0; record.itl_ms.len()];
        record.first_output_ns = record.last_output_ns;
        record.ttft_ms = record.e2e_latency_ms;
        record.events_sharing_a_read = Some(events);
        record.first_output_early_ms = record.ttft_ms;
        (record.tpot_ms, record.decode_ms_per_token) = (None, None);
    };
    let all = report(held_back);
    assert!(
        all.warnings
            .iter()
            .all(|w| w.kind.code() != WarningCode::SharedReads)
    );
    let text = &warning(&all, WarningCode::AnswersHeldBack).text;
    assert!(text.starts_with("40 of 40 answers came whole"), "{text}");
    assert!(!text.contains("client"), "{text}");
    // Known of each answer: its events came within 2 of its 20 milliseconds.
    let each = report(|record| {
        held_back(record);
        record.first_output_early_ms = Some(2.0);
    });
    let text = &warning(&each, WarningCode::AnswersHeldBack).text;
    assert!(text.contains("or this client, which read late"), "{text}");
    let late = SelfCheck {
        read_delay_ms_p99: Some(9.0),
        ..SelfCheck::default()
    };
    let late = report_checked(held_back, &late);
    let text = &warning(&late, WarningCode::AnswersHeldBack).text;
    assert!(text.contains("or this client, which read late"), "{text}");
}
