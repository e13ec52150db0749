//! Where shards meet: a folder that all of them can read and write. Each leaves a file
//! when it is ready, the first publishes the start when all are, and if one does not
//! come, all give up together.

mod folder;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use inferbench_model::plan::shard::Shard;
use tokio_util::sync::CancellationToken;

use folder::Folder;

use crate::load::gate::{NotStarted, OPEN_BEFORE_NS};
use crate::os::clock;

/// Shortest time between two looks, and what it grows by with each shard, up to the longest:
/// a thousand shards together look no more often than fifty.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOK_EVERY_OF_SHARD: Duration = Duration::from_millis(1);
const LOOK_EVERY_AT_MOST: Duration = Duration::from_secs(1);
/// Longest sleep without a look at whether the run was stopped.
const SLEEP_AT_MOST: Duration = Duration::from_millis(50);
/// Time from the last shard's being ready to the start, beside that between two looks: to
/// see the start, also over a network's file system, and to open connections.
const MARGIN_NS: u64 = OPEN_BEFORE_NS + 2_000_000_000;
/// What this machine's clock may be behind that of the first shard, where it can be told.
const MOST_BEHIND_NS: u64 = 1_000_000_000;
/// Beginning of the file of a shard that goes.
const LEFT: &str = "left-";

/// A shard's view of the folder.
#[derive(Debug, Clone)]
pub(super) struct Rendezvous {
    folder: Folder,
    shard: Shard,
    /// What all shards of a run have in common.
    run: String,
    limit: Duration,
}

impl Rendezvous {
    /// Comes to the folder, which is made if it is not there. `run`: what all shards of the
    /// run have in common, in one line.
    ///
    /// # Errors
    /// `Stale` if this shard has been there before; `Folder`.
    pub(super) fn enter(
        folder: &Path,
        shard: Shard,
        run: &str,
        limit: Duration,
        cancel: &CancellationToken,
    ) -> Result<Self, NotStarted> {
        let own = Self {
            folder: Folder::new(folder, limit),
            shard,
            run: run.to_owned(),
            limit,
        };
        let index = shard.index();
        own.folder.make(cancel)?;
        let card = own.card(index);
        match own.folder.put_new(&card_name(index), card, cancel)? {
            true => Ok(own),
            false => Err(NotStarted::Stale {
                folder: folder.to_owned(),
                shard: index,
            }),
        }
    }

