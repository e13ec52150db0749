//! Servers as processes: started, watched, and gone afterwards whatever they do.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use inferbench_engine::os::port::Port;
use inferbench_engine::secrets::Secrets;
use inferbench_engine::server::launch::{LaunchError, Server, Start};
use inferbench_engine::server::supervise::{self, Job, Journal};
use inferbench_plugin_api::{LaunchPlan, PlannedFile, StopPlan};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn shell(script: &str) -> LaunchPlan {
    LaunchPlan {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        stop: StopPlan {
            grace_s: 1,
            ..StopPlan::default()
        },
        ..LaunchPlan::default()
    }
}

async fn start(plan: &LaunchPlan, folder: &Path) -> Result<Server, LaunchError> {
    Server::start(Start {
        plan,
        extra_env: &[],
        folder,
        port: Port::reserve().unwrap(),
        stop_commands: Vec::new(),
        secrets: &Secrets::default(),
    })
    .await
}

fn is_gone(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

/// Gone, or ended and waiting for the system to reap it.
fn is_dead(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

/// The numbers that the server writes to its output, one a line, once `n` are there.
async fn written(folder: &Path, n: usize) -> Vec<i32> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let text = fs::read_to_string(folder.join("stdout.log")).unwrap_or_default();
        let numbers: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        if numbers.len() >= n {
            return numbers;
        }
        assert!(Instant::now() < until, "{text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_that_ignores_the_signal_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let plan = shell("trap '' TERM; sleep 1000 & echo $! ; wait; sleep 1000");
    let mut server = start(&plan, folder.path()).await.unwrap();
    let child = written(folder.path(), 1).await[0];
    server.stop().await.unwrap();
    assert!(is_gone(server.pid()) && is_gone(child));
}

#[tokio::test]
async fn a_server_that_obeys_the_signal_may_end_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let plan = shell("trap 'echo 7; exit 3' TERM; echo 1; while :; do sleep 0.05; done");
    let mut server = start(&plan, folder.path()).await.unwrap();
    written(folder.path(), 1).await;
    server.stop().await.unwrap();
    assert_eq!(written(folder.path(), 2).await, [1, 7]);
    assert_eq!(server.exit().unwrap().to_string(), "exit status 3");
}

#[tokio::test]
async fn a_server_blocks_no_signal_that_this_program_handles() {
    let folder = tempfile::tempdir().unwrap();
    let plan = shell("grep SigBlk /proc/self/status; echo 1; exec sleep 1000");
    let mut server = start(&plan, folder.path()).await.unwrap();
    written(folder.path(), 1).await;
    server.stop().await.unwrap();
    let text = fs::read_to_string(folder.path().join("stdout.log")).unwrap();
    assert!(text.starts_with("SigBlk:\t0000000000000000\n"), "{text}");
    assert_eq!(server.exit().unwrap().to_string(), "signal SIGTERM");
}

#[tokio::test]
async fn a_daemon_that_left_its_group_and_session_is_stopped_too() {
    let folder = tempfile::tempdir().unwrap();
    // setsid forks if it must; the subshell's end makes it an orphan.
    let plan = shell("(setsid sh -c 'echo $$; exec sleep 1000' &); echo $$; exec sleep 1000");
    let mut server = start(&plan, folder.path()).await.unwrap();
    let pids = written(folder.path(), 2).await;
    server.stop().await.unwrap();
    assert!(pids.into_iter().all(is_gone));
}

#[tokio::test]
async fn a_daemon_outlives_the_first_process_but_not_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let plan = shell("(setsid sh -c 'echo $$; exec sleep 1000' &); sleep 0.2; exit 5");
    let mut server = start(&plan, folder.path()).await.unwrap();
    let daemon = written(folder.path(), 1).await[0];
    server.died.cancelled().await;
    assert_eq!(server.exit().unwrap().to_string(), "exit status 5");
    assert!(!is_gone(daemon));
    server.stop().await.unwrap();
    assert!(is_gone(daemon));
}

#[tokio::test]
async fn a_zombie_that_a_server_never_reaps_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    // The shell becomes a program that never waits for the child it has.
    let plan = shell("sleep 0 & echo $!; exec sleep 1000");
    let mut server = start(&plan, folder.path()).await.unwrap();
    let zombie = written(folder.path(), 1).await[0];
    server.stop().await.unwrap();
    assert!(is_gone(zombie) && is_gone(server.pid()));
}

