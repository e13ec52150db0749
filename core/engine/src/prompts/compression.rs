//! Opens a file, unpacked if it is packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::PromptFileError;
use crate::os::files;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 18;

/// A file's text, from its beginning.
pub(super) type Input = Box<dyn BufRead + Send>;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// How a file is packed, by its first bytes.
pub(super) fn packing(first: &[u8]) -> Packing {
    match first {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        _ => Packing::Plain,
    }
}

/// Opens a file of text, after its byte order mark.
///
/// # Errors
/// If it cannot be read, or is text of another encoding.
pub(super) fn open(path: &Path) -> Result<Input, PromptFileError> {
    let unreadable = |error: io::Error| PromptFileError::unreadable(path, error);
    let mut file = files::open(path).map_err(unreadable)?;
    let mut first = [0; 4];
    let read = read_up_to(&mut file, &mut first).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut input: Input = match packing(&first[..read]) {
        Packing::Plain => Box::new(BufReader::with_capacity(CHUNK, file)),
        Packing::Gzip => {
            let packed = BufReader::with_capacity(CHUNK, file);
            let unpacked = flate2::bufread::MultiGzDecoder::new(packed);
            Box::new(BufReader::with_capacity(CHUNK, unpacked))
        }
        Packing::Zstd => {
            let packed = BufReader::with_capacity(CHUNK, file);
            let unpacked = ruzstd::decoding::StreamingDecoder::new(packed)
                .map_err(|error| PromptFileError::unreadable(path, error))?;
            Box::new(BufReader::with_capacity(CHUNK, unpacked))
        }
    };
    skip_mark(path, &mut input)?;
    Ok(input)
}

fn read_up_to(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read(&mut into[read..])? {
            0 => break,
            n => read += n,
        }
    }
    Ok(read)
}

fn skip_mark(path: &Path, input: &mut Input) -> Result<(), PromptFileError> {
    let first = input.fill_buf();
    let first = first.map_err(|error| PromptFileError::unreadable(path, error))?;
    match first {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            let reason = "is text in UTF-16, must be UTF-8";
            return Err(PromptFileError::unreadable(path, reason));
        }
        [0xef, 0xbb, 0xbf, ..] => input.consume(3),
        _ => {}
    }
    Ok(())
}
