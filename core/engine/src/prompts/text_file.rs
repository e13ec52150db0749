//! A text of which pieces are read from anywhere.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use inferbench_model::plan::prompt::{PromptError, Vocabulary};
use inferbench_model::prompts::text;
use rand_chacha::ChaCha8Rng;

use super::compression::{self, Packing};
use super::error::PromptFileError;
use crate::os::files;

/// Places that are tried for a piece: some lie near the end, or in words that no
/// vocabulary has.
const PLACES: usize = 20;

/// A text file.
pub(super) struct TextFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl TextFile {
    /// # Errors
    /// If it cannot be read, is packed, or has nothing in it.
    pub(super) fn open(path: &Path) -> Result<Self, PromptFileError> {
        let unreadable = |error| PromptFileError::unreadable(path, error);
        let file = files::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let opened = Self {
            file,
            path: path.to_owned(),
            bytes: metadata.len(),
        };
        let first = opened.read(0, 4096)?;
        if first.iter().all(u8::is_ascii_whitespace) {
            let file = path.display().to_string();
            return Err(PromptFileError::Empty { file });
        }
        if compression::packing(&first) != Packing::Plain {
            let reason = "is packed, and pieces of a text are read from anywhere: unpack it first";
            return Err(PromptFileError::unreadable(path, reason));
        }
        if first.contains(&0) || first.starts_with(&[0xff, 0xfe]) {
            return Err(PromptFileError::unreadable(path, "is no text in UTF-8"));
        }
        Ok(opened)
    }

    fn read(&self, at: u64, bytes: u64) -> Result<Vec<u8>, PromptFileError> {
        let mut piece = vec![0; bytes.min(self.bytes - at.min(self.bytes)) as usize];
        let read = self.file.read_exact_at(&mut piece, at);
        read.map_err(|error| PromptFileError::unreadable(&self.path, error))?;
        Ok(piece)
    }

    /// A piece of so many tokens from a place that `rng` draws.
    ///
    /// # Errors
    /// If the text is too short, or nothing of that length was found in it.
    pub(super) fn piece(
        &self,
        vocabulary: &dyn Vocabulary,
        rng: &mut ChaCha8Rng,
        tokens: u32,
    ) -> Result<(Vec<u32>, String), PromptError> {
        let bytes = text::bytes_for(tokens);
        let mut last = Ok((Vec::new(), String::new()));
        for _ in 0..PLACES {
            let at = text::place(rng, self.bytes, bytes);
            let piece = self.read(at, bytes);
            let piece = piece.map_err(|error| PromptError::Row(error.to_string()))?;
            let words = text::whole_words(&piece, at == 0);
            last = text::beginning(vocabulary, &words, tokens);
            if last.is_ok() {
                break;
            }
        }
        last
    }
}
