//! The records of all shards as those of one run: in the order in which they ended, one
//! of each shard in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use inferbench_model::facts::exchange::hex;
use inferbench_model::plan::shard::Shard;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::MergeError;
use super::shift::shifted;
use crate::os::files;

/// Bytes that are read at a time of each shard.
const READ_BYTES: usize = 128 * 1024;

/// What decides where a record goes.
#[derive(Deserialize)]
struct Head {
    index: u64,
    end_ns: u64,
}

/// The records of one shard.
pub(super) struct ShardRecords {
    path: PathBuf,
    shard: Shard,
    shift_ns: i64,
    reader: BufReader<File>,
    line: Vec<u8>,
    number: u64,
    hash: Sha256,
    /// What the shard says that its records hash to, hex; absent if it does not.
    sha256: Option<String>,
    /// Records that were read.
    pub(super) read: u64,
}

impl ShardRecords {
    /// `sha256`: what its records hash to, hex, if that is known.
    pub(super) fn open(
        path: &Path,
        (shard, shift_ns): (Shard, i64),
        sha256: Option<String>,
    ) -> Result<Self, MergeError> {
        let file = files::open(path).map_err(unreadable(path))?;
        Ok(Self {
            path: path.to_owned(),
            shard,
            shift_ns,
            reader: BufReader::with_capacity(READ_BYTES, file),
            line: Vec::new(),
            number: 0,
            hash: Sha256::new(),
            sha256,
            read: 0,
        })
    }

    /// The next record on the common clock, and when it ended. A last line that was cut
    /// off is none.
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, MergeError> {
        loop {
            self.line.clear();
            self.number += 1;
            let read = self.reader.read_until(b'\n', &mut self.line);
            if read.map_err(unreadable(&self.path))? == 0 {
                return self.must_be_as_left().map(|()| None);
            }
            self.hash.update(&self.line);
            let is_whole = self.line.last() == Some(&b'\n');
            let head: Head = match serde_json::from_slice(&self.line) {
                Ok(head) => head,
                Err(_) if !is_whole || self.line == b"\n" => continue,
                Err(source) => return Err(self.bad(source)),
            };
            if !self.shard.owns(head.index) {
                return Err(MergeError::Foreign {
                    path: self.path.clone(),
                    line: self.number,
                    index: head.index,
                    shard: self.shard,
                });
            }
            let moved = shifted(&self.line, self.shift_ns);
            let end_ns = head.end_ns.checked_add_signed(self.shift_ns);
            let (Some(mut moved), Some(end_ns)) = (moved, end_ns) else {
                return Err(MergeError::Clock {
                    path: self.path.clone(),
                    line: self.number,
                });
            };
            if !is_whole {
                moved.push(b'\n');
            }
            self.read += 1;
            return Ok(Some((end_ns, moved)));
        }
    }

    /// Refuses records that hash to something else than the shard says, once all are read.
    fn must_be_as_left(&mut self) -> Result<(), MergeError> {
        let is = hex(&self.hash.finalize_reset());
        match self.sha256.take() {
            Some(said) if said != is => Err(MergeError::OtherRecords {
                path: self.path.clone(),
                is,
                said,
            }),
            _ => Ok(()),
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

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> MergeError + use<> {
    let path = path.to_owned();
    move |source| MergeError::Unreadable { path, source }
}

/// Writes the records of all shards to `output`.
///
/// # Errors
/// If a record cannot be read, is not its shard's own, or cannot be written.
pub(super) fn merge_records(
    shards: &mut [ShardRecords],
    output: &mut dyn Write,
) -> Result<(), MergeError> {
    let mut next = BinaryHeap::new();
    for (place, shard) in shards.iter_mut().enumerate() {
        let record = shard.next()?;
        next.extend(record.map(|(end_ns, line)| Reverse((end_ns, place, line))));
    }
    while let Some(Reverse((_, place, line))) = next.pop() {
        output.write_all(&line).map_err(MergeError::Unwritable)?;
        let record = shards[place].next()?;
        next.extend(record.map(|(end_ns, line)| Reverse((end_ns, place, line))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(folder: &Path, index: u32, shift_ns: i64, text: &str) -> ShardRecords {
        let path = folder.join(format!("{index}.jsonl"));
        std::fs::write(&path, text).unwrap();
        ShardRecords::open(&path, (Shard::new(index, 2).unwrap(), shift_ns), None).unwrap()
    }

    fn merged(shards: &mut [ShardRecords]) -> Result<String, MergeError> {
        let mut output = Vec::new();
        merge_records(shards, &mut output)?;
        Ok(String::from_utf8(output).unwrap())
    }

    #[test]
    fn records_come_in_the_order_of_their_ends_on_one_clock() {
        let folder = tempfile::tempdir().unwrap();
        // The second machine's clock is 100 behind: its ends are 115 and 130.
        let one = "{\"index\":0,\"end_ns\":110}\n{\"index\":2,\"end_ns\":120}\n";
        let two = "{\"index\":1,\"end_ns\":15}\n{\"index\":3,\"end_ns\":30}\n{\"index\":5,\"en";
        let mut shards = [
            records(folder.path(), 0, 0, one),
            records(folder.path(), 1, 100, two),
        ];
        let expected = "{\"index\":0,\"end_ns\":110}\n{\"index\":1,\"end_ns\":115}\n{\"index\":2,\"end_ns\":120}\n{\"index\":3,\"end_ns\":130}\n";
        assert_eq!(merged(&mut shards).unwrap(), expected);
        assert_eq!(shards.map(|shard| shard.read), [2, 2]);
    }

    #[test]
    fn records_of_the_same_size_that_were_changed_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("0.jsonl");
        std::fs::write(&path, "{\"index\":0,\"end_ns\":110}\n").unwrap();
        // Of the same line with an end of 111, by sha256sum.
        let said = "3035ba90393d56d7dd4337238062195a87204b81d7c7b69720b89796a4f004ce";
        let shard = Shard::new(0, 2).unwrap();
        let records = ShardRecords::open(&path, (shard, 0), Some(said.to_owned())).unwrap();
        let error = merged(&mut [records]).unwrap_err();
        assert!(error.to_string().ends_with(": it was changed"), "{error}");
    }

    #[test]
    fn a_record_of_another_shard_or_a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = "{\"index\":0,\"end_ns\":1}\n{\"index\":3,\"end_ns\":2}\n";
        let error = merged(&mut [records(folder.path(), 0, 0, foreign)]).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("0.jsonl line 2: request 3 is not one of shard 0 of 2")
        );
        let bad = "{\"index\":1,\"end_ns\":1}\n{\"index\"\n{\"index\":3,\"end_ns\":2}\n";
        let error = merged(&mut [records(folder.path(), 1, 0, bad)]).unwrap_err();
        assert!(error.to_string().contains("1.jsonl line 2: "), "{error}");
    }
}
