//! When shards begin, and when they do not.

use std::fs;
use std::process::Command;

use crate::Shards;
use crate::common::{json_file, json_lines, said};

#[test]
fn a_start_that_has_passed_is_refused_before_anything_is_sent() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    let mut command = run.command(0, 2);
    let past = said(command.args(["--start-at", "2020-01-01T00:00:00Z"]));
    assert_eq!(past.code, Some(75), "{}", past.err);
    assert!(past.err.contains("the start time passed"), "{}", past.err);
    assert!(!run.path("shards/0").exists());
    let mut command = run.command(0, 2);
    let future = said(command.args(["--start-at", "2999-01-01T00:00:00Z"]));
    assert_eq!(future.code, Some(2));
    assert!(
        future.err.contains("more than 24 hours ahead"),
        "{}",
        future.err
    );
    let none = said(&mut run.command(0, 2));
    assert_eq!(none.code, Some(2));
    assert!(
        none.err
            .contains("give --start-at TIME, or --rendezvous DIR"),
        "{}",
        none.err
    );
}

#[test]
fn a_given_time_starts_the_schedule_at_that_time() {
    let run = Shards::new("{ request_rate: [100], arrivals: constant, requests: 40 }");
    let mut date = Command::new("date");
    let date = date
        .args(["-u", "-d", "+8 seconds", "+%FT%TZ %s"])
        .output()
        .unwrap();
    let date = String::from_utf8(date.stdout).unwrap();
    let (time, seconds) = date.trim().split_once(' ').unwrap();
    let mut command = run.command(1, 2);
    let said = said(command.args(["--start-at", time]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let folder = run.shard_folder(1);
    let shard = &json_file(&folder.join("run.json"))["shard"];
    let at_ns = seconds.parse::<u64>().unwrap() * 1_000_000_000;
    assert_eq!(shard["starts"][0]["start_at_ns"], at_ns);
    let clock = |name: &str| shard["clock"][name].as_u64().unwrap();
    let start_ns = at_ns - (clock("wall_ns") - clock("monotonic_ns"));
    // Requests 1, 3, 5 of the whole, ten milliseconds apart there.
    let records = json_lines(&folder.join("requests.jsonl"));
    assert_eq!(records.len(), 20);
    for record in records {
        let index = record["index"].as_u64().unwrap();
        assert_eq!(index % 2, 1);
        assert_eq!(record["scheduled_ns"], start_ns + index * 10_000_000);
    }
}

#[test]
fn who_waits_in_vain_sends_nothing() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    let said = run.meet(&[0], 2, 1).remove(0);
    assert_eq!(said.code, Some(75), "{}", said.err);
    assert!(
        said.err.contains("shard 1 did not come within 1 s"),
        "{}",
        said.err
    );
    let records = fs::read_to_string(run.shard_folder(0).join("requests.jsonl")).unwrap();
    assert_eq!(records, "");
}
