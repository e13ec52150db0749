//! The model's vocabulary, from its tokenizer or, failing that, from its
//! config: what synthetic prompts are made of.

mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inferbench_model::plan::prompt::{IdRange, Vocabulary};
use serde_json::Value;
use thiserror::Error;

use super::model_files::ModelFiles;
use words::Words;

/// Why there is no vocabulary.
#[derive(Debug, Error)]
pub enum VocabularyError {
    /// The named tokenizer is not there.
    #[error("is {given:?}, must be a tokenizer.json or a folder with one")]
    NotThere {
        /// What the config names.
        given: String,
    },
    /// It cannot be read.
    #[error("cannot be used: {}: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: String },
}

/// The vocabulary of a model; `None` if nothing on this machine has it.
///
/// # Errors
/// If the config names a tokenizer that is not there or cannot be read.
pub fn vocabulary(
    tokenizer: Option<&str>,
    model: &ModelFiles,
) -> Result<Option<Arc<dyn Vocabulary + Send + Sync>>, VocabularyError> {
    if let Some(given) = tokenizer {
        let file = tokenizer_file(Path::new(given)).ok_or_else(|| VocabularyError::NotThere {
            given: given.to_owned(),
        })?;
        return Ok(Some(Arc::new(Words::load(&file)?)));
    }
    if let Some(file) = model.folder.as_deref().and_then(tokenizer_file) {
        return Ok(Some(Arc::new(Words::load(&file)?)));
    }
    let size = model.config().and_then(|config| vocabulary_size(&config));
    Ok(size.map(|size| Arc::new(middle_ids(size)) as Arc<dyn Vocabulary + Send + Sync>))
}

fn tokenizer_file(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        let file = path.join("tokenizer.json");
        return file.is_file().then_some(file);
    }
    path.is_file().then(|| path.to_owned())
}

fn vocabulary_size(config: &Value) -> Option<u32> {
    let size = config
        .get("vocab_size")
        .or_else(|| config.pointer("/text_config/vocab_size"))?;
    u32::try_from(size.as_u64()?).ok()
}

/// Ids that are most likely ordinary tokens: special ones stand at the
/// ends of a vocabulary.
fn middle_ids(size: u32) -> IdRange {
    IdRange::new((size / 10).min(1000), size - size / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tokenizer_is_named() {
        let error = vocabulary(Some("/nowhere/tok"), &ModelFiles::default());
        let text = error.err().map(|e| e.to_string());
        assert_eq!(
            text.as_deref(),
            Some("is \"/nowhere/tok\", must be a tokenizer.json or a folder with one")
        );
    }

    #[test]
    fn a_model_without_tokenizer_gives_ids_by_its_size() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"vocab_size": 4000}"#).unwrap();
        let files = ModelFiles::find(folder.path().to_str().unwrap());
        let vocabulary = vocabulary(None, &files).unwrap().unwrap();
        let ids = vocabulary.ordinary_ids();
        assert_eq!((ids[0], ids[ids.len() - 1]), (400, 3599));
        assert_eq!(vocabulary.encode("x"), None);
    }

    #[test]
    fn a_broken_tokenizer_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokenizer.json");
        std::fs::write(&file, "{}").unwrap();
        let error = vocabulary(file.to_str(), &ModelFiles::default());
        assert!(matches!(error, Err(VocabularyError::Unreadable { .. })));
    }
}
