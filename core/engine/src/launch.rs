//! Starts a backend's server in a process group of its own, and always reaps it.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use inferbench_plugin_api::{EnvVar, LaunchPlan, StopPlan};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use thiserror::Error;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Lines of a log that are shown when something went wrong.
const TAIL_LINES: usize = 20;
/// How long a killed group may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// A server that could not be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The plan names no program.
    #[error("the plugin's launch plan names no program")]
    NoProgram,
    /// The plan writes outside its folder.
    #[error("the plugin's launch plan writes to {}, which is outside its folder", path.display())]
    FileOutside {
        /// The path.
        path: PathBuf,
    },
    /// A file or log cannot be written.
    #[error("{}: cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The program is not there, or may not be run.
    #[error("cannot start `{program}`: {reason}")]
    Program {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub ExitStatus);

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

/// A running server.
#[derive(Debug)]
pub struct Server {
    group: Pid,
    stop: StopPlan,
    folder: PathBuf,
    exit: watch::Receiver<Option<Exit>>,
    /// Cancelled when the server's first process has ended.
    pub died: CancellationToken,
}

impl Server {
    /// Starts the plan's command. Its output goes to `stdout.log` and
    /// `stderr.log` in `folder`, its command line, secrets masked, to
    /// `command.txt`, its files to `folder` too.
    ///
    /// # Errors
    /// See [`LaunchError`]; nothing runs then.
    pub fn start(
        plan: &LaunchPlan,
        extra_env: &[EnvVar],
        folder: &Path,
    ) -> Result<Self, LaunchError> {
        let (program, arguments) = plan.command.split_first().ok_or(LaunchError::NoProgram)?;
        write_files(plan, folder)?;
        write(&folder.join("command.txt"), &command_text(plan, extra_env))?;
        let mut command = Command::new(resolve(program));
        command
            .args(arguments)
            .envs(environment(plan, extra_env).map(|var| (&var.name, &var.value)))
            .stdin(Stdio::null())
            .stdout(log_file(folder, "stdout.log")?)
            .stderr(log_file(folder, "stderr.log")?)
            .process_group(0);
        let mut child = command.spawn().map_err(|error| LaunchError::Program {
            program: program.clone(),
            reason: spawn_words(&error),
        })?;
        let pid = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .unwrap_or(0);
        let (tell, exit) = watch::channel(None);
        let died = CancellationToken::new();
        let mark = died.clone();
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                tell.send_replace(Some(Exit(status)));
            }
            mark.cancel();
        });
        Ok(Self {
            group: Pid::from_raw(pid),
            stop: plan.stop.clone(),
            folder: folder.to_owned(),
            exit,
            died,
        })
    }

    /// Process id of the server's first process, which leads its group.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.group.as_raw()
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

    /// Stops the whole group: the plan's signal, its grace, then SIGKILL.
    /// Returns when no process of the group is left; tells if one would not go.
    pub async fn stop(mut self) -> Result<(), String> {
        if self.group.as_raw() <= 1 {
            return Ok(());
        }
        let signal = match self.stop.signal.as_str() {
            "INT" => Signal::SIGINT,
            _ => Signal::SIGTERM,
        };
        self.send(signal);
        let grace = Duration::from_secs(u64::from(self.stop.grace_s));
        if self.wait_gone(grace).await {
            return Ok(());
        }
        self.send(Signal::SIGKILL);
        if self.wait_gone(AFTER_KILL).await {
            return Ok(());
        }
        Err(format!(
            "process group {} is still there {} s after SIGKILL",
            self.group,
            AFTER_KILL.as_secs()
        ))
    }

    /// Kills the whole group at once.
    pub fn kill(&self) {
        if self.group.as_raw() > 1 {
            self.send(Signal::SIGKILL);
        }
    }

    fn send(&self, signal: Signal) {
        signal_group(self.group, signal);
    }

    async fn wait_gone(&mut self, limit: Duration) -> bool {
        let gone = async {
            loop {
                let group_gone = killpg(self.group, None) == Err(Errno::ESRCH);
                if group_gone && self.exit().is_some() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, gone).await.is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whoever forgot to stop it: nothing may be left behind.
        if self.exit().is_none() {
            self.kill();
        }
    }
}

