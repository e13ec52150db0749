//! Fetches what a start needs, before anything is timed: the packages of a
//! version, the image of a container. Which those are is for the launch method.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use inferbench_model::text::units::s_between;
use thiserror::Error;

use super::launch::{Exit, LaunchError, Server, Start, StopError};
use super::method::Fetch;
use super::stops::Stops;
use crate::os::clock;
use crate::os::port::Port;
use crate::os::private;
use crate::os::tail::Tail;
use crate::secrets::Secrets;

/// Time between two looks at what the fetching program has written.
const POLL: Duration = Duration::from_millis(200);
/// Longest wait for a runtime to say whether an image is there.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// What a start needs and could not be fetched.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    /// The system has no port to set aside.
    #[error("no free port")]
    NoPort(#[source] io::Error),
    /// The fetching program does not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The fetching program failed.
    #[error("{what} cannot be fetched: {exit}")]
    Failed {
        /// What was fetched.
        what: String,
        /// How the program ended.
        exit: Exit,
    },
    /// The run is to stop.
    #[error("interrupted while {what} was fetched")]
    Interrupted {
        /// What was fetched.
        what: String,
    },
}

/// What happens while something is fetched.
pub(crate) enum FetchEvent {
    /// The command that fetches, then each line that it prints.
    Line(String),
    /// It is there.
    Fetched { seconds: f64 },
    /// The fetching program could not be stopped.
    NotStopped(StopError),
}

/// Fetches what `wanted` names, unless it is there already. The output of the
/// program that fetches stays in `install.log` in `folder`; after a failure it is
/// the stage's logs.
///
/// # Errors
/// See [`FetchError`]. Nothing of it runs any more then.
pub(crate) async fn fetch(
    wanted: &Fetch,
    folder: &Path,
    secrets: &Secrets,
    stops: &Stops,
    on_event: &mut (dyn FnMut(FetchEvent) + Send),
) -> Result<(), FetchError> {
    if is_there(wanted).await {
        return Ok(());
    }
    let began_ns = clock::now_ns();
    run(wanted, folder, secrets, stops, on_event).await?;
    on_event(FetchEvent::Fetched {
        seconds: s_between(began_ns, clock::now_ns()),
    });
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
    wanted: &Fetch,
    folder: &Path,
    secrets: &Secrets,
    stops: &Stops,
    on_event: &mut (dyn FnMut(FetchEvent) + Send),
) -> Result<(), FetchError> {
    on_event(FetchEvent::Line(wanted.plan.command.join(" ")));
    let start = Start {
        plan: &wanted.plan,
        extra_env: &[],
        folder,
        port: Port::reserve().map_err(FetchError::NoPort)?,
        stop_commands: Vec::new(),
        secrets,
    };
    let mut server = Server::start(start).await?;
    let mut logs = ["stderr.log", "stdout.log"].map(|name| Tail::new(folder.join(name)));
    loop {
        let ended = tokio::select! {
            () = server.died.cancelled() => true,
            () = stops.gentle.cancelled() => true,
            () = tokio::time::sleep(POLL) => false,
        };
        for log in &mut logs {
            log.each_new(|line| {
                let line = line.trim();
                if !line.is_empty() {
                    on_event(FetchEvent::Line(line.to_owned()));
                }
            });
        }
        if ended {
            break;
        }
    }
    let exit = server.exit();
    if let Err(error) = stops.stop_server(&mut server).await {
        on_event(FetchEvent::NotStopped(error));
    }
    let what = wanted.what.clone();
    match exit {
        Some(exit) if exit.0.success() => {
            keep_log(folder);
            Ok(())
        }
        Some(exit) => Err(FetchError::Failed { what, exit }),
        None => Err(FetchError::Interrupted { what }),
    }
}

/// Moves the fetching program's output out of the way of the server's.
fn keep_log(folder: &Path) {
    let copied = private::create(&folder.join("install.log")).and_then(|mut to| {
        for name in ["stdout.log", "stderr.log"] {
            io::copy(&mut File::open(folder.join(name))?, &mut to)?;
        }
        Ok(())
    });
    // It is there to be read by people; the run needs it no more.
    drop(copied);
}