#[tokio::test]
async fn what_stops_a_server_elsewhere_runs_before_its_processes_are_signalled() {
    let folder = tempfile::tempdir().unwrap();
    let stop_file = folder.path().join("stopped");
    let plan = shell(&format!(
        "trap 'test -e {0} && echo 2; exit 0' TERM; echo 1; while :; do sleep 0.05; done",
        stop_file.display()
    ));
    let touch = vec!["touch".to_owned(), stop_file.display().to_string()];
    let mut server = Server::start(Start {
        plan: &plan,
        extra_env: &[],
        folder: folder.path(),
        port: Port::reserve().unwrap(),
        stop_commands: vec![touch, vec!["no-such-program-x".to_owned()]],
        secrets: &Secrets::default(),
    })
    .await
    .unwrap();
    written(folder.path(), 1).await;
    server.stop().await.unwrap();
    assert_eq!(written(folder.path(), 2).await, [1, 2]);
}

#[tokio::test]
async fn a_supervisor_that_is_asked_to_end_stops_the_server_first() {
    let folder = tempfile::tempdir().unwrap();
    let plan = shell("echo $$; exec sleep 1000");
    let mut server = start(&plan, folder.path()).await.unwrap();
    let pid = written(folder.path(), 1).await[0];
    kill(Pid::from_raw(server.supervisor_pid()), Signal::SIGTERM).unwrap();
    server.died.cancelled().await;
    server.stop().await.unwrap();
    assert!(is_gone(pid));
}

#[tokio::test]
async fn a_killed_supervisor_is_reported_and_all_of_its_server_killed() {
    let folder = tempfile::tempdir().unwrap();
    // The second has left the first one's group.
    let plan = shell("setsid sh -c 'echo $$; exec sleep 1000' & echo $$; exec sleep 1000");
    let mut server = start(&plan, folder.path()).await.unwrap();
    let pids = written(folder.path(), 2).await;
    kill(Pid::from_raw(server.supervisor_pid()), Signal::SIGKILL).unwrap();
    server.died.cancelled().await;
    let words = server.stop().await.unwrap_err();
    assert!(words.to_string().ends_with("was killed"), "{words}");
    assert!(pids.into_iter().all(is_dead));
    let left = Journal::of_user().unwrap().leftovers();
    assert!(left.iter().all(|left| left.folder != folder.path()));
}

#[tokio::test]
async fn an_early_exit_is_reported_with_status_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let plan = shell("echo 'CUDA out of memory' >&2; exit 7");
    let mut server = start(&plan, folder.path()).await.unwrap();
    server.died.cancelled().await;
    assert_eq!(server.exit().unwrap().to_string(), "exit status 7");
    assert_eq!(server.log_tail(), ["CUDA out of memory"]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_death_by_a_signal_is_reported_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&shell("kill -SEGV $$"), folder.path()).await.unwrap();
    server.died.cancelled().await;
    assert_eq!(server.exit().unwrap().to_string(), "signal SIGSEGV");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let plan = LaunchPlan {
        command: vec!["no-such-program-x".to_owned()],
        ..LaunchPlan::default()
    };
    let error = start(&plan, folder.path()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start `no-such-program-x`: no such program"
    );
}

#[tokio::test]
async fn a_plan_may_not_write_outside_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = shell("true");
    plan.files.push(PlannedFile {
        path: "../escape".into(),
        contents: String::new(),
    });
    let error = start(&plan, folder.path()).await.unwrap_err();
    assert!(matches!(error, LaunchError::FileOutside { .. }));
}

/// A job as InferBench gives it, for a supervisor that a test runs itself.
fn job(folder: &Path, script: &str, owner: i32) -> Job {
    Job {
        program: "sh".into(),
        arguments: ["-c", script].map(str::to_owned).to_vec(),
        env: Vec::new(),
        folder: folder.to_owned(),
        stop: StopPlan {
            grace_s: 1,
            ..StopPlan::default()
        },
        stop_commands: Vec::new(),
        mark: format!("test-{}-{}", std::process::id(), folder.display()).replace('/', "_"),
        owner,
        journal: Some(folder.join("journal")),
    }
}

/// A supervisor with its job; its input is held open by the child.
fn supervisor(job: &Job) -> std::process::Child {
    let mut child = std::process::Command::new(supervise::program().unwrap())
        .arg("supervise")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let line = serde_json::to_string(job).unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    child
}

