mod decode_time;
mod reads;

use super::*;
use crate::config::Level;
use crate::facts::key::Counts;
use crate::facts::record::{Phase, RequestKey, RequestRecord, Status};
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

/// Events of one token each at these times, with text `a`, from a server that counts
/// none of them but `tokens` in the end.
fn answer(times_ms: &[u64], tokens: u32) -> Exchange {
    let mut exchange = sent();
    exchange.asked.output_tokens = tokens;
    for t in times_ms {
        exchange.read_began(ms(t - 1), ms(*t), ms(*t));
        exchange.output(ms(*t), OutputKind::Text, "a", None);
    }
    exchange.usage(Usage {
        output_tokens: Some(tokens),
        ..Usage::default()
    });
    exchange.finish("length");
    exchange
}

#[test]
fn a_last_piece_that_repeats_the_whole_is_no_output() {
    let pieces = |last: &str| {
        let mut exchange = sent();
        for (t, text) in [(100, "one "), (120, "two "), (140, "three"), (300, last)] {
            exchange.output(ms(t), OutputKind::Text, text, None);
        }
        exchange.finish("stop");
        record(exchange)
    };
    let repeated = pieces("one two three");
    assert_eq!(repeated.e2e_latency_ms, Some(140.0));
    assert_eq!(repeated.itl_ms, [20.0, 20.0]);
    assert_eq!(repeated.text.as_deref(), Some("one two three"));
    assert_eq!(pieces("one two thre").e2e_latency_ms, Some(300.0));
    assert_eq!(pieces(" one two three!").e2e_latency_ms, Some(140.0));
}

#[test]
fn a_short_repetition_is_what_a_model_may_say() {
    let mut exchange = sent();
    for (t, text) in [(100, "ha"), (120, "ha"), (140, "haha")] {
        exchange.output(ms(t), OutputKind::Text, text, None);
    }
    exchange.finish("stop");
    assert_eq!(record(exchange).itl_ms, [20.0, 20.0]);
}

#[test]
fn counts_of_single_messages_add_up() {
    let mut exchange = sent();
    exchange.asked.output_tokens = 16;
    for n in 0..16 {
        exchange.output(ms(60 + 10 * n), OutputKind::Text, "a", Some(1));
        exchange.usage(Usage {
            input_tokens: Some(32),
            output_tokens: Some(1),
            ..Usage::default()
        });
    }
    exchange.finish("length");
    let record = record(exchange);
    assert_eq!(record.output_tokens, Some(16));
    assert_eq!(record.tokens_per_event, Some(vec![1; 16]));
    assert_eq!(record.tpot_ms, Some(10.0));
}

#[test]
fn counts_that_cannot_be_are_absent() {
    let with = |output_tokens, cached_tokens| {
        let mut exchange = answer(&[100, 120], 2);
        exchange.usage(Usage {
            input_tokens: Some(32),
            output_tokens: Some(output_tokens),
            cached_tokens: Some(cached_tokens),
            ..Usage::default()
        });
        record(exchange)
    };
    assert_eq!(with(4_000_000_000, 0).output_tokens, None);
    // More than asked, and as many as two bytes and some special tokens may be.
    assert_eq!(with(60, 0).output_tokens, Some(60));
    assert_eq!(with(2, 33).cached_tokens, None);
    assert_eq!(with(2, 32).cached_tokens, Some(32));
}

#[test]
fn a_reason_that_says_it_broke_off_fails_the_answer() {
    for (finish, reason) in [
        ("network_error", Some("finish_reason_network_error")),
        ("content_filter", Some("finish_reason_content_filter")),
        ("ABORT", Some("finish_reason_abort")),
        ("eos", None),
        ("who_knows", None),
    ] {
        let mut exchange = sent();
        exchange.output(ms(10), OutputKind::Text, "a", None);
        exchange.finish(finish);
        exchange.end_marker();
        assert_eq!(record(exchange).reason.as_deref(), reason, "{finish}");
    }
}

#[test]
fn the_first_unreadable_message_is_kept_in_one_plain_line() {
    let mut exchange = sent();
    exchange.malformed(b"<html>\x1b[31m\n502 Bad Gateway");
    exchange.malformed(b"second");
    exchange.output(ms(10), OutputKind::Text, "a", None);
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.malformed_events, 2);
    assert_eq!(
        record.malformed_example.as_deref(),
        Some("<html>\u{fffd}[31m\u{fffd}502 Bad Gateway")
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

#[test]
fn pieces_of_an_answer_count_as_the_events_that_they_are() {
    let mut exchange = sent();
    exchange.asked.output_tokens = 16;
    for (at, events) in [(100, 8), (180, 8)] {
        exchange.read_began(ms(at - 1), ms(at), ms(at));
        for _ in 0..events {
            exchange.output(ms(at), OutputKind::Text, "a", None);
        }
    }
    exchange.usage(Usage {
        output_tokens: Some(16),
        ..Usage::default()
    });
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.output_arrivals(), 2);
    // 80 ms for the 8 tokens of the second piece.
    assert_eq!(record.decode_ms_per_token, Some(10.0));
}
