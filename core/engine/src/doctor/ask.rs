//! Finds programs and asks them for their version, in a process group that does
//! not outlive the question.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use inferbench_model::doctor::tools::{Answer, ProgramPath, ToolFacts, version_in};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::os::programs::{FoundProgram, beside_own, find_program};

/// Longest that a small program is waited for.
pub(super) const TOOL_LIMIT: Duration = Duration::from_secs(5);
/// Longest that an engine's program is waited for: vLLM imports PyTorch before
/// it prints its version.
pub(super) const ENGINE_LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks at a program that was asked.
const POLL: Duration = Duration::from_millis(10);
/// Most bytes that are read of a program's output.
const MOST_BYTES: u64 = 64 * 1024;
/// What the readers may take after the program's end; only a process that left
/// the group can hold them up.
const AFTER_END: Duration = Duration::from_millis(200);
/// Times that a program is tried whose file another process is just writing.
const BUSY_TRIES: u32 = 20;

/// What became of a program that was asked.
#[derive(Debug)]
pub(super) enum ProgramEnd {
    NotStarted(String),
    TimedOut,
    Ended {
        success: bool,
        out: String,
        err: String,
    },
}

/// Where `program` is: a path, or a name that is looked for on the PATH.
pub(super) fn find(program: &str) -> ProgramPath {
    find_on(program, std::env::var_os("PATH").as_deref())
}

fn find_on(program: &str, path: Option<&OsStr>) -> ProgramPath {
    let text = |path: PathBuf| path.display().to_string();
    match find_program(program, path) {
        FoundProgram::Nowhere => ProgramPath::Nowhere,
        FoundProgram::NotExecutable(path) => ProgramPath::NotExecutable { path: text(path) },
        FoundProgram::At(path) => ProgramPath::At { path: text(path) },
    }
}

/// The program and its answer to `arguments`.
pub(super) fn tool(program: &str, arguments: &[&str], limit: Duration) -> ToolFacts {
    at(program, find(program), arguments, limit)
}

/// As [`tool`], for a program that was looked for already.
pub(super) fn at(
    program: &str,
    place: ProgramPath,
    arguments: &[&str],
    limit: Duration,
) -> ToolFacts {
    let answer = match &place {
        ProgramPath::At { path } => answer(Path::new(path), arguments, limit),
        ProgramPath::Nowhere | ProgramPath::NotExecutable { .. } => Answer::NotAsked,
    };
    ToolFacts::new(program, place, answer)
}

/// What the program answers, in a line.
pub(super) fn answer(program: &Path, arguments: &[&str], limit: Duration) -> Answer {
    match run(program, arguments, limit) {
        ProgramEnd::NotStarted(reason) => Answer::NotStarted { reason },
        ProgramEnd::TimedOut => Answer::TimedOut {
            after_s: limit.as_secs(),
        },
        ProgramEnd::Ended {
            success: true,
            out,
            err,
        } => {
            let with_version = |text: &str| lines(text).find(|line| version_in(line).is_some());
            let first = |text: &str| lines(text).next();
            let line = with_version(&out).or_else(|| with_version(&err));
            let line = line.or_else(|| first(&out)).or_else(|| first(&err));
            Answer::Ended {
                success: true,
                line: line.unwrap_or_default(),
            }
        }
        // What went wrong is in the last line of the output.
        ProgramEnd::Ended { out, err, .. } => Answer::Ended {
            success: false,
            line: lines(&err)
                .last()
                .or_else(|| lines(&out).last())
                .unwrap_or_default(),
        },
    }
}

/// Lines that are not empty, without control characters.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let clean = text.split(['\n', '\r']).map(|line| {
        let shown: String = line.chars().filter(|c| !c.is_control()).collect();
        shown.trim().to_owned()
    });
    clean.filter(|line| !line.is_empty())
}

/// Runs a program to its end, or kills it and what is in its group at `limit`.
pub(super) fn run(program: &Path, arguments: &[&str], limit: Duration) -> ProgramEnd {
    let mut child = match spawn(program, arguments) {
        Ok(child) => child,
        Err(error) => return ProgramEnd::NotStarted(error.to_string()),
    };
    let out = Output::start(child.stdout.take());
    let err = Output::start(child.stderr.take());
    let ended = wait(&child, Instant::now() + limit);
    kill_group(&child);
    // It is a zombie or was just killed.
    let status = child.wait();
    if !ended {
        return ProgramEnd::TimedOut;
    }
    ProgramEnd::Ended {
        success: status.is_ok_and(|status| status.success()),
        out: out.text(),
        err: err.text(),
    }
}

fn spawn(program: &Path, arguments: &[&str]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for _ in 0..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(POLL);
            }
            other => return other,
        }
    }
    command.spawn()
}

/// Whether it ended in time. It is not reaped: until then its group is its own.
fn wait(child: &Child, until: Instant) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(pid_of(child)), flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return true,
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(POLL);
    }
}

fn kill_group(child: &Child) {
    let pid = pid_of(child);
    if pid.as_raw() > 1 {
        // That the group is gone already is what the signal is for.
        let _ = killpg(pid, Signal::SIGKILL);
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(0))
}

/// One output of a program, read in a thread of its own.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Output {
    fn start(output: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let kept = Arc::clone(&bytes);
        if let Some(output) = output {
            std::thread::spawn(move || {
                let mut output = output.take(MOST_BYTES);
                let mut chunk = [0; 4096];
                while let Ok(n @ 1..) = output.read(&mut chunk) {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend_from_slice(&chunk[..n]);
                }
                drop(end);
            });
        }
        Self { bytes, ended }
    }

    fn text(self) -> String {
        // Either the end has come, or what is there so far has to do.
        let _ = self.ended.recv_timeout(AFTER_END);
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A bare name is looked for beside this program first, as a launch does.
pub(super) fn find_as_launched(program: &str) -> ProgramPath {
    find_launched(program, std::env::var_os("PATH").as_deref())
}

/// The same for a launch that has this `PATH`.
pub(super) fn find_launched(program: &str, path: Option<&OsStr>) -> ProgramPath {
    match beside_own(program) {
        // It has a folder, so that nothing is searched.
        Some(file) => find_on(&file.to_string_lossy(), path),
        None => find_on(program, path),
    }
}
