//! One backend of several servers, as a user runs it: how requests are spread, what the
//! report says of each replica, and what happens to one that is not there or fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::simulator::Server;
use crate::common::{Said, inferbench, json_file, json_lines, run_folder, said};
use serde_json::{Value, json};
use tempfile::TempDir;

const FAST: [&str; 4] = ["--fixed-ttft-ms", "5", "--fixed-itl-ms", "1"];
/// A workload of synthetic prompts.
const PLAIN: &str = "input_tokens: 16";
const SLOW: [&str; 4] = ["--fixed-ttft-ms", "60", "--fixed-itl-ms", "1"];

struct Replicas {
    folder: TempDir,
    servers: Vec<Server>,
}

impl Replicas {
    fn start(options: &[&[&str]]) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            servers: options.iter().map(|all| Server::start_with(all)).collect(),
        }
    }

    fn urls(&self) -> Vec<String> {
        let urls = self.servers.iter().map(|server| server.url.clone());
        urls.collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a config that attaches to `urls`, with this load.
    fn config(&self, urls: &[String], load: &str, workload: &str) -> PathBuf {
        // Prompts of a file are messages.
        let options = match workload {
            PLAIN => "{}",
            _ => "{ endpoint: chat }",
        };
        let text = format!(
            "name: replicas\nmodel: {{ id: simulated }}\nbackends:\n  - plugin: sim\n    attach: [{}]\n    options: {options}\nworkload: {{ output_tokens: 4, {workload} }}\nload: {load}\nrepeats: 1\n",
            urls.join(", ")
        );
        let config = self.path("bench.yaml");
        fs::write(&config, text).unwrap();
        config
    }

    fn command(&self, load: &str, workload: &str) -> Command {
        let config = self.config(&self.urls(), load, workload);
        let mut command = inferbench();
        command.arg("--quiet").arg("run").arg(config);
        command.arg("--output").arg(self.path("out"));
        command
    }

    fn run(&self, load: &str, workload: &str) -> (Said, PathBuf) {
        let said = said(&mut self.command(load, workload));
        let run = run_folder(&self.path("out"));
        (said, run)
    }
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap()
}

fn must_verify(run: &Path) {
    let verified = said(inferbench().arg("verify").arg(run));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
}

