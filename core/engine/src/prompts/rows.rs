//! The rows of a file, one after the other, each with its place.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::compression::{self, Input};
use super::elements::{self, Cut};
use super::error::{Place, PromptFileError};

/// Longest row that is read, bytes.
pub(super) const LONGEST_ROW: usize = 64 << 20;

/// Reads the rows of a file from its beginning.
pub(super) struct RowReader {
    path: PathBuf,
    input: Input,
    layout: Layout,
    /// Rows so far; of lines, the blank ones too.
    number: u64,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Array,
}

impl RowReader {
    /// Opens a file of lines, or of one JSON array.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, PromptFileError> {
        let mut reader = Self {
            path: path.to_owned(),
            input: compression::open(path)?,
            layout: Layout::Lines,
            number: 0,
            buffer: Vec::new(),
        };
        if reader.begins_array()? {
            reader.input.consume(1);
            reader.layout = Layout::Array;
        }
        Ok(reader)
    }

    /// Whether `[` is the first byte that is no blank. No row of lines begins with one.
    fn begins_array(&mut self) -> Result<bool, PromptFileError> {
        loop {
            let chunk = self.input.fill_buf();
            let chunk = chunk.map_err(|e| PromptFileError::unreadable(&self.path, e))?;
            match chunk.first() {
                Some(byte) if byte.is_ascii_whitespace() => {
                    self.number += u64::from(*byte == b'\n');
                    self.input.consume(1);
                }
                first => return Ok(first == Some(&b'[')),
            }
        }
    }

    /// The next row that is not blank.
    ///
    /// # Errors
    /// If it cannot be read, or is too long.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, PromptFileError> {
        match self.layout {
            Layout::Lines => self.next_line(),
            Layout::Array => self.next_element(),
        }
    }

    /// Place of the last row.
    pub(super) fn place(&self) -> Place {
        match self.layout {
            Layout::Lines => Place::Line(self.number),
            Layout::Array => Place::Element(self.number),
        }
    }

    /// An error about the last row.
    pub(super) fn wrong(&self, reason: impl std::fmt::Display) -> PromptFileError {
        PromptFileError::Row {
            file: self.path.display().to_string(),
            place: self.place(),
            reason: reason.to_string(),
        }
    }

    fn next_line(&mut self) -> Result<Option<&[u8]>, PromptFileError> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.input).take(LONGEST_ROW as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|error| PromptFileError::unreadable(&self.path, error))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read > LONGEST_ROW {
                return Err(self.too_long());
            }
            while self.buffer.last().is_some_and(u8::is_ascii_whitespace) {
                self.buffer.pop();
            }
            if !self.buffer.is_empty() {
                return Ok(Some(&self.buffer));
            }
        }
    }

    fn next_element(&mut self) -> Result<Option<&[u8]>, PromptFileError> {
        let cut = elements::next(&mut self.input, &mut self.buffer, LONGEST_ROW);
        let cut = cut.map_err(|error| PromptFileError::unreadable(&self.path, error))?;
        if cut == Cut::End {
            return Ok(None);
        }
        self.number += 1;
        match cut {
            Cut::Element | Cut::End => Ok(Some(&self.buffer)),
            Cut::Broken => Err(self.wrong("the file ends within the array: it is cut off")),
            Cut::TooLong => Err(self.too_long()),
        }
    }

    fn too_long(&self) -> PromptFileError {
        let mib = LONGEST_ROW >> 20;
        self.wrong(format!("is longer than {mib} MiB, must be shorter"))
    }
}