    /// Says that this shard is ready for a cell, and waits for its start. Gives it, ns
    /// since 1970.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub(super) fn start(&self, cell: u32, cancel: &CancellationToken) -> Result<u64, NotStarted> {
        let ready = format!("cell-{cell}-ready-");
        let own = format!("{ready}{}", self.shard.index());
        self.folder.put(&own, String::new(), cancel)?;
        let start = format!("cell-{cell}-start");
        if self.shard.index() == 0 {
            self.gather(&ready, cancel)?;
            if cell == 0 {
                self.must_be_one_run(cancel)?;
            }
            let wall_ns = clock::realtime_ns() + margin_ns(self.shard);
            let text = format!("{wall_ns} {}", self.card(0));
            self.folder.say(&start, text, cancel)?;
            return Ok(wall_ns);
        }
        let read = |own: &Self| own.published(&start, cancel);
        let wall_ns: u64 = self.wait_for((&start, &ready), cancel, &read)?;
        must_not_be_too_far(wall_ns.saturating_sub(clock::realtime_ns()), self.shard)?;
        Ok(wall_ns)
    }

    /// The start of a cell, if the first shard has published it.
    fn published(
        &self,
        start: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<u64>, NotStarted> {
        let path = self.folder.said(start);
        let text = self.folder.read(&path, cancel)?;
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let (wall_ns, card) = text.split_once(' ').unwrap_or((&text, ""));
        if card != self.card(0) {
            self.leave();
            return Err(self.other_run(0));
        }
        match wall_ns.parse() {
            Ok(wall_ns) => Ok(Some(wall_ns)),
            Err(_) => Err(NotStarted::Folder {
                path,
                source: io::ErrorKind::InvalidData.into(),
            }),
        }
    }

    /// Says that a cell has ended here.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn ended(&self, cell: u32, cancel: &CancellationToken) -> Result<(), NotStarted> {
        let own = format!("cell-{cell}-ended-{}", self.shard.index());
        self.folder.put(&own, String::new(), cancel)
    }

    /// Waits until a cell has ended in all shards.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub(super) fn all_ended(
        &self,
        cell: u32,
        cancel: &CancellationToken,
    ) -> Result<(), NotStarted> {
        let (over, ended) = (format!("cell-{cell}-over"), format!("cell-{cell}-ended-"));
        if self.shard.index() == 0 {
            self.gather(&ended, cancel)?;
            return self.folder.say(&over, String::new(), cancel);
        }
        self.wait_for((&over, &ended), cancel, &|own| {
            let path = own.folder.said(&over);
            Ok(own.folder.read(&path, cancel)?.map(|_| ()))
        })
    }

    /// Says that this shard will not come any more.
    pub(super) fn leave(&self) {
        // Who cannot read it waits for the limit.
        let own = format!("{LEFT}{}", self.shard.index());
        let folder = self.folder.in_haste();
        drop(folder.say(&own, String::new(), &CancellationToken::new()));
    }

    /// Waits until all shards have left a file whose name begins so.
    fn gather(&self, prefix: &str, cancel: &CancellationToken) -> Result<(), NotStarted> {
        self.wait(cancel, |own| {
            let missing = own.missing(prefix, cancel)?;
            Ok(match missing.is_empty() {
                true => Waited::Over(()),
                false => Waited::Until(missing),
            })
        })
    }

    /// Shards that have left no file whose name begins so.
    fn missing(&self, prefix: &str, cancel: &CancellationToken) -> Result<Vec<u32>, NotStarted> {
        let mut missing: BTreeSet<u32> = (0..self.shard.count()).collect();
        for name in self.folder.names(cancel)? {
            let index = name.strip_prefix(prefix);
            let index = index.and_then(|index| index.parse::<u32>().ok());
            index.map(|index| missing.remove(&index));
        }
        Ok(missing.into_iter().collect())
    }

    /// Waits for a file that the first shard publishes once all have left one of `prefix`,
    /// and reads it.
    fn wait_for<T>(
        &self,
        (name, prefix): (&str, &str),
        cancel: &CancellationToken,
        read: &dyn Fn(&Self) -> Result<Option<T>, NotStarted>,
    ) -> Result<T, NotStarted> {
        let waited = self.wait(cancel, |own| {
            Ok(read(own)?.map_or(Waited::Until(Vec::new()), Waited::Over))
        });
        match waited {
            Err(NotStarted::Missing {
                folder, limit_s, ..
            }) => {
                // Looked at once, and not at every look.
                let missing = self.missing(prefix, cancel)?;
                Err(match missing.is_empty() {
                    true => NotStarted::Unsaid {
                        path: self.folder.said(name),
                        limit_s,
                    },
                    false => NotStarted::Missing {
                        folder,
                        missing,
                        limit_s,
                    },
                })
            }
            waited => waited,
        }
    }

    fn wait<T>(
        &self,
        cancel: &CancellationToken,
        mut look: impl FnMut(&Self) -> Result<Waited<T>, NotStarted>,
    ) -> Result<T, NotStarted> {
        let began = Instant::now();
        loop {
            let missing = match look(self)? {
                Waited::Over(value) => return Ok(value),
                Waited::Until(missing) => missing,
            };
            let names = self.folder.names_said(cancel)?;
            let gone = names
                .iter()
                .find_map(|name| name.strip_prefix(LEFT)?.parse().ok());
            if let Some(shard) = gone {
                let folder = self.folder.path().to_owned();
                return Err(NotStarted::GivenUp { folder, shard });
            }
            if began.elapsed() >= self.limit {
                self.leave();
                return Err(NotStarted::Missing {
                    folder: self.folder.path().to_owned(),
                    missing,
                    limit_s: self.limit.as_secs_f64(),
                });
            }
            let left = self.limit.saturating_sub(began.elapsed());
            sleep(look_every(self.shard).min(left), cancel)?;
        }
    }

    /// Refuses shards of another run, which came to the same folder.
    fn must_be_one_run(&self, cancel: &CancellationToken) -> Result<(), NotStarted> {
        for index in 0..self.shard.count() {
            let path = self.folder.file(&card_name(index));
            let card = self.folder.read(&path, cancel)?;
            if card != Some(self.card(index)) {
                self.leave();
                return Err(self.other_run(index));
            }
        }
        Ok(())
    }

    fn other_run(&self, shard: u32) -> NotStarted {
        NotStarted::OtherRun {
            folder: self.folder.path().to_owned(),
            shard,
        }
    }

    /// What a shard of this run leaves when it comes.
    fn card(&self, index: u32) -> String {
        format!("{index}/{} {}\n", self.shard.count(), self.run)
    }
}

/// What a look has shown.
enum Waited<T> {
    Over(T),
    /// These are still waited for.
    Until(Vec<u32>),
}

/// File of a shard that has come.
fn card_name(index: u32) -> String {
    format!("shard-{index}")
}

/// Time between two looks of each of so many shards.
fn look_every(shard: Shard) -> Duration {
    (LOOK_EVERY + LOOK_EVERY_OF_SHARD * shard.count()).min(LOOK_EVERY_AT_MOST)
}

/// Time from the last shard's being ready to the start.
fn margin_ns(shard: Shard) -> u64 {
    MARGIN_NS + look_every(shard).as_nanos() as u64
}

/// Refuses a start that lies further ahead, by this machine's clock, than the first shard
/// lays it.
///
/// # Errors
/// `ClockBehind`.
fn must_not_be_too_far(ahead_ns: u64, shard: Shard) -> Result<(), NotStarted> {
    match ahead_ns.saturating_sub(margin_ns(shard)) {
        behind_ns if behind_ns > MOST_BEHIND_NS => Err(NotStarted::ClockBehind { behind_ns }),
        _ => Ok(()),
    }
}

/// # Errors
/// `Stopped`.
fn sleep(time: Duration, cancel: &CancellationToken) -> Result<(), NotStarted> {
    let began = Instant::now();
    while !cancel.is_cancelled() {
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLEEP_AT_MOST));
    }
    Err(NotStarted::Stopped)
}
