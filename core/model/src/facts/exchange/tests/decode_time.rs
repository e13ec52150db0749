//! The time between tokens, and where there is none to be had.

use super::*;

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
fn an_answer_in_one_event_has_no_time_between_tokens() {
    let record = record(answer(&[90], 16));
    assert!(record.came_at_once());
    assert_eq!((record.tpot_ms, record.decode_ms_per_token), (None, None));
    assert_eq!(record.ttft_ms, Some(90.0));
}

#[test]
fn events_held_back_and_sent_in_two_pieces_came_at_once() {
    let mut exchange = sent();
    for (t_ns, events) in [(ms(90), 3), (ms(90) + 400_000, 5)] {
        exchange.read_began(t_ns - 1, t_ns, t_ns);
        for _ in 0..events {
            exchange.output(t_ns, OutputKind::Text, "a", None);
        }
    }
    exchange.usage(Usage {
        output_tokens: Some(8),
        ..Usage::default()
    });
    exchange.end_marker();
    let record = record(exchange);
    assert!(record.came_at_once());
    assert_eq!(record.tpot_ms, None);
}

#[test]
fn fast_events_with_reads_of_their_own_did_not_come_at_once() {
    let mut exchange = sent();
    for t_ns in [ms(90), ms(90) + 200_000, ms(90) + 400_000] {
        exchange.read_began(t_ns - 1, t_ns, t_ns);
        exchange.output(t_ns, OutputKind::Text, "a", None);
    }
    exchange.usage(Usage {
        output_tokens: Some(3),
        ..Usage::default()
    });
    exchange.end_marker();
    // 0.4 ms over two tokens
    assert_eq!(record(exchange).tpot_ms, Some(0.2));
}

#[test]
fn decode_time_is_estimated_where_events_are_not_counted() {
    let four_tokens_each = record(answer(&[100, 120, 140, 160], 16));
    // 60 ms over 16 - 16 / 4 = 12 tokens; TPOT divides by 15.
    assert_eq!(four_tokens_each.decode_ms_per_token, Some(5.0));
    assert!(four_tokens_each.decode_is_estimated);
    assert_eq!(four_tokens_each.tpot_ms, Some(4.0));
}

#[test]
fn tokens_of_which_nothing_came_are_output_that_was_not_seen() {
    let mut exchange = sent();
    exchange.usage(Usage {
        output_tokens: Some(16),
        ..Usage::default()
    });
    exchange.finish("length");
    assert!(record(exchange).has_unseen_output());
    // Special tokens have no text.
    let mut only_end = sent();
    only_end.usage(Usage {
        output_tokens: Some(4),
        ..Usage::default()
    });
    only_end.finish("stop");
    assert!(!record(only_end).has_unseen_output());
}

#[test]
fn fields_that_nobody_knows_are_output_that_was_not_seen_if_tokens_are_left_for_them() {
    let with_unread = |unread: u32, tokens| {
        let mut exchange = answer(&[100, 120, 140, 160], tokens);
        if unread > 0 {
            exchange.unread("choices[].delta.thoughts", unread);
        }
        record(exchange)
    };
    let record = with_unread(12, 16);
    assert!(record.has_unseen_output());
    assert_eq!((record.tpot_ms, record.decode_ms_per_token), (None, None));
    assert_eq!(
        record.unread_field.as_deref(),
        Some("choices[].delta.thoughts")
    );
    assert!(!with_unread(12, 4).has_unseen_output(), "all tokens came");
    assert!(with_unread(1, 16).has_unseen_output());
    assert!(!with_unread(0, 16).has_unseen_output());
}
