//! Shards under a real Slurm, by the script that `slurm` makes. Needs `sbatch` on the `PATH`,
//! `SLURM_CONF`, and a cluster with four CPUs on which this machine's files can be seen.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::simulator::Server;
use common::{inferbench, json_file, json_lines, run_folder, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longest that a job may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A job of four shards against a simulated server.
struct Job {
    folder: TempDir,
    number: String,
    _server: Option<Server>,
}

impl Job {
    fn submit(load: &str) -> Self {
        Self::submit_with(load, &[])
    }

    /// `more`: options of the command.
    fn submit_with(load: &str, more: &[&str]) -> Self {
        let server = Server::start();
        let url = server.url.clone();
        Self::submit_to(Some(&url), load, more, Some(server))
    }

    /// A job against the server at `url`, or one that the job starts.
    fn submit_to(url: Option<&str>, load: &str, more: &[&str], server: Option<Server>) -> Self {
        let attach = url.map_or_else(String::new, |url| format!("    attach: {url}\n"));
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "name: together\nmodel: {{ id: simulated }}\nbackends:\n  - plugin: sim\n{attach}    ready_timeout: 60s\nworkload: {{ input_tokens: 16, output_tokens: 4 }}\nload: {load}\nrepeats: 1\n"
        );
        let config = folder.path().join("bench.yaml");
        fs::write(&config, text).unwrap();
        let mut command = inferbench();
        command
            .arg("slurm")
            .arg(&config)
            .args(["-n", "4", "--submit"])
            .args(more);
        let submitted = said(command.arg("--folder").arg(folder.path()));
        assert_eq!(submitted.code, Some(0), "{}", submitted.err);
        let number = submitted.out.split_whitespace().last().unwrap().to_owned();
        Self {
            folder,
            number,
            _server: server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        let job = self.folder.path().join(format!("job-{}", self.number));
        job.join(name)
    }

    /// What the job printed, once it has ended.
    fn wait(&self) -> String {
        wait_until(|| self.has_ended());
        let log = format!("job-{}.log", self.number);
        fs::read_to_string(self.folder.path().join(log)).unwrap()
    }

    fn has_ended(&self) -> bool {
        let mut queue = Command::new("squeue");
        let queue = queue.args(["-h", "-j", &self.number]).output().unwrap();
        queue.stdout.is_empty()
    }

    /// Process of one of its shards.
    fn shard_pid(&self, index: u32) -> Option<i32> {
        let meet = self.path("meet").display().to_string();
        let place = format!("SLURM_PROCID={index}\0");
        let has = |file: &Path, text: &str| {
            let bytes = fs::read(file).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(text)
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        let mut own = all.filter(|entry| {
            let of = entry.path();
            has(&of.join("cmdline"), &meet) && has(&of.join("environ"), &place)
        });
        own.next()?.file_name().to_str()?.parse().ok()
    }

    fn has_records(&self) -> bool {
        let runs = fs::read_dir(self.path("shards"))
            .into_iter()
            .flatten()
            .flatten();
        let mut files = runs.map(|entry| entry.path().join("requests.jsonl"));
        files.any(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
    }
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "it takes longer than {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs slurm"]
fn four_shards_in_one_allocation_are_one_run() {
    let job = Job::submit("{ request_rate: [200], requests: 400 }");
    let log = job.wait();
    assert!(log.contains("shards: 4 of 4, one clock"), "{log}");
    let run = job.path("run");
    assert_eq!(json_lines(&run.join("requests.jsonl")).len(), 400);
    let verified = said(inferbench().arg("verify").arg(&run));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    for shard in json_file(&run.join("run.json"))["merged"]["shards"]
        .as_array()
        .unwrap()
    {
        let late_ms = shard["starts"][0]["first_send_late_ms"].as_f64().unwrap();
        println!(
            "shard {}: first request {late_ms:.3} ms late",
            shard["index"]
        );
        assert!(late_ms < 1000.0);
    }
}

#[test]
#[ignore = "needs slurm"]
fn a_killed_shard_leaves_its_siblings_and_is_named() {
    let job = Job::submit("{ request_rate: [50], requests: 400 }");
    wait_until(|| job.has_records());
    let pid = job.shard_pid(2).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let log = job.wait();
    assert!(log.contains("1 of 4 shards are lost"), "{log}");
    assert!(log.contains("shard 2: its end was not written"), "{log}");
    assert!(
        !log.contains("shard 1:") && !job.path("run").exists(),
        "{log}"
    );
}

#[test]
#[ignore = "needs slurm"]
fn a_cancelled_job_ends_in_order() {
    let job = Job::submit("{ request_rate: [50], requests: 4000 }");
    wait_until(|| job.has_records());
    let mut scancel = Command::new("scancel");
    let cancelled = scancel.arg(&job.number);
    let cancelled = cancelled.status().unwrap();
    assert!(cancelled.success());
    let log = job.wait();
    assert!(log.contains("4 of 4 shards are lost"), "{log}");
    for index in 0..4 {
        assert!(
            log.contains(&format!("shard {index}: it was interrupted")),
            "{log}"
        );
    }
}

#[test]
#[ignore = "needs slurm"]
fn two_jobs_at_once_do_not_meet() {
    let jobs = [1, 2].map(|_| Job::submit("{ request_rate: [100], requests: 200 }"));
    for job in &jobs {
        let log = job.wait();
        assert!(log.contains("shards: 4 of 4, one clock"), "{log}");
        let records = json_lines(&job.path("run/requests.jsonl"));
        assert_eq!(records.len(), 200);
    }
}

#[test]
#[ignore = "needs slurm"]
fn a_requeued_job_is_not_measured_a_second_time() {
    let job = Job::submit("{ request_rate: [50], requests: 4000 }");
    wait_until(|| job.has_records());
    let requeued = Command::new("scontrol")
        .args(["requeue", &job.number])
        .output()
        .unwrap();
    // The script says --no-requeue, so that Slurm refuses it.
    let words = String::from_utf8_lossy(&requeued.stderr);
    assert!(!requeued.status.success(), "{words}");
    let cancelled = Command::new("scancel").arg(&job.number).status().unwrap();
    assert!(cancelled.success());
    assert!(job.wait().contains("4 of 4 shards are lost"));
}

#[test]
#[ignore = "needs slurm"]
fn a_second_start_in_the_folder_of_a_job_is_refused() {
    // As where an administrator lets a job be requeued all the same: the folder has the
    // job's number, and shards have met in it.
    let job = Job::submit_with(
        "{ request_rate: [50], requests: 4000 }",
        &["--sbatch=--requeue"],
    );
    wait_until(|| job.has_records());
    let requeued = Command::new("scontrol")
        .args(["requeue", &job.number])
        .status()
        .unwrap();
    assert!(requeued.success());
    // It would wait two minutes before it runs again: it is let run as soon as it waits.
    let at_once = format!("JobId={}", job.number);
    wait_until(|| {
        let mut scontrol = Command::new("scontrol");
        drop(
            scontrol
                .args(["update", &at_once, "StartTime=now"])
                .output(),
        );
        job.has_ended()
    });
    job.wait();
    for index in 0..4 {
        let log = fs::read_to_string(job.path(&format!("shard-{index}.log"))).unwrap();
        let refused = format!("shard {index} has been here before");
        assert!(log.contains(&refused), "{log}");
    }
    assert!(!job.path("run").exists());
}

#[test]
#[ignore = "needs slurm"]
fn a_server_that_the_job_starts_is_waited_for_and_stopped() {
    let simulator = Server::program();
    let command = format!("exec {} --host 127.0.0.1 --port 18765", simulator.display());
    let job = Job::submit_to(
        Some("http://${INFERBENCH_SERVER_HOST:-localhost}:18765"),
        "{ request_rate: [100], requests: 200 }",
        &["--server", &command],
        None,
    );
    let log = job.wait();
    assert!(log.contains("shards: 4 of 4, one clock"), "{log}");
    let taken = std::net::TcpStream::connect("127.0.0.1:18765");
    assert!(taken.is_err(), "the server still runs");
}

#[test]
#[ignore = "needs slurm"]
fn a_server_by_the_plugins_plan_is_ready_before_the_shards_and_gone_after_them() {
    let load = "{ request_rate: [100], requests: 200 }";
    let job = Job::submit_to(None, load, &["--server"], None);
    let log = job.wait();
    assert!(log.contains("shards: 4 of 4, one clock"), "{log}");
    let url = fs::read_to_string(job.path("server.url")).unwrap();
    let server = json_file(&run_folder(&job.path("server")).join("run.json"));
    assert_eq!(server["exit_state"], "done");
    let stage = &server["stages"][0];
    assert!(stage["ready_s"].as_f64().unwrap() > 0.0 && stage["command"].is_array());
    let run = json_file(&job.path("run/run.json"));
    assert_eq!(run["config"]["backends"][0]["attach"], url.trim());
    let taken = std::net::TcpStream::connect(url.trim().trim_start_matches("http://"));
    assert!(taken.is_err(), "the server still runs");
}
