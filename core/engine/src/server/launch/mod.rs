//! Starts a backend's server under a supervisor, follows its reports, and stops it.
//! Whether the server is ready is for readiness.

mod error;
mod log;
mod plan;

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use inferbench_model::facts::crash_cause::Ended;
use inferbench_plugin_api::{EnvVar, LaunchPlan};
use nix::sys::signal::Signal;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::os::port::Port;
use crate::os::processes::signal_group;
use crate::secrets::Secrets;
use crate::server::supervise::{self, Job, Journal, Order, Report};

pub use error::{LaunchError, StopError};
pub use log::log_tail;
pub(crate) use log::{last_line, last_lines};
pub use plan::command_text;

/// What a supervisor may take beyond the plan's grace: for what it kills, and
/// for commands that stop what is elsewhere.
const SUPERVISOR_EXTRA: Duration = Duration::from_secs(40);

/// Files of each start, beside those of its plan.
pub(crate) const FILES: [&str; 3] = ["command.txt", "stdout.log", "stderr.log"];

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub ExitStatus);

impl Exit {
    /// What it says of the cause.
    pub(crate) fn ended(self) -> Option<Ended> {
        let status = self.0.code().map(Ended::Status);
        status.or_else(|| self.0.signal().map(Ended::Signal))
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit status {code}"),
            (None, Some(signal)) => match Signal::try_from(signal) {
                Ok(signal) => write!(f, "signal {signal}"),
                Err(_) => write!(f, "signal {signal}"),
            },
            (None, None) => f.write_str("an unknown status"),
        }
    }
}

/// A server to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// The plan.
    pub plan: &'a LaunchPlan,
    /// Environment from the config, which wins over the plan's.
    pub extra_env: &'a [EnvVar],
    /// Folder of its logs and files.
    pub folder: &'a Path,
    /// The port it listens on, kept from other runs until the server is dropped.
    pub port: Port,
    /// Commands that stop what is not among its processes.
    pub stop_commands: Vec<Vec<String>>,
    /// What must not be written down.
    pub secrets: &'a Secrets,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pid: i32,
    supervisor: i32,
    grace: Duration,
    folder: PathBuf,
    /// By which the journal knows it.
    mark: String,
    port: Port,
    /// Its end shows the supervisor that InferBench is gone.
    orders: Mutex<ChildStdin>,
    exit: watch::Receiver<Option<Exit>>,
    stopped: watch::Receiver<Option<Stopped>>,
    /// Cancelled when the server's first process has ended.
    pub died: CancellationToken,
}

/// How stopping went.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stopped {
    /// Processes that would not go.
    Left(Vec<i32>),
    /// The supervisor ended without a word.
    Unsupervised,
}

impl Server {
    /// Starts the plan's command. Its output goes to `stdout.log` and
    /// `stderr.log` in the folder, its command line, secrets masked, to
    /// `command.txt`, its files to the folder too.
    ///
    /// # Errors
    /// See [`LaunchError`]; nothing runs then.
    pub async fn start(start: Start<'_>) -> Result<Self, LaunchError> {
        let (plan, folder) = (start.plan, start.folder);
        let program = plan.command.first().ok_or(LaunchError::NoProgram)?.clone();
        plan::write_files(plan, folder)?;
        let text = command_text(plan, start.extra_env, start.secrets);
        plan::write(&folder.join(FILES[0]), &text)?;
        let grace = Duration::from_secs(u64::from(plan.stop.grace_s));
        let job = job(&start, &program);
        let port = start.port;
        let mut supervisor = spawn_supervisor()?;
        let pid = i32::try_from(supervisor.id()).unwrap_or(0);
        let (Some(mut orders), Some(reports)) = (supervisor.stdin.take(), supervisor.stdout.take())
        else {
            return Err(no_supervisor("has no pipes"));
        };
        send(&mut orders, &job).map_err(|error| no_supervisor(&error.to_string()))?;
        let (send_began, began) = oneshot::channel();
        let (send_exit, exit) = watch::channel(None);
        let (send_stopped, stopped) = watch::channel(None);
        let died = CancellationToken::new();
        let mut hearing = Hearing {
            began: Some(send_began),
            exit: send_exit,
            stopped: send_stopped,
            died: died.clone(),
        };
        let hear = move || {
            hearing.listen(reports);
            drop(supervisor.wait());
        };
        let heard = std::thread::Builder::new().spawn(hear);
        heard.map_err(|error| no_supervisor(&format!("cannot be heard: {error}")))?;
        let server = match began.await {
            Ok(Began::Started(server)) => server,
            Ok(Began::Refused(reason)) => return Err(LaunchError::Program { program, reason }),
            Err(_) => return Err(no_supervisor("ended before it started anything")),
        };
        Ok(Self {
            pid: server,
            supervisor: pid,
            grace,
            folder: folder.to_owned(),
            mark: job.mark,
            port,
            orders: Mutex::new(orders),
            exit,
            stopped,
            died,
        })
    }

