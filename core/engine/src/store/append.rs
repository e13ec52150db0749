//! Writes lines of JSON to a file, on a thread of their own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::error::{StoreError, at};
use super::identity::Identity;
use super::rolled::{self, ROLL_AT_BYTES};
use crate::os::private;

/// Longest that a line stays in memory alone.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// Bytes of lines from which on they are written without waiting for more.
const WRITE_FROM_BYTES: usize = 256 * 1024;
/// What the writing thread is given.
#[derive(Debug)]
enum Entry<T> {
    Line(T),
    /// Everything before it is to be written; dropping the sender says so.
    Flush(Sender<()>),
}

/// Appends lines of JSON to a file, on a thread of its own.
#[derive(Debug)]
pub struct LineWriter<T: Send + 'static> {
    sender: Option<Sender<Entry<T>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    path: PathBuf,
}

impl<T: Serialize + Send + 'static> LineWriter<T> {
    /// Opens the file for appending. Lines reach it within a second, and each
    /// whole. A line that cannot be written cancels `failed`.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(path: PathBuf, failed: &CancellationToken) -> Result<Self, StoreError> {
        Self::rolling(path, u64::MAX, failed)
    }

    /// As [`open`](Self::open), for samples: what has been written is packed away
    /// whenever the file grows beyond some tens of MiB, see [`SampleFile`].
    ///
    /// # Errors
    /// If the file cannot be opened.
    ///
    /// [`SampleFile`]: super::SampleFile
    pub fn of_samples(path: PathBuf, failed: &CancellationToken) -> Result<Self, StoreError> {
        Self::rolling(path, ROLL_AT_BYTES, failed)
    }

    /// `roll_at`: bytes from which on the file is packed away.
    pub(super) fn rolling(
        path: PathBuf,
        roll_at: u64,
        failed: &CancellationToken,
    ) -> Result<Self, StoreError> {
        let file = private::append(&path).map_err(at(&path, "cannot be opened"))?;
        let mut output =
            Output::new(path.clone(), file, roll_at).map_err(at(&path, "cannot be read"))?;
        let (sender, receiver) = mpsc::channel::<Entry<T>>();
        let failed = failed.clone();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let thread = std::thread::Builder::new()
            .name(name.into_owned())
            .spawn(move || {
                let written = append(&mut output, &receiver);
                if written.is_err() {
                    failed.cancel();
                }
                written
            })
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

    /// Waits until every line sent so far is in the file, or cannot be.
    pub fn flush(&self) {
        let (done, is_done) = mpsc::channel();
        if let Some(sender) = &self.sender
            && sender.send(Entry::Flush(done)).is_ok()
        {
            // It ends when the writer drops its half.
            let _: Result<(), mpsc::RecvError> = is_done.recv();
        }
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
pub struct LineSink<T>(Option<Sender<Entry<T>>>);

impl<T> Clone for LineSink<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> LineSink<T> {
    /// Sends a line. If the writer has failed, its `close` fails.
    pub fn send(&self, line: T) {
        if let Some(sender) = &self.0 {
            // The writer ends early only on an error, which `close` returns.
            drop(sender.send(Entry::Line(line)));
        }
    }
}

/// The file that lines are appended to.
struct Output {
    path: PathBuf,
    file: File,
    bytes: u64,
    roll_at: u64,
}

impl Output {
    fn new(path: PathBuf, file: File, roll_at: u64) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            bytes,
            roll_at,
        })
    }

    /// Appends whole lines, and begins a new file if this one is large.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        self.must_be_there()?;
        if self.bytes >= self.roll_at {
            rolled::roll(&self.path)?;
            self.file = private::append(&self.path)?;
            self.bytes = 0;
        }
        Ok(())
    }
}

impl Output {
    /// A file that was deleted takes lines as before, which nobody will ever read.
    fn must_be_there(&self) -> io::Result<()> {
        let opened = self.file.metadata()?;
        let named = fs::metadata(&self.path).inspect_err(|_| self.put_back())?;
        if Identity::from(&opened) != Identity::from(&named) {
            return Err(io::Error::other("another file has taken its place"));
        }
        if opened.is_file() && opened.len() != self.bytes {
            return Err(io::Error::other("another program has changed it"));
        }
        Ok(())
    }

