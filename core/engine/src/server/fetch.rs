//! Fetches what a start needs, before anything is timed: the packages of a
//! version, the image of a container.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use inferbench_model::plan::Stage;
use inferbench_model::text::units::s_between;

use super::method::Fetch;
use crate::event::RunEvent;
use crate::os::clock;
use crate::os::port::Port;
use crate::os::private;
use crate::run::Running;
use crate::server::launch::{Server, Start};

/// Time between two looks at what the fetching program has written.
const POLL: Duration = Duration::from_millis(200);
/// Longest wait for a runtime to say whether an image is there.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// Fetches what the stage's backend needs, once a run for each backend. The words of the
/// program that fetches are told as they come and stay in `install.log`; after a
/// failure they are the stage's logs.
///
/// # Errors
/// What could not be fetched and how the program ended, or that it was
/// interrupted. Nothing of it runs any more then.
pub(crate) async fn fetch(
    running: &mut Running<'_>,
    stage: &Stage,
    folder: &Path,
) -> Result<(), String> {
    if running.fetched.contains(&stage.backend_index) {
        return Ok(());
    }
    // The port is chosen afterwards: it would not stay free for so long.
    let Some(wanted) = super::method::of_stage(running, stage, 0, folder)?.fetch else {
        return Ok(());
    };
    if !is_there(&wanted).await {
        let began_ns = clock::now_ns();
        run(running, stage, &wanted, folder).await?;
        running.tell(RunEvent::Fetched {
            backend: stage.backend.clone(),
            what: wanted.what.clone(),
            seconds: s_between(began_ns, clock::now_ns()),
        });
    }
    running.fetched.insert(stage.backend_index);
    Ok(())
}

/// Whether the check says that it is there already.
async fn is_there(wanted: &Fetch) -> bool {
    let Some((program, arguments)) = wanted.check.as_deref().and_then(<[_]>::split_first) else {
        return false;
    };
    let status = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = tokio::time::timeout(CHECK_LIMIT, status).await;
    matches!(status, Ok(Ok(status)) if status.success())
}

async fn run(
    running: &mut Running<'_>,
    stage: &Stage,
    wanted: &Fetch,
    folder: &Path,
) -> Result<(), String> {
    let what = &wanted.what;
    let tell = |line: String| RunEvent::Fetching {
        backend: stage.backend.clone(),
        what: what.clone(),
        line,
    };
    running.tell(tell(wanted.plan.command.join(" ")));
    let start = Start {
        plan: &wanted.plan,
        extra_env: &[],
        folder,
        port: Port::reserve().map_err(|error| format!("no free port: {error}"))?,
        stop_commands: Vec::new(),
        secrets: &running.prepared.secrets,
    };
    let mut server = Server::start(start)
        .await
        .map_err(|error| error.to_string())?;
    let mut logs = ["stderr.log", "stdout.log"].map(|name| Tail::new(folder.join(name)));
    let cancel = running.cancel.clone();
    loop {
        let ended = tokio::select! {
            () = server.died.cancelled() => true,
            () = cancel.cancelled() => true,
            () = tokio::time::sleep(POLL) => false,
        };
        for line in logs.iter_mut().flat_map(Tail::lines) {
            running.tell(tell(line));
        }
        if ended {
            break;
        }
    }
    let exit = server.exit();
    stop(running, &mut server).await;
    match exit {
        Some(exit) if exit.0.success() => {
            keep_log(folder);
            Ok(())
        }
        Some(exit) => Err(format!("{what} cannot be fetched: {exit}")),
        None => Err(format!("interrupted while {what} was fetched")),
    }
}

async fn stop(running: &mut Running<'_>, server: &mut Server) {
    let now = running.now.clone();
    let stopped = tokio::select! {
        stopped = server.stop() => stopped,
        () = now.cancelled() => {
            server.kill();
            Ok(())
        }
    };
    if let Err(words) = stopped {
        running.warn(words);
    }
}

/// Moves the fetching program's words out of the way of the server's.
fn keep_log(folder: &Path) {
    let mut text = fs::read(folder.join("stdout.log")).unwrap_or_default();
    text.extend(fs::read(folder.join("stderr.log")).unwrap_or_default());
    // It is there to be read by people; the run needs it no more.
    drop(private::write(&folder.join("install.log"), text));
}

/// New lines of a file that grows.
struct Tail {
    path: PathBuf,
    read_bytes: u64,
    rest: String,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            read_bytes: 0,
            rest: String::new(),
        }
    }

    /// Whole lines written since the last call, without empty ones.
    fn lines(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let file = fs::File::open(&self.path);
        let read = file.and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read_bytes))?;
            file.read_to_end(&mut bytes)
        });
        self.read_bytes += read.unwrap_or(0) as u64;
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let Some(end) = self.rest.rfind('\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let lines = whole.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_and_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut tail = Tail::new(path.clone());
        assert_eq!(tail.lines(), [""; 0]);
        fs::write(&path, "Resolved 3 packages\n\nDownload").unwrap();
        assert_eq!(tail.lines(), ["Resolved 3 packages"]);
        fs::write(&path, "Resolved 3 packages\n\nDownloading torch\n").unwrap();
        assert_eq!(tail.lines(), ["Downloading torch"]);
        assert_eq!(tail.lines(), [""; 0]);
    }
}