#[tokio::test]
async fn what_is_left_of_a_run_and_its_supervisor_is_found_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    // An owner that is no more: a process that has ended.
    let mut owner = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let script = "(setsid sh -c 'echo $$; exec sleep 1000' &); echo $$; exec sleep 1000";
    let job = job(folder.path(), script, owner.id() as i32);
    let mut supervisor = supervisor(&job);
    let pids = written(folder.path(), 2).await;
    let journal = Journal::at(&folder.path().join("journal"));
    assert!(journal.leftovers().is_empty(), "its owner still lives");
    owner.kill().unwrap();
    owner.wait().unwrap();
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    let left = journal.leftovers();
    assert_eq!(left.len(), 1);
    assert!(
        pids.iter().all(|pid| left[0].pids.contains(pid)),
        "{left:?} {pids:?}"
    );
    assert_eq!(journal.stop(&left[0]), Vec::<i32>::new());
    assert!(pids.into_iter().all(is_dead));
    assert!(journal.leftovers().is_empty());
    assert_eq!(fs::read_dir(journal.folder()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_supervisor_that_outlived_its_run_is_asked_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut owner = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let job = job(folder.path(), "echo $$; exec sleep 1000", owner.id() as i32);
    let mut supervisor = supervisor(&job);
    let pid = written(folder.path(), 1).await[0];
    owner.kill().unwrap();
    owner.wait().unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    let left = journal.leftovers();
    let reaped = std::thread::spawn(move || supervisor.wait());
    assert_eq!(journal.stop(&left[0]), Vec::<i32>::new());
    assert!(reaped.join().unwrap().unwrap().success());
    assert!(is_gone(pid));
}

#[test]
fn a_journal_that_is_missing_or_holds_rubbish_lists_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::at(&folder.path().join("journal"));
    assert!(journal.leftovers().is_empty());
    fs::create_dir(journal.folder()).unwrap();
    fs::write(journal.folder().join("x.json"), "{").unwrap();
    assert!(journal.leftovers().is_empty());
}

/// Of a journal with one entry, of a run that is gone: entries after it was tidied, what is
/// then left over, and entries after that was looked for.
fn entry_of_the_dead(folder: &Path, change: impl Fn(&mut serde_json::Value)) -> [usize; 3] {
    let mut owner = std::process::Command::new("true").spawn().unwrap();
    let job = job(folder, "true", owner.id() as i32);
    let entry = supervise::Entry::for_job(&job, owner.id() as i32);
    owner.wait().unwrap();
    let mut entry = serde_json::to_value(entry).unwrap();
    change(&mut entry);
    let journal = Journal::at(&folder.join("journal"));
    fs::create_dir_all(journal.folder()).unwrap();
    fs::write(journal.folder().join("m.json"), entry.to_string()).unwrap();
    journal.tidy();
    let tidied = fs::read_dir(journal.folder()).unwrap().count();
    let found = journal.leftovers().len();
    let left = fs::read_dir(journal.folder()).unwrap().count();
    fs::remove_dir_all(journal.folder()).unwrap();
    [tidied, found, left]
}

#[test]
fn only_entries_of_servers_that_are_surely_gone_are_tidied_away() {
    let folder = tempfile::tempdir().unwrap();
    let own = std::process::id();
    let mark = |entry: &mut serde_json::Value| entry["mark"] = "m".into();
    let left = |change: &dyn Fn(&mut serde_json::Value)| {
        entry_of_the_dead(folder.path(), |entry| {
            mark(entry);
            change(entry);
        })
    };
    assert_eq!(
        left(&|_| {}),
        [0, 0, 0],
        "its run and its processes are gone"
    );
    assert_eq!(
        left(&|e| e["boot"] = "before".into()),
        [0, 0, 0],
        "of an earlier boot"
    );
    assert_eq!(left(&|e| e["place"]["host"] = "other".into()), [1, 0, 1]);
    assert_eq!(
        left(&|e| e["place"]["processes"] = "pid:[1]".into()),
        [1, 0, 1]
    );
    assert_eq!(left(&|e| e["place"] = serde_json::Value::Null), [1, 0, 0]);
    let container = serde_json::json!([["podman", "rm", "x"]]);
    assert_eq!(left(&|e| e["stop_commands"] = container.clone()), [1, 1, 1]);
    // This process, whose start is that of no entry but its own.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19);
    let started: u64 = started.unwrap().parse().unwrap();
    let living = serde_json::json!({"pid": own, "started": started});
    assert_eq!(
        left(&|e| e["owner"] = living.clone()),
        [1, 0, 1],
        "its run goes on"
    );
}
