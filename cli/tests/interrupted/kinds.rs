//! Runs under every kind of load, any process of which is killed: nothing is left, what is
//! there has a report, and the run can be taken up to its end.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::common::place::{Place, ended, records, worker};
use crate::common::simulator::Server;
use crate::common::{json_file, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

/// Which of a run's processes is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Watcher,
    Worker,
    Supervisor,
    Server,
}

/// A run of two backends, two levels and two repeats: 8 cells of so many requests.
struct Kind {
    options: &'static str,
    workload: &'static str,
    load: &'static str,
    requests: usize,
}

const OPTIONS: &str = "{ fixed_ttft_ms: 2, fixed_itl_ms: 2 }";
const CLASSES: &str = "
  classes:
    - { name: chat, weight: 3, workload: { input_tokens: 16, output_tokens: 8 }, slo: { ttft_ms: 500 } }
    - { name: long, workload: { input_tokens: 64, output_tokens: 24 } }";
const CONVERSATIONS: &str =
    "{ prompts: jsonl, file: SESSIONS, output_tokens: 8, turns: 3, think_time: 10ms }";
const PLAIN: &str = "{ input_tokens: 16, output_tokens: 8 }";
const KINDS: [Kind; 4] = [
    Kind {
        options: OPTIONS,
        workload: CLASSES,
        load: "{ concurrency: [1, 4], requests: 24 }",
        requests: 24,
    },
    Kind {
        options: OPTIONS,
        workload: CLASSES,
        load: "{ request_rate: [40, 80], requests: 24 }",
        requests: 24,
    },
    Kind {
        options: "{ fixed_ttft_ms: 2, fixed_itl_ms: 2, endpoint: chat }",
        workload: CONVERSATIONS,
        load: "{ concurrency: [2, 4], requests: 24 }",
        requests: 24,
    },
    Kind {
        options: OPTIONS,
        workload: PLAIN,
        load: "{ request_rate: [60, 120], arrivals: gamma, burstiness: 0.5, requests: 30, warmup_requests: 5, max_in_flight: 6 }",
        requests: 30,
    },
];

impl Kind {
    /// Config and conversations. `attach`: where the first backend is, if it runs already.
    fn place(&self, attach: &str) -> Place {
        let place = Place::new("");
        let sessions = place.path("sessions.jsonl");
        let workload = self
            .workload
            .replace("SESSIONS", sessions.to_str().unwrap());
        let (options, load) = (self.options, self.load);
        let first = match attach {
            "" => format!("options: {options}"),
            urls => format!("attach: {urls}"),
        };
        let config = format!(
            "
name: kind
model: {{ id: simulated }}
backends:
  - {{ label: a, plugin: sim, {first} }}
  - {{ label: b, plugin: sim, options: {options} }}
workload: {workload}
load: {load}
repeats: 2
"
        );
        fs::write(place.path("bench.yaml"), config).unwrap();
        let turn = |row: u32| {
            let message = json!({"role": "user", "content": format!("turn {row}")});
            json!({"session": (row / 3).to_string(), "messages": [message]}).to_string() + "\n"
        };
        fs::write(sessions, (0..60).map(turn).collect::<String>()).unwrap();
        place
    }
}

/// Kills `victim` after so many records, and has the run taken up.
fn survives(place: &Place, victim: Victim, after: usize, requests: usize) {
    let mut child = place.start();
    place.wait_for_records(after);
    // Between two starts there is no server.
    let pid = loop {
        let found = match victim {
            Victim::Watcher => Some(child.id() as i32),
            Victim::Worker => worker(&child),
            Victim::Supervisor => place.supervisor(),
            Victim::Server => place.server(),
        };
        if let Some(pid) = found {
            break pid;
        }
        assert_eq!(child.try_wait().unwrap(), None, "{}", place.said());
        std::thread::sleep(Duration::from_millis(2));
    };
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    ended(&mut child);
    place.assert_nothing_is_left();
    let run = place.folder();
    let report = said(place.command().arg("report").arg(&run));
    assert_eq!(report.code, Some(0), "{victim:?}: {}", report.err);
    let resumed = said(&mut place.resume());
    assert_eq!(resumed.code, Some(0), "{victim:?}: {}", resumed.err);
    assert_each_once(place, requests);
    let verified = said(place.command().arg("verify").arg(&run));
    assert_eq!(verified.code, Some(0), "{victim:?}: {}", verified.out);
    place.assert_nothing_is_left();
}

/// All 8 cells with each of their measured requests once.
fn assert_each_once(place: &Place, requests: usize) {
    let mut cells: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records(&place.path("results")) {
        if record["phase"] == "measured" {
            let cell = format!(
                "{} {} {}",
                record["backend"], record["block"], record["level"]
            );
            let indices = cells.entry(cell).or_default();
            indices.push(record["index"].as_u64().unwrap());
        }
    }
    assert_eq!(cells.len(), 8);
    for (cell, mut indices) in cells {
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), requests, "{cell}: {indices:?}");
    }
    let manifest = json_file(&place.folder().join("run.json"));
    assert_eq!(manifest["exit_state"], "done");
}

#[test]
fn a_run_of_any_load_is_taken_up_after_any_of_its_processes_was_killed() {
    let victims = [
        Victim::Watcher,
        Victim::Worker,
        Victim::Supervisor,
        Victim::Server,
    ];
    for ((kind, victim), after) in KINDS.iter().zip(victims).zip([10, 60, 70, 160]) {
        survives(&kind.place(""), victim, after, kind.requests);
    }
}

#[test]
fn a_run_with_replicas_is_taken_up_after_it_was_killed_and_asks_each_in_its_turn() {
    for (victim, after) in [(Victim::Watcher, 20), (Victim::Worker, 130)] {
        let kind = Kind {
            options: OPTIONS,
            workload: PLAIN,
            load: "{ concurrency: [2, 4], requests: 24 }",
            requests: 24,
        };
        let servers = [Server::start(), Server::start()];
        let urls = format!("[\"{}\", \"{}\"]", servers[0].url, servers[1].url);
        survives(&kind.place(&urls), victim, after, kind.requests);
    }
}
