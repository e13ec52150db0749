//! Memory and time of `report` over cells of many requests, and of `merge` over many
//! shards. `INFERBENCH_TEST_PROGRAM` names a release build to be measured,
//! `INFERBENCH_SCALE_FOLDER` a folder that keeps the shards for another time.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use inferbench_model::config::Level;
use inferbench_model::facts::exchange::{Asked, Exchange, OutputKind, StreamEnd, hex};
use inferbench_model::facts::record::{Phase, RequestKey};
use inferbench_test_support::runs::Run;
use nix::sys::resource::{UsageWho, getrusage};
use sha2::{Digest, Sha256};

mod common;

const CONCURRENCY: u32 = 64;
const TOKENS: u32 = 128;
/// Tokens of a shard's answers: a record is about a kilobyte.
const SHARD_TOKENS: u32 = 8;
/// What a cell of 100,000 requests of 128 tokens may take.
const MOST_MIB: f64 = 200.0;

/// Answers of one token an event, whose gaps scatter evenly over 5 to 15 ms.
struct Answers {
    free_ns: Vec<u64>,
    state: u64,
    level: Level,
    tokens: u32,
}

impl Answers {
    /// The answers of `slots` slots at this level. `seed`: each has other gaps, since equal
    /// values take no room and no time where they are sorted.
    fn new(slots: u32, level: u32, tokens: u32, seed: u64) -> Self {
        Self {
            free_ns: vec![1_000_000_000; slots as usize],
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1),
            level: Level::Concurrency(level),
            tokens,
        }
    }

    fn gap_ns(&mut self) -> u64 {
        // Multiplier of Knuth's MMIX.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        5_000_000 + (self.state >> 33) % 10_000_000
    }

    /// Writes the record of the `place`-th request, which is `index` of the whole.
    fn write(&mut self, file: &mut impl Write, place: u64, index: u64) {
        let slot = (place % self.free_ns.len() as u64) as usize;
        let mut at_ns = self.free_ns[slot];
        let mut exchange = Exchange::default();
        exchange.asked = Asked {
            input_tokens: Some(512),
            output_tokens: self.tokens,
            ..Asked::default()
        };
        exchange.sent_ns = Some(at_ns);
        exchange.http_status = Some(200);
        for token in 1..=self.tokens {
            at_ns += self.gap_ns();
            exchange.read_began(at_ns, at_ns, at_ns + 20_000);
            exchange.output(at_ns, OutputKind::Text, " token", Some(token));
        }
        exchange.finish("length");
        exchange.end_marker();
        self.free_ns[slot] = at_ns;
        let key = RequestKey {
            backend: "one".to_owned(),
            block: 0,
            level: self.level,
            phase: Phase::Measured,
            index,
        };
        let record = exchange.finish_record(key, &StreamEnd::Clean, at_ns, false);
        serde_json::to_writer(&mut *file, &record).unwrap();
        file.write_all(b"\n").unwrap();
    }
}

/// A file of records.
fn records_in(folder: &Path) -> BufWriter<File> {
    let file = File::create(folder.join("requests.jsonl")).unwrap();
    BufWriter::with_capacity(1 << 20, file)
}

/// Writes the facts of a run with one cell.
fn write_run(folder: &Path, requests: u64) {
    let run = Run::new(&["one"], &[CONCURRENCY], 1);
    let manifest = serde_json::to_vec(&run.manifest).unwrap();
    std::fs::write(folder.join("run.json"), manifest).unwrap();
    let mut file = records_in(folder);
    let mut answers = Answers::new(CONCURRENCY, CONCURRENCY, TOKENS, 0);
    (0..requests).for_each(|index| answers.write(&mut file, index, index));
    file.flush().unwrap();
}

/// The folder of so many shards: that which a variable names, or one that goes away.
fn shards_folder(shards: u64, requests: u64) -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os("INFERBENCH_SCALE_FOLDER") {
        Some(kept) => {
            let kept = PathBuf::from(kept).join(format!("{shards}-of-{requests}"));
            std::fs::create_dir_all(&kept).unwrap();
            (kept, None)
        }
        None => {
            let folder = tempfile::tempdir().unwrap();
            (folder.path().to_owned(), Some(folder))
        }
    }
}

