//! The records of all shards as those of one run: in the order in which they ended, one
//! of each shard in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::mem;
use std::path::{Path, PathBuf};

use inferbench_model::facts::exchange::hex;
use inferbench_model::plan::shard::Shard;
use sha2::{Digest, Sha256};

use super::error::MergeError;
use super::shift::shift_into;
use crate::derive::{FirstReading, Placed};
use crate::os::files;

/// Bytes that are read at a time of each shard, and of all of them together.
const READ_BYTES: usize = 128 * 1024;
const READ_BYTES_OF_ALL: usize = 16 * 1024 * 1024;
/// The same of each however many there are: some lines.
const READ_BYTES_AT_LEAST: usize = 8 * 1024;

/// What is known of the records that a shard left.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftRecords {
    /// What the shard says that they hash to, hex; absent if it does not.
    pub(super) sha256: Option<String>,
    /// They may be others now.
    pub(super) may_be_changed: bool,
}

/// The records of one shard.
pub(super) struct ShardRecords {
    path: PathBuf,
    shard: Shard,
    shift_ns: i64,
    reader: BufReader<File>,
    /// The record that was read last, with its line's end, on the common clock.
    line: Vec<u8>,
    /// Room for the next one.
    spare: Vec<u8>,
    number: u64,
    hash: Sha256,
    left: LeftRecords,
    /// They are others than the shard left, which is allowed.
    pub(super) is_changed: bool,
    /// Records that were read.
    pub(super) read: u64,
}

impl ShardRecords {
    pub(super) fn open(
        path: &Path,
        (shard, shift_ns): (Shard, i64),
        left: LeftRecords,
    ) -> Result<Self, MergeError> {
        let file = files::open(path).map_err(unreadable(path))?;
        Ok(Self {
            path: path.to_owned(),
            shard,
            shift_ns,
            reader: BufReader::with_capacity(bytes_of_each(shard.count()), file),
            line: Vec::new(),
            spare: Vec::new(),
            number: 0,
            hash: Sha256::new(),
            left,
            is_changed: false,
            read: 0,
        })
    }

    /// Reads the next record, on the common clock. A last line that was cut off is none.
    fn next(&mut self) -> Result<Option<Placed>, MergeError> {
        loop {
            self.line.clear();
            self.number += 1;
            let read = files::read_line(&mut self.reader, &mut self.line);
            if read.map_err(unreadable(&self.path))? == 0 {
                return self.must_be_as_left().map(|()| None);
            }
            self.hash.update(&self.line);
            let is_whole = self.line.last() == Some(&b'\n');
            let placed = match self.read_line() {
                Ok(placed) => placed,
                Err(_) if !is_whole || self.line == b"\n" => continue,
                Err(source) => return Err(self.bad(source)),
            };
            if !self.shard.owns(placed.index) {
                return Err(self.foreign(placed.index));
            }
            let Some(placed) = placed.shifted(self.shift_ns) else {
                return Err(self.beyond_clock());
            };
            if self.shift_ns != 0 {
                shift_into(&mut self.spare, &self.line, self.shift_ns)
                    .ok_or_else(|| self.beyond_clock())?;
                mem::swap(&mut self.line, &mut self.spare);
            }
            if !is_whole {
                self.line.push(b'\n');
            }
            self.read += 1;
            return Ok(Some(placed));
        }
    }

    /// What the first reading takes of the line. Where the hash of all of them tells that
    /// they are as they were written, no further look at the rest is needed.
    fn read_line(&self) -> serde_json::Result<Placed> {
        match self.left.sha256.is_some() && !self.left.may_be_changed {
            true => Placed::read(&self.line),
            false => serde_json::from_slice(&self.line),
        }
    }

    fn foreign(&self, index: u64) -> MergeError {
        MergeError::Foreign {
            path: self.path.clone(),
            line: self.number,
            index,
            shard: self.shard,
        }
    }

    fn beyond_clock(&self) -> MergeError {
        MergeError::Clock {
            path: self.path.clone(),
            line: self.number,
        }
    }

    /// Refuses records that hash to something else than the shard says, once all are read.
    fn must_be_as_left(&mut self) -> Result<(), MergeError> {
        let is = hex(&self.hash.finalize_reset());
        let Some(said) = self.left.sha256.take().filter(|said| *said != is) else {
            return Ok(());
        };
        self.is_changed = true;
        match self.left.may_be_changed {
            true => Ok(()),
            false => Err(MergeError::OtherRecords {
                path: self.path.clone(),
                is,
                said,
            }),
        }
    }

    fn bad(&self, source: serde_json::Error) -> MergeError {
        MergeError::Line {
            path: self.path.clone(),
            line: self.number,
            source,
        }
    }
}

