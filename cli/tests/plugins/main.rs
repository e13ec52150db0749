//! `plugins new` and `plugins check`, the latter against a library that
//! misbehaves in one way at a time; and the plugins that the book shows.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod check;
#[path = "../common/mod.rs"]
mod common;
mod new;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{Said, fixture, inferbench, repository, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

fn api() -> PathBuf {
    repository().join("core/plugin-api")
}

/// The simulator's plugin as it was built for the first release of plugin API 1, for any
/// machine of this kind.
#[cfg(target_arch = "x86_64")]
fn released(folder: &Path) -> PathBuf {
    let packed = repository().join("cli/tests/released_plugins/sim-api-1.0-x86_64.so.gz");
    let file = folder.join("libinferbench_sim.so");
    let mut library = Vec::new();
    let mut unpacked = flate2::read::GzDecoder::new(fs::File::open(packed).unwrap());
    unpacked.read_to_end(&mut library).unwrap();
    fs::write(&file, library).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

fn check(file: &Path) -> Command {
    let mut command = inferbench();
    command.args(["plugins", "check"]).arg(file);
    command
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_plugin_of_an_earlier_release_is_loaded_and_does_what_it_must() {
    let folder = tempfile::tempdir().unwrap();
    let file = released(folder.path());
    let checked = said(&mut check(&file));
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    let listed = said(
        inferbench()
            .arg("--plugin")
            .arg(&file)
            .args(["plugins", "--json"]),
    );
    let rows: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(rows[0]["file"], file.to_str().unwrap());
    assert_eq!(rows[0]["state"], "ok");
    assert_eq!(rows[0]["api"], "1.0");
}

/// A server that answers one request with one message, and signals when it has.
fn one_answer() -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, answered) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The request fits into one read: what it holds does not matter.
            let read = stream.read(&mut [0; 4096]).unwrap();
            assert!(read > 0);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"data: {}\n\n").unwrap();
            std::mem::forget(stream);
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    (port, answered)
}

#[test]
fn a_run_whose_plugin_hangs_ends_at_the_third_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (port, answered) = one_answer();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("prompts.jsonl"), r#"{"prompt": "hello"}"#).unwrap();
    let config = format!(
        "name: hangs\nmodel: {{ id: m }}\nrepeats: 1\noutput: {results}\n\
         backends:\n  - plugin: fixture-faulty\n    attach: http://127.0.0.1:{port}\n    \
         options: {{ mischief: feed_hangs }}\n\
         workload: {{ prompts: jsonl, file: {prompts}, output_tokens: 4 }}\n\
         load: {{ concurrency: [1], requests: 3 }}\n",
        results = file("results").display(),
        prompts = file("prompts.jsonl").display(),
    );
    fs::write(file("hangs.yaml"), config).unwrap();
    let mut run = inferbench();
    run.arg("--plugin")
        .arg(fixture())
        .arg("run")
        .arg(file("hangs.yaml"));
    let mut run = run.stderr(Stdio::piped()).spawn().unwrap();
    answered.recv_timeout(Duration::from_secs(60)).unwrap();
    let pid = Pid::from_raw(i32::try_from(run.id()).unwrap());
    let words = BufReader::new(run.stderr.take().unwrap()).lines();
    let (say, said) = channel();
    std::thread::spawn(move || {
        words
            .map(Result::unwrap)
            .try_for_each(|line| say.send(line))
    });
    let wait_for = |word: &str| {
        while !said
            .recv_timeout(Duration::from_secs(60))
            .unwrap()
            .contains(word)
        {}
    };
    wait_for("feed hangs");
    kill(pid, Signal::SIGINT).unwrap();
    wait_for("stopping");
    // A signal that comes while the last is taken is one with it.
    while run.try_wait().unwrap().is_none() {
        // It may be gone since it was asked.
        let _ = kill(pid, Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let rest: Vec<String> = said.iter().collect();
    assert!(
        rest.contains(&"error: the run does not stop".to_owned()),
        "{rest:?}"
    );
}

#[test]
fn the_book_shows_the_examples_as_they_are() {
    let read = |file: &str| fs::read_to_string(repository().join(file)).unwrap();
    let page = read("docs/src/plugins/writing.md");
    for file in [
        "examples/acme/src/lib.rs",
        "examples/acme/tests/conformance.rs",
        "examples/acme/exchanges/hello.json",
        "examples/metronome/src/lib.rs",
    ] {
        let text = read(file);
        assert!(
            page.contains(text.trim_end()),
            "writing.md does not show {file} as it is"
        );
    }
}

#[test]
fn the_book_lists_every_plugin() {
    let page = fs::read_to_string(repository().join("docs/src/plugins/using.md")).unwrap();
    for name in common::plugin_names() {
        assert!(page.contains(&format!("\n| `{name}` | ")), "{name}");
    }
}

#[test]
fn every_option_shows_with_type_default_and_meaning_in_100_columns() {
    for name in common::plugin_names() {
        let shown = said(inferbench().args(["plugins", "show", &name]));
        let options = shown.out.split_once("options:\n").unwrap().1;
        for line in options.lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
        let described = said(inferbench().args(["plugins", "show", &name, "--json"]));
        let described: Value = serde_json::from_str(&described.out).unwrap();
        let properties = described["options_schema"]["properties"]
            .as_object()
            .unwrap();
        for (option, schema) in properties {
            assert!(
                options.contains(&format!("\n{option}: ")),
                "{name} lacks {option}"
            );
            let meaning = schema["description"].as_str().unwrap();
            assert!(
                meaning.contains("Default"),
                "{name}.{option} has no default in its description"
            );
        }
    }
}

#[test]
#[ignore = "loads two thousand damaged libraries: ten minutes"]
fn two_thousand_damaged_copies_of_a_plugin_are_loaded_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libinferbench_damaged.so");
    let whole = fs::read(common::plugin_dir().join("libinferbench_openai.so")).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut loaded, mut ended) = (0, 0);
    for round in 0..2000 {
        let mut damaged = whole.clone();
        for _ in 0..[1, 4, 64][round % 3] {
            // Half of them in the headers and tables.
            let end = if rng.random() { damaged.len() } else { 4096 };
            let at = rng.random_range(0..end);
            damaged[at] = rng.random();
        }
        // A new file each time: the old one may still be mapped somewhere.
        drop(fs::remove_file(&file));
        fs::write(&file, damaged).unwrap();
        let mut command = inferbench();
        let said = said(command.args(["plugins", "--json", "--plugin"]).arg(&file));
        // It came through its first load by chance: another one may go otherwise.
        if said.code == Some(3) {
            assert!(said.err.contains("before it was done"), "{}", said.err);
            ended += 1;
            continue;
        }
        assert_eq!(said.code, Some(0), "round {round}: {}", said.err);
        let rows: Value = serde_json::from_str(&said.out).unwrap();
        loaded += u32::from(rows[0]["state"] == "ok");
    }
    eprintln!("{loaded} of 2000 loaded, {ended} ended the worker, the others were refused");
}
