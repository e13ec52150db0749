//! Who counts tokens, and what follows from the count.

use super::*;

#[test]
fn m04_steady_state_and_whole_run_throughput_stand_side_by_side() {
    let case = case("m04");
    let requests = case.given["requests"].as_array().unwrap();
    let records: Vec<RequestRecord> = requests
        .iter()
        .map(|request| {
            let tokens = request["tokens"].as_u64().unwrap() as u32;
            let end_ms = request["end_s"].as_f64().unwrap() * 1000.0;
            let step = end_ms / f64::from(tokens);
            let events: Vec<f64> = (1..=tokens).map(|n| f64::from(n) * step).collect();
            let mut answer = answer(events, Some(tokens));
            answer.level = Level::Concurrency(4);
            answer.record()
        })
        .collect();
    let row = cell(&records);
    let window = row.window.unwrap();
    assert_eq!((window.start_ns, window.end_ns), (0, 10_000_000_000));
    near(
        number(&row, "output_token_throughput"),
        case.expect("busy_window_tok_s"),
    );
    near(
        number(&row, "overall_token_throughput"),
        case.expect("whole_run_tok_s"),
    );
    let run = Window {
        start_ns: 0,
        end_ns: 50_000_000_000,
    };
    let busy_s: f64 = records.iter().map(|r| run.overlap_s(0, r.end_ns)).sum();
    near(busy_s / run.length_s(), case.expect("mean_concurrency"));
}

#[test]
fn m09_decode_rate_and_whole_rate_of_one_request_differ() {
    let case = case("m09");
    let times = [case.given("ttft_s") * 1e3, case.given("last_s") * 1e3];
    let records = [answer(times, Some(101)).record()];
    let row = cell(&records);
    near(
        summary(&row, "per_user_token_rate").mean,
        case.expect("decode_tok_s"),
    );
    near(
        number(&row, "overall_token_throughput"),
        case.expect("e2e_tok_s"),
    );
}

#[test]
fn m10_without_usage_there_is_no_tpot() {
    let case = case("m10");
    let times = [case.given("ttft_ms"), case.given("last_ms")];
    near(
        answer(times, Some(21)).record().tpot_ms,
        case.expect("tpot_ms"),
    );
    let mut uncounted = answer(times, None);
    uncounted.asked.output_tokens = 512;
    let record = uncounted.record();
    assert_eq!((record.tpot_ms, record.output_tokens), (None, None));
    let row = cell(&[record]);
    assert_eq!(number(&row, "output_token_throughput"), None);
    assert_eq!(summary(&row, "tpot_ms"), Summary::default());
}

#[test]
fn m11_blank_tokens_count_as_the_server_counts_them() {
    let case = case("m11");
    let times = [case.given("ttft_ms"), case.given("last_ms")];
    near(
        answer(times, Some(15)).record().tpot_ms,
        case.expect("tpot_ms"),
    );
}

#[test]
fn m12_tokens_are_the_servers_and_no_start_token_per_event_is_added() {
    let case = case("m12");
    let times: Vec<f64> = (1..=8).map(|n| f64::from(n) * 10.0).collect();
    let mut answer = answer(times, Some(8));
    answer.cumulative = (1..=8).map(Some).collect();
    let record = answer.record();
    near(record.output_tokens.map(f64::from), case.expect("tokens"));
    assert_eq!(record.tokens_per_event, Some(vec![1; 8]));
}

#[test]
fn m13_cumulative_counts_are_not_summed() {
    let case = case("m13");
    let counts = numbers(&case.given["cumulative"]);
    let mut answer = answer([10.0, 20.0, 30.0, 40.0], None);
    answer.cumulative = counts.iter().map(|n| Some(*n as u32)).collect();
    let record = answer.record();
    near(record.output_tokens.map(f64::from), case.expect("tokens"));
}

#[test]
fn m19_tokens_of_a_second_are_tokens_and_not_events() {
    let case = case("m19");
    let events: Vec<f64> = (1..=100).map(|n| f64::from(n) * 100.0).collect();
    let mut answer = answer(events, Some(400));
    answer.cumulative = (1..=100).map(|n| Some(n * 4)).collect();
    let record = answer.record();
    for start_s in 0..10u64 {
        let second = Window {
            // The event at the start belongs to the second before.
            start_ns: start_s * 1_000_000_000 + 1,
            end_ns: (start_s + 1) * 1_000_000_000,
        };
        near(
            second.tokens_of(&record),
            case.expect("peak_1s_tok_s_tokens"),
        );
    }
    let row = cell(&[record]);
    near(
        number(&row, "output_token_throughput"),
        case.expect("avg_tok_s"),
    );
}
