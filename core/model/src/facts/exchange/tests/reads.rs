//! Events that share a read, and what they may be late by.

use super::*;

#[test]
fn events_of_one_read_are_counted_as_sharing_it() {
    let mut exchange = sent();
    for (arrival_ms, delay_ns, events) in [(10, 300, 1), (20, 700, 3), (30, 100, 2)] {
        exchange.read_began(
            ms(arrival_ms - 5),
            ms(arrival_ms),
            ms(arrival_ms) + delay_ns,
        );
        for _ in 0..events {
            exchange.output(ms(arrival_ms), OutputKind::Text, "a", None);
        }
    }
    // No output came of it: its delay is in no latency.
    exchange.read_began(ms(35), ms(40), ms(50));
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.events_sharing_a_read, Some(5));
    assert_eq!(record.read_delay_ms, Some(0.0007));
}

#[test]
fn an_event_before_a_part_of_another_shares_its_read() {
    let mut exchange = sent();
    for arrival_ms in [10, 20, 30] {
        exchange.read_began(ms(arrival_ms - 5), ms(arrival_ms), ms(arrival_ms));
        exchange.output(ms(arrival_ms), OutputKind::Text, "a", None);
        exchange.read_ended(arrival_ms < 30, || None);
    }
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.events_sharing_a_read, Some(2));
    // The first may have come as soon as the socket was known to be empty: 5 ms before.
    assert_eq!(record.first_output_early_ms, Some(5.0));
}

#[test]
fn events_that_share_a_read_are_late_by_no_more_than_its_bytes_took() {
    let mut exchange = sent();
    // Empty 5 ms before; what woke the reader came 0.4, 0.6 ms and not before its bytes.
    for (arrival_ms, first_ns) in [
        (10, Some(ms(10) - 400_000)),
        (20, Some(ms(20) - 600_000)),
        (30, Some(ms(31))),
        (40, None),
    ] {
        exchange.read_began(ms(arrival_ms - 5), ms(arrival_ms), ms(arrival_ms));
        exchange.output(ms(arrival_ms), OutputKind::Text, "a", None);
        exchange.output(ms(arrival_ms), OutputKind::Text, "b", None);
        exchange.read_ended(false, || first_ns);
    }
    exchange.end_marker();
    let record = record(exchange);
    assert_eq!(record.events_sharing_a_read, Some(8));
    let late = vec![(2, 0.6), (2, 5.0), (2, 5.0)];
    assert_eq!(record.events_stamped_late, Some(late));
    assert_eq!(record.first_output_early_ms, Some(0.4));
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
fn a_first_output_that_shares_its_read_may_have_come_earlier() {
    let shared = |empty_ms, events| {
        let mut exchange = sent();
        exchange.read_began(ms(empty_ms), ms(100), ms(101));
        for _ in 0..events {
            exchange.output(ms(100), OutputKind::Text, "a", None);
        }
        exchange.read_began(ms(110), ms(120), ms(120));
        exchange.output(ms(120), OutputKind::Text, "a", None);
        exchange.end_marker();
        record(exchange)
    };
    let late = shared(80, 2);
    assert_eq!(late.first_output_early_ms, Some(20.0));
    assert_eq!(shared(80, 1).first_output_early_ms, None);
}