fn bytes_of_each(shards: u32) -> usize {
    let share = READ_BYTES_OF_ALL / shards.max(1) as usize;
    share.clamp(READ_BYTES_AT_LEAST, READ_BYTES)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> MergeError + use<> {
    let path = path.to_owned();
    move |source| MergeError::Unreadable { path, source }
}

/// Writes the records of all shards to `output`. Gives what a first reading of it finds.
///
/// # Errors
/// If a record cannot be read, is not its shard's own, or cannot be written.
pub(super) fn merge_records(
    shards: &mut [ShardRecords],
    output: &mut dyn Write,
) -> Result<FirstReading, MergeError> {
    let count = shards.first().map_or(1, |one| one.shard.count());
    let mut first = FirstReading::new(count);
    let mut heads = Vec::with_capacity(shards.len());
    for shard in shards.iter_mut() {
        heads.push(shard.next()?);
    }
    let end = |head: &Placed, place: usize| Reverse((head.end_ns, place));
    let all = heads.iter().enumerate();
    let mut next: BinaryHeap<_> = all
        .filter_map(|(place, head)| Some(end(head.as_ref()?, place)))
        .collect();
    while let Some(Reverse((_, place))) = next.pop() {
        let shard = &mut shards[place];
        output
            .write_all(&shard.line)
            .map_err(MergeError::Unwritable)?;
        let written = mem::replace(&mut heads[place], shard.next()?);
        next.extend(heads[place].as_ref().map(|head| end(head, place)));
        written.iter().for_each(|placed| first.add(placed));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use inferbench_model::config::Level;
    use inferbench_model::facts::exchange::{Exchange, StreamEnd};
    use inferbench_model::facts::record::{Phase, RequestKey};

    use super::*;

    fn records(folder: &Path, index: u32, shift_ns: i64, text: &str) -> ShardRecords {
        let path = folder.join(format!("{index}.jsonl"));
        std::fs::write(&path, text).unwrap();
        let shard = Shard::new(index, 2).unwrap();
        ShardRecords::open(&path, (shard, shift_ns), LeftRecords::default()).unwrap()
    }

    fn merged(shards: &mut [ShardRecords]) -> Result<String, MergeError> {
        let mut output = Vec::new();
        merge_records(shards, &mut output)?;
        Ok(String::from_utf8(output).unwrap())
    }

    /// A line of a record as it is written.
    fn line(index: u64, end_ns: u64) -> String {
        let mut exchange = Exchange::default();
        exchange.sent_ns = Some(end_ns - 5);
        let key = RequestKey {
            backend: "one".to_owned(),
            block: 0,
            level: Level::Concurrency(2),
            phase: Phase::Measured,
            index,
        };
        let record = exchange.finish_record(key, &StreamEnd::Clean, end_ns, false);
        let mut line = serde_json::to_string(&record).unwrap();
        line.push('\n');
        line
    }

    #[test]
    fn records_come_in_the_order_of_their_ends_on_one_clock() {
        let folder = tempfile::tempdir().unwrap();
        // The second machine's clock is 100 behind: its ends are 115 and 130.
        let one = [line(0, 110), line(2, 120)].concat();
        let two = [line(1, 15), line(3, 30), line(5, 40)[..20].to_owned()].concat();
        let mut shards = [
            records(folder.path(), 0, 0, &one),
            records(folder.path(), 1, 100, &two),
        ];
        let expected = [line(0, 110), line(1, 115), line(2, 120), line(3, 130)].concat();
        assert_eq!(merged(&mut shards).unwrap(), expected);
        assert_eq!(shards.map(|shard| shard.read), [2, 2]);
    }

    #[test]
    fn records_of_the_same_size_that_were_changed_are_refused_or_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.jsonl");
        std::fs::write(&path, line(0, 110)).unwrap();
        let shard = Shard::new(0, 2).unwrap();
        let records = |may_be_changed| {
            let sha256 = Some(hex(&Sha256::digest(line(0, 111))));
            let left = LeftRecords {
                sha256,
                may_be_changed,
            };
            ShardRecords::open(&path, (shard, 0), left).unwrap()
        };
        let error = merged(&mut [records(false)]).unwrap_err();
        assert!(error.to_string().ends_with(": it was changed"), "{error}");
        let mut allowed = [records(true)];
        assert_eq!(merged(&mut allowed).unwrap(), line(0, 110));
        assert!(allowed[0].is_changed);
    }

    #[test]
    fn a_record_of_another_shard_or_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = [line(0, 10), line(3, 20)].concat();
        let error = merged(&mut [records(folder.path(), 0, 0, &foreign)]).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("0.jsonl line 2: request 3 is not one of shard 0 of 2")
        );
        // Of records without a hash the whole line is looked at.
        for cut in [20, 500] {
            let bad = [&line(1, 10), &line(3, 20)[..cut], "\n", &line(5, 30)].concat();
            let error = merged(&mut [records(folder.path(), 1, 0, &bad)]).unwrap_err();
            assert!(error.to_string().contains("1.jsonl line 2: "), "{error}");
        }
    }
}
