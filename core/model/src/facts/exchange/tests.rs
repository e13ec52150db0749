use super::*;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::warning::WarningKind;

fn key() -> RequestKey {
    RequestKey {
        backend: "b".into(),
        block: 0,
        level: Level::Concurrency(1),
        phase: Phase::Measured,
        index: 0,
    }
}

fn ms(t: u64) -> u64 {
    t * 1_000_000
}

fn sent() -> Exchange {
    Exchange {
        sent_ns: Some(0),
        http_status: Some(200),
        ..Exchange::default()
    }
}

fn record(exchange: Exchange) -> RequestRecord {
    exchange.finish_record(key(), &StreamEnd::Clean, ms(1000), true)
}

#[test]
fn several_tokens_in_an_event_leave_gaps_and_counts_apart() {
    let mut exchange = sent();
    for (t, text, tokens) in [(100, "a", 1), (140, "b", 4), (200, "c", 6)] {
        exchange.output(ms(t), OutputKind::Text, text, Some(tokens));
    }
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.status, Status::Ok);
    assert_eq!(record.itl_ms, [40.0, 60.0]);
    assert_eq!(record.tokens_per_event, Some(vec![1, 3, 2]));
    assert_eq!(record.tpot_ms, Some(20.0));
    assert_eq!(record.decode_ms_per_token, Some(20.0));
    assert_eq!(record.event_times_ns(), [ms(100), ms(140), ms(200)]);
}

#[test]
fn one_token_answer_has_no_tpot() {
    let mut exchange = sent();
    exchange.output(ms(90), OutputKind::Text, "a", Some(1));
    exchange.finish("stop");
    let record = record(exchange);
    assert_eq!((record.ttft_ms, record.tpot_ms), (Some(90.0), None));
    assert_eq!(record.e2e_latency_ms, Some(90.0));
}

#[test]
fn empty_text_is_no_output_but_its_tokens_count() {
    let mut exchange = sent();
    exchange.output(ms(10), OutputKind::Text, "", Some(1));
    exchange.output(ms(30), OutputKind::Text, "é", Some(2));
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.ttft_ms, Some(30.0));
    assert_eq!(record.tokens_per_event, Some(vec![2]));
}

#[test]
fn events_of_one_read_are_counted_as_sharing_it() {
    let mut exchange = sent();
    for (arrival_ms, delay_ns, events) in [(10, 300, 1), (20, 700, 3), (30, 100, 2)] {
        exchange.read_began(ms(arrival_ms), ms(arrival_ms) + delay_ns);
        for _ in 0..events {
            exchange.output(ms(arrival_ms), OutputKind::Text, "a", None);
        }
    }
    // No output came of it: its delay is in no latency.
    exchange.read_began(ms(40), ms(50));
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.events_sharing_a_read, Some(5));
    assert_eq!(record.read_delay_ms, Some(0.0007));
}

#[test]
fn events_that_no_read_brought_have_no_delay() {
    let mut exchange = sent();
    exchange.output(ms(10), OutputKind::Text, "a", None);
    let record = record(exchange);
    assert_eq!(
        (record.read_delay_ms, record.events_sharing_a_read),
        (None, None)
    );
}

#[test]
fn an_answer_without_finish_or_end_marker_is_truncated() {
    let mut exchange = sent();
    exchange.output(ms(10), OutputKind::Text, "a", None);
    let record = record(exchange);
    assert_eq!(record.reason.as_deref(), Some("truncated"));
    assert_eq!(record.output_tokens, None);
}

#[test]
fn an_error_outweighs_the_end_marker() {
    let mut exchange = sent();
    exchange.error("engine died");
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.reason.as_deref(), Some("in_band_error"));
    assert_eq!(record.message.as_deref(), Some("engine died"));
}

#[test]
fn a_count_that_falls_back_is_not_counted_twice() {
    let mut exchange = sent();
    for (t, tokens) in [(10, 5), (20, 3), (30, 6)] {
        exchange.output(ms(t), OutputKind::Text, "a", Some(tokens));
    }
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.tokens_per_event, Some(vec![5, 0, 1]));
    assert_eq!(record.output_tokens, Some(6));
}

#[test]
fn only_a_measured_answer_that_succeeded_has_marks_of_its_text() {
    let answer = |phase, end| {
        let mut exchange = sent();
        exchange.output(ms(10), OutputKind::Reasoning, "hm", None);
        exchange.output(ms(20), OutputKind::Text, "1234", None);
        exchange.output(ms(30), OutputKind::Text, "56789", None);
        if end {
            exchange.finish("stop");
        }
        let key = RequestKey { phase, ..key() };
        let record = exchange.finish_record(key, &StreamEnd::Clean, ms(40), false);
        (record.text_chars, record.text_marks)
    };
    // CRC-32 of 1234 is 9be3e0a3, of 12345678 9ae0daaf.
    let marks = (Some(9), Some("99".to_owned()));
    assert_eq!(answer(Phase::Measured, true), marks);
    assert_eq!(answer(Phase::Measured, false), (None, None));
    assert_eq!(answer(Phase::Warmup, true), (None, None));
    let silent = record(sent());
    assert_eq!((silent.text_chars, silent.text_marks), (None, None));
}

#[test]
fn a_later_null_never_takes_back_a_count() {
    let mut exchange = sent();
    exchange.usage(Usage {
        output_tokens: Some(3),
        input_tokens: Some(7),
        ..Usage::default()
    });
    exchange.usage(Usage::default());
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(
        (record.output_tokens, record.input_tokens),
        (Some(3), Some(7))
    );
}

#[test]
fn a_request_that_was_sent_again_is_counted_whether_it_failed_or_not() {
    let twice = |ends: bool| {
        let mut exchange = Exchange {
            resent: true,
            ..sent()
        };
        exchange.output(ms(90), OutputKind::Text, "a", Some(1));
        if ends {
            exchange.finish("stop");
        }
        record(exchange)
    };
    let mut once = sent();
    once.finish("stop");
    let records = [twice(true), twice(false), record(once)];
    let counts = Counts::from_records(&records);
    assert_eq!((counts.ok, counts.failed, counts.resent), (2, 1, 2));
    let expected = WarningKind::RequestsResent {
        resent: 2,
        requests: 3,
    };
    assert_eq!(counts.resent_warning(), Some(expected));
    assert_eq!(Counts::default().resent_warning(), None);
    let mut all = Counts::default();
    (0..2).for_each(|_| all.add(&counts));
    assert_eq!(all.resent, 4);
}

#[test]
fn a_record_without_the_key_was_sent_once() {
    let mut exchange = sent();
    exchange.finish("stop");
    let json = serde_json::to_value(record(exchange)).unwrap();
    assert_eq!(json.get("resent"), None);
    let read: RequestRecord = serde_json::from_value(json).unwrap();
    assert!(!read.resent);
}
