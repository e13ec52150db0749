//! Files of samples: lines of JSON that are packed away part by part as the
//! file grows, so that a day of them stays small.
//!
//! `gpu.jsonl` is what is being written. Once it is large it becomes
//! `gpu.0001.jsonl`, then `gpu.0001.jsonl.gz`, and a new `gpu.jsonl` begins. A
//! kill between any two of these steps loses nothing: of a part that is there
//! plain and packed, the packed one is whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, BufWriter, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::de::DeserializeOwned;

use super::error::{StoreError, at};
use super::read::{READ_BYTES, lines};
use crate::os::{files, private};

/// Size from which on a file of samples is packed away.
pub(super) const ROLL_AT_BYTES: u64 = 64 * 1024 * 1024;
/// Digits of a part's number.
const DIGITS: usize = 4;
/// Ending of a part that is packed, behind that of its number.
const PACKED: &str = "jsonl.gz";
/// Ending of one that is not.
const PLAIN: &str = "jsonl";

/// The parts of a file of samples, oldest first; the file itself is the last.
#[derive(Debug)]
pub struct SampleFile {
    parts: Vec<PathBuf>,
}

impl SampleFile {
    /// The parts that are there of the file at `path`; none if it is not there.
    ///
    /// # Errors
    /// If its folder cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut parts: Vec<PathBuf> = numbered(path)?.into_values().collect();
        parts.extend(path.exists().then(|| path.to_owned()));
        Ok(Self { parts })
    }

    /// The files that it is made of.
    #[must_use]
    pub fn parts(&self) -> &[PathBuf] {
        &self.parts
    }

    /// Gives each line that can be understood to `take`, and how many could
    /// not be, a last one that was cut off aside: of samples some may be missing.
    ///
    /// # Errors
    /// If a part cannot be read or unpacked.
    pub fn each_good<T: DeserializeOwned>(
        &self,
        mut take: impl FnMut(T),
    ) -> Result<u64, StoreError> {
        let mut bad = 0;
        for part in &self.parts {
            let mut read = || {
                let reader = BufReader::with_capacity(READ_BYTES, opened(part)?);
                let read = |line: &[u8]| serde_json::from_slice(line);
                lines(reader, read, &mut take, |_| {
                    bad += 1;
                    ControlFlow::Continue(())
                })
            };
            read().map_err(at(part, "cannot be read"))?;
        }
        Ok(bad)
    }
}

/// A part, unpacked.
fn opened(part: &Path) -> io::Result<Box<dyn Read>> {
    let file = files::open(part)?;
    Ok(if part.extension().is_some_and(|ending| ending == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

/// The parts beside the file at `path` by their number.
fn numbered(path: &Path) -> Result<BTreeMap<u32, PathBuf>, StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut found = BTreeMap::new();
    let mut read = || -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?.path();
            let Some((number, is_packed)) = number_of(path, &entry) else {
                continue;
            };
            if is_packed || !found.contains_key(&number) {
                found.insert(number, entry);
            }
        }
        Ok(())
    };
    match read() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(at(folder, "cannot be read")(error))
        }
        _ => Ok(found),
    }
}

/// The number of a part of the file at `path`, and whether it is packed.
fn number_of(path: &Path, part: &Path) -> Option<(u32, bool)> {
    let name = part.file_name()?.to_str()?;
    let rest = name.strip_prefix(path.file_stem()?.to_str()?)?;
    let (digits, ending) = rest.strip_prefix('.')?.split_once('.')?;
    let is_number = digits.len() >= DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    let is_packed = match ending {
        PACKED => true,
        PLAIN => false,
        _ => return None,
    };
    Some((digits.parse().ok().filter(|_| is_number)?, is_packed))
}

fn part(path: &Path, number: u32, ending: &str) -> PathBuf {
    path.with_extension(format!("{number:0width$}.{ending}", width = DIGITS))
}