#[test]
fn an_open_loop_spreads_requests_by_turns_and_reports_each_replica() {
    let replicas = Replicas::start(&[&FAST, &SLOW]);
    let load = "{ request_rate: [100], arrivals: constant, requests: 60, warmup_requests: 4 }";
    let (ran, run) = replicas.run(load, PLAIN);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for record in json_lines(&run.join("requests.jsonl")) {
        assert_eq!(number(&record, "replica"), number(&record, "index") % 2);
    }
    let report = json_file(&run.join("report.json"));
    let rows = report["replicas"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    for (row, url) in rows.iter().zip(replicas.urls()) {
        assert_eq!(
            (row["url"].as_str(), &row["counts"]["ok"]),
            (Some(&*url), &30.into())
        );
        assert!(
            ran.out.contains(url.strip_prefix("http://").unwrap()),
            "{}",
            ran.out
        );
        // The page writes a slash as a character by its number.
        assert!(page.contains(url.strip_prefix("http://").unwrap()));
    }
    // 5 and 60 ms, and the machine's delay.
    let p50 = |row: &Value| row["ttft_ms"]["p50"].as_f64().unwrap();
    assert!(
        p50(&rows[0]) < p50(&rows[1]) && p50(&rows[1]) >= 60.0,
        "{rows:?}"
    );
    let cell = &json_file(&run.join("cells.json"))["cells"][0];
    assert_eq!(cell["counts"]["ok"], 60);
    let rate = |value: &Value| value.as_f64().unwrap();
    let each = cell["replicas"].as_array().unwrap().iter();
    let together: f64 = each
        .map(|one| rate(&one["metrics"]["request_throughput"]))
        .sum();
    assert!((together / rate(&cell["request_throughput"]) - 1.0).abs() < 1e-9);
    let facts = &json_file(&run.join("run.json"))["backends"][0];
    assert_eq!(facts["attach"], *replicas.urls()[0]);
    assert_eq!(facts["replicas"].as_array().unwrap().len(), 2);
    must_verify(&run);
    // A record that names another replica is found.
    let records = run.join("requests.jsonl");
    let text = fs::read_to_string(&records).unwrap();
    fs::write(&records, text.replacen("\"replica\":1", "\"replica\":0", 1)).unwrap();
    let verified = said(inferbench().arg("verify").arg(&run));
    assert_eq!(verified.code, Some(4));
    assert!(
        verified
            .out
            .contains("it went to replica 0, the turn was that of 1"),
        "{}",
        verified.out
    );
}

#[test]
fn a_slot_stays_with_its_replica_so_that_a_faster_one_gets_more() {
    let replicas = Replicas::start(&[&FAST, &SLOW]);
    let (ran, run) = replicas.run("{ concurrency: [5], requests: 120 }", PLAIN);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut sent: BTreeMap<u64, u64> = BTreeMap::new();
    for record in json_lines(&run.join("requests.jsonl")) {
        *sent.entry(number(&record, "replica")).or_default() += 1;
    }
    assert_eq!(sent.values().sum::<u64>(), 120);
    assert!(sent[&0] > 2 * sent[&1], "{sent:?}");
    must_verify(&run);
}

#[test]
fn a_conversation_stays_on_its_replica() {
    let replicas = Replicas::start(&[&FAST, &FAST, &SLOW]);
    let rows = (0..120).map(|row| {
        let said = format!("turn {} of {}", row % 3, row / 3);
        let message = json!({"role": "user", "content": said});
        json!({"session": format!("s{}", row / 3), "messages": [message]}).to_string() + "\n"
    });
    let file = replicas.path("sessions.jsonl");
    fs::write(&file, rows.collect::<String>()).unwrap();
    let workload = format!("prompts: jsonl, file: {}, turns: 3", file.display());
    let (ran, run) = replicas.run("{ concurrency: [6], requests: 90 }", &workload);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut of_session: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for record in json_lines(&run.join("requests.jsonl")) {
        let own = of_session.entry(number(&record, "session")).or_default();
        own.insert(number(&record, "replica"));
    }
    assert!(of_session.len() > 25, "{}", of_session.len());
    assert!(of_session.values().all(|replicas| replicas.len() == 1));
    let used: BTreeSet<u64> = of_session.into_values().flatten().collect();
    assert_eq!(used, BTreeSet::from([0, 1, 2]));
    must_verify(&run);
}

#[test]
fn a_replica_that_dies_in_the_middle_is_named_and_the_others_go_on() {
    let mut replicas = Replicas::start(&[&FAST, &FAST]);
    let load = "{ request_rate: [50], arrivals: constant, requests: 150 }";
    let mut command = replicas.command(load, PLAIN);
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = running.spawn().unwrap();
    let has_records = || {
        let runs = fs::read_dir(replicas.path("out"));
        let mut files = runs.into_iter().flatten().flatten();
        files.any(|run| {
            let file = fs::metadata(run.path().join("requests.jsonl"));
            file.is_ok_and(|file| file.len() > 20_000)
        })
    };
    while !has_records() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    replicas.servers[1].kill();
    let ran = Said::from(running.wait_with_output().unwrap());
    let run = run_folder(&replicas.path("out"));
    let dead = &replicas.urls()[1];
    assert!(
        ran.out.contains(&format!("replica {dead} failed")),
        "{} {}",
        ran.out,
        ran.err
    );
    let report = json_file(&run.join("report.json"));
    let counts = |place: usize| &report["replicas"][place]["counts"];
    assert_eq!(
        (&counts(0)["ok"], &counts(0)["failed"]),
        (&75.into(), &0.into())
    );
    let (ok, failed) = (number(counts(1), "ok"), number(counts(1), "failed"));
    assert!(ok > 0 && failed > 0 && ok + failed == 75, "{ok} {failed}");
    let warnings = report["warnings"].as_array().unwrap();
    let named = warnings
        .iter()
        .find(|warning| warning["code"] == "replica-fails");
    assert_eq!(named.unwrap()["values"]["replica"], **dead);
    must_verify(&run);
}

#[test]
fn a_replica_that_is_not_there_keeps_the_backend_from_being_measured() {
    let replicas = Replicas::start(&[&FAST]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let urls = [replicas.urls().remove(0), gone.clone()];
    let config = replicas.config(&urls, "{ concurrency: [4], requests: 20 }", PLAIN);
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("workload:", "    ready_timeout: 1s\nworkload:");
    fs::write(&config, text).unwrap();
    let mut command = inferbench();
    command.args(["--quiet", "run"]).arg(&config);
    let ran = said(command.arg("--output").arg(replicas.path("out")));
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(
        ran.err.contains(&format!("replica {gone}: ")),
        "{}",
        ran.err
    );
    let records = run_folder(&replicas.path("out")).join("requests.jsonl");
    assert_eq!(fs::read_to_string(records).unwrap(), "");
    let looked = said(inferbench().arg("doctor").arg(&config));
    assert!(
        looked
            .out
            .contains(&format!("nothing takes a connection at {gone}")),
        "{}",
        looked.out
    );
    let shown = said(inferbench().arg("validate").arg(&config));
    assert!(
        shown
            .out
            .contains(&format!("attach to 2 replicas: {}, {gone}", urls[0])),
        "{}",
        shown.out
    );
}

#[test]
fn a_replica_of_another_model_is_refused_with_both_names() {
    let replicas = Replicas::start(&[&FAST, &["--model", "another"]]);
    let (ran, _) = replicas.run("{ concurrency: [4], requests: 20 }", PLAIN);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    let url = &replicas.urls()[1];
    assert!(ran.err.contains(&format!("replica {url}")), "{}", ran.err);
    assert!(ran.err.contains("another"), "{}", ran.err);
}

#[test]
fn shards_spread_their_own_requests_over_all_replicas() {
    let replicas = Replicas::start(&[&FAST, &FAST]);
    let load = "{ request_rate: [100], arrivals: constant, requests: 40 }";
    let running: Vec<_> = (0..2)
        .map(|index| {
            let mut command = replicas.command(load, PLAIN);
            command.arg("--shard").arg(format!("{index}/2"));
            command.arg("--rendezvous").arg(replicas.path("meet"));
            let quiet = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            quiet.spawn().unwrap()
        })
        .collect();
    for child in running {
        let ran = Said::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    let merged = replicas.path("merged");
    let mut command = inferbench();
    command.args(["--quiet", "merge"]).arg(replicas.path("out"));
    let said = said(command.arg("-o").arg(&merged));
    assert_eq!(said.code, Some(0), "{}", said.err);
    for record in json_lines(&merged.join("requests.jsonl")) {
        // The first of each shard to the first replica, the second to the second.
        assert_eq!(number(&record, "replica"), number(&record, "index") / 2 % 2);
    }
    must_verify(&merged);
}

#[test]
fn a_run_with_replicas_that_was_cut_off_is_gone_on_with() {
    let replicas = Replicas::start(&[&FAST, &FAST]);
    let load = "{ concurrency: [2, 4], duration: 2s }";
    let mut command = replicas.command(load, PLAIN);
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let has_cell = || {
        let runs = fs::read_dir(replicas.path("out"));
        let mut files = runs.into_iter().flatten().flatten();
        files.any(|run| {
            let text = fs::read_to_string(run.path().join("run.json")).unwrap_or_default();
            serde_json::from_str::<Value>(&text)
                .is_ok_and(|manifest| manifest["cells"].as_array().unwrap().len() == 1)
        })
    };
    while !has_cell() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = nix::unistd::Pid::from_raw(running.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    running.wait().unwrap();
    let run = run_folder(&replicas.path("out"));
    let mut command = inferbench();
    command
        .args(["--quiet", "run"])
        .arg(replicas.path("bench.yaml"));
    let resumed = said(command.arg("--resume").arg(&run));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let cells = &json_file(&run.join("cells.json"))["cells"];
    assert_eq!(cells.as_array().unwrap().len(), 2);
    must_verify(&run);
}

#[test]
fn what_cannot_be_spread_is_refused_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bench.yaml");
    let many = (0..101).map(|port| format!("http://h:{}", port + 1000));
    let many = format!("[{}]", many.collect::<Vec<_>>().join(", "));
    let two = "[http://a:1, http://b:1]";
    let some = "{ concurrency: [4], requests: 40 }";
    for (attach, load, words) in [
        (
            "[]",
            some,
            "5:5: `backends[0].attach` is empty, must have a URL or several",
        ),
        (
            "[http://a:1, http://a:1/v1]",
            some,
            "5:26: `backends[0].attach[1]` is \"http://a:1/v1\", which entry 0 of the list is too",
        ),
        (
            "[http://a:1, b:1]",
            some,
            "`backends[0].attach[1]` is \"b:1\", must be a URL such as http://127.0.0.1:8000",
        ),
        (
            &many,
            some,
            "`backends[0].attach` lists 101 URLs, must list 100 at most",
        ),
        (
            "7",
            some,
            "a URL such as http://127.0.0.1:8000, or a list of URLs",
        ),
        (
            two,
            "{ concurrency: [4, 1], requests: 40 }",
            "`load.concurrency[1]` is 1, must be 2 or more: sim has 2 replicas, and each needs a slot",
        ),
        (
            two,
            "{ request_rate: [4], requests: 1 }",
            "`load.requests` is 1, must be 2 or more: sim has 2 replicas, and each needs a request",
        ),
        (
            two,
            "{ search: { over: concurrency, from: 1, to: 8, slo: { ttft_ms: { p90: 100 } } }, requests: 400 }",
            "`load.search.from` is 1, must be 2 or more: sim has 2 replicas, and each needs a slot",
        ),
    ] {
        let text = format!(
            "name: n\nmodel: {{ id: simulated }}\nbackends:\n  - plugin: sim\n    attach: {attach}\nworkload: {{ input_tokens: 16, output_tokens: 4 }}\nload: {load}\n"
        );
        fs::write(&config, text).unwrap();
        let said = said(inferbench().arg("validate").arg(&config));
        assert_eq!(said.code, Some(2), "{} {}", said.out, said.err);
        assert!(said.err.contains(words), "{words} is not in {}", said.err);
    }
}
