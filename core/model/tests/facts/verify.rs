//! What an auditor finds in records that contradict themselves or the plan, though
//! every file was sealed anew.

use inferbench_model::config::{Config, Level};
use inferbench_model::facts::manifest::CellFacts;
use inferbench_model::facts::record::{Phase, RequestRecord};
use inferbench_model::text::units::ms_between;
use inferbench_model::verify::{AskedByPlan, CellAudit, RecordRules, Verification, faults};
use inferbench_test_support::runs::{Timetable, records};
use serde_json::json;

const MS: u64 = 1_000_000;

/// Eight tokens in as many events: the first 20 ms after the send, then one every 4 ms.
fn answers() -> Vec<RequestRecord> {
    let timetable = Timetable {
        concurrency: 1,
        ttft_ms: 20.0,
        jitter_ms: 0.0,
        gap_ms: 4.0,
        tokens: 8,
        n: 40,
    };
    records("b0", 0, timetable)
}

fn answer() -> RequestRecord {
    answers().swap_remove(0)
}

/// What is found in a record after a forger has been at it.
fn found(forge: impl Fn(&mut RequestRecord)) -> Vec<String> {
    let mut record = answer();
    forge(&mut record);
    faults(&record, RecordRules::Current)
}

#[test]
fn an_honest_record_agrees_with_itself() {
    assert_eq!(found(|_| ()), Vec::<String>::new());
}

#[test]
fn more_tokens_than_its_events_hold_are_found() {
    let words = found(|record| {
        record.output_tokens = Some(80);
        record.tpot_ms = record.tpot_from_times_ms();
    });
    assert_eq!(
        words,
        ["it has 80 tokens, its events hold 8 and 0 came without output"]
    );
    let fewer = found(|record| record.tokens_per_event = Some(vec![10; 8]));
    assert!(
        fewer.contains(&"its events hold 80 tokens, it has 8".to_owned()),
        "{fewer:?}"
    );
}

#[test]
fn a_decode_time_that_does_not_follow_is_found() {
    let words = found(|record| record.decode_ms_per_token = Some(2.0));
    assert_eq!(
        words,
        ["decode_ms_per_token is 2, its times and tokens give 4"]
    );
    let unnamed = found(|record| record.decode_is_estimated = true);
    assert_eq!(unnamed.len(), 1, "{unnamed:?}");
}

#[test]
fn moments_out_of_their_order_are_found() {
    let late_send = found(|record| {
        record.sent_ns = record.first_output_ns.map(|first| first + MS);
        record.ttft_ms = Some(ms_between(
            record.sent_ns.unwrap(),
            record.first_output_ns.unwrap(),
        ));
        record.e2e_latency_ms = Some(ms_between(
            record.sent_ns.unwrap(),
            record.last_output_ns.unwrap(),
        ));
    });
    assert_eq!(late_send, ["send lies after first output"]);
    let early_text = found(|record| {
        record.first_content_ns = record.first_output_ns.map(|first| first - 1000 * MS);
    });
    assert_eq!(early_text, ["first output lies after first text"]);
}

#[test]
fn a_gap_below_0_is_found_though_the_sum_is_right() {
    let words = found(|record| {
        record.itl_ms[0] += 100.0;
        record.itl_ms[1] -= 100.0;
    });
    assert_eq!(words, ["one of its gaps is -96 ms"]);
}

#[test]
fn records_of_an_older_version_keep_its_rules() {
    let mut record = answer();
    record.itl_ms = vec![0.0; 7];
    record.last_output_ns = record.first_output_ns;
    record.e2e_latency_ms = record.ttft_ms;
    (record.tpot_ms, record.decode_ms_per_token) = (Some(0.0), Some(0.0));
    assert_eq!(
        faults(&record, RecordRules::of_run_version(2)),
        Vec::<String>::new()
    );
    assert_eq!(faults(&record, RecordRules::of_run_version(3)).len(), 2);
}

/// What an audit of the cell finds against the rule with this id.
fn audited(id: &str, records: &[RequestRecord], load: serde_json::Value) -> u64 {
    let config: Config = serde_json::from_value(json!({
        "name": "audit", "model": {"id": "m"}, "backends": [{"plugin": "sim"}],
        "workload": {"input_tokens": 512, "output_tokens": 8}, "load": load
    }))
    .unwrap();
    let facts: CellFacts = serde_json::from_value(json!({
        "backend": "b0", "block": 0, "level": Level::Concurrency(1), "start_ns": 0,
        "end_ns": u64::MAX, "complete": true, "self_check": {}
    }))
    .unwrap();
    let asked = AskedByPlan {
        workload: &config.workload,
        block: 0,
        level: 0,
    };
    let mut verification = Verification::default();
    let rules = RecordRules::Current;
    let mut audit = CellAudit::new("b0".to_owned(), Some(&facts), rules, Some(asked));
    for record in records {
        audit.take(record, "line", &mut verification);
    }
    let level = config.load.levels()[0];
    audit.finish(level, (&config.load, 0), &mut verification);
    let rule = verification.rules.iter().find(|rule| rule.id == id);
    rule.unwrap().count
}

#[test]
fn another_number_of_measured_requests_than_the_config_asks_for_is_found() {
    let load = || json!({"concurrency": [1], "requests": 40, "warmup_requests": 0});
    assert_eq!(audited("V17", &answers(), load()), 0);
    assert_eq!(audited("V17", &answers()[..30], load()), 1);
    let mut hidden = answers();
    for record in hidden.iter_mut().step_by(2) {
        record.phase = Phase::Warmup;
    }
    assert_eq!(audited("V17", &hidden, load()), 1);
    let timed = json!({"concurrency": [1], "requests": 40, "duration": "1s", "warmup_requests": 0});
    assert_eq!(audited("V17", &answers()[..30], timed), 0);
}

#[test]
fn times_of_a_trace_that_do_not_ascend_are_found() {
    let load = || json!({"arrivals": "trace", "speed": [2], "requests": 40});
    let mut records = answers();
    for record in &mut records {
        // Two at a time, as in a trace whose times are whole seconds.
        record.scheduled_ns = Some(1_000 + record.index / 2 * 500);
    }
    assert_eq!(audited("V05", &records, load()), 0);
    let mut moved = records.clone();
    moved[10].scheduled_ns = Some(1_000);
    assert_eq!(audited("V05", &moved, load()), 1);
    let mut without = records;
    without[3].scheduled_ns = None;
    assert_eq!(audited("V05", &without, load()), 1);
}

#[test]
fn lengths_that_the_seed_does_not_give_are_found() {
    let load = json!({"concurrency": [1], "requests": 40, "warmup_requests": 0});
    let mut longer = answers();
    longer[3].asked_output_tokens = 80;
    longer[4].asked_input_tokens = Some(100);
    assert_eq!(audited("V17", &longer, load), 2);
}
