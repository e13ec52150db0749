//! A run in a place of its own, and what it leaves there.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{inferbench, run_folder};

/// Longest that anything here is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// A run that takes minutes: each of its requests takes 1.3 s.
pub(crate) const LONG: &str = "
name: long
model: { id: simulated }
backends: [ { label: a, plugin: sim, options: { fixed_ttft_ms: 20, fixed_itl_ms: 20 } } ]
workload: { input_tokens: 16, output_tokens: 64 }
load: { concurrency: [4], requests: 1000 }
repeats: 1
";

/// A place of its own for one test: config, results, journal.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bench.yaml"), config).unwrap();
        Self { folder }
    }

    /// A run of `config` that has written some records and goes on.
    pub(crate) fn in_the_middle(config: &str) -> (Self, Child) {
        let place = Self::new(config);
        let child = place.start();
        place.wait_for_records(8);
        (place, child)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = inferbench();
        command.env("XDG_STATE_HOME", self.path("state"));
        command
    }

    pub(crate) fn run(&self) -> Command {
        let mut command = self.command();
        command.arg("run").arg(self.path("bench.yaml"));
        command.arg("--output").arg(self.path("results"));
        command
    }

    pub(crate) fn resume(&self) -> Command {
        let mut command = self.command();
        command.arg("run").arg(self.path("bench.yaml"));
        command.arg("--resume").arg(self.folder());
        command
    }

    pub(crate) fn start(&self) -> Child {
        let log = File::create(self.path("stderr")).unwrap();
        let mut command = self.run();
        command.stdout(Stdio::null()).stderr(log).process_group(0);
        command.spawn().unwrap()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        run_folder(&self.path("results"))
    }

    /// Waits until the run has written `n` records.
    pub(crate) fn wait_for_records(&self, n: usize) {
        let until = Instant::now() + LIMIT;
        while records(&self.path("results")).len() < n {
            assert!(Instant::now() < until, "{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// Processes that were started here, whatever they are by now.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mark = format!("XDG_STATE_HOME={}", self.path("state").display());
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|b| *b == 0)
                .any(|var| var == mark.as_bytes())
        })
        .collect()
    }

    /// The process that watches over the server, if one is noted.
    pub(crate) fn supervisor(&self) -> Option<i32> {
        let journal = fs::read_dir(self.path("state/inferbench/servers")).ok()?;
        let entry = fs::read(journal.flatten().next()?.path()).ok()?;
        let entry: Value = serde_json::from_slice(&entry).ok()?;
        entry["supervisor"]["pid"].as_i64()?.try_into().ok()
    }

    /// The running server, if one is noted and started.
    pub(crate) fn server(&self) -> Option<i32> {
        let supervisor = self.supervisor()?;
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = fs::read_to_string(children).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Nothing that was started here is left, and the journal knows of nothing.
    pub(crate) fn assert_nothing_is_left(&self) {
        let until = Instant::now() + LIMIT;
        while !self.processes().is_empty() {
            assert!(Instant::now() < until, "{:?}", self.processes());
            std::thread::sleep(Duration::from_millis(10));
        }
        let journal = self.path("state/inferbench/servers");
        let entries = fs::read_dir(journal).map_or(0, Iterator::count);
        assert_eq!(entries, 0);
    }
}

/// Whole records of the one run below `output`, as far as there are any.
pub(crate) fn records(output: &Path) -> Vec<Value> {
    let runs = fs::read_dir(output).into_iter().flatten().flatten();
    let texts = runs.filter_map(|run| fs::read_to_string(run.path().join("requests.jsonl")).ok());
    texts
        .flat_map(|text| {
            let lines = text.lines().map(|line| serde_json::from_str(line).ok());
            lines.collect::<Vec<Option<Value>>>()
        })
        .flatten()
        .collect()
}

/// The process that does the work of one that was started, if it has begun.
pub(crate) fn worker(child: &Child) -> Option<i32> {
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}
