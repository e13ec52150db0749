//! What is appended to a file, line by line and in bounded memory, however much of it
//! comes and however long a line is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Longest beginning of a line that is given; the rest of the line is left out.
const LINE_BYTES: usize = 16 * 1024;

/// The new lines of a file that grows.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    at: u64,
    /// Beginning of the line that is not whole yet.
    line: Vec<u8>,
}

impl Tail {
    /// The file at `path`, from its beginning; it need not be there yet.
    #[must_use]
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            at: 0,
            line: Vec::new(),
        }
    }

    /// Gives each line that became whole since the last time, or its beginning. A file
    /// that cannot be read gives none; of one that was cut, what then comes is given.
    pub(crate) fn each_new(&mut self, take: impl FnMut(&str)) {
        // What cannot be read now may be read the next time.
        drop(self.read(u64::MAX, take));
    }

    /// As [`each_new`](Self::each_new), but of a long file the first and the last `most`
    /// bytes alone.
    pub(crate) fn each_of_ends(&mut self, most: u64, mut take: impl FnMut(&str)) {
        drop(self.read(most, &mut take));
        let length = self.path.metadata().map_or(0, |facts| facts.len());
        if length.saturating_sub(self.at) > most {
            self.at = length - most;
            self.line.clear();
        }
        self.each_new(take);
    }

    /// Reads at most so many bytes.
    fn read(&mut self, most: u64, mut take: impl FnMut(&str)) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        if length < self.at {
            self.at = length;
            self.line.clear();
        }
        file.seek(SeekFrom::Start(self.at))?;
        // A file that grows as fast as it is read is left for the next time.
        let mut left = (length - self.at).min(most);
        let mut buffer = vec![0; READ_BYTES];
        while left > 0 {
            let room = usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES));
            let read = file.read(&mut buffer[..room])?;
            if read == 0 {
                break;
            }
            self.at += read as u64;
            left -= read as u64;
            self.take_in(&buffer[..read], &mut take);
        }
        Ok(())
    }

    fn take_in(&mut self, bytes: &[u8], take: &mut impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let is_end = part.last() == Some(&b'\n');
            let part = &part[..part.len() - usize::from(is_end)];
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend(&part[..part.len().min(room)]);
            if is_end {
                take(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn lines(tail: &mut Tail) -> Vec<String> {
        let mut lines = Vec::new();
        tail.each_new(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn a_line_is_given_once_and_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut tail = Tail::new(path.clone());
        assert_eq!(lines(&mut tail), [""; 0]);
        fs::write(&path, "Resolved 3 packages\n\nDownload").unwrap();
        assert_eq!(lines(&mut tail), ["Resolved 3 packages", ""]);
        fs::write(&path, "Resolved 3 packages\n\nDownloading torch\n").unwrap();
        assert_eq!(lines(&mut tail), ["Downloading torch"]);
        assert_eq!(lines(&mut tail), [""; 0]);
    }

    #[test]
    fn of_a_line_that_is_too_long_only_its_beginning_is_kept_and_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut file = File::create(&path).unwrap();
        let mut tail = Tail::new(path);
        for _ in 0..8 {
            file.write_all(&[b'x'; READ_BYTES]).unwrap();
            assert_eq!(lines(&mut tail), [""; 0]);
            assert_eq!(tail.line.len(), LINE_BYTES);
        }
        file.write_all(b"end\nnext\n").unwrap();
        assert_eq!(lines(&mut tail), ["x".repeat(LINE_BYTES).as_str(), "next"]);
    }

    #[test]
    fn a_file_that_was_cut_goes_on_at_its_new_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "one\ntwo\n").unwrap();
        let mut tail = Tail::new(path.clone());
        assert_eq!(lines(&mut tail), ["one", "two"]);
        fs::write(&path, "one\n").unwrap();
        assert_eq!(lines(&mut tail), [""; 0]);
        fs::write(&path, "one\nthree\n").unwrap();
        assert_eq!(lines(&mut tail), ["three"]);
    }

    #[test]
    fn of_a_long_file_both_ends_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let text: String = (0..100).map(|n| format!("line {n:03}\n")).collect();
        fs::write(&path, text).unwrap();
        let mut given = Vec::new();
        // A line has 9 bytes.
        Tail::new(path.clone()).each_of_ends(27, |line| given.push(line.to_owned()));
        let ends = [
            "line 000", "line 001", "line 002", "line 097", "line 098", "line 099",
        ];
        assert_eq!(given, ends);
        let mut all = 0;
        Tail::new(path).each_of_ends(450, |_| all += 1);
        assert_eq!(all, 100);
    }
}
