//! Checks a built plugin library in a child process of the same program, so
//! that whatever the plugin does to its process is seen and harms nothing.
//!
//! The child reports what it does over a socket in the place of its standard
//! input: one line of JSON before each check and one after it. So it is known
//! which check was running when the child hung or died.

mod child;
mod footprint;
mod memory;
mod message;

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Serialize;

pub use child::{ChildWork, main as child_main};
use message::ChildMessage;
pub use message::PluginCheckError;

/// Name of the hidden command that the child is called with.
pub const CHILD_COMMAND: &str = "check-plugin";
/// Bytes of what a plugin printed that are kept.
const KEPT_BYTES: usize = 200;
/// How long the pipes of a child that has ended may stay open.
const PIPE_GRACE: Duration = Duration::from_secs(2);
/// Time between two looks at a child that is about to end.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const NO_OUTPUT: &str = "it writes nothing to standard output";

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct PluginCheck {
    /// The library.
    pub file: PathBuf,
    /// Folder of recorded exchanges; `exchanges` beside the library if absent
    /// and there.
    pub exchanges: Option<PathBuf>,
    /// Check it even in a folder that others may write to.
    pub trust_dir: bool,
    /// Longest time for one check.
    pub limit: Duration,
}

/// One check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Backend that it is about; absent if it is about the library.
    pub backend: Option<String>,
    /// What a plugin must do, as a claim.
    pub check: String,
    /// Why it does not hold; absent if it does.
    pub reason: Option<String>,
}

/// What came of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PluginCheckReport {
    /// Version of the API that the library was built against.
    pub api: Option<String>,
    /// Compiler it was built with.
    pub rustc: Option<String>,
    /// Backends it carries.
    pub backends: Vec<String>,
    /// In the order they ran.
    pub checks: Vec<Checked>,
    /// What is no fault, but should be known.
    pub notes: Vec<String>,
}

impl PluginCheckReport {
    /// Whether every check held.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.reason.is_none())
    }
}

/// Checks a library: `program` is called as the child, with
/// [`CHILD_COMMAND`] as its first argument.
///
/// # Errors
/// If no child can be started. What the plugin does wrong is in the report.
pub fn check(program: &Path, wanted: &PluginCheck) -> Result<PluginCheckReport, PluginCheckError> {
    let failed = |doing| move |source| PluginCheckError::Child { doing, source };
    let (mine, theirs) = UnixStream::pair().map_err(failed("making a socket"))?;
    let mut command = Command::new(program);
    command.arg(CHILD_COMMAND).arg(&wanted.file);
    if let Some(folder) = &wanted.exchanges {
        command.arg("--exchanges").arg(folder);
    }
    if wanted.trust_dir {
        command.arg("--trust-plugin-dir");
    }
    command
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed("starting it"))?;
    // The command holds the child's end of the socket.
    drop(command);
    let (out, err) = (printed(child.stdout.take()), printed(child.stderr.take()));
    let lines = lines_of(mine);
    let mut report = PluginCheckReport::default();
    let heard = listen(&lines, wanted.limit, &mut report);
    let status = end(&mut child, &heard).map_err(failed("waiting for its end"))?;
    conclude(&mut report, heard?, status, wanted.limit);
    add_output(&mut report, &out, &err);
    Ok(report)
}

/// Loads a library in a child and does nothing else with it. Gives what it did to its
/// process, if the process did not live to tell that it is loaded, or refused.
///
/// # Errors
/// If no child can be started.
pub(super) fn end_of_first_load(
    program: &Path,
    file: &Path,
    limit: Duration,
) -> Result<Option<String>, PluginCheckError> {
    let failed = |doing| move |source| PluginCheckError::Child { doing, source };
    let (mine, theirs) = UnixStream::pair().map_err(failed("making a socket"))?;
    let mut command = Command::new(program);
    command
        .arg(CHILD_COMMAND)
        .arg(file)
        .args(["--load-only", "--trust-plugin-dir"])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed("starting it"))?;
    drop(command);
    let lines = lines_of(mine);
    let mut report = PluginCheckReport::default();
    let heard = listen(&lines, limit, &mut report);
    // What it does at the end of its process counts too.
    if matches!(heard, Ok(Heard::Done)) {
        return match ended_within(&mut child, limit).map_err(failed("waiting for its end"))? {
            Some(status) => Ok((!status.success()).then(|| how_it_died(status))),
            None => Ok(Some(too_late(limit))),
        };
    }
    let status = end(&mut child, &heard).map_err(failed("waiting for its end"))?;
    Ok(Some(match heard? {
        Heard::Silent(_) => too_late(limit),
        Heard::Done | Heard::Gone(_) => how_it_died(status),
    }))
}

