//! Looks at this machine for `doctor`: what is there, what it allows, and how
//! exact its times are. What follows from it is the model's business.
//!
//! Each thing to look at is a [`Probe`], registered in the list of its file; a
//! probe that fails or hangs costs its own lines alone.

mod ask;
mod cgroup;
mod clocks;
mod gpu;
mod leftovers;
mod limits;
mod plugins;
mod system;
mod tools;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use inferbench_model::doctor::{Diagnosis, Group, Judged, Line, Unprobed};

use crate::os::clock;
use crate::plugins::host::SearchPath;

/// Longest that any probe is waited for: above what a probe gives the slowest
/// program it asks, twice.
const PROBE_LIMIT: Duration = Duration::from_secs(60);
/// The same for one that all others wait for; none of these asks a program.
const ALONE_LIMIT: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Where plugins are looked for.
    pub plugins: SearchPath,
    /// Folder that runs would be written into.
    pub output: PathBuf,
    /// Version of InferBench.
    pub version: String,
}

/// One thing to look at.
struct Probe {
    /// Name of its line, if it has not come to tell one.
    name: &'static str,
    group: Group,
    /// Others would disturb what it measures.
    alone: bool,
    look: fn(&Ground, &Teller),
}

/// Every probe; those that must be alone go first.
fn probes() -> impl Iterator<Item = &'static Probe> {
    let groups = [
        gpu::PROBES,
        tools::PROBES,
        plugins::PROBES,
        limits::PROBES,
        system::PROBES,
        clocks::PROBES,
        leftovers::PROBES,
    ];
    groups.into_iter().flatten()
}

/// Takes the lines of one probe.
struct Teller {
    group: Group,
    to: Sender<Told>,
}

enum Told {
    Line(Box<Line>),
    Ended,
}

impl Teller {
    fn line(&self, name: impl Into<String>, facts: &impl Judged) {
        let line = Line::of(self.group, name, facts);
        // Nobody listens any more to a probe that took too long.
        drop(self.to.send(Told::Line(Box::new(line))));
    }
}

/// Looks at everything. It ends within the limits of its probes, whatever hangs.
#[must_use]
pub fn examine(ground: Ground) -> Diagnosis {
    let version = ground.version.clone();
    let lines = look(probes(), Arc::new(ground), PROBE_LIMIT);
    Diagnosis::new(&version, clock::utc_now(), lines)
}

/// The lines of all probes, in the probes' order.
fn look<'p>(
    probes: impl Iterator<Item = &'p Probe>,
    ground: Arc<Ground>,
    limit: Duration,
) -> Vec<Line> {
    let mut started: Vec<(usize, &Probe, Receiver<Told>, Instant)> = Vec::new();
    let mut found: Vec<(usize, Vec<Line>)> = Vec::new();
    let (alone, others): (Vec<_>, Vec<_>) = probes.enumerate().partition(|(_, p)| p.alone);
    for (place, probe) in alone {
        let limit = limit.min(ALONE_LIMIT);
        let until = Instant::now() + limit;
        found.push((place, heard(probe, &start(probe, &ground), until, limit)));
    }
    for (place, probe) in others {
        let told = start(probe, &ground);
        started.push((place, probe, told, Instant::now() + limit));
    }
    for (place, probe, told, until) in started {
        found.push((place, heard(probe, &told, until, limit)));
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().flat_map(|(_, lines)| lines).collect()
}

fn start(probe: &Probe, ground: &Arc<Ground>) -> Receiver<Told> {
    let (to, told) = mpsc::channel();
    let (look, ground) = (probe.look, Arc::clone(ground));
    let teller = Teller {
        group: probe.group,
        to,
    };
    // Never joined: one that hangs is left behind and ends with the process.
    std::thread::spawn(move || {
        look(&ground, &teller);
        drop(teller.to.send(Told::Ended));
    });
    told
}

fn heard(probe: &Probe, told: &Receiver<Told>, until: Instant, limit: Duration) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let unprobed = match told.recv_timeout(left) {
            Ok(Told::Line(line)) => {
                lines.push(*line);
                continue;
            }
            Ok(Told::Ended) => return lines,
            Err(RecvTimeoutError::Timeout) => Unprobed::TimedOut {
                after_s: limit.as_secs(),
            },
            Err(RecvTimeoutError::Disconnected) => Unprobed::Panicked,
        };
        lines.push(Line::of(probe.group, probe.name, &unprobed));
        return lines;
    }
}

#[cfg(test)]
mod tests;
