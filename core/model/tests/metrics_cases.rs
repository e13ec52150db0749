//! Figures that benchmark tools are known to get wrong, each row with what is
//! right. Rows k01 to k06 are about KV-cache arithmetic, which is not covered
//! yet.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use inferbench_model::cell::row::{CellRow, row};
use inferbench_model::config::{Level, SloConfig, load};
use inferbench_model::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd, Usage};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_model::facts::key::{CellKey, Counts};
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_model::facts::self_check::SelfCheck;
use inferbench_model::facts::window::Window;
use inferbench_model::metrics::MetricValue;
use inferbench_model::report::warning_words;
use inferbench_model::stats::{Summary, percentile};
use serde_json::Value;

struct Case {
    given: Value,
    expect: Value,
}

fn case(id: &str) -> Case {
    let rows: Vec<Value> = serde_json::from_str(include_str!("cases/metrics_cases.json")).unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap();
    Case {
        given: row["given"].clone(),
        expect: row["expect"].clone(),
    }
}

impl Case {
    fn given(&self, key: &str) -> f64 {
        self.given[key].as_f64().unwrap()
    }

    fn expect(&self, key: &str) -> f64 {
        self.expect[key].as_f64().unwrap()
    }
}

fn numbers(list: &Value) -> Vec<f64> {
    let items = list.as_array().unwrap();
    items.iter().map(|item| item.as_f64().unwrap()).collect()
}

fn near(value: impl Into<Option<f64>>, expected: f64) {
    let value = value.into();
    assert!(
        value.is_some_and(|value| (value - expected).abs() < 1e-5),
        "{value:?} is not {expected}"
    );
}

fn ns(ms: f64) -> u64 {
    (ms * 1e6).round() as u64
}

/// One answer, all times in ms.
struct Answer {
    level: Level,
    sent_ms: f64,
    events_ms: Vec<f64>,
    /// Cumulative tokens at each event.
    cumulative: Vec<Option<u32>>,
    usage: Usage,
    asked: Asked,
    end_ms: f64,
    end: StreamEnd,
}

fn answer(events_ms: impl Into<Vec<f64>>, tokens: Option<u32>) -> Answer {
    let events_ms = events_ms.into();
    Answer {
        level: Level::Concurrency(1),
        sent_ms: 0.0,
        cumulative: vec![None; events_ms.len()],
        end_ms: events_ms.last().copied().unwrap_or_default(),
        events_ms,
        usage: Usage {
            output_tokens: tokens,
            ..Usage::default()
        },
        asked: Asked {
            input_tokens: None,
            output_tokens: tokens.unwrap_or(1),
            ..Asked::default()
        },
        end: StreamEnd::Clean,
    }
}

impl Answer {
    fn record(self) -> RequestRecord {
        let mut exchange = Exchange::default();
        exchange.asked = self.asked;
        exchange.sent_ns = Some(ns(self.sent_ms));
        exchange.http_status = Some(200);
        for (at, tokens) in self.events_ms.iter().zip(self.cumulative) {
            exchange.output(ns(*at), OutputKind::Text, " ", tokens);
        }
        exchange.usage(self.usage);
        exchange.finish("length");
        exchange.finish_record(
            RequestKey {
                backend: "b".to_owned(),
                block: 0,
                level: self.level,
                phase: Phase::Measured,
                index: 0,
            },
            &self.end,
            ns(self.end_ms),
            false,
        )
    }
}

fn in_words(row: &CellRow) -> Vec<String> {
    row.warnings.iter().map(warning_words).collect()
}

fn cell(records: &[RequestRecord]) -> CellRow {
    let key = CellKey {
        backend: "b".to_owned(),
        block: 0,
        level: records[0].level,
    };
    row(key, records, SloConfig::default(), SelfCheck::default())
}

fn number(row: &CellRow, metric: &str) -> Option<f64> {
    match row.metrics[metric] {
        MetricValue::Number(number) => number,
        MetricValue::Summary(_) => panic!("{metric} is a summary"),
    }
}

fn summary(row: &CellRow, metric: &str) -> Summary {
    match row.metrics[metric] {
        MetricValue::Summary(summary) => summary,
        MetricValue::Number(_) => panic!("{metric} is a number"),
    }
}

