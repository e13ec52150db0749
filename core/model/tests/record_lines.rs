//! The reading of records by the places of their fields, against serde's.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use inferbench_model::config::{Level, Rate};
use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord, Status, TokenSource};
use inferbench_model::facts::record_line::{RecordHead, read_head, read_record};
use proptest::prelude::*;

/// A record in which every field that may be left out is left out.
fn least() -> RequestRecord {
    let key = RequestKey {
        backend: "one".to_owned(),
        block: 0,
        level: Level::Concurrency(2),
        phase: Phase::Measured,
        index: 7,
    };
    let mut exchange = Exchange::default();
    exchange.sent_ns = Some(100);
    exchange.finish_record(key, &StreamEnd::Clean, 250, false)
}

/// A record in which every field stands in the line. Without `..`, so that a field which is
/// added to records and not here does not compile.
fn most() -> RequestRecord {
    let text = || Some("a".to_owned());
    RequestRecord {
        backend: "one".to_owned(),
        block: 1,
        level: Level::Concurrency(2),
        phase: Phase::Measured,
        index: 3,
        replica: Some(4),
        class: text(),
        session: Some(5),
        turn: Some(6),
        turn_of_tool: true,
        turn_lag_ms: Some(0.5),
        status: Status::Failed,
        reason: text(),
        message: text(),
        http_status: Some(500),
        scheduled_ns: Some(7),
        sent_ns: Some(8),
        send_lag_ms: Some(1.5),
        connect_ms: Some(2.5),
        resent: true,
        first_output_ns: Some(9),
        first_content_ns: Some(10),
        last_output_ns: Some(11),
        end_ns: 12,
        ttft_ms: Some(3.5),
        tpot_ms: Some(4.5),
        e2e_latency_ms: Some(5.5),
        e2e_from_schedule_ms: Some(6.5),
        decode_ms_per_token: Some(7.5),
        decode_is_estimated: true,
        asked_input_tokens: Some(13),
        asked_output_tokens: 14,
        repeated_tokens: Some(15),
        input_tokens: Some(16),
        output_tokens: Some(17),
        cached_tokens: Some(18),
        reasoning_tokens: Some(19),
        image_tokens: Some(20),
        request_bytes: Some(21),
        token_source: Some(TokenSource::Usage),
        finish_reason: text(),
        itl_ms: vec![8.5, 9.5],
        tokens_per_event: Some(vec![1, 2, 3]),
        tokens_without_output: 22,
        read_delay_ms: Some(10.5),
        events_sharing_a_read: Some(23),
        events_stamped_late: Some(vec![(24, 11.5)]),
        first_output_early_ms: Some(12.5),
        malformed_events: 25,
        malformed_example: text(),
        mended_events: 26,
        mended_example: text(),
        token_id_events: 27,
        unread_events: 28,
        unread_field: text(),
        text_sha256: text(),
        text_chars: Some(29),
        text_marks: text(),
        text: text(),
        reasoning_text: text(),
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-40_000_000_000_i64..40_000_000_000).prop_map(|ns| ns as f64 / 1e6),
        2 => any::<f64>().prop_filter("JSON has it", |number| number.is_finite()),
        1 => (0_u32..300).prop_map(f64::from),
        1 => Just(-0.0),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        any::<String>(),
        Just("a\"\\\u{1}ü".to_owned())
    ]
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![
        any::<u32>().prop_map(Level::Concurrency),
        (0.1..1e6).prop_map(|rate| Level::RequestRate(Rate(rate))),
        Just(Level::RequestRate(Rate(f64::INFINITY))),
    ]
}

/// What stands in the first half of a line.
fn first_half() -> BoxedStrategy<RequestRecord> {
    let key = (text(), any::<u32>(), level(), any::<bool>(), any::<u64>());
    let part = (
        any::<Option<u32>>(),
        prop::option::of(text()),
        any::<Option<u64>>(),
        any::<Option<u32>>(),
        any::<bool>(),
        prop::option::of(number()),
    );
    let end = (
        prop::option::of(text()),
        prop::option::of(text()),
        any::<Option<u16>>(),
    );
    let times = (prop::array::uniform5(any::<Option<u64>>()), any::<u64>());
    let spans = (
        prop::array::uniform7(prop::option::of(number())),
        any::<[bool; 2]>(),
    );
    let (key, part, end) = (key.boxed(), part.boxed(), end.boxed());
    let (times, spans) = (times.boxed(), spans.boxed());
    let all =
        (key, part, end, times, spans).prop_map(|(key, part, end, times, spans)| RequestRecord {
            backend: key.0,
            block: key.1,
            level: key.2,
            phase: if key.3 {
                Phase::Warmup
            } else {
                Phase::Measured
            },
            index: key.4,
            replica: part.0,
            class: part.1,
            session: part.2,
            turn: part.3,
            turn_of_tool: part.4,
            turn_lag_ms: part.5,
            status: if key.3 { Status::Failed } else { Status::Ok },
            reason: end.0,
            message: end.1,
            http_status: end.2,
            scheduled_ns: times.0[0],
            sent_ns: times.0[1],
            first_output_ns: times.0[2],
            first_content_ns: times.0[3],
            last_output_ns: times.0[4],
            end_ns: times.1,
            send_lag_ms: spans.0[0],
            connect_ms: spans.0[1],
            ttft_ms: spans.0[2],
            tpot_ms: spans.0[3],
            e2e_latency_ms: spans.0[4],
            e2e_from_schedule_ms: spans.0[5],
            decode_ms_per_token: spans.0[6],
            resent: spans.1[0],
            decode_is_estimated: spans.1[1],
            ..least()
        });
    all.boxed()
}

