//! Reads the last lines of a server's logs. What they mean is for their readers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of a log that are shown when something went wrong.
const TAIL_LINES: usize = 20;
/// Longest line that is shown, characters.
const LINE_CHARS: usize = 400;
/// Bytes from the end of each file that are read: some hundred lines of traces.
const END_BYTES: u64 = 256 * 1024;

/// Last lines of a stage's standard error, or of its output if there are none.
#[must_use]
pub fn log_tail(folder: &Path) -> Vec<String> {
    let tail = |name: &str| {
        let lines = end_of(&folder.join(name));
        let from = lines.len().saturating_sub(TAIL_LINES);
        let shown = lines[from..].iter();
        let shown = shown.map(|line| shown_part(line).unwrap_or_default());
        shown.collect::<Vec<String>>()
    };
    let errors = tail("stderr.log");
    if errors.is_empty() {
        tail("stdout.log")
    } else {
        errors
    }
}

/// The end of all that a stage wrote, its standard error last.
pub(crate) fn last_lines(folder: &Path) -> Vec<String> {
    let files = ["stdout.log", "stderr.log"];
    let lines = files.iter().flat_map(|name| end_of(&folder.join(name)));
    lines.collect()
}

/// The last line that a stage wrote, from the log that was written to last. Of a
/// progress bar, which writes over itself, that is what it shows now.
pub(crate) fn last_line(folder: &Path) -> Option<String> {
    let files = ["stdout.log", "stderr.log"].map(|name| folder.join(name));
    let written = files.into_iter().filter_map(|file| {
        let facts = file.metadata().ok().filter(|facts| facts.len() > 0)?;
        Some((facts.modified().ok()?, file))
    });
    let (_, newest) = written.max()?;
    let lines = end_of(&newest);
    Some(shown_part(lines.last()?)?.trim().to_owned())
}

/// What a terminal would show of a line that writes over itself, as far as it is shown.
fn shown_part(line: &str) -> Option<String> {
    let mut parts = line.rsplit('\r').map(str::trim_end);
    let shown = parts.find(|part| !part.is_empty())?;
    Some(shown.chars().take(LINE_CHARS).collect())
}

/// Lines at the end of a file that are not blank. A file that cannot be read has
/// none.
fn end_of(path: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES)))?;
        file.take(END_BYTES).read_to_end(&mut bytes)
    });
    drop(read);
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_last_line_is_that_of_the_log_written_to_last() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, age_s: u64| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let at = SystemTime::now() - Duration::from_secs(age_s);
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(at).unwrap();
        };
        assert_eq!(last_line(folder.path()), None);
        put("stdout.log", "", 0);
        assert_eq!(last_line(folder.path()), None, "an empty log says nothing");
        put("stderr.log", "a warning\n", 9);
        put("stdout.log", "loading\nloaded\n\n", 5);
        assert_eq!(last_line(folder.path()).as_deref(), Some("loaded"));
        put("stderr.log", "a warning\n 10 %\r 60 %\r", 1);
        assert_eq!(last_line(folder.path()).as_deref(), Some("60 %"));
    }
}
