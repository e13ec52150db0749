//! Looks at this machine for `doctor`: what is there, what it allows, and how
//! exact its times are. What follows from it is the model's business.
//!
//! Every check is a row of `CHECKS` in `checks.rs`; one that fails or hangs costs its
//! own lines alone.

mod ask;
mod check;
mod checks;
mod clocks;
mod gpu;
mod leftovers;
mod limits;
pub mod needs;
mod plugins;
mod system;
mod tools;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use inferbench_model::doctor::{Diagnosis, Line, Unprobed};

pub use check::Ground;
use check::{Check, Lines, Message};
use checks::CHECKS;

use crate::os::clock;

/// Longest that any check is waited for: above what a check gives the slowest
/// program it asks, twice.
const CHECK_LIMIT: Duration = Duration::from_secs(60);
/// The same for one that all others wait for; none of these asks a program.
const ALONE_LIMIT: Duration = Duration::from_secs(10);

/// Looks at everything. It ends within the limits of its checks, whatever hangs.
#[must_use]
pub fn examine(ground: Ground) -> Diagnosis {
    let version = ground.version.clone();
    let lines = look(&CHECKS, Arc::new(ground), CHECK_LIMIT);
    Diagnosis::new(&version, clock::utc_now(), lines)
}

/// The lines of all checks, in their order; those that must be alone run first.
fn look(checks: &[Check], ground: Arc<Ground>, limit: Duration) -> Vec<Line> {
    let mut found: Vec<(usize, Vec<Line>)> = Vec::new();
    let (alone, others): (Vec<_>, Vec<_>) = checks
        .iter()
        .enumerate()
        .partition(|(_, check)| check.alone);
    for (index, check) in alone {
        let limit = limit.min(ALONE_LIMIT);
        let until = Instant::now() + limit;
        found.push((index, lines_of(check, &start(check, &ground), until, limit)));
    }
    let started: Vec<(usize, &Check, Receiver<Message>, Instant)> = others
        .into_iter()
        .map(|(index, check)| (index, check, start(check, &ground), Instant::now() + limit))
        .collect();
    for (index, check, messages, until) in started {
        found.push((index, lines_of(check, &messages, until, limit)));
    }
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().flat_map(|(_, lines)| lines).collect()
}

fn start(check: &Check, ground: &Arc<Ground>) -> Receiver<Message> {
    let (lines, messages) = Lines::of_check(check);
    let (look, ground) = (check.look, Arc::clone(ground));
    // Never joined: one that hangs is left behind and ends with the process.
    std::thread::spawn(move || {
        look(&ground, &lines);
        lines.end();
    });
    messages
}

fn lines_of(
    check: &Check,
    messages: &Receiver<Message>,
    until: Instant,
    limit: Duration,
) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let unprobed = match messages.recv_timeout(left) {
            Ok(Message::Line(line)) => {
                lines.push(*line);
                continue;
            }
            Ok(Message::Ended) => return lines,
            Err(RecvTimeoutError::Timeout) => Unprobed::TimedOut {
                after_s: limit.as_secs(),
            },
            Err(RecvTimeoutError::Disconnected) => Unprobed::Panicked,
        };
        lines.push(Line::judge(check.group, check.name, &unprobed));
        return lines;
    }
}

#[cfg(test)]
mod tests;