    /// What was written until then is still there for this process: it comes back where
    /// the file's folder is still there.
    fn put_back(&self) {
        let open = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let copied = File::open(open).and_then(|mut from| {
            let mut to = private::create(&self.path)?;
            io::copy(&mut from, &mut to)
        });
        drop(copied);
    }
}

fn append<T: Serialize>(
    output: &mut Output,
    receiver: &mpsc::Receiver<Entry<T>>,
) -> io::Result<()> {
    let mut lines = Vec::with_capacity(2 * WRITE_FROM_BYTES);
    let mut written = Instant::now();
    loop {
        let received = receiver.recv_timeout(FLUSH_EVERY);
        let is_over = matches!(received, Err(mpsc::RecvTimeoutError::Disconnected));
        let mut flushed = None;
        match received {
            Ok(Entry::Line(line)) => {
                serde_json::to_writer(&mut lines, &line)?;
                lines.push(b'\n');
            }
            Ok(Entry::Flush(done)) => flushed = Some(done),
            Err(_) => {}
        }
        // Lines that never pause must reach the file too.
        let is_due = written.elapsed() >= FLUSH_EVERY || flushed.is_some();
        if is_due || is_over || lines.len() >= WRITE_FROM_BYTES {
            output.write(&lines)?;
            lines.clear();
            written = Instant::now();
        }
        drop(flushed);
        if is_over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_deleted_or_replaced_meanwhile_is_reported() {
        for replaced in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.jsonl");
            let failed = CancellationToken::new();
            let writer = LineWriter::open(path.clone(), &failed).unwrap();
            writer.sink().send(1);
            writer.flush();
            assert!(!failed.is_cancelled());
            fs::remove_file(&path).unwrap();
            if replaced {
                fs::write(&path, "").unwrap();
            }
            writer.sink().send(2);
            writer.flush();
            let error = writer.close().unwrap_err();
            assert!(failed.is_cancelled());
            assert!(error.to_string().ends_with("x.jsonl: cannot be written"));
            let kept = if replaced { "" } else { "1\n2\n" };
            assert_eq!(fs::read_to_string(&path).unwrap(), kept);
        }
    }

    #[test]
    fn a_file_that_is_cut_or_written_to_by_others_is_reported() {
        for length in [0, 100] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.jsonl");
            let failed = CancellationToken::new();
            let writer = LineWriter::open(path.clone(), &failed).unwrap();
            writer.sink().send(1);
            writer.flush();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(length).unwrap();
            writer.flush();
            let error = writer.close().unwrap_err();
            assert!(failed.is_cancelled());
            assert_eq!(error.source.to_string(), "another program has changed it");
        }
    }

    #[test]
    fn lines_that_never_pause_reach_the_file_while_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let writer = LineWriter::open(path.clone(), &CancellationToken::new()).unwrap();
        let began = Instant::now();
        while fs::metadata(&path).unwrap().len() == 0 {
            assert!(began.elapsed() < Duration::from_secs(10));
            writer.sink().send(1);
            std::thread::sleep(Duration::from_millis(10));
        }
        writer.close().unwrap();
    }

    #[test]
    fn after_a_flush_every_line_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let writer = LineWriter::open(path.clone(), &CancellationToken::new()).unwrap();
        for n in 0..3 {
            writer.sink().send(n);
        }
        writer.flush();
        assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\n2\n");
    }

    #[test]
    fn a_line_that_cannot_be_written_is_reported_at_once() {
        let failed = CancellationToken::new();
        let writer = LineWriter::open("/dev/full".into(), &failed).unwrap();
        writer.sink().send(1);
        writer.flush();
        let error = writer.close().unwrap_err();
        assert!(failed.is_cancelled());
        assert_eq!(error.to_string(), "/dev/full: cannot be written");
        assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
    }
}
