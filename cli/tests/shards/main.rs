//! Several processes that make one load together, as a user runs them: shards against the
//! simulator, joined into one run.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod changed;
mod clocks;
#[path = "../common/mod.rs"]
mod common;
mod killed;
mod lost;
mod start;
mod trouble;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::simulator::Server;
use common::{Said, inferbench, json_lines, run_folder, said};
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

    /// So many shards that have met and come to their end.
    fn that_ran(load: &str, count: u32) -> Self {
        let run = Self::new(load);
        let all: Vec<u32> = (0..count).collect();
        for said in run.meet(&all, count, 60) {
            assert_eq!(said.code, Some(0), "{}", said.err);
        }
        run
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
        self.merge_into("merged", folders, more)
    }

    fn merge_into(&self, name: &str, folders: &[PathBuf], more: &[&str]) -> Said {
        let mut command = inferbench();
        command.args(["--quiet", "merge"]).args(folders).args(more);
        said(command.arg("-o").arg(self.path(name)))
    }

    /// What `compare` says of two merged runs.
    fn compare(&self, a: &str, b: &str, more: &[&str]) -> Said {
        let mut command = inferbench();
        command.args(["--quiet", "compare"]).args(more);
        said(command.arg(self.path(a)).arg(self.path(b)))
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