/// Arrival times: the first, then each gap later.
fn after(first: f64, gaps: &[f64]) -> Vec<f64> {
    let mut times = vec![first];
    for gap in gaps {
        times.push(times[times.len() - 1] + gap);
    }
    times
}

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
fn m14_only_the_monotonic_clock_enters_ttft() {
    let case = case("m14");
    let mut answer = answer([case.given("monotonic_first_ms")], Some(1));
    answer.sent_ms = case.given("monotonic_start_ms");
    near(answer.record().ttft_ms, case.expect("ttft_ms"));
}

#[test]
fn m15_a_warm_prefix_cache_is_warned_of() {
    let case = case("m15");
    let mut answer = answer([100.0, 200.0], Some(2));
    answer.usage.input_tokens = Some(case.given("prompt_tokens") as u32);
    answer.usage.cached_tokens = Some(case.given("cached_tokens") as u32);
    let record = answer.record();
    let share = f64::from(record.cached_tokens.unwrap()) / f64::from(record.input_tokens.unwrap());
    near(share, case.expect("cached_fraction"));
    let row = cell(&[record]);
    let flag = case.expect["flag"].as_str().unwrap();
    let warnings = in_words(&row);
    let warning = warnings.iter().find(|w| w.starts_with(flag)).unwrap();
    assert!(warning.contains("98.4 %"), "{warning}");
}

/// Refusal and hint for a synthetic workload that may not fit.
fn refusal(max_model_len: u64, input: &str, output: u64) -> Option<(String, String)> {
    let text = format!(
        "name: a\nmodel: {{id: m, max_model_len: {max_model_len}}}\nbackends: [{{plugin: sim}}]\n\
         load: {{concurrency: [1], requests: 1}}\n\
         workload: {{input_tokens: {input}, output_tokens: {output}}}\n"
    );
    let errors = load("a.yaml", &text, &|_| None).err()?;
    let hint = errors[0].hint().unwrap_or_default().to_owned();
    Some((errors[0].to_string(), hint))
}

#[test]
fn m16_the_longest_answer_that_fits_is_named() {
    let case = case("m16");
    let given = |key: &str| case.given[key].as_u64().unwrap();
    // A chat template's tokens are part of the prompt.
    let prompt = given("random_input") + given("template_tokens");
    let (error, hint) = refusal(
        given("max_model_len"),
        &prompt.to_string(),
        given("max_tokens"),
    )
    .unwrap();
    let total = format!("{} do not fit", case.expect["total"]);
    assert!(error.ends_with(&total), "{error}");
    let most = format!("to {} at most", case.expect["largest_max_tokens"]);
    assert!(hint.ends_with(&most), "{hint}");
    assert_eq!(refusal(2048, &prompt.to_string(), 994), None);
}

#[test]
fn m17_the_longest_prompt_of_a_range_must_fit() {
    let case = case("m17");
    let (mean, ratio) = (case.given("mean_input"), case.given("range_ratio"));
    let (lo, hi) = (mean * (1.0 - ratio), mean * (1.0 + ratio));
    near(hi, case.expect("max_input"));
    let limit = case.given["max_model_len"].as_u64().unwrap();
    let (error, _) = refusal(limit, &format!("{{uniform: [{lo}, {hi}]}}"), 1).unwrap();
    assert!(error.contains("the longest prompt has 9300"), "{error}");
}

#[test]
fn m18_a_hidden_limit_on_concurrency_is_reported_and_warned_of() {
    let case = case("m18");
    let asked = case.given["asked_concurrency"].as_u64().unwrap() as u32;
    let lengths = numbers(&case.given["e2e_s"]);
    let mut ends_ms = vec![0.0; 100];
    let records: Vec<RequestRecord> = lengths
        .iter()
        .enumerate()
        .map(|(n, seconds)| {
            let slot: &mut f64 = &mut ends_ms[n % 100];
            let sent_ms = *slot;
            *slot += seconds * 1e3;
            let mut answer = answer([*slot], Some(1));
            answer.sent_ms = sent_ms;
            answer.level = Level::Concurrency(asked);
            answer.record()
        })
        .collect();
    let row = cell(&records);
    near(row.window.unwrap().length_s(), case.given("duration_s"));
    near(
        number(&row, "achieved_concurrency"),
        case.expect("achieved_mean_concurrency"),
    );
    assert_eq!(
        in_words(&row),
        ["100.0 requests were in flight on average, 256 were asked"]
    );
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