/// Writes the folders of so many shards of a run, unless they are there.
fn write_shards(folder: &Path, shards: u64, requests: u64) {
    let level = u32::try_from(4 * shards).unwrap();
    let run = Run::new(&["one"], &[level], 1);
    for shard in 0..shards {
        let own = folder.join(shard.to_string());
        if own.join("run.json").exists() {
            continue;
        }
        std::fs::create_dir_all(&own).unwrap();
        let mut file = records_in(&own);
        let mut answers = Answers::new(4, level, SHARD_TOKENS, shard);
        (0..requests).for_each(|place| answers.write(&mut file, place, place * shards + shard));
        file.flush().unwrap();
        let records = own.join("requests.jsonl");
        let of_records = std::fs::metadata(&records).unwrap().len();
        let mut hash = Sha256::new();
        std::io::copy(&mut File::open(&records).unwrap(), &mut hash).unwrap();
        let mut manifest = serde_json::to_value(&run.manifest).unwrap();
        manifest["exit_state"] = "done".into();
        manifest["shard"] = serde_json::json!({
            "index": shard, "count": shards, "starts": [],
            "clock": {"wall_ns": 1, "monotonic_ns": 1, "boot_id": "a", "bound_ms": 1.0,
                "synchronised": true}
        });
        manifest["files"] = serde_json::json!({
            "requests.jsonl": {"bytes": of_records, "sha256": hex(&hash.finalize())}
        });
        common::seal::write_sealed(&own.join("run.json"), manifest);
    }
}

/// Bytes of the records of shards.
fn bytes_of(folder: &Path) -> u64 {
    let each = std::fs::read_dir(folder).unwrap();
    let each = each.map(|shard| shard.unwrap().path().join("requests.jsonl").metadata());
    each.map(|records| records.unwrap().len()).sum()
}

/// Runs `report` over the folder; gives its time and the largest memory of any
/// child so far.
fn report(folder: &Path) -> (f64, f64) {
    let began = Instant::now();
    let status = Command::new(common::program())
        .args(["--quiet", "report"])
        .arg(folder)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (seconds, usage.max_rss() as f64 / 1024.0)
}

#[test]
#[ignore = "needs minutes and 300 MB of disk"]
fn a_cell_of_a_hundred_thousand_requests_is_reported_within_200_mib() {
    let asked = std::env::var("INFERBENCH_SCALE_REQUESTS").ok();
    let largest: u64 = asked.map_or(100_000, |text| text.parse().unwrap());
    for requests in [largest / 10, largest] {
        let folder = tempfile::tempdir().unwrap();
        write_run(folder.path(), requests);
        let bytes = std::fs::metadata(folder.path().join("requests.jsonl")).unwrap();
        let (seconds, peak_mib) = report(folder.path());
        println!(
            "{requests} requests of {TOKENS} tokens, {} MB: {seconds:.1} s, {peak_mib:.0} MiB",
            bytes.len() / 1_000_000
        );
        assert!(
            requests > 100_000 || peak_mib < MOST_MIB,
            "{peak_mib} MiB for {requests} requests"
        );
        // (5 ms + 15 ms) / 2, with a standard error of 0.8 us over 12.8 M gaps.
        let cells = std::fs::read_to_string(folder.path().join("cells.json")).unwrap();
        let cells: serde_json::Value = serde_json::from_str(&cells).unwrap();
        let itl = &cells["cells"][0]["itl_ms"];
        assert_eq!(itl["n"], requests * u64::from(TOKENS - 1));
        for (name, truth) in [("mean", 10.0), ("p50", 10.0), ("p90", 14.0), ("p99", 14.9)] {
            let value = itl[name].as_f64().unwrap();
            assert!((value - truth).abs() < 0.05, "{name}: {value}");
        }
    }
}

/// Seconds of processor time of all children so far.
fn children_cpu_s() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}

fn from_variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
#[ignore = "needs minutes and 300 MB of disk"]
fn many_shards_are_merged_within_500_mib() {
    let shards = from_variable("INFERBENCH_SCALE_SHARDS", 10);
    let requests = from_variable("INFERBENCH_SCALE_REQUESTS", 10_000);
    let (folder, _goes_away) = shards_folder(shards, requests);
    let (from, run) = (folder.join("shards"), folder.join("run"));
    drop(std::fs::remove_dir_all(&run));
    write_shards(&from, shards, requests);
    let bytes = bytes_of(&from);
    let (began, cpu_s) = (Instant::now(), children_cpu_s());
    let status = Command::new(common::program())
        .args(["--quiet", "merge"])
        .arg(&from)
        .arg("-o")
        .arg(&run)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let cpu_s = children_cpu_s() - cpu_s;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let peak_mib = usage.max_rss() as f64 / 1024.0;
    let mb = bytes as f64 / 1e6;
    println!(
        "{shards} shards of {requests} requests, {mb:.0} MB: {:.1} s, {cpu_s:.1} s of a core, {:.0} MB/s of a core, {peak_mib:.0} MiB",
        began.elapsed().as_secs_f64(),
        mb / cpu_s
    );
    assert!(peak_mib < 500.0, "{peak_mib} MiB");
    let cells = std::fs::read_to_string(run.join("cells.json")).unwrap();
    let cells: serde_json::Value = serde_json::from_str(&cells).unwrap();
    assert_eq!(cells["cells"][0]["counts"]["ok"], shards * requests);
}