/// Sets the file at `path` aside as its next part and packs that; a new file
/// may begin at once. Gives nothing back: the writer opens the new one.
pub(super) fn roll(path: &Path) -> io::Result<()> {
    let last = numbered(path).map_err(|error| error.source)?;
    let number = last.last_key_value().map_or(0, |(number, _)| *number) + 1;
    let plain = part(path, number, PLAIN);
    fs::rename(path, &plain)?;
    pack(&plain, &part(path, number, PACKED))
}

fn pack(plain: &Path, packed: &Path) -> io::Result<()> {
    let aside = packed.with_extension("gz.part");
    let mut source = BufReader::with_capacity(READ_BYTES, files::open(plain)?);
    let file = BufWriter::new(private::create(&aside)?);
    let mut encoder = GzEncoder::new(file, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.into_inner()?.sync_data()?;
    fs::rename(&aside, packed)?;
    fs::remove_file(plain)
}

/// Packs what a run that was killed has left plain among the parts.
///
/// # Errors
/// If a part cannot be packed.
pub(crate) fn pack_leftovers(path: &Path) -> Result<(), StoreError> {
    for (number, left) in numbered(path)? {
        let packed = part(path, number, PACKED);
        let plain = part(path, number, PLAIN);
        let mend = || match (left == packed, plain.exists()) {
            (true, true) => fs::remove_file(&plain),
            (false, _) => pack(&plain, &packed),
            (true, false) => Ok(()),
        };
        mend().map_err(at(&plain, "cannot be packed"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::store::LineWriter;

    fn all(path: &Path) -> Vec<u32> {
        let mut rows = Vec::new();
        let bad = SampleFile::open(path)
            .unwrap()
            .each_good(|row| rows.push(row))
            .unwrap();
        assert_eq!(bad, 0);
        rows
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_that_grows_is_packed_away_and_read_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.jsonl");
        let writer = LineWriter::rolling(path.clone(), 30, &CancellationToken::new()).unwrap();
        for n in 10..30 {
            writer.sink().send(n);
            writer.flush();
        }
        writer.close().unwrap();
        // A line has three bytes: ten of them make a part.
        assert_eq!(
            names(folder.path()),
            ["gpu.0001.jsonl.gz", "gpu.0002.jsonl.gz", "gpu.jsonl"]
        );
        assert_eq!(all(&path), (10..30).collect::<Vec<u32>>());
    }

    #[test]
    fn of_a_part_that_a_kill_left_twice_the_packed_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.jsonl");
        fs::write(&path, "1\n2\n").unwrap();
        roll(&path).unwrap();
        fs::write(folder.path().join("gpu.0001.jsonl"), "1\n2\n").unwrap();
        fs::write(folder.path().join("gpu.0002.jsonl"), "3\n").unwrap();
        fs::write(&path, "4\n").unwrap();
        assert_eq!(all(&path), [1, 2, 3, 4]);
        pack_leftovers(&path).unwrap();
        assert_eq!(all(&path), [1, 2, 3, 4]);
        assert_eq!(
            names(folder.path()),
            ["gpu.0001.jsonl.gz", "gpu.0002.jsonl.gz", "gpu.jsonl"]
        );
    }

    #[test]
    fn files_of_other_names_are_no_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.jsonl");
        for name in [
            "gpu.jsonl.part",
            "gpu.1.jsonl",
            "gpu.00x1.jsonl",
            "gpus.0001.jsonl",
            "gpu.0001.json",
        ] {
            fs::write(folder.path().join(name), "1\n").unwrap();
        }
        assert!(SampleFile::open(&path).unwrap().parts().is_empty());
    }

    #[test]
    fn a_packed_part_that_was_cut_off_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu.jsonl");
        fs::write(&path, "1\n2\n").unwrap();
        roll(&path).unwrap();
        let packed = folder.path().join("gpu.0001.jsonl.gz");
        let whole = fs::read(&packed).unwrap();
        fs::write(&packed, &whole[..whole.len() - 4]).unwrap();
        let file = SampleFile::open(&path).unwrap();
        let error = file.each_good(|_: u32| ()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("gpu.0001.jsonl.gz: cannot be read")
        );
    }
}
