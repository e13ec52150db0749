//! However the process that does the work ends, whoever started the program can know it: by
//! words, by an exit code, and with no server left behind.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::place::{LONG, Place, ended, send, worker};
use crate::common::simulator::Server;
use crate::common::{fixture, json_file, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A backend whose plugin does what it should not.
fn config(server: &Server, mischief: &str) -> String {
    format!(
        "
name: endings
model: {{ id: simulated }}
seed: 1
backends:
  - label: odd
    plugin: fixture-faulty
    attach: {}
    ready_check: none
    options: {{ mischief: {mischief} }}
workload: {{ prompts: jsonl, file: prompts.jsonl, output_tokens: 4 }}
load: {{ concurrency: [1], requests: 3 }}
repeats: 1
",
        server.url
    )
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_plugin_that_ends_the_process_in_a_run_is_named_and_the_run_can_be_resumed() {
    let server = Server::start();
    let cases = [
        ("exit", "exit status 0"),
        ("abort", "signal SIGABRT"),
        ("stack_overflow", "signal SIGABRT"),
    ];
    for (mischief, how) in cases {
        let place = Place::new(&config(&server, mischief));
        fs::write(place.path("prompts.jsonl"), r#"{"prompt": "hello"}"#).unwrap();
        let mut run = place.run();
        run.current_dir(place.path("."));
        let ran = said(run.arg("--plugin").arg(fixture()));
        assert_eq!(ran.code, Some(3), "{mischief}: {}", ran.err);
        let words = format!(
            "error: the process that does the work ended with {how} before it was done; \
             last in use: backend `odd`, {}\nhint: check that plugin with inferbench plugins check",
            fixture().display()
        );
        assert!(ran.err.contains(&words), "{mischief}: {}", ran.err);
        let folder = place.folder();
        let resume = format!("--resume {} goes on", folder.display());
        assert!(ran.err.contains(&resume), "{mischief}: {}", ran.err);
        place.assert_nothing_is_left();
        assert_eq!(json_file(&folder.join("run.json"))["exit_state"], "running");
        let report = said(place.command().arg("report").arg(&folder));
        assert_eq!(report.code, Some(0), "{mischief}: {}", report.err);
    }
}

#[test]
fn a_run_that_is_killed_from_outside_says_so_and_ends_after_its_servers() {
    let (place, mut child) = Place::in_the_middle(LONG);
    kill(Pid::from_raw(worker(&child).unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(ended(&mut child).code(), Some(3));
    assert_eq!(place.processes(), [0; 0], "its servers ended before it did");
    let said = place.said();
    assert!(said.contains("ended with signal SIGKILL"), "{said}");
    assert!(said.contains("when memory runs out"), "{said}");
    place.assert_nothing_is_left();
}

#[test]
fn a_run_that_is_stopped_stands_still_and_goes_on_when_it_is_let() {
    let (place, mut child) = Place::in_the_middle(LONG);
    let pid = worker(&child).unwrap();
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    send(&child, Signal::SIGSTOP);
    wait_for("the worker stops", || state() == 'T');
    send(&child, Signal::SIGCONT);
    wait_for("the worker goes on", || state() != 'T');
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130), "{}", place.said());
    place.assert_nothing_is_left();
}

#[test]
fn a_signal_that_reaches_both_processes_counts_once() {
    let (place, mut child) = Place::in_the_middle(LONG);
    let worker = Pid::from_raw(worker(&child).unwrap());
    // As a terminal, systemd and Slurm do.
    send(&child, Signal::SIGTERM);
    kill(worker, Signal::SIGTERM).unwrap();
    assert_eq!(ended(&mut child).code(), Some(130));
    assert!(place.folder().join("report.html").is_file());
    place.assert_nothing_is_left();
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let place = Place::new(&LONG.replace("1000", "40"));
    let run = place.run();
    let mut command = std::process::Command::new("nohup");
    command.arg(run.get_program()).args(run.get_args());
    let vars = run
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    command.envs(vars);
    let log = fs::File::create(place.path("stderr")).unwrap();
    command.stdout(std::process::Stdio::null()).stderr(log);
    let mut child = command.spawn().unwrap();
    place.wait_for_records(8);
    send(&child, Signal::SIGHUP);
    kill(Pid::from_raw(worker(&child).unwrap()), Signal::SIGHUP).unwrap();
    assert_eq!(ended(&mut child).code(), Some(0), "{}", place.said());
    place.assert_nothing_is_left();
}

#[test]
fn output_that_cannot_be_written_hides_no_other_outcome() {
    let mut check = crate::common::inferbench();
    check.args(["plugins", "check"]).arg(fixture());
    check.env("INFERBENCH_FIXTURE_MISCHIEF", "abort");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let checked = check.stdout(full).output().unwrap();
    assert_eq!(checked.status.code(), Some(4));
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(
        said.contains("error: standard output cannot be written"),
        "{said}"
    );
}

/// What a run says that is begun by a shell with these limits.
fn limited(place: &Place, limits: &str) -> crate::common::Said {
    let run = place.run();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{limits}; exec \"$@\""), "sh"]);
    shell.arg(run.get_program()).args(run.get_args());
    said(shell.env("XDG_STATE_HOME", place.path("state")))
}

