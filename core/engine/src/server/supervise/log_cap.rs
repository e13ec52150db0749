//! Keeps the logs of a server from filling the disk: of a log that grows too large the
//! beginning and the end are kept, and a note stands between them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Size from which on a log is cut.
const CUT_FROM_BYTES: u64 = 256 * 1024 * 1024;
/// What is kept of its beginning, and of its end.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;
/// Time between two looks at the size.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Bytes that are moved at a time.
const MOVE_BYTES: usize = 256 * 1024;

/// Watches these logs, on a thread of its own, for as long as this process lives. Whoever
/// writes them must append.
///
/// # Errors
/// If there is no thread to be had.
pub(super) fn watch(logs: Vec<PathBuf>) -> io::Result<()> {
    let watch = move || {
        loop {
            for log in &logs {
                // One that cannot be cut goes on growing.
                drop(cut(log, CUT_FROM_BYTES, KEPT_BYTES));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    };
    std::thread::Builder::new().spawn(watch).map(drop)
}

/// Cuts a log of more than `from` bytes down to `kept` bytes at either end. What is
/// written meanwhile may be lost.
fn cut(log: &Path, from: u64, kept: u64) -> io::Result<()> {
    let length = log.metadata()?.len();
    if length <= from {
        return Ok(());
    }
    let file = File::options().read(true).write(true).open(log)?;
    let left_out = length - 2 * kept;
    let note = format!("\n[InferBench: {left_out} bytes of this log are left out here]\n");
    file.write_all_at(note.as_bytes(), kept)?;
    let mut to = kept + note.len() as u64;
    let mut at = length - kept;
    let mut buffer = vec![0; MOVE_BYTES];
    loop {
        let read = file.read_at(&mut buffer, at)?;
        // What came meanwhile is moved too; where it comes faster, some is lost.
        if read == 0 || at >= length + kept {
            break;
        }
        file.write_all_at(&buffer[..read], to)?;
        at += read as u64;
        to += read as u64;
    }
    file.set_len(to)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    #[test]
    fn both_ends_of_a_long_log_stay_and_a_note_says_what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("stderr.log");
        let mut server = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        server.write_all(b"first").unwrap();
        server.write_all(&[b'-'; 1000]).unwrap();
        server.write_all(b"last!").unwrap();
        cut(&log, 2000, 5).unwrap();
        assert_eq!(log.metadata().unwrap().len(), 1010, "it is not long yet");
        cut(&log, 500, 5).unwrap();
        server.write_all(b" and on").unwrap();
        assert_eq!(
            fs::read_to_string(&log).unwrap(),
            "first\n[InferBench: 1000 bytes of this log are left out here]\nlast! and on"
        );
    }
}
