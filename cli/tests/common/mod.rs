//! What the tests share: running the program as a user does, and reading what it
//! writes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod place;
pub(crate) mod preload;
pub(crate) mod seal;
pub(crate) mod simulator;
pub(crate) mod stored;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use inferbench::render::render_html;
use inferbench_model::report::Report;
use serde_json::Value;

/// The program: the one that was built with the tests, or, for measurements that
/// need a release build, the one that `INFERBENCH_TEST_PROGRAM` names.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("INFERBENCH_TEST_PROGRAM");
    let built = || env!("CARGO_BIN_EXE_inferbench").into();
    named.map_or_else(built, |file| std::path::absolute(file).unwrap())
}

/// Folder with the plugin libraries that the workspace builds.
pub(crate) fn plugin_dir() -> PathBuf {
    let exe = program();
    let own = exe.parent().unwrap();
    let folders = [own.to_owned(), own.join("deps")];
    let found = folders
        .iter()
        .find(|folder| folder.join("libinferbench_sim.so").is_file());
    found
        .unwrap_or_else(|| {
            panic!(
                "no plugins beside {}: run `cargo build --workspace` first",
                exe.display()
            )
        })
        .clone()
}

/// The library of plugins that misbehave on request.
pub(crate) fn fixture() -> PathBuf {
    let folder = plugin_dir();
    let files = [
        folder.join("libfixture_plugin.so"),
        folder.join("deps/libfixture_plugin.so"),
    ];
    let found = files.into_iter().find(|file| file.is_file());
    found.expect("no built fixture: run `cargo build --workspace` first")
}

/// The program with the workspace's plugins.
pub(crate) fn inferbench() -> Command {
    let mut command = Command::new(program());
    command.arg("--plugin-dir").arg(plugin_dir());
    command
}

/// What was printed, as text.
pub(crate) struct Said {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    command.output().unwrap().into()
}

/// The one run folder under `output`.
pub(crate) fn run_folder(output: &Path) -> PathBuf {
    let mut runs = fs::read_dir(output).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    assert!(runs.next().is_none(), "more than one run");
    run
}

/// Folder of the repository.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap().to_owned()
}

/// Names of the plugins that come with the program, one for each folder.
pub(crate) fn plugin_names() -> Vec<String> {
    let folders = fs::read_dir(repository().join("plugins")).unwrap();
    let name = |folder: std::io::Result<fs::DirEntry>| folder.unwrap().file_name().into_string();
    let mut names: Vec<String> = folders.map(|folder| name(folder).unwrap()).collect();
    names.sort();
    names
}

/// The JSON in a file.
pub(crate) fn json_file(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// Each line of a file of JSON lines.
pub(crate) fn json_lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The page of a report, as it is written.
pub(crate) fn page(report: &Report) -> String {
    let mut page = Vec::new();
    render_html(report).unwrap().write_to(&mut page).unwrap();
    String::from_utf8(page).unwrap()
}