    /// Process id of the server's first process, which leads its group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Process id of its supervisor, above all of the server's processes.
    #[must_use]
    pub fn supervisor_pid(&self) -> i32 {
        self.supervisor
    }

    /// The port it is to listen on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// How it ended; `None` while it runs.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> Vec<String> {
        log_tail(&self.folder)
    }

    /// Folder of its logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the whole tree: the plan's signal, its grace, then SIGKILL. Returns
    /// when no process of it is left.
    ///
    /// # Errors
    /// See [`StopError`].
    pub async fn stop(&mut self) -> Result<(), StopError> {
        self.order(Order::Stop);
        let limit = self.grace + SUPERVISOR_EXTRA;
        let stopped = self.stopped.wait_for(Option::is_some);
        let stopped = match tokio::time::timeout(limit, stopped).await {
            Ok(Ok(stopped)) => stopped.clone(),
            _ => None,
        };
        let folder = self.folder.clone();
        match stopped {
            Some(Stopped::Left(pids)) if pids.is_empty() => Ok(()),
            Some(Stopped::Left(pids)) => Err(StopError::Left { pids, folder }),
            Some(Stopped::Unsupervised) | None => {
                signal_group(self.pid, Signal::SIGKILL);
                match self.kill_by_journal().await {
                    Some(pids) if !pids.is_empty() => Err(StopError::Left { pids, folder }),
                    Some(_) => Err(StopError::Killed { folder }),
                    None => Err(StopError::Unsupervised { folder }),
                }
            }
        }
    }

    /// Kills what the journal knows of it, without the supervisor.
    async fn kill_by_journal(&self) -> Option<Vec<i32>> {
        let mark = self.mark.clone();
        let kill = move || Journal::of_user()?.kill(&mark);
        tokio::task::spawn_blocking(kill).await.ok()?
    }

    /// Kills the whole tree at once; `stop` then returns soon.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    fn order(&self, order: Order) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        // A supervisor that is gone has stopped what it could.
        drop(send(&mut orders, &order));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever forgot to stop it: nothing may be left behind.
        if self.stopped.borrow().is_none() {
            self.kill();
        }
    }
}

fn send(orders: &mut ChildStdin, line: &impl serde::Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    orders.write_all(&text)
}

fn no_supervisor(reason: &str) -> LaunchError {
    LaunchError::Supervisor {
        reason: reason.to_owned(),
    }
}

fn spawn_supervisor() -> Result<std::process::Child, LaunchError> {
    let program = supervise::program()
        .ok_or_else(|| no_supervisor("is not there: no program `inferbench` beside this one"))?;
    Command::new(program)
        .arg("supervise")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // The terminal's keys are for InferBench alone.
        .process_group(0)
        .spawn()
        .map_err(|error| no_supervisor(&format!("cannot start: {error}")))
}

fn job(start: &Start<'_>, program: &str) -> Job {
    let env = plan::environment(start.plan, start.extra_env);
    let owner = std::process::id();
    Job {
        program: plan::resolve(program),
        arguments: start.plan.command[1..].to_vec(),
        env: env
            .map(|var| (var.name.clone(), var.value.clone()))
            .collect(),
        folder: start.folder.to_owned(),
        stop: start.plan.stop.clone(),
        stop_commands: start.stop_commands.clone(),
        mark: format!("{owner}-{}", crate::os::clock::now_ns()),
        owner: i32::try_from(owner).unwrap_or(0),
        journal: Journal::of_user().map(|journal| journal.folder().to_owned()),
    }
}

/// How a start went.
enum Began {
    /// Process id of the first process.
    Started(i32),
    /// Why there is none, in the supervisor's words.
    Refused(String),
}

/// Who hears the supervisor's reports.
struct Hearing {
    began: Option<oneshot::Sender<Began>>,
    exit: watch::Sender<Option<Exit>>,
    stopped: watch::Sender<Option<Stopped>>,
    died: CancellationToken,
}

impl Hearing {
    fn listen(&mut self, reports: ChildStdout) {
        let lines = BufReader::new(reports).lines().map_while(Result::ok);
        for report in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            self.hear(report);
        }
        self.stopped.send_if_modified(|stopped| {
            let silent = stopped.is_none();
            stopped.get_or_insert(Stopped::Unsupervised);
            silent
        });
        self.died.cancel();
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Started { pid } => self.began(Began::Started(pid)),
            Report::Refused { reason } => self.began(Began::Refused(reason)),
            Report::Exited { status } => {
                self.exit
                    .send_replace(Some(Exit(ExitStatus::from_raw(status))));
                self.died.cancel();
            }
            Report::Stopped { left } => {
                self.stopped.send_replace(Some(Stopped::Left(left)));
            }
        }
    }

    fn began(&mut self, how: Began) {
        if let Some(began) = self.began.take() {
            // Whoever asked may have been stopped meanwhile.
            drop(began.send(how));
        }
    }
}
