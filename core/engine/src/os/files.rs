//! Files that users and others name, which may be anything: a pipe into which nobody
//! writes, a device that never ends. Opened and read here, they cost neither time nor
//! memory without end.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Longest wait for somebody who writes to a pipe.
const WRITER_LIMIT: Duration = Duration::from_secs(10);

/// Opens a file that is read more than once, or at several places, or is to end by itself.
///
/// # Errors
/// If it cannot be opened, or is anything else than a file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    let words = match () {
        () if kind.is_file() => return File::open(path),
        () if kind.is_dir() => "is a folder, must be a file",
        () if kind.is_fifo() => "is a pipe, must be a file",
        () => "is a device or socket, must be a file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, words))
}

/// Reads a whole file, if it is not larger than `most_bytes`.
///
/// # Errors
/// If it cannot be read, is no file, or is larger.
pub fn read(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    read_at_most(open(path)?, most_bytes)
}

/// Reads a whole text, from a pipe too, if it is not larger than `most_bytes`.
///
/// # Errors
/// If it cannot be read, is larger or no UTF-8, or is a pipe to which nobody writes.
pub fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    let file = match fs::metadata(path)?.file_type().is_fifo() {
        true => opened_soon(path)?,
        false => File::open(path)?,
    };
    let text = String::from_utf8(read_at_most(file, most_bytes)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8"))
}

/// Opening a named pipe waits for somebody who writes to it.
fn opened_soon(path: &Path) -> io::Result<File> {
    let (send, opened) = channel();
    let named = path.to_owned();
    std::thread::Builder::new().spawn(move || drop(send.send(File::open(named))))?;
    opened.recv_timeout(WRITER_LIMIT).unwrap_or_else(|_| {
        let seconds = WRITER_LIMIT.as_secs();
        let words = format!("is a pipe, and nobody wrote to it within {seconds} s");
        Err(io::Error::new(io::ErrorKind::TimedOut, words))
    })
}

/// Longest line of a file of facts that is kept in memory, bytes. A record has its answer's
/// text, of which one message has 64 MiB at most.
const LONGEST_LINE: u64 = 256 << 20;

/// Reads on to the end of a line, which is added to `line`; gives how many bytes it has.
///
/// # Errors
/// If it cannot be read, or is longer than any that InferBench writes.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    read_line_of(reader, line, LONGEST_LINE)
}

fn read_line_of(reader: &mut impl BufRead, line: &mut Vec<u8>, most: u64) -> io::Result<usize> {
    let read = reader.take(most + 1).read_until(b'\n', line)?;
    if read as u64 <= most {
        return Ok(read);
    }
    let words = format!("has a line of more than {} MiB", most >> 20);
    Err(io::Error::new(io::ErrorKind::InvalidData, words))
}

fn read_at_most(file: File, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= most_bytes {
        return Ok(bytes);
    }
    let words = match most_bytes >> 20 {
        0 => format!("is larger than {most_bytes} bytes, must be smaller"),
        mib => format!("is larger than {mib} MiB, must be smaller"),
    };
    Err(io::Error::new(io::ErrorKind::FileTooLarge, words))
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_line_without_end_is_an_error_and_not_kept() {
        let mut line = Vec::new();
        let mut whole: &[u8] = b"ab\ncd";
        assert_eq!(read_line_of(&mut whole, &mut line, 3).unwrap(), 3);
        assert_eq!(read_line_of(&mut whole, &mut line, 3).unwrap(), 2);
        assert_eq!(read_line_of(&mut whole, &mut line, 3).unwrap(), 0);
        assert_eq!(line, b"ab\ncd");
        line.clear();
        let endless = read_line_of(&mut io::BufReader::new(io::repeat(0)), &mut line, 3 << 20);
        let error = endless.unwrap_err();
        assert_eq!(error.to_string(), "has a line of more than 3 MiB");
        assert_eq!(line.len(), (3 << 20) + 1);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_nothing_else_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).unwrap(), b"12345");
        let words = |path: &Path| read(path, 4).unwrap_err().to_string();
        assert_eq!(words(&file), "is larger than 4 bytes, must be smaller");
        assert_eq!(words(folder.path()), "is a folder, must be a file");
        assert_eq!(
            words(Path::new("/dev/zero")),
            "is a device or socket, must be a file"
        );
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::from_bits_truncate(0o600)).unwrap();
        assert_eq!(words(&pipe), "is a pipe, must be a file");
    }

    #[test]
    fn a_text_comes_from_a_pipe_if_somebody_writes_it_and_never_from_a_device_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::from_bits_truncate(0o600)).unwrap();
        let named = pipe.clone();
        let writer = std::thread::spawn(move || fs::write(named, "text").unwrap());
        assert_eq!(read_text(&pipe, 100).unwrap(), "text");
        writer.join().unwrap();
        let words = read_text(&pipe, 100).unwrap_err().to_string();
        assert_eq!(words, "is a pipe, and nobody wrote to it within 10 s");
        let words = read_text(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert_eq!(words.to_string(), "is larger than 1 MiB, must be smaller");
    }
}