#[test]
fn limits_that_leave_no_room_are_named_before_anything_is_started() {
    let place = Place::new(LONG);
    for (limits, words) in [
        ("ulimit -v 102400", "address space (ulimit -v) is 100 MiB"),
        ("ulimit -v 204800", "address space (ulimit -v) is 200 MiB"),
        ("ulimit -v 409600", "address space (ulimit -v) is 400 MiB"),
        ("ulimit -v 614400", "address space (ulimit -v) is 600 MiB"),
        ("ulimit -n 20", "open files (ulimit -n) is 20"),
    ] {
        let said = limited(&place, limits);
        assert_eq!(said.code, Some(2), "{limits}: {}", said.err);
        let lines: Vec<&str> = said.err.lines().collect();
        assert!(lines[0].starts_with("error: "), "{limits}: {}", said.err);
        assert!(lines[0].contains(words), "{limits}: {}", said.err);
        assert!(lines[1].starts_with("hint: "), "{limits}: {}", said.err);
        assert_eq!(lines.len(), 2, "{limits}: {}", said.err);
        assert!(!place.path("results").exists(), "{limits}");
    }
}

#[test]
fn a_user_who_may_have_no_more_threads_is_told_the_limit() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    // Of root the kernel does not ask it.
    let is_root = nix::unistd::geteuid().is_root();
    let place = Place::new(LONG);
    let run = place.run();
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        "ulimit -u 12 2>/dev/null || ulimit -p 12; exec \"$@\"",
        "sh",
    ]);
    if is_root {
        // A user without other processes, who may read all that is needed.
        const NOBODY: u32 = 65_534;
        let folder = place.path("");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        shell.uid(NOBODY).gid(NOBODY);
    }
    shell.arg(run.get_program()).args(run.get_args());
    let said = said(
        shell
            .env("XDG_STATE_HOME", place.path("state"))
            .env("HOME", place.path("")),
    );
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("(ulimit -u) is 12"), "{}", said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

#[test]
fn a_report_made_while_a_run_ends_takes_the_place_of_nothing_newer() {
    let place = Place::new(&LONG.replace("1000", "24"));
    let mut child = place.start();
    place.wait_for_records(4);
    let code = loop {
        let report = said(place.command().arg("report").arg(place.folder()));
        assert_eq!(report.code, Some(0), "{}", report.err);
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
    };
    assert_eq!(code, Some(0), "{}", place.said());
    let verified = said(place.command().arg("verify").arg(place.folder()));
    assert_eq!(verified.code, Some(0), "{}", verified.out);
}
