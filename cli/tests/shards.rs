//! Several processes that make one load together, as a user runs them: shards against the
//! simulator, joined into one run.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::seal::write_sealed;
use common::simulator::Server;
use common::{Said, inferbench, json_file, json_lines, run_folder, said};
use inferbench_model::facts::exchange::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

struct Shards {
    folder: TempDir,
    config: PathBuf,
    _server: Server,
}

impl Shards {
    fn new(load: &str) -> Self {
        let (folder, server) = (tempfile::tempdir().unwrap(), Server::start());
        let text = format!(
            "name: together\nmodel: {{ id: simulated }}\nbackends:\n  - plugin: sim\n    attach: {}\nworkload: {{ input_tokens: 16, output_tokens: 4, shared_prefix_tokens: 8 }}\nload: {load}\nrepeats: 1\n",
            server.url
        );
        let config = folder.path().join("bench.yaml");
        fs::write(&config, text).unwrap();
        Self {
            folder,
            config,
            _server: server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, index: u32, count: u32) -> Command {
        let mut command = inferbench();
        command.arg("--quiet").arg("run").arg(&self.config);
        command
            .arg("--output")
            .arg(self.path(&format!("shards/{index}")));
        command.arg("--shard").arg(format!("{index}/{count}"));
        command
    }

    /// Runs these shards at once, each meeting the others.
    fn meet(&self, indices: &[u32], count: u32, limit_s: u32) -> Vec<Said> {
        let running = indices.iter().map(|index| {
            let mut command = self.command(*index, count);
            command.arg("--rendezvous").arg(self.path("meet"));
            command.arg("--rendezvous-limit").arg(limit_s.to_string());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        });
        let running: Vec<Child> = running.collect();
        let ended = running
            .into_iter()
            .map(|child| child.wait_with_output().unwrap());
        ended.map(Said::from).collect()
    }

    fn shard_folder(&self, index: u32) -> PathBuf {
        run_folder(&self.path(&format!("shards/{index}")))
    }

    fn merge(&self, folders: &[PathBuf], more: &[&str]) -> Said {
        let mut command = inferbench();
        command.args(["--quiet", "merge"]).args(folders).args(more);
        said(command.arg("-o").arg(self.path("merged")))
    }
}

/// The indices of a run's records, in order.
fn indices(run: &Path) -> Vec<u64> {
    let records = json_lines(&run.join("requests.jsonl"));
    let mut indices: Vec<u64> = records
        .iter()
        .map(|r| r["index"].as_u64().unwrap())
        .collect();
    indices.sort_unstable();
    indices
}

#[test]
fn shards_send_together_what_one_machine_sends_and_merge_into_one_run() {
    let run = Shards::new(
        "{ request_rate: [100], arrivals: constant, requests: 60, warmup_requests: 4 }",
    );
    for said in run.meet(&[0, 1, 2, 3], 4, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let merged = run.merge(
        &[
            run.path("shards/0"),
            run.path("shards/1"),
            run.path("shards/2"),
            run.path("shards/3"),
        ],
        &[],
    );
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    assert!(
        merged.out.contains("shards: 4 of 4, one clock"),
        "{}",
        merged.out
    );
    let folder = run.path("merged");
    assert_eq!(indices(&folder), (0..64).collect::<Vec<u64>>());
    // Ten milliseconds apart, whichever process sent them.
    let mut records = json_lines(&folder.join("requests.jsonl"));
    records.sort_by_key(|record| record["index"].as_u64());
    let at = |index: usize| records[index]["scheduled_ns"].as_u64().unwrap();
    for index in 0..64 {
        assert_eq!(at(index) - at(0), index as u64 * 10_000_000);
    }
    // All but the very first begin as an earlier one of the whole did.
    let repeated = |index: usize| records[index]["repeated_tokens"].as_u64().unwrap();
    assert_eq!(repeated(0), 0);
    assert!((1..64).all(|index| repeated(index) == 8));
    let verified = said(inferbench().arg("verify").arg(&folder));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let starts = &json_file(&folder.join("run.json"))["merged"]["shards"][2]["starts"][0];
    assert!(starts["first_send_late_ms"].as_f64().unwrap() >= 0.0);
    // One process with these records would have left the same figures, bit for bit.
    let plain = run.path("plain");
    fs::create_dir(&plain).unwrap();
    for file in ["requests.jsonl", "host.jsonl"] {
        fs::copy(folder.join(file), plain.join(file)).unwrap();
    }
    let mut manifest = json_file(&folder.join("run.json"));
    manifest.as_object_mut().unwrap().remove("merged");
    fs::write(plain.join("run.json"), manifest.to_string()).unwrap();
    assert_eq!(said(inferbench().arg("report").arg(&plain)).code, Some(0));
    assert_eq!(
        fs::read_to_string(plain.join("cells.json")).unwrap(),
        fs::read_to_string(folder.join("cells.json")).unwrap()
    );
    // Neither it nor a shard can be gone on with by one machine.
    let mut resumed = inferbench();
    let resumed = resumed
        .arg("run")
        .arg(&run.config)
        .arg("--resume")
        .arg(&folder);
    assert!(
        said(resumed)
            .err
            .contains("cannot be resumed: run all shards again")
    );
    // A shard alone is no run.
    let alone = said(inferbench().arg("report").arg(run.shard_folder(1)));
    assert_eq!(alone.code, Some(2));
    assert!(
        alone.err.contains("is shard 1 of 4, a part of a run"),
        "{}",
        alone.err
    );
}

#[test]
fn a_closed_loop_is_shared_out_level_by_level() {
    let run = Shards::new("{ concurrency: [5, 2], requests: 40, warmup_requests: 2 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let both = [run.shard_folder(0), run.shard_folder(1)];
    let own = |index: usize| {
        let records = json_lines(&both[index].join("requests.jsonl"));
        let of_level = |n: u64| {
            let own = records.iter().filter(|r| r["level"]["value"] == n);
            own.filter(|r| r["phase"] == "measured").count()
        };
        (of_level(5), of_level(2))
    };
    assert_eq!((own(0), own(1)), ((20, 20), (20, 20)));
    let merged = run.merge(&both, &[]);
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    let folder = run.path("merged");
    let verified = said(inferbench().arg("verify").arg(&folder));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let cells = json_file(&folder.join("cells.json"));
    let counts: Vec<&Value> = cells["cells"].as_array().unwrap().iter().collect();
    assert_eq!(counts.len(), 2);
    assert!(counts.iter().all(|cell| cell["counts"]["ok"] == 40));
}

/// The shard as a machine would have left it whose monotonic clock is five seconds behind,
/// and whose wall clock may be off by `bound_ms`.
fn on_another_machine(shard: &Path, bound_ms: f64) {
    let behind = |value: &mut Value| {
        if let Some(t_ns) = value.as_u64() {
            *value = (t_ns - 5_000_000_000).into();
        }
    };
    let mut records = json_lines(&shard.join("requests.jsonl"));
    for record in &mut records {
        for key in [
            "scheduled",
            "sent",
            "first_output",
            "first_content",
            "last_output",
            "end",
        ] {
            behind(&mut record[format!("{key}_ns")]);
        }
    }
    let lines = records.iter().map(|record| format!("{record}\n"));
    let text: String = lines.collect();
    fs::write(shard.join("requests.jsonl"), &text).unwrap();
    let mut manifest = json_file(&shard.join("run.json"));
    manifest["files"]["requests.jsonl"]["bytes"] = text.len().into();
    let sha256 = hex(&Sha256::digest(text.as_bytes()));
    manifest["files"]["requests.jsonl"]["sha256"] = sha256.into();
    behind(&mut manifest["shard"]["clock"]["monotonic_ns"]);
    manifest["shard"]["clock"]["boot_id"] = "another".into();
    manifest["shard"]["clock"]["bound_ms"] = bound_ms.into();
    for anchor in manifest["anchors"].as_array_mut().unwrap() {
        behind(&mut anchor["monotonic_ns"]);
    }
    for cell in manifest["cells"].as_array_mut().unwrap() {
        behind(&mut cell["start_ns"]);
        behind(&mut cell["end_ns"]);
    }
    write_sealed(&shard.join("run.json"), manifest);
}

#[test]
fn times_of_two_machines_come_on_one_clock_with_its_bound() {
    let run = Shards::new("{ request_rate: [100], arrivals: constant, requests: 40 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    on_another_machine(&run.shard_folder(1), 9.0);
    let first = run.shard_folder(0).join("run.json");
    let mut manifest = json_file(&first);
    manifest["shard"]["clock"]["bound_ms"] = 1.0.into();
    write_sealed(&first, manifest);
    let merged = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    assert!(
        merged.out.contains("clocks at most 10.0 ms apart"),
        "{}",
        merged.out
    );
    let folder = run.path("merged");
    let verified = said(inferbench().arg("verify").arg(&folder));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    // A capture is of one machine: no packet is read.
    let mut held = inferbench();
    let held = said(
        held.arg("verify")
            .arg(&folder)
            .args(["--capture", "any.pcap"]),
    );
    assert_eq!(held.code, Some(2));
    let words = "the run was made by shards on 2 machines, and a capture has the connections";
    assert!(held.err.contains(words), "{}", held.err);
    // 10 of 390 ms are more than a hundredth.
    let cell = &json_file(&folder.join("cells.json"))["cells"][0];
    assert_eq!(cell["trustworthy"], false);
    let breaches = cell["breaches"].as_array().unwrap();
    assert!(
        breaches.contains(&"shard-clocks-apart".into()),
        "{breaches:?}"
    );
    // Records that were changed, or cut short, since are refused, and nothing is left.
    let records = run.shard_folder(1).join("requests.jsonl");
    let as_left = fs::read_to_string(&records).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    fs::write(
        &records,
        as_left.replacen("\"index\":1,", "\"index\":3,", 1),
    )
    .unwrap();
    let changed = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(changed.code, Some(2));
    assert!(changed.err.contains(": it was changed"), "{}", changed.err);
    assert!(!folder.exists());
    fs::write(&records, &as_left).unwrap();
    // A server that was started anew between two shards was not one server.
    let of_shard = |index: u32| run.shard_folder(index).join("run.json");
    let as_told = fs::read_to_string(of_shard(1)).unwrap();
    for (index, at_s) in [(0, 1_733_210_400.0), (1, 1_733_210_460.25)] {
        let mut manifest = json_file(&of_shard(index));
        manifest["stages"][0]["evidence"]["started_unix_s"] = at_s.into();
        write_sealed(&of_shard(index), manifest);
    }
    let other = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(other.code, Some(2));
    let words =
        "the start, s since 1970, of the server of sim differs: 1733210400.00 and 1733210460.25";
    assert!(other.err.contains(words), "{}", other.err);
    // A wall clock that was set by 137 ms while the shard ran counts among what they may be
    // apart: 1 and 9 and 137.
    fs::write(of_shard(1), as_told).unwrap();
    let mut manifest = json_file(&of_shard(1));
    let last = manifest["anchors"]
        .as_array_mut()
        .unwrap()
        .last_mut()
        .unwrap();
    let monotonic_ns = last["monotonic_ns"].as_u64().unwrap();
    last["monotonic_ns"] = (monotonic_ns - 137_000_000).into();
    write_sealed(&of_shard(1), manifest);
    let stepped = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(stepped.code, Some(0), "{}", stepped.err);
    assert!(
        stepped
            .out
            .contains("the wall clock of shard 1 was set by 13"),
        "{}",
        stepped.out
    );
    assert!(stepped.out.contains("clocks at most 14"), "{}", stepped.out);
    // So is any other file of facts, and records that were cut short.
    fs::remove_dir_all(&folder).unwrap();
    let host = run.shard_folder(1).join("host.jsonl");
    fs::write(&host, "changed").unwrap();
    let edited = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(edited.code, Some(2));
    assert!(
        edited
            .err
            .contains("host.jsonl: is missing or was cut short"),
        "{}",
        edited.err
    );
    fs::write(&records, &as_left[..as_left.len() - 10]).unwrap();
    let cut = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(cut.code, Some(2));
    assert!(
        cut.err.contains("it was cut short or changed"),
        "{}",
        cut.err
    );
}

#[test]
fn a_shard_that_is_killed_leaves_valid_records_and_is_named() {
    let run = Shards::new("{ request_rate: [50], requests: 1000 }");
    let mut running: Vec<Child> = (0..2)
        .map(|index| {
            let mut command = run.command(index, 2);
            command.arg("--rendezvous").arg(run.path("meet"));
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let has_records = || {
        let runs = fs::read_dir(run.path("shards/1"))
            .into_iter()
            .flatten()
            .flatten();
        let mut files = runs.map(|entry| entry.path().join("requests.jsonl"));
        files.any(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
    };
    while !has_records() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    running[1].kill().unwrap();
    running[1].wait().unwrap();
    // The other one is not disturbed; it is stopped here only to save time.
    let pid = nix::unistd::Pid::from_raw(running[0].id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(running[0].wait().unwrap().code(), Some(130));
    assert!(!indices(&run.shard_folder(1)).is_empty());
    let merged = run.merge(
        &[run.shard_folder(0), run.shard_folder(1)],
        &["--allow-missing"],
    );
    assert_eq!(merged.code, Some(3));
    assert!(
        merged.err.contains("shard 0: it was interrupted"),
        "{}",
        merged.err
    );
    assert!(
        merged
            .err
            .contains("shard 1: its end was not written: it was killed, or goes on"),
        "{}",
        merged.err
    );
}

#[test]
fn lost_shards_are_named_and_a_partial_report_has_no_verdict() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let one = [run.shard_folder(0)];
    let refused = run.merge(&one, &[]);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    assert!(
        refused.err.contains("shard 1: there is no folder of it"),
        "{}",
        refused.err
    );
    assert!(!run.path("merged").exists());
    let twice = run.merge(&[run.shard_folder(0), run.shard_folder(0)], &[]);
    assert_eq!(twice.code, Some(2));
    assert!(twice.err.contains("both are shard 0 of 2"), "{}", twice.err);
    let partial = run.merge(&one, &["--allow-missing"]);
    assert_eq!(partial.code, Some(3), "{}", partial.err);
    assert!(
        partial.out.contains("Partial 1 of 2 shards."),
        "{}",
        partial.out
    );
    let report = json_file(&run.path("merged/report.json"));
    assert_eq!(report["partial"]["merged"], 1);
}

#[test]
fn one_shard_of_one_gives_the_same_report_as_its_records_without_it() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    let said = run.meet(&[0], 1, 60).remove(0);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let merged = run.merge(&[run.shard_folder(0)], &[]);
    assert_eq!(merged.code, Some(0), "{}", merged.err);
    let (shard, folder) = (run.shard_folder(0), run.path("merged"));
    let records = |run: &Path| {
        let mut lines: Vec<String> = fs::read_to_string(run.join("requests.jsonl"))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(records(&shard), records(&folder), "byte for byte");
    // The same facts without a word of shards, as one machine would have left them.
    let mut manifest = json_file(&shard.join("run.json"));
    manifest.as_object_mut().unwrap().remove("shard");
    fs::write(shard.join("run.json"), manifest.to_string()).unwrap();
    fs::copy(folder.join("requests.jsonl"), shard.join("requests.jsonl")).unwrap();
    let plain = common::said(inferbench().arg("report").arg(&shard));
    assert_eq!(plain.code, Some(0), "{}", plain.err);
    for file in ["cells.json", "report.json"] {
        assert_eq!(json_file(&shard.join(file)), json_file(&folder.join(file)));
    }
}

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

#[test]
fn shards_whose_hashes_were_taken_away_or_lead_elsewhere_are_not_merged() {
    let run = Shards::new("{ request_rate: [100], arrivals: constant, requests: 20 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let file = run.shard_folder(1).join("run.json");
    let left = json_file(&file);
    let elsewhere = file.with_file_name("../run.json").display().to_string();
    let own = &left["files"]["requests.jsonl"];
    let requests = serde_json::json!({"requests.jsonl": own});
    let mut more = left["files"].clone();
    more[&elsewhere] = own.clone();
    for (what, files, words) in [
        (
            "emptied",
            serde_json::json!({}),
            "has no hashes of the run's files",
        ),
        ("thinned", requests, "run.json does not list it"),
        ("one more, elsewhere", more, "is missing or was cut short"),
    ] {
        let mut changed = left.clone();
        changed["files"] = files;
        fs::write(&file, changed.to_string()).unwrap();
        let both = [run.shard_folder(0), run.shard_folder(1)];
        let merged = run.merge(&both, &[]);
        assert_eq!(merged.code, Some(2), "{what}: {}", merged.err);
        let unsealed = "run.json: is not as the run wrote it at its end";
        assert!(merged.err.contains(unsealed), "{what}: {}", merged.err);
        write_sealed(&file, changed);
        let merged = run.merge(&both, &[]);
        assert_eq!(merged.code, Some(2), "{what}: {}", merged.err);
        assert!(merged.err.contains(words), "{what}: {}", merged.err);
        assert!(!run.path("merged").exists(), "{what}");
    }
    // A file twice is no JSON that says one thing.
    let text = left.to_string();
    fs::write(
        &file,
        text.replacen("\"files\":", "\"files\":{},\"files\":", 1),
    )
    .unwrap();
    let merged = run.merge(&[run.shard_folder(0), run.shard_folder(1)], &[]);
    assert_eq!(merged.code, Some(2), "{}", merged.err);
    assert!(merged.err.contains("run.json"), "{}", merged.err);
}

#[test]
fn a_shard_whose_clocks_or_records_are_not_its_own_is_told() {
    let run = Shards::new("{ request_rate: [100], arrivals: constant, requests: 80 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let folders = [run.shard_folder(0), run.shard_folder(1)];
    let manifest = folders[1].join("run.json");
    let as_left = fs::read_to_string(&manifest).unwrap();
    // A wall clock of next year: every time of the shard would stand a year off.
    let mut changed = json_file(&manifest);
    let wall_ns = &mut changed["shard"]["clock"]["wall_ns"];
    *wall_ns = (wall_ns.as_u64().unwrap() + 365 * 86_400 * 1_000_000_000).into();
    write_sealed(&manifest, changed);
    let refused = run.merge(&folders, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let words = "by this shard's clocks is not within the cell";
    assert!(refused.err.contains(words), "{}", refused.err);
    assert!(!run.path("merged").exists());
    // Nothing measured, of a shard that says it is done.
    let mut changed: Value = serde_json::from_str(&as_left).unwrap();
    changed["cells"] = Value::Array(Vec::new());
    write_sealed(&manifest, changed);
    let refused = run.merge(&folders, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let words = "what was measured differs: sim at 100 requests/s, repeat 1 and fewer";
    assert!(refused.err.contains(words), "{}", refused.err);
    // Records without their last lines, of a shard that says it is done and has no hash.
    let mut changed: Value = serde_json::from_str(&as_left).unwrap();
    changed["files"]
        .as_object_mut()
        .unwrap()
        .remove("requests.jsonl");
    write_sealed(&manifest, changed);
    let records = folders[1].join("requests.jsonl");
    let all = fs::read_to_string(&records).unwrap();
    let kept: Vec<&str> = all.split_inclusive('\n').take(30).collect();
    fs::write(&records, kept.concat()).unwrap();
    let lacking = run.merge(&folders, &[]);
    assert_eq!(lacking.code, Some(2), "{}", lacking.err);
    let words = "run.json does not list it";
    assert!(lacking.err.contains(words), "{}", lacking.err);
}

#[test]
fn a_merge_that_was_killed_can_be_done_again_and_nothing_else_is_overwritten() {
    let run = Shards::new("{ request_rate: [400], arrivals: constant, requests: 400 }");
    for said in run.meet(&[0, 1], 2, 60) {
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    let folders = [run.path("shards/0"), run.path("shards/1")];
    let merged = run.path("merged");
    let mut begun = 0;
    for delay_ms in [10, 20, 30, 40, 50, 60, 70, 80] {
        let mut merge = inferbench();
        merge.args(["--quiet", "merge"]).args(&folders);
        merge.arg("-o").arg(&merged);
        merge.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = merge.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        if merged.join("run.json").exists() {
            let report = said(inferbench().arg("report").arg(&merged));
            assert_eq!(report.code, Some(0), "after {delay_ms} ms: {}", report.err);
            fs::remove_dir_all(&merged).unwrap();
        }
        begun += u32::from(merged.exists());
    }
    // Killed at its last moment but one, whatever the machine's speed.
    fs::create_dir_all(merged.join("shards/0")).unwrap();
    fs::write(merged.join("requests.jsonl.1.part"), "{").unwrap();
    let again = run.merge(&folders, &[]);
    assert_eq!(again.code, Some(0), "{begun} were begun: {}", again.err);
    assert_eq!(indices(&merged), (0..400).collect::<Vec<u64>>());
    let verified = said(inferbench().arg("verify").arg(&merged));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    // A run, and a folder with anything else in it, stay.
    let other = run.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "mine").unwrap();
    let records = run.path("records");
    fs::create_dir(&records).unwrap();
    fs::write(records.join("requests.jsonl"), "{}").unwrap();
    for taken in [&merged, &other, &records] {
        let mut merge = inferbench();
        merge.args(["--quiet", "merge"]).args(&folders);
        let refused = said(merge.arg("-o").arg(taken));
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains("cannot be made"), "{}", refused.err);
    }
    assert_eq!(fs::read_to_string(other.join("notes.txt")).unwrap(), "mine");
}