/// Kills a process group at once.
pub(crate) fn kill_group(group: i32) {
    if group > 1 {
        signal_group(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn signal_group(group: Pid, signal: Signal) {
    // That the group is gone already is what the signal is for.
    let _: Result<(), Errno> = killpg(group, signal);
}

fn write_files(plan: &LaunchPlan, folder: &Path) -> Result<(), LaunchError> {
    for file in &plan.files {
        if !file.is_inside() {
            return Err(LaunchError::FileOutside {
                path: file.path.clone(),
            });
        }
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| LaunchError::File {
                path: parent.to_owned(),
                source,
            })?;
        }
        write(&path, &file.contents)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), LaunchError> {
    fs::write(path, text).map_err(|source| LaunchError::File {
        path: path.to_owned(),
        source,
    })
}

fn log_file(folder: &Path, name: &str) -> Result<Stdio, LaunchError> {
    let path = folder.join(name);
    let file = File::create(&path);
    file.map(Stdio::from)
        .map_err(|source| LaunchError::File { path, source })
}

/// A bare name is looked for beside this program first, then on the PATH.
fn resolve(program: &str) -> PathBuf {
    let beside = crate::host::own_folder().map(|folder| folder.join(program));
    match beside {
        Some(path) if !program.contains('/') && path.is_file() => path,
        _ => PathBuf::from(program),
    }
}

fn spawn_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such program".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be run".to_owned(),
        _ => error.to_string(),
    }
}

/// The plan's variables and the config's, which win over those of the same name.
fn environment<'a>(
    plan: &'a LaunchPlan,
    extra_env: &'a [EnvVar],
) -> impl Iterator<Item = &'a EnvVar> {
    let overridden = |var: &&EnvVar| !extra_env.iter().any(|extra| extra.name == var.name);
    plan.env.iter().filter(overridden).chain(extra_env)
}

/// The command line as a shell would take it, secrets masked.
#[must_use]
pub fn command_text(plan: &LaunchPlan, extra_env: &[EnvVar]) -> String {
    let mut words: Vec<String> = environment(plan, extra_env)
        .map(|var| {
            let value = if var.secret { "***" } else { &var.value };
            format!("{}={}", var.name, quoted(value))
        })
        .collect();
    words.extend(plan.command.iter().map(|word| quoted(word)));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Last lines of a stage's standard error, or of its output if there are none.
#[must_use]
pub fn log_tail(folder: &Path) -> Vec<String> {
    let tail = |name: &str| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().rev();
        let lines = lines
            .filter(|line| !line.trim().is_empty())
            .take(TAIL_LINES);
        let mut lines: Vec<String> = lines.map(|line| line.chars().take(400).collect()).collect();
        lines.reverse();
        lines
    };
    let errors = tail("stderr.log");
    if errors.is_empty() {
        tail("stdout.log")
    } else {
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(command: &[&str]) -> LaunchPlan {
        LaunchPlan {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            stop: StopPlan {
                grace_s: 1,
                ..StopPlan::default()
            },
            ..LaunchPlan::default()
        }
    }

    fn is_gone(pid: i32) -> bool {
        nix::sys::signal::kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
    }

    #[tokio::test]
    async fn a_server_that_ignores_the_signal_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; sleep 1000 & echo $! ; wait; sleep 1000";
        let server = Server::start(&plan(&["sh", "-c", script]), &[], folder.path()).unwrap();
        let out = folder.path().join("stdout.log");
        let child = loop {
            let text = fs::read_to_string(&out).unwrap();
            if let Ok(pid) = text.trim().parse::<i32>() {
                break pid;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let pid = server.pid();
        server.stop().await.unwrap();
        assert!(is_gone(pid) && is_gone(child));
    }

    #[tokio::test]
    async fn an_early_exit_is_told_with_status_and_log() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo 'CUDA out of memory' >&2; exit 7";
        let server = Server::start(&plan(&["sh", "-c", script]), &[], folder.path()).unwrap();
        server.died.cancelled().await;
        assert_eq!(server.exit().unwrap().to_string(), "exit status 7");
        assert_eq!(server.log_tail(), ["CUDA out of memory"]);
        server.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Server::start(&plan(&["no-such-program-x"]), &[], folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot start `no-such-program-x`: no such program"
        );
    }

    #[tokio::test]
    async fn a_plan_may_not_write_outside_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan(&["true"]);
        plan.files.push(inferbench_plugin_api::PlannedFile {
            path: "../escape".into(),
            contents: String::new(),
        });
        let error = Server::start(&plan, &[], folder.path()).unwrap_err();
        assert!(matches!(error, LaunchError::FileOutside { .. }));
    }

    #[test]
    fn secrets_are_masked_and_words_quoted() {
        let mut plan = plan(&["serve", "--name", "it's"]);
        plan.env.push(EnvVar {
            name: "KEY".into(),
            value: "hunter2".into(),
            secret: true,
        });
        assert_eq!(
            command_text(&plan, &[]),
            r"KEY='***' serve --name 'it'\''s'"
        );
    }
}