/// A record with any values in all of its fields.
fn any_record() -> BoxedStrategy<RequestRecord> {
    let tokens = (prop::array::uniform7(any::<Option<u32>>()), any::<u32>());
    let lists = (
        prop::collection::vec(number(), 0..5),
        prop::option::of(prop::collection::vec(any::<u32>(), 0..5)),
        prop::option::of(prop::collection::vec((any::<u32>(), number()), 0..3)),
    );
    let counts = (prop::array::uniform5(0_u32..3), any::<[Option<u64>; 2]>());
    let texts = prop::array::uniform8(prop::option::of(text()));
    let delays = (prop::option::of(number()), prop::option::of(number()));
    let (tokens, lists, counts) = (tokens.boxed(), lists.boxed(), counts.boxed());
    let second = (tokens, lists, counts, texts.boxed(), delays.boxed());
    let all = (first_half(), second).prop_map(|(first, (tokens, lists, counts, texts, delays))| {
        let [a, b, c, d, e, f, g, h] = texts;
        RequestRecord {
            asked_input_tokens: tokens.0[0],
            repeated_tokens: tokens.0[1],
            input_tokens: tokens.0[2],
            output_tokens: tokens.0[3],
            cached_tokens: tokens.0[4],
            reasoning_tokens: tokens.0[5],
            image_tokens: tokens.0[6],
            asked_output_tokens: tokens.1,
            token_source: tokens.0[0].map(|n| match n % 2 {
                0 => TokenSource::Usage,
                _ => TokenSource::Tokenizer,
            }),
            itl_ms: lists.0,
            tokens_per_event: lists.1,
            events_stamped_late: lists.2,
            tokens_without_output: counts.0[0],
            malformed_events: counts.0[1],
            mended_events: counts.0[2],
            token_id_events: counts.0[3],
            unread_events: counts.0[4],
            request_bytes: counts.1[0],
            text_chars: counts.1[1],
            events_sharing_a_read: tokens.0[1],
            read_delay_ms: delays.0,
            first_output_early_ms: delays.1,
            finish_reason: a,
            malformed_example: b,
            mended_example: c,
            unread_field: d,
            text_sha256: e,
            text_marks: f,
            text: g,
            reasoning_text: h,
            ..first
        }
    });
    all.boxed()
}

fn line_of(record: &RequestRecord) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).unwrap();
    line.push(b'\n');
    line
}

/// Equal bit for bit, which 0 and -0 are not.
fn alike(a: &RequestRecord, b: &RequestRecord) -> bool {
    a == b && line_of(a) == line_of(b)
}

fn head_of(record: &RequestRecord) -> RecordHead<'_> {
    RecordHead {
        backend: &record.backend,
        block: record.block,
        index: record.index,
        timing: record.timing(),
        reason: record.reason.as_deref(),
    }
}

#[test]
fn the_record_with_the_fewest_fields_is_read() {
    let line = line_of(&least());
    assert!(alike(&read_record(&line).unwrap(), &least()));
    assert_eq!(read_head(&line), Some(head_of(&least())));
}

/// One with a field that is in the wrong place in either list, or in none, is left to serde.
#[test]
fn the_record_with_every_field_is_read_by_their_places() {
    let line = line_of(&most());
    assert!(alike(&read_record(&line).unwrap(), &most()));
    assert_eq!(read_head(&line), Some(head_of(&most())));
    // None was left out of the line.
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&line).unwrap();
    assert!(fields.values().all(|value| !value.is_null()));
}

#[test]
fn a_line_that_was_cut_off_has_no_head() {
    let line = line_of(&least());
    for end in 0..line.len() {
        assert_eq!(read_head(&line[..end]), None, "{end}");
    }
}

proptest! {
    #[test]
    fn what_serde_writes_is_read_bit_for_bit(record in any_record()) {
        let line = line_of(&record);
        // Whole numbers of twenty digits are left to serde.
        let times = [record.scheduled_ns, record.sent_ns, record.first_output_ns,
            record.first_content_ns, record.last_output_ns, record.session,
            record.request_bytes, record.text_chars];
        let times = times.into_iter().flatten().chain([record.index, record.end_ns]);
        let is_left = times.max() >= Some(10_000_000_000_000_000_000);
        match read_record(&line) {
            Some(read) => prop_assert!(alike(&read, &record)),
            None => prop_assert!(is_left),
        }
        if let Some(head) = read_head(&line) {
            prop_assert_eq!(head, head_of(&record));
        }
    }

    #[test]
    fn what_is_read_of_a_damaged_line_is_what_serde_reads(
        record in any_record(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut line = line_of(&record);
        let at = at.index(line.len());
        match cut {
            true => drop(line.remove(at)),
            false => line[at] = byte,
        }
        if let Some(read) = read_record(&line) {
            let by_serde: RequestRecord = serde_json::from_slice(&line).unwrap();
            prop_assert!(alike(&read, &by_serde));
        }
    }
}
