//! `plugins new` and `plugins check`, the latter against a library that
//! misbehaves in one way at a time; and the plugins that the book shows.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

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

/// Plugins' libraries that the dynamic loader opened for a command, and whether it
/// succeeded.
fn opened(arguments: &[&str], cache: &Path) -> (Vec<String>, bool) {
    let mut command = inferbench();
    command
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .env("LD_DEBUG", "files");
    let said = said(&mut command);
    let begins = |line: &&str| line.contains("generating link map");
    let names = said.err.lines().filter(begins).filter_map(|line| {
        let file = line.split("file=").nth(1)?.split(' ').next()?;
        let name = Path::new(file).file_name()?.to_str()?;
        name.starts_with("libinferbench_").then(|| name.to_owned())
    });
    (names.collect(), said.code == Some(0))
}

#[test]
fn only_the_plugins_that_a_config_names_are_loaded() {
    let cache = tempfile::tempdir().unwrap();
    let config = repository().join("configs/quickstart.yaml");
    let validate = ["validate", config.to_str().unwrap()];
    // Nothing is known of them yet.
    let (all, was_valid) = opened(&validate, cache.path());
    assert!(was_valid && all.len() > 1, "{all:?}");
    let sim_alone = (vec!["libinferbench_sim.so".to_owned()], true);
    assert_eq!(opened(&validate, cache.path()), sim_alone);
    // Where the notes name others, or nobody, all are looked at.
    for text in ["nobody\n", "", "si"] {
        for note in fs::read_dir(cache.path().join("inferbench/plugins")).unwrap() {
            fs::write(note.unwrap().path(), text).unwrap();
        }
        let (found, was_valid) = opened(&validate, cache.path());
        assert!(was_valid && found.len() == all.len(), "{text:?}: {found:?}");
        assert_eq!(opened(&validate, cache.path()), sim_alone, "{text:?}");
    }
    let (listed, _) = opened(&["plugins"], cache.path());
    assert_eq!(listed.len(), all.len(), "{listed:?}");
}

fn check(file: &Path) -> Command {
    let mut command = inferbench();
    command.args(["plugins", "check"]).arg(file);
    command
}

/// What the check says of the fixture that does this.
fn mischief(what: &str, limit_s: &str) -> Said {
    let mut command = check(&fixture());
    command
        .args(["--time-limit", limit_s])
        .env("INFERBENCH_FIXTURE_MISCHIEF", what);
    let said = said(&mut command);
    assert_eq!(said.code, Some(4), "{what}: {}{}", said.out, said.err);
    said
}

fn failures(said: &Said) -> Vec<&str> {
    said.out
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect()
}

#[test]
fn a_plugin_that_does_nothing_wrong_passes() {
    let said = said(&mut check(&fixture()));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(
        said.out
            .contains("fixture-engine: an engine in the process answers")
    );
    assert!(
        said.out
            .contains("note  no recorded exchanges were checked")
    );
}

#[test]
fn what_a_plugin_does_to_its_process_is_found() {
    let cases = [
        ("stdout", r#"it wrote 66 bytes: "hello from the plugin"#),
        ("chdir", "the current folder is now /"),
        ("signal", "signals are handled otherwise: SIGTERM"),
        ("thread", "3 threads still run"),
        ("file", "3 files or sockets are still open"),
        ("leak", "KiB behind each time, limit 1000 KiB"),
    ];
    for (what, words) in cases {
        let said = mischief(what, "120");
        let failures = failures(&said);
        assert_eq!(failures.len(), 1, "{what}: {failures:?}");
        assert!(failures[0].contains(words), "{what}: {}", failures[0]);
    }
}

#[test]
fn a_word_on_standard_error_is_a_note() {
    let mut command = check(&fixture());
    let said = said(command.env("INFERBENCH_FIXTURE_MISCHIEF", "stderr"));
    assert_eq!(said.code, Some(0), "{}", said.out);
    assert!(
        said.out.contains("note  it wrote to standard error"),
        "{}",
        said.out
    );
}

#[test]
fn a_plugin_that_ends_its_process_is_named_with_the_check_and_the_signal() {
    let cases = [
        ("abort", "it ended its process: SIGABRT"),
        ("exit", "it ended its process with exit code 0"),
        ("stack_overflow", "it ended its process: SIGABRT"),
    ];
    for (what, words) in cases {
        let said = mischief(what, "120");
        let failures = failures(&said);
        let last = failures.last().unwrap();
        assert!(
            last.ends_with(&format!("requests are valid HTTP: {words}")),
            "{last}"
        );
        assert!(
            said.out
                .contains("note  the checks after that one were not made")
        );
    }
}

#[test]
fn a_plugin_that_hangs_is_given_up_at_the_limit() {
    let found = |what: &str, check: &str| {
        let said = mischief(what, "10");
        let failures = failures(&said);
        assert!(failures[0].contains(check), "{what}: {failures:?}");
        assert!(
            failures[0].ends_with("it did not end within 10 s"),
            "{what}: {failures:?}"
        );
    };
    std::thread::scope(|scope| {
        scope.spawn(|| found("encode_hangs", "requests are valid HTTP"));
        scope.spawn(|| found("feed_hangs", "a message"));
    });
}

#[test]
fn a_million_events_from_one_message_are_too_many() {
    let said = mischief("million_events", "10");
    let words = "a message of 0 bytes gave 1000000 events, limit 64";
    assert!(failures(&said)[0].ends_with(words), "{}", said.out);
}

#[test]
fn a_library_that_does_not_load_is_a_check_that_fails() {
    let said = mischief("describe_panics", "120");
    assert!(failures(&said)[0].contains("it failed while loading: plugin panicked"));
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libx.so");
    fs::write(&text, "just text").unwrap();
    let said = common::said(&mut check(&text));
    assert_eq!(said.code, Some(4));
    assert!(
        said.out
            .contains("it is not a shared library (no ELF header)"),
        "{}",
        said.out
    );
    let said = common::said(&mut check(&folder.path().join("nowhere.so")));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("nowhere.so: cannot be read"),
        "{}",
        said.err
    );
}

