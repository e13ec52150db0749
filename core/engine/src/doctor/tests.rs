#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use inferbench_model::doctor::tools::{Answer, ProgramPath, Tool};
use inferbench_model::doctor::{Group, Status};
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::*;
use crate::plugins::search::SearchPath;

fn ground() -> Arc<Ground> {
    Arc::new(Ground {
        plugins: SearchPath::default(),
        output: PathBuf::from("results"),
        version: "0.1.0".to_owned(),
        needs: Vec::new(),
    })
}

fn check(name: &'static str, look: fn(&Ground, &Lines)) -> Check {
    check::check(Group::Tools, name, look)
}

fn fine(lines: &Lines, name: &str) {
    let facts = ask::at("x", ProgramPath::Nowhere, &[], ask::TOOL_LIMIT);
    let tool = Tool {
        facts,
        purpose: "nothing",
        absence: Status::Ok,
    };
    lines.add_named(name, &tool);
}

#[test]
fn a_check_that_hangs_or_panics_costs_its_own_lines_alone() {
    let checks = [
        check("first", |_, lines| fine(lines, "first")),
        check("hangs", |_, lines| {
            fine(lines, "before it hangs");
            loop {
                std::thread::park();
            }
        }),
        check("panics", |_, _| panic!("on purpose")),
        check("last", |_, lines| fine(lines, "last")),
    ];
    let lines = look(&checks, ground(), Duration::from_millis(300));
    let found: Vec<(&str, Status)> = lines.iter().map(|l| (&*l.name, l.status)).collect();
    assert_eq!(
        found,
        [
            ("first", Status::Ok),
            ("before it hangs", Status::Ok),
            ("hangs", Status::Warning),
            ("panics", Status::Warning),
            ("last", Status::Ok),
        ]
    );
}

#[test]
fn every_group_has_a_check_and_every_check_a_name_of_its_own() {
    let groups: BTreeSet<Group> = CHECKS.iter().map(|check| check.group).collect();
    assert_eq!(groups, BTreeSet::from(Group::ALL));
    let names: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(names.len(), CHECKS.len());
}

fn script(folder: &Path, text: &str, mode: u32) -> PathBuf {
    let file = folder.join("tool");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

fn answer_of_script(text: &str) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let file = script(folder.path(), text, 0o755);
    ask::answer(&file, &["--version"], Duration::from_secs(10))
}

fn ended(success: bool, line: &str) -> Answer {
    Answer::Ended {
        success,
        line: line.to_owned(),
    }
}

#[test]
fn the_line_with_the_version_is_taken_from_among_others() {
    let text = "#!/bin/sh\necho warning >&2\necho; echo Cuda compiler; echo release 12.8, V12.8.93";
    assert_eq!(
        answer_of_script(text),
        ended(true, "release 12.8, V12.8.93")
    );
}

#[test]
fn the_last_line_of_a_program_that_fails_is_taken() {
    let text = "#!/bin/sh\necho Traceback >&2\necho 'No module named x' >&2\nexit 1";
    assert_eq!(answer_of_script(text), ended(false, "No module named x"));
    assert_eq!(answer_of_script("#!/bin/sh\nkill -9 $$"), ended(false, ""));
}

#[test]
fn garbage_is_shown_without_control_characters_and_is_no_version() {
    let text = "#!/bin/sh\nprintf '\\033[31m\\377\\376\\000x\\a\\n'";
    let Answer::Ended { success, line } = answer_of_script(text) else {
        panic!("it did not end");
    };
    assert!(success);
    assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
    assert!(line.contains('x'));
}

#[test]
fn endless_words_are_cut_and_the_program_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = script(
        folder.path(),
        "#!/bin/sh\nwhile :; do echo yes; done",
        0o755,
    );
    let answer = ask::answer(&file, &[], Duration::from_secs(1));
    let cut_off = matches!(answer, Answer::Ended { .. } | Answer::TimedOut { .. });
    assert!(cut_off, "{answer:?}");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let text = format!(
        "#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $$ $! > {}\nwait",
        pids.display()
    );
    let file = script(folder.path(), &text, 0o755);
    let answer = ask::answer(&file, &[], Duration::from_secs(1));
    assert_eq!(answer, Answer::TimedOut { after_s: 1 });
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        let pid = Pid::from_raw(pid.parse().unwrap());
        // What was killed may wait a moment for init to reap it.
        let gone = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            kill(pid, None) == Err(Errno::ESRCH) || is_zombie(pid)
        });
        assert!(gone, "process {pid} is still there");
    }
}

fn is_zombie(pid: Pid) -> bool {
    let stat = procfs::process::Process::new(pid.as_raw()).and_then(|p| p.stat());
    stat.is_ok_and(|stat| stat.state == 'Z')
}

#[test]
fn a_child_that_keeps_the_output_open_holds_nobody_up() {
    let text = "#!/bin/sh\nsetsid sleep 3 &\necho tool 1.2";
    let began = Instant::now();
    assert_eq!(answer_of_script(text), ended(true, "tool 1.2"));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_file_that_cannot_be_run_or_is_no_program_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let plain = script(folder.path(), "#!/bin/sh\necho 1.2", 0o644);
    let facts = ask::tool(plain.to_str().unwrap(), &[], ask::TOOL_LIMIT);
    assert!(matches!(facts.place, ProgramPath::NotExecutable { .. }));
    assert_eq!(facts.answer, Answer::NotAsked);
    assert_eq!(ask::find("/nowhere/at/all"), ProgramPath::Nowhere);
    assert!(matches!(
        answer_of_script("neither ELF nor script"),
        Answer::NotStarted { .. }
    ));
}