/// How a child ends that has nothing more to do; `None` if it had to be killed.
fn ended_within(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    child.kill()?;
    child.wait().map(|_| None)
}

/// How the child's reports ended, and the check that was running then.
enum Heard {
    Done,
    Silent(Option<Checked>),
    Gone(Option<Checked>),
}

fn lines_of(socket: UnixStream) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(socket).lines() {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn listen(
    lines: &Receiver<String>,
    limit: Duration,
    report: &mut PluginCheckReport,
) -> Result<Heard, PluginCheckError> {
    let mut running: Option<Checked> = None;
    loop {
        let line = match lines.recv_timeout(limit) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(Heard::Silent(running)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Heard::Gone(running)),
        };
        match serde_json::from_str(&line)? {
            ChildMessage::Loaded {
                api,
                rustc,
                backends,
            } => {
                report.api = Some(api);
                report.rustc = Some(rustc);
                report.backends = backends;
            }
            ChildMessage::Begins { backend, check } => {
                running = Some(Checked {
                    backend,
                    check,
                    reason: None,
                });
            }
            ChildMessage::Ended { reason } => {
                let ended = running.take();
                report
                    .checks
                    .extend(ended.map(|check| Checked { reason, ..check }));
            }
            ChildMessage::Note(note) => report.notes.push(note),
            ChildMessage::Done => return Ok(Heard::Done),
        }
    }
}

/// Waits for a child that has nothing more to do, and kills any other.
fn end(child: &mut Child, heard: &Result<Heard, PluginCheckError>) -> std::io::Result<ExitStatus> {
    if !matches!(heard, Ok(Heard::Gone(_))) {
        child.kill()?;
    }
    child.wait()
}

fn conclude(report: &mut PluginCheckReport, heard: Heard, status: ExitStatus, limit: Duration) {
    let (running, reason) = match heard {
        Heard::Done => return,
        Heard::Silent(running) => (running, too_late(limit)),
        Heard::Gone(running) => (running, how_it_died(status)),
    };
    let check = running.unwrap_or_else(|| Checked {
        backend: None,
        check: "it leaves its process alive".to_owned(),
        reason: None,
    });
    report.checks.push(Checked {
        reason: Some(reason),
        ..check
    });
    report
        .notes
        .push("the checks after that one were not made".to_owned());
}

fn too_late(limit: Duration) -> String {
    format!("it did not end within {} s", limit.as_secs_f64())
}

fn how_it_died(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => {
            let name = Signal::try_from(number).map_or_else(
                |_| format!("signal {number}"),
                |signal| signal.as_str().to_owned(),
            );
            format!("it ended its process: {name}")
        }
        (None, Some(code)) => format!("it ended its process with exit code {code}"),
        (None, None) => "its process is gone".to_owned(),
    }
}

/// What a pipe brought: its first bytes, and how many there were.
struct Printed {
    start: Vec<u8>,
    bytes: u64,
}

fn printed(pipe: Option<impl Read + Send + 'static>) -> Receiver<Printed> {
    let (send, printed): (Sender<Printed>, _) = channel();
    std::thread::spawn(move || {
        let mut all = Printed {
            start: Vec::new(),
            bytes: 0,
        };
        let mut buffer = [0; 4096];
        if let Some(mut pipe) = pipe {
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                let room = KEPT_BYTES - all.start.len();
                all.start.extend(&buffer[..n.min(room)]);
                all.bytes += n as u64;
            }
        }
        // Nobody waits any more if the check has ended.
        drop(send.send(all));
    });
    printed
}

fn add_output(report: &mut PluginCheckReport, out: &Receiver<Printed>, err: &Receiver<Printed>) {
    let words = |pipe: &Receiver<Printed>| {
        let printed = pipe.recv_timeout(PIPE_GRACE).ok()?;
        let start = String::from_utf8_lossy(&printed.start).into_owned();
        (printed.bytes > 0).then(|| format!("{} bytes: {:?}", printed.bytes, start.trim_end()))
    };
    if !report.backends.is_empty() {
        report.checks.push(Checked {
            backend: None,
            check: NO_OUTPUT.to_owned(),
            reason: words(out).map(|words| format!("it wrote {words}")),
        });
    }
    let noted = words(err).map(|words| format!("it wrote to standard error {words}"));
    report.notes.extend(noted);
}
