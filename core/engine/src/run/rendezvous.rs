//! Where shards meet: a folder that all of them can read and write. Each leaves a file
//! when it is ready, the first publishes the start when all are, and if one does not
//! come, all give up together.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inferbench_model::plan::shard::Shard;
use tokio_util::sync::CancellationToken;

use crate::load::gate::{NotStarted, OPEN_BEFORE_NS};
use crate::os::clock;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time from the last shard's being ready to the start: to see the start, also over a
/// network's file system, and to open connections.
const MARGIN_NS: u64 = OPEN_BEFORE_NS + 2_000_000_000;

/// A shard's view of the folder.
#[derive(Debug, Clone)]
pub(super) struct Rendezvous {
    folder: PathBuf,
    shard: Shard,
    limit: Duration,
}

impl Rendezvous {
    /// Comes to the folder, which is made if it is not there.
    ///
    /// # Errors
    /// `Stale` if this shard has been there before; `Folder`.
    pub(super) fn enter(folder: &Path, shard: Shard, limit: Duration) -> Result<Self, NotStarted> {
        let own = Self {
            folder: folder.to_owned(),
            shard,
            limit,
        };
        fs::create_dir_all(folder).map_err(own.unusable(folder))?;
        let here = own.file(&format!("shard-{}", shard.index()));
        let made = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&here);
        match made {
            Ok(mut file) => {
                let who = format!("{shard}\n");
                file.write_all(who.as_bytes())
                    .map_err(own.unusable(&here))?;
                Ok(own)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(NotStarted::Stale {
                folder: folder.to_owned(),
                shard: shard.index(),
            }),
            Err(error) => Err(own.unusable(&here)(error)),
        }
    }

    /// Says that this shard is ready for a cell, and waits for its start. Gives it, ns
    /// since 1970.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub(super) fn start(&self, cell: u32, cancel: &CancellationToken) -> Result<u64, NotStarted> {
        let ready = |index| format!("cell-{cell}-ready-{index}");
        let start = self.file(&format!("cell-{cell}-start"));
        self.put(&ready(self.shard.index()), "")?;
        let is_first = self.shard.index() == 0;
        self.wait(cancel, |own| {
            if let Some(wall_ns) = read_start(&start) {
                return Ok(Waited::Over(wall_ns));
            }
            let missing = own.absent(&ready);
            if !is_first || !missing.is_empty() {
                return Ok(Waited::Until(missing));
            }
            let wall_ns = clock::realtime_ns() + MARGIN_NS;
            own.put(&format!("cell-{cell}-start"), &wall_ns.to_string())?;
            Ok(Waited::Over(wall_ns))
        })
    }

    /// Says that a cell has ended here.
    ///
    /// # Errors
    /// `Folder`.
    pub(super) fn ended(&self, cell: u32) -> Result<(), NotStarted> {
        self.put(&format!("cell-{cell}-ended-{}", self.shard.index()), "")
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
        self.wait(cancel, |own| {
            let missing = own.absent(&|index| format!("cell-{cell}-ended-{index}"));
            Ok(match missing.is_empty() {
                true => Waited::Over(()),
                false => Waited::Until(missing),
            })
        })
    }

    /// Says that this shard will not come any more.
    pub(super) fn leave(&self) {
        // Who cannot read it waits for the limit.
        drop(self.put(&format!("left-{}", self.shard.index()), ""));
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
            if cancel.is_cancelled() {
                return Err(NotStarted::Stopped);
            }
            let others = 0..self.shard.count();
            let mut gone = others.filter(|index| self.file(&format!("left-{index}")).exists());
            if let Some(shard) = gone.next() {
                let folder = self.folder.clone();
                return Err(NotStarted::GivenUp { folder, shard });
            }
            if began.elapsed() >= self.limit {
                self.leave();
                return Err(NotStarted::Missing {
                    folder: self.folder.clone(),
                    missing,
                    limit_s: self.limit.as_secs_f64(),
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Shards whose file is not there.
    fn absent(&self, name: &dyn Fn(u32) -> String) -> Vec<u32> {
        let all = 0..self.shard.count();
        all.filter(|index| !self.file(&name(*index)).exists())
            .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Puts a file there as a whole: nobody sees a part of it.
    fn put(&self, name: &str, text: &str) -> Result<(), NotStarted> {
        let path = self.file(name);
        let aside = self.file(&format!(".{name}.part"));
        fs::write(&aside, text).map_err(self.unusable(&aside))?;
        fs::rename(&aside, &path).map_err(self.unusable(&path))
    }

    fn unusable(&self, path: &Path) -> impl FnOnce(io::Error) -> NotStarted + use<> {
        let path = path.to_owned();
        move |source| NotStarted::Folder { path, source }
    }
}

/// What a look has shown.
enum Waited<T> {
    Over(T),
    /// These are still waited for.
    Until(Vec<u32>),
}

fn read_start(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(folder: &Path, index: u32, limit_ms: u64) -> Rendezvous {
        let shard = Shard::new(index, 2).unwrap();
        Rendezvous::enter(folder, shard, Duration::from_millis(limit_ms)).unwrap()
    }

    #[test]
    fn all_get_the_start_that_the_first_publishes() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [0, 1].map(|index| enter(folder.path(), index, 20_000));
        let cancel = CancellationToken::new();
        let before_ns = clock::realtime_ns();
        let starts = std::thread::scope(|scope| {
            let each = [&one, &two].map(|own| scope.spawn(|| own.start(0, &cancel).unwrap()));
            each.map(|thread| thread.join().unwrap())
        });
        assert_eq!(starts[0], starts[1]);
        assert!(starts[0] >= before_ns + MARGIN_NS);
    }

    #[test]
    fn who_waits_in_vain_names_the_missing_and_the_others_give_up() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        let error = enter(folder.path(), 0, 50).start(0, &cancel).unwrap_err();
        assert!(matches!(&error, NotStarted::Missing { missing, .. } if *missing == [1]));
        // It left, so the other one does not wait for its own limit.
        let error = enter(folder.path(), 1, 600_000)
            .start(0, &cancel)
            .unwrap_err();
        assert!(matches!(error, NotStarted::GivenUp { shard: 0, .. }));
    }

    #[test]
    fn a_second_start_in_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        enter(folder.path(), 1, 50);
        let shard = Shard::new(1, 2).unwrap();
        let again = Rendezvous::enter(folder.path(), shard, Duration::ZERO).unwrap_err();
        assert!(matches!(again, NotStarted::Stale { shard: 1, .. }));
    }

    #[test]
    fn a_cell_has_ended_when_it_has_in_all() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = [0, 1].map(|index| enter(folder.path(), index, 50));
        let cancel = CancellationToken::new();
        one.ended(3).unwrap();
        two.ended(3).unwrap();
        one.all_ended(3, &cancel).unwrap();
        two.ended(4).unwrap();
        assert!(two.all_ended(4, &cancel).is_err());
    }
}
