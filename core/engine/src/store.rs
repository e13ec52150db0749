//! The run folder: made once, filled as facts come, valid at any moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// Longest that a line stays in memory alone.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Bytes of lines from which on they are written without waiting for more.
const WRITE_FROM_BYTES: usize = 256 * 1024;
/// Bytes that are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A run folder that cannot be made or written.
#[derive(Debug, Error)]
#[error("{}: {action}", path.display())]
pub struct StoreError {
    /// File or folder.
    pub path: PathBuf,
    /// What was done to it.
    pub action: &'static str,
    /// The cause.
    #[source]
    pub source: io::Error,
}

fn at(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError {
        path,
        action,
        source,
    }
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes `<output>/<name>-<stamp>`; a second run within the same second
    /// gets a number behind it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(output: &Path, name: &str, stamp: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(output).map_err(at(output, "cannot be made"))?;
        let mut path = output.join(format!("{name}-{stamp}"));
        for n in 2.. {
            match fs::create_dir(&path) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = output.join(format!("{name}-{stamp}-{n}"));
                }
                Err(error) => return Err(at(&path, "cannot be made")(error)),
            }
        }
        Ok(Self { path })
    }

    /// A folder that exists.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Folder of one start of a backend, made if need be.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn stage_folder(&self, backend: &str, block: u32) -> Result<PathBuf, StoreError> {
        let folder = self.path.join("logs").join(backend).join(block.to_string());
        fs::create_dir_all(&folder).map_err(at(&folder, "cannot be made"))?;
        Ok(folder)
    }

    /// Writes a JSON file as a whole: at no moment is it half there.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|error| at(&self.file(name), "cannot be written")(error.into()))?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Writes a file as a whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_with(name, |file| file.write_all(bytes))
    }

    /// Writes a file as a whole through `fill`, which need not hold it whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_with(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let path = self.file(name);
        let aside = self.file(&format!("{name}.part"));
        let write = || {
            let mut file = BufWriter::new(File::create(&aside)?);
            fill(&mut file)?;
            file.flush()
        };
        write().map_err(at(&aside, "cannot be written"))?;
        fs::rename(&aside, &path).map_err(at(&path, "cannot be replaced"))
    }
}

/// Appends lines of JSON to a file, on a thread of its own.
#[derive(Debug)]
pub struct LineWriter<T: Send + 'static> {
    sender: Option<Sender<T>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    path: PathBuf,
}

impl<T: Serialize + Send + 'static> LineWriter<T> {
    /// Opens the file for appending. Lines reach it within a second, and each
    /// whole.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: PathBuf) -> Result<Self, StoreError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(at(&path, "cannot be opened"))?;
        let (sender, receiver) = mpsc::channel::<T>();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let thread = std::thread::Builder::new()
            .name(name.into_owned())
            .spawn(move || append(file, &receiver))
            .map_err(at(&path, "cannot be given a thread"))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
            path,
        })
    }

    /// A handle that lines can be sent to.
    #[must_use]
    pub fn sink(&self) -> LineSink<T> {
        LineSink(self.sender.clone())
    }

    /// Writes what is left and closes the file, once every sink is gone.
    ///
    /// # Errors
    /// The first error of writing, e.g. a full disk.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.sender = None;
        let written = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            _ => Err(io::Error::other("the writing thread is gone")),
        };
        written.map_err(at(&self.path, "cannot be written"))
    }
}

/// Where lines for one file go.
#[derive(Debug)]
pub struct LineSink<T>(Option<Sender<T>>);

impl<T> Clone for LineSink<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> LineSink<T> {
    /// Sends a line. If the writer has failed, its `close` tells.
    pub fn send(&self, line: T) {
        if let Some(sender) = &self.0 {
            // The writer ends early only on an error, which `close` returns.
            drop(sender.send(line));
        }
    }
}

fn append<T: Serialize>(mut file: File, receiver: &mpsc::Receiver<T>) -> io::Result<()> {
    let mut lines = Vec::with_capacity(2 * WRITE_FROM_BYTES);
    let mut written = Instant::now();
    loop {
        let received = receiver.recv_timeout(FLUSH_EVERY);
        let is_over = matches!(received, Err(mpsc::RecvTimeoutError::Disconnected));
        if let Ok(line) = received {
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        // Lines that never pause must reach the file too.
        let is_due = written.elapsed() >= FLUSH_EVERY;
        if is_due || is_over || lines.len() >= WRITE_FROM_BYTES {
            file.write_all(&lines)?;
            lines.clear();
            written = Instant::now();
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Reads a file of JSON lines. A last line that was cut off is passed over;
/// any other bad line is an error that names it.
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
            let file = File::open(path)?;
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

    /// Gives each line to `take`. A last line that was cut off is passed over.
    ///
    /// # Errors
    /// If the file cannot be read or any other line is bad; the line is named.
    pub fn each<T: DeserializeOwned>(&self, mut take: impl FnMut(T)) -> Result<(), StoreError> {
        let mut file = &self.file;
        let unreadable = at(&self.path, "cannot be read");
        let found = file.seek(SeekFrom::Start(0)).and_then(|_| {
            let mut reader = BufReader::with_capacity(READ_BYTES, file.take(self.bytes));
            let mut line = Vec::new();
            for number in 1_u64.. {
                line.clear();
                if reader.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                let is_whole = line.last() == Some(&b'\n');
                match serde_json::from_slice(&line) {
                    Ok(row) => take(row),
                    Err(_) if !is_whole || line == b"\n" => {}
                    Err(error) => return Ok(Some(format!("line {number}: {error}"))),
                }
            }
            Ok(None)
        });
        match found.map_err(unreadable)? {
            None => Ok(()),
            Some(words) => {
                let cause = io::Error::new(io::ErrorKind::InvalidData, words);
                Err(at(&self.path, "holds a line that cannot be read")(cause))
            }
        }
    }
}

/// Writes a value as a JSON file anywhere, with the folders above it.
///
/// # Errors
/// If it cannot be written.
pub fn write_json_file(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder, "cannot be made"))?;
    }
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| at(path, "cannot be written")(error.into()))?;
    bytes.push(b'\n');
    fs::write(path, bytes).map_err(at(path, "cannot be written"))
}

/// Reads a JSON file.
///
/// # Errors
/// If it cannot be read or is something else.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let bytes = fs::read(path).map_err(at(path, "cannot be read"))?;
    serde_json::from_slice(&bytes).map_err(|error| at(path, "cannot be understood")(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_in_one_second_get_two_folders() {
        let output = tempfile::tempdir().unwrap();
        let one = RunFolder::create(output.path(), "n", "s").unwrap();
        let two = RunFolder::create(output.path(), "n", "s").unwrap();
        assert_ne!(one.path(), two.path());
    }

    #[test]
    fn lines_come_back_and_a_cut_last_line_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let writer = LineWriter::open(path.clone()).unwrap();
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
    fn lines_that_never_pause_reach_the_file_while_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let writer = LineWriter::open(path.clone()).unwrap();
        let began = Instant::now();
        while fs::metadata(&path).unwrap().len() == 0 {
            assert!(began.elapsed() < Duration::from_secs(10));
            writer.sink().send(1);
            std::thread::sleep(Duration::from_millis(10));
        }
        writer.close().unwrap();
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
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunFolder::create(&file, "n", "s").unwrap_err();
        assert!(error.to_string().contains("file: cannot be made"));
    }
}
