//! TTFT, TPOT, ITL and percentiles.

use super::*;

#[test]
fn m01_p99_of_three_samples_interpolates() {
    let case = case("m01");
    let samples = numbers(&case.given["samples"]);
    near(
        percentile(&samples, 99.0).unwrap(),
        case.expect("p99_linear"),
    );
}

#[test]
fn m02_percentiles_of_ten_samples_follow_the_linear_rule() {
    let case = case("m02");
    let samples = numbers(&case.given["samples"]);
    for (p, expected) in case.expect["linear"].as_object().unwrap() {
        let value = percentile(&samples, p.parse().unwrap()).unwrap();
        near(value, expected.as_f64().unwrap());
    }
}

#[test]
fn m05_failures_never_enter_latency_and_are_counted_beside() {
    let case = case("m05");
    let mut records: Vec<RequestRecord> = numbers(&case.given["ok_ttft_ms"])
        .into_iter()
        .map(|ttft| answer([ttft, ttft + 10.0], Some(2)).record())
        .collect();
    for _ in 0..case.given["failed"].as_u64().unwrap() {
        let mut failed = answer([0.0], Some(1));
        failed.end = StreamEnd::Broken {
            reason: FailureReason::ConnectionReset,
            message: String::new(),
        };
        records.push(failed.record());
    }
    let row = cell(&records);
    let ttft = summary(&row, "ttft_ms");
    near(ttft.mean, case.expect("mean"));
    near(ttft.p50, case.expect("median_linear"));
    assert_eq!(ttft.n, 6);
    let counts = Counts::from_records(&records);
    assert_eq!(counts, row.counts);
    assert_eq!((counts.ok, counts.failed), (6, 4));
    assert_eq!(counts.by_reason["connection_reset"], 4);
    let all = (counts.ok + counts.failed) as f64;
    near(counts.failed as f64 / all, case.expect("error_rate"));
    assert_eq!(
        in_words(&row)[0],
        "4 of 10 requests failed (4 connection_reset)"
    );
}

#[test]
fn m06_itl_is_pooled_over_gaps_and_tpot_is_one_per_request() {
    let case = case("m06");
    let lists = case.given["itl_ms"].as_array().unwrap();
    let records: Vec<RequestRecord> = lists
        .iter()
        .map(|gaps| {
            let gaps = numbers(gaps);
            answer(after(50.0, &gaps), Some(gaps.len() as u32 + 1)).record()
        })
        .collect();
    let row = cell(&records);
    let itl = summary(&row, "itl_ms");
    near(itl.mean, case.expect("pooled_mean"));
    assert_eq!((itl.n, itl.max), (10, Some(100.0)));
    near(
        summary(&row, "tpot_ms").mean,
        case.expect("mean_of_request_means"),
    );
}

#[test]
fn m07_a_mean_itl_below_the_mean_tpot_is_right() {
    let case = case("m07");
    let requests = case.given["requests"].as_array().unwrap();
    let records: Vec<RequestRecord> = requests
        .iter()
        .map(|request| {
            let gaps = numbers(&request["chunk_gaps"]);
            let tokens = request["n"].as_u64().unwrap() as u32;
            answer(after(50.0, &gaps), Some(tokens)).record()
        })
        .collect();
    let row = cell(&records);
    near(summary(&row, "itl_ms").mean, case.expect("pooled_mean_itl"));
    near(summary(&row, "tpot_ms").mean, case.expect("mean_tpot"));
}

#[test]
fn m08_tpot_leaves_the_first_token_out() {
    let case = case("m08");
    let times = [case.given("ttft_ms"), case.given("last_ms")];
    let record = answer(times, Some(11)).record();
    near(record.tpot_ms, case.expect("tpot_ms"));
    let per_token = record.e2e_latency_ms.unwrap() / 11.0;
    near(per_token, case.expect("e2e_over_n_ms"));
}

#[test]
fn m14_only_the_monotonic_clock_enters_ttft() {
    let case = case("m14");
    let mut answer = answer([case.given("monotonic_first_ms")], Some(1));
    answer.sent_ms = case.given("monotonic_start_ms");
    near(answer.record().ttft_ms, case.expect("ttft_ms"));
}

#[test]
fn m20_tpot_is_of_all_gaps_and_not_of_the_last() {
    let case = case("m20");
    let gaps = numbers(&case.given["gaps_ms"]);
    let record = answer(after(case.given("ttft_ms"), &gaps), Some(5)).record();
    near(record.tpot_ms, case.expect("tpot_ms"));
    assert_eq!(record.itl_ms, gaps);
}

#[test]
fn events_that_share_their_reads_are_warned_of() {
    let of = |shared: u64| {
        let mut exchange = Exchange::default();
        exchange.sent_ns = Some(0);
        exchange.http_status = Some(200);
        let mut at_ms = 10.0;
        for event in 0..20 {
            if event >= shared || event == 0 {
                at_ms += 2.0;
                exchange.read_began(ns(at_ms - 1.0), ns(at_ms), ns(at_ms));
            }
            exchange.output(ns(at_ms), OutputKind::Text, "a", None);
        }
        exchange.end_marker();
        let key = RequestKey {
            backend: "b".to_owned(),
            block: 0,
            level: Level::Concurrency(1),
            phase: Phase::Measured,
            index: 0,
        };
        let record = exchange.finish_record(key, &StreamEnd::Clean, ns(60.0), false);
        let warnings = in_words(&cell(&[record]));
        warnings.into_iter().find(|text| text.contains("one read"))
    };
    // 2 of 20 is a tenth and not more.
    assert_eq!(of(2), None);
    assert!(of(3).unwrap().starts_with("15.0 % of the output events"));
}
