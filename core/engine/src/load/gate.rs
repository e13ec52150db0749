//! When a load begins that several processes make together.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use inferbench_model::text::units::{NS_PER_MS, NS_PER_S};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::os::clock;

/// How long before the start connections are opened, ns: less than servers keep an idle
/// one.
pub(crate) const OPEN_BEFORE_NS: u64 = 2_000_000_000;
/// Longest sleep without a look at whether the run was stopped.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The start that processes agree on.
pub trait Gate: Debug + Send + Sync {
    /// When the load begins, monotonic ns. Waits for the others; blocks.
    ///
    /// # Errors
    /// See [`NotStarted`].
    fn start_ns(&self, cancel: &CancellationToken) -> Result<u64, NotStarted>;
}

/// A load that did not begin with the others. Nothing of it was sent.
#[derive(Debug, Error)]
pub enum NotStarted {
    /// The start time is over.
    #[error("the start time passed {:.3} s ago, nothing was sent", *late_ns as f64 / NS_PER_S)]
    Passed { late_ns: u64 },
    /// The start lies further ahead than any shard says it.
    #[error("the start lies {:.1} s further ahead than it can: the clock of this machine is at least as far behind that of shard 0, nothing was sent", *behind_ns as f64 / NS_PER_S)]
    ClockBehind { behind_ns: u64 },
    /// All was ready only after it.
    #[error("all was ready {:.1} ms after the start time, nothing was sent", *late_ns as f64 / NS_PER_MS)]
    Late { late_ns: u64 },
    /// Others did not come.
    #[error("{}: {} did not come within {limit_s:.0} s, all give up and nothing more is sent", folder.display(), shards(missing))]
    Missing {
        folder: PathBuf,
        missing: Vec<u32>,
        limit_s: f64,
    },
    /// The first shard has not published what is waited for.
    #[error("{}: did not come within {limit_s:.0} s, all give up and nothing more is sent", path.display())]
    Unsaid { path: PathBuf, limit_s: f64 },
    /// Another one has given up.
    #[error("{}: shard {shard} has given up, so all do", folder.display())]
    GivenUp { folder: PathBuf, shard: u32 },
    /// The folder is that of another start.
    #[error("{}: shard {shard} has been here before: every start needs a folder of its own", folder.display())]
    Stale { folder: PathBuf, shard: u32 },
    /// Shards of two runs have come to one folder.
    #[error("{}: shard {shard} is of another run, with another config, version or number of shards: every run needs a folder of its own", folder.display())]
    OtherRun { folder: PathBuf, shard: u32 },
    /// The folder cannot be used.
    #[error("{}: cannot be used to meet the other shards", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Its file system hangs.
    #[error("{}: the file system did not answer within {limit_s:.0} s, so the other shards cannot be met", path.display())]
    NoAnswer { path: PathBuf, limit_s: f64 },
    /// The wall clock was set after the shard had read it.
    #[error(
        "the wall clock of this machine was set by {step_ms:.1} ms while this shard waited for its start, nothing was sent"
    )]
    ClockSet { step_ms: f64 },
    /// It was stopped meanwhile.
    #[error("stopped before the start")]
    Stopped,
}

/// `shard 2`, `shards 2 and 5`.
fn shards(missing: &[u32]) -> String {
    let names: Vec<String> = missing.iter().map(u32::to_string).collect();
    match names.as_slice() {
        [one] => format!("shard {one}"),
        _ => format!("shards {}", names.join(", ")),
    }
}

/// Sleeps until then, unless it is over or the run is stopped.
///
/// # Errors
/// `Stopped`.
pub(super) fn sleep_until(at_ns: u64, cancel: &CancellationToken) -> Result<(), NotStarted> {
    loop {
        if cancel.is_cancelled() {
            return Err(NotStarted::Stopped);
        }
        let left = Duration::from_nanos(at_ns.saturating_sub(clock::now_ns()));
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK_EVERY));
    }
}

/// Refuses a start that is over before it was waited for.
///
/// # Errors
/// `Late`.
pub(super) fn must_be_ahead(start_ns: u64) -> Result<(), NotStarted> {
    match clock::now_ns().checked_sub(start_ns) {
        Some(late_ns) => Err(NotStarted::Late { late_ns }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_is_over_is_refused() {
        assert!(must_be_ahead(clock::now_ns() + 1_000_000_000).is_ok());
        let late = must_be_ahead(clock::now_ns() - 1_000_000).unwrap_err();
        assert!(
            late.to_string()
                .ends_with("after the start time, nothing was sent")
        );
    }

    #[test]
    fn who_is_stopped_does_not_wait() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let stopped = sleep_until(u64::MAX, &cancel).unwrap_err();
        assert_eq!(stopped.to_string(), "stopped before the start");
    }
}