#[test]
fn the_result_is_to_be_had_as_json() {
    let mut command = check(&fixture());
    command.args(["--json", "--time-limit", "120"]);
    let said = said(command.env("INFERBENCH_FIXTURE_MISCHIEF", "abort"));
    assert_eq!(said.code, Some(4));
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["passed"], false);
    let checks = json["report"]["checks"].as_array().unwrap();
    let failed: Vec<_> = checks
        .iter()
        .filter(|check| !check["reason"].is_null())
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["backend"], "fixture-faulty");
    assert_eq!(failed[0]["reason"], "it ended its process: SIGABRT");
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

fn new(arguments: &[&str], folder: &Path) -> Said {
    let mut command = inferbench();
    command
        .args(["plugins", "new"])
        .args(arguments)
        .current_dir(folder);
    said(&mut command)
}

#[test]
fn a_new_plugin_is_a_whole_project_of_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let api = api();
    let made = new(
        &["my-server", "--api-path", api.to_str().unwrap()],
        folder.path(),
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    let project = folder.path().join("inferbench-my-server");
    let read = |file: &str| fs::read_to_string(project.join(file)).unwrap();
    assert!(read("Cargo.toml").contains(&format!("path = {:?}", api.canonicalize().unwrap())));
    assert!(read("tests/conformance.rs").contains("use inferbench_my_server as _;"));
    for file in [
        "src/lib.rs",
        "README.md",
        "exchanges/hello.json",
        "Cargo.toml",
    ] {
        assert!(
            !read(file).contains('@'),
            "{file} has a field that is not filled in"
        );
    }
    let code = read("src/lib.rs");
    let code = code
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.trim().starts_with("//"));
    assert!(code.count() < 60);
}

#[test]
fn each_flavour_has_a_server_for_its_first_run_and_no_field_left_open() {
    let folder = tempfile::tempdir().unwrap();
    for (flavour, files, command) in [
        (
            "openai",
            ["src/lib.rs", "exchanges/hello.sse"],
            "inferbench-sim",
        ),
        (
            "native",
            ["src/bin/stand-in.rs", "exchanges/hello.ndjson"],
            "target/release/stand-in",
        ),
    ] {
        let made = new(
            &["acme", "--flavour", flavour, "--path", flavour],
            folder.path(),
        );
        assert_eq!(made.code, Some(0), "{}", made.err);
        let read = |file: &str| fs::read_to_string(folder.path().join(flavour).join(file)).unwrap();
        for file in files
            .into_iter()
            .chain(["src/lib.rs", "README.md", "run.yaml"])
        {
            assert!(!read(file).contains('@'), "{flavour}: {file}");
        }
        assert!(read("run.yaml").contains(command));
        assert!(read("prompts.jsonl").lines().count() > 1);
    }
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inferbench-acme")).unwrap();
    let made = new(&["acme"], folder.path());
    assert_eq!(made.code, Some(2));
    assert!(
        made.err
            .contains("inferbench-acme already exists, nothing was written")
    );
    assert_eq!(
        fs::read_dir(folder.path().join("inferbench-acme"))
            .unwrap()
            .count(),
        0
    );
    fs::write(folder.path().join("file"), "mine").unwrap();
    let made = new(&["acme", "--path", "file"], folder.path());
    assert_eq!(made.code, Some(2));
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"mine");
}

#[test]
fn a_wrong_name_or_path_is_an_error_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let model = repository().join("core/model");
    let cases = [
        (vec!["Acme"], "plugin name `Acme` may only contain a-z"),
        (vec!["9lives"], "must start with a letter"),
        (vec!["a/../../b"], "may only contain a-z"),
        (
            vec!["acme", "--api-path", "nowhere"],
            "--api-path nowhere: Cargo.toml cannot be read",
        ),
        (
            vec!["acme", "--api-path", model.to_str().unwrap()],
            "is the package `inferbench-model`, not inferbench-plugin-api",
        ),
    ];
    for (arguments, words) in cases {
        let made = new(&arguments, folder.path());
        assert_eq!(made.code, Some(2), "{arguments:?}");
        assert!(made.err.contains(words), "{arguments:?}: {}", made.err);
        assert!(made.err.contains("hint: "), "{}", made.err);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // A folder that cannot be written to is an error with its reason. Root may write anywhere.
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let made = new(&["acme"], folder.path());
        assert_eq!(made.code, Some(2));
        assert!(made.err.contains("cannot be written"), "{}", made.err);
    }
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
