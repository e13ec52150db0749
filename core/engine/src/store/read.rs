//! Reads lines of JSON from a file, one in memory at a time.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::error::{StoreError, at};
use crate::os::{files, private};

/// Bytes that are read at a time.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// Reads a file of JSON lines. A last line that was cut off is skipped; any
/// other bad line is an error that names it.
///
/// # Errors
/// If the file cannot be read or holds a bad line.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, StoreError> {
    let mut rows = Vec::new();
    let file = LineFile::open(path)?;
    file.each(|row| rows.push(row))?;
    Ok(rows)
}

/// A file of JSON lines that is read several times, one line in memory at a
/// time. What is appended after it was opened is not part of it.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LineFile {
    /// Opens the file as it now is.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let file = files::open(path)?;
            let bytes = file.metadata()?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(at(path, "cannot be read"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
        })
    }

    /// Gives each line to `take`. A last line that was cut off is skipped.
    ///
    /// # Errors
    /// If the file cannot be read or any other line is bad; the line is named.
    pub fn each<T: DeserializeOwned>(&self, take: impl FnMut(T)) -> Result<(), StoreError> {
        self.each_by(|line| serde_json::from_slice(line), take)
    }

    /// The same where `read` reads a line.
    ///
    /// # Errors
    /// As those of `each`.
    pub(crate) fn each_by<T>(
        &self,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
        take: impl FnMut(T),
    ) -> Result<(), StoreError> {
        match self.lines(read, take, ControlFlow::Break)? {
            None => Ok(()),
            Some(bad) => {
                let cause = io::Error::new(io::ErrorKind::InvalidData, bad);
                Err(at(&self.path, "holds a line that cannot be read")(cause))
            }
        }
    }

    /// Gives each line that can be understood to `take`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn each_good<T: DeserializeOwned>(&self, take: impl FnMut(T)) -> Result<(), StoreError> {
        let read = |line: &[u8]| serde_json::from_slice(line);
        self.lines(read, take, |_| ControlFlow::Continue(()))?;
        Ok(())
    }

    /// Goes through the lines until `bad` ends it with one.
    fn lines<T>(
        &self,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
        take: impl FnMut(T),
        bad: impl FnMut(BadLine) -> ControlFlow<BadLine>,
    ) -> Result<Option<BadLine>, StoreError> {
        let mut file = &self.file;
        let found = file.seek(SeekFrom::Start(0)).and_then(|_| {
            let reader = BufReader::with_capacity(READ_BYTES, file.take(self.bytes));
            lines(reader, read, take, bad)
        });
        found.map_err(at(&self.path, "cannot be read"))
    }
}

/// A line that cannot be understood.
#[derive(Debug, Error)]
#[error("line {number}: {error}")]
pub(super) struct BadLine {
    /// Its number, from 1.
    number: u64,
    error: serde_json::Error,
}

/// Gives each line of `reader`, as `read` reads it, to `take`, and each that cannot be
/// understood to `bad`, until that ends it with one. A last line that was cut off is
/// skipped.
pub(super) fn lines<T>(
    mut reader: impl BufRead,
    read: impl Fn(&[u8]) -> serde_json::Result<T>,
    mut take: impl FnMut(T),
    mut bad: impl FnMut(BadLine) -> ControlFlow<BadLine>,
) -> io::Result<Option<BadLine>> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if files::read_line(&mut reader, &mut line)? == 0 {
            break;
        }
        let is_whole = line.last() == Some(&b'\n');
        match read(&line) {
            Ok(row) => take(row),
            Err(_) if !is_whole || line == b"\n" => {}
            Err(error) => {
                if let ControlFlow::Break(line) = bad(BadLine { number, error }) {
                    return Ok(Some(line));
                }
            }
        }
    }
    Ok(None)
}

/// Keeps those lines of a file for which `keeps` holds, as they are, and drops a
/// last line that was cut off. The file is replaced as a whole; one that is not
/// there stays so.
///
/// # Errors
/// If it cannot be read or replaced.
pub fn keep_lines(path: &Path, keeps: impl Fn(&[u8]) -> bool) -> Result<(), StoreError> {
    let aside = path.with_extension("part");
    let copy = || {
        let mut reader = BufReader::with_capacity(READ_BYTES, files::open(path)?);
        let mut kept = BufWriter::new(private::create(&aside)?);
        let mut line = Vec::new();
        while files::read_line(&mut reader, &mut line)? > 0 {
            if line.last() == Some(&b'\n') && keeps(&line) {
                kept.write_all(&line)?;
            }
            line.clear();
        }
        kept.flush()?;
        fs::rename(&aside, path)
    };
    match copy() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        copied => copied.map_err(at(path, "cannot be rewritten")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::store::LineWriter;

    #[test]
    fn lines_come_back_and_a_cut_last_line_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let writer = LineWriter::open(path.clone(), &CancellationToken::new()).unwrap();
        for n in 0..1000 {
            writer.sink().send(n);
        }
        writer.close().unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"10").unwrap();
        let rows: Vec<u32> = read_lines(&path).unwrap();
        assert_eq!(rows[..1000], (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn what_is_appended_later_is_no_part_of_an_open_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        fs::write(&path, "1\n2\n").unwrap();
        let lines = LineFile::open(&path).unwrap();
        fs::write(&path, "1\n2\n3\n").unwrap();
        for _ in 0..2 {
            let mut rows: Vec<u32> = Vec::new();
            lines.each(|row| rows.push(row)).unwrap();
            assert_eq!(rows, [1, 2]);
        }
    }

    #[test]
    fn a_bad_line_in_the_middle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        fs::write(&path, "1\n{\n3\n").unwrap();
        let error = read_lines::<u32>(&path).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.starts_with("line 2: "), "{cause}");
    }

    #[test]
    fn kept_lines_stay_as_they_are_and_a_cut_one_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        fs::write(&path, "{ \"a\": 1}\n{\"b\":2}\n{\"a\":3}\n{\"a\":").unwrap();
        keep_lines(&path, |line| line.windows(3).any(|w| w == b"\"a\"")).unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept, "{ \"a\": 1}\n{\"a\":3}\n");
        keep_lines(&folder.path().join("absent"), |_| true).unwrap();
    }
}
