//! `plugins check`, against a library that misbehaves in one way at a time.

use super::*;

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
