//! The model's vocabulary, from its tokenizer or, failing that, from its
//! config: what synthetic prompts are made of.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inferbench_model::kv_cache::{GGUF_MAGIC, Gguf};
use inferbench_model::plan::prompt::{IdRange, Vocabulary};
use serde_json::Value;
use thiserror::Error;
use tokenizers::Tokenizer;

use crate::os::folders::hub_cache;

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

/// Where a model is on this machine, as far as that can be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFiles {
    /// The model's folder.
    pub folder: Option<PathBuf>,
    /// The model's one file, if it is a GGUF file.
    pub gguf: Option<PathBuf>,
}

impl ModelFiles {
    /// Looks for the model: a local folder, a GGUF file, or a snapshot in the hub's
    /// cache.
    #[must_use]
    pub fn find(model_id: &str) -> Self {
        let local = PathBuf::from(model_id);
        if local.is_dir() {
            return Self {
                folder: Some(local),
                gguf: None,
            };
        }
        if is_gguf(&local) {
            return Self {
                folder: None,
                gguf: Some(local),
            };
        }
        Self {
            folder: hub_snapshot(model_id),
            gguf: None,
        }
    }

    /// The model's `config.json`, or what its GGUF file says in its place, if it can
    /// be read.
    #[must_use]
    pub fn config(&self) -> Option<Value> {
        if let Some(file) = &self.gguf {
            return Some(read_gguf(file).ok()?.config());
        }
        let text = std::fs::read(self.folder.as_ref()?.join("config.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

fn is_gguf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    path.is_file() && read.is_ok() && magic == GGUF_MAGIC
}

/// The metadata of a GGUF file.
///
/// # Errors
/// If it cannot be read, or is cut short.
pub(crate) fn read_gguf(file: &Path) -> io::Result<Gguf> {
    Gguf::read(BufReader::new(File::open(file)?))
}

fn hub_snapshot(model_id: &str) -> Option<PathBuf> {
    let cache = hub_cache()?;
    let repo = cache.join(format!("models--{}", model_id.replace('/', "--")));
    let main = std::fs::read_to_string(repo.join("refs/main")).ok()?;
    let snapshot = repo.join("snapshots").join(main.trim());
    snapshot.is_dir().then_some(snapshot)
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

/// A tokenizer, and those of its tokens that are whole words: text made of them
/// mostly encodes to the same tokens again.
struct Words {
    tokenizer: Tokenizer,
    ids: Vec<u32>,
    apart: Option<Apart>,
}

/// Fewer whole words than this, and every ordinary token is taken.
const ENOUGH_WORDS: usize = 200;
/// Whole words that prompts are made of at most: enough to make prompts differ,
/// and few enough to be checked at every start.
const MOST_WORDS: usize = 4096;

/// Words that were seen to encode apart from each other: text made of them in
/// any order encodes to their own tokens.
struct Apart {
    /// Text of each word, in the order of the ids.
    texts: Vec<String>,
    /// The first word stands without its space.
    first_bare: bool,
}

impl Apart {
    fn text(&self, places: impl Iterator<Item = usize>) -> String {
        let mut text = String::new();
        for place in places {
            text.push_str(&self.texts[place]);
        }
        if self.first_bare {
            text.remove(0);
        }
        text
    }
}

impl Words {
    fn load(file: &Path) -> Result<Self, VocabularyError> {
        let unreadable = |reason: String| VocabularyError::Unreadable {
            file: file.to_owned(),
            reason,
        };
        let tokenizer = Tokenizer::from_file(file).map_err(|e| unreadable(e.to_string()))?;
        let added = tokenizer.get_added_tokens_decoder();
        let mut ordinary = Vec::new();
        let mut words = Vec::new();
        for (token, id) in tokenizer.get_vocab(false) {
            if added.contains_key(&id) {
                continue;
            }
            ordinary.push(id);
            if let Some(word) = whole_word(&token) {
                words.push((id, format!(" {word}")));
            }
        }
        words.sort_unstable();
        if words.len() < ENOUGH_WORDS {
            ordinary.sort_unstable();
            return Ok(Self {
                tokenizer,
                ids: ordinary,
                apart: None,
            });
        }
        let step = words.len().div_ceil(MOST_WORDS);
        let mut words: Vec<(u32, String)> = words.into_iter().step_by(step).collect();
        let whole = keep_whole(&tokenizer, &words);
        if whole.len() >= ENOUGH_WORDS {
            words = whole;
        }
        let (ids, texts): (Vec<u32>, Vec<String>) = words.into_iter().unzip();
        let mut loaded = Self {
            tokenizer,
            ids,
            apart: None,
        };
        loaded.apart = loaded.check_apart(texts);
        Ok(loaded)
    }

    /// Whether the words encode apart: all of them in one text, in two orders,
    /// with and without a space before the first.
    fn check_apart(&self, texts: Vec<String>) -> Option<Apart> {
        let n = texts.len();
        // A stride without a common divisor visits every word, each beside
        // words that lie far from it in the vocabulary.
        let stride = |by: usize| (0..n).map(move |i| i * by % n);
        let strides: Vec<usize> = (n / 3..).filter(|by| coprime(*by, n)).take(2).collect();
        let mut apart = Apart {
            texts,
            first_bare: false,
        };
        for first_bare in [false, true] {
            apart.first_bare = first_bare;
            let holds = strides.iter().all(|by| {
                let ids: Vec<u32> = stride(*by).map(|place| self.ids[place]).collect();
                self.encode(&apart.text(stride(*by))) == Some(ids)
            });
            if holds {
                return Some(apart);
            }
        }
        None
    }
}

/// Those of `words` whose text encodes to their one token, seen in a text of all
/// of them. Some tokens are only ever parts of longer words.
fn keep_whole(tokenizer: &Tokenizer, words: &[(u32, String)]) -> Vec<(u32, String)> {
    let text: String = words.iter().map(|(_, word)| word.as_str()).collect();
    let Ok(encoding) = tokenizer.encode(text, false) else {
        return Vec::new();
    };
    let ends = encoding.get_offsets().iter().map(|(_, end)| *end);
    let mut tokens = encoding.get_ids().iter().copied().zip(ends).peekable();
    let mut word_end = 0;
    let mut whole = Vec::new();
    for (id, word) in words {
        word_end += word.len();
        let mut of_word = Vec::new();
        while let Some((token, _)) = tokens.next_if(|(_, end)| *end <= word_end) {
            of_word.push(token);
        }
        if of_word == [*id] {
            whole.push((*id, word.clone()));
        }
    }
    whole
}

/// The letters of a token that is a space and a word of ASCII letters.
fn whole_word(token: &str) -> Option<&str> {
    let word = token.strip_prefix(['\u{120}', '\u{2581}'])?;
    let letters = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    letters.then_some(word)
}

fn coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

impl Vocabulary for Words {
    fn ordinary_ids(&self) -> &[u32] {
        &self.ids
    }

    fn encode(&self, text: &str) -> Option<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, false).ok()?;
        Some(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32]) -> Option<String> {
        self.tokenizer.decode(ids, false).ok()
    }

    fn compose(&self, ids: &[u32]) -> Option<String> {
        let apart = self.apart.as_ref().filter(|_| !ids.is_empty())?;
        let places: Option<Vec<usize>> = ids
            .iter()
            .map(|id| self.ids.binary_search(id).ok())
            .collect();
        Some(apart.text(places?.into_iter()))
    }
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

    /// A byte-level BPE tokenizer trained on 676 words; `splits`: it splits text
    /// into words first, as the tokenizers of current models do.
    fn trained(splits: bool) -> Words {
        use tokenizers::models::bpe::{BPE, BpeTrainer};
        use tokenizers::pre_tokenizers::byte_level::ByteLevel;
        use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper};
        use tokenizers::{PreTokenizerWrapper, TokenizerBuilder};
        let letters = || 'a'..='z';
        let words = letters().flat_map(|a| letters().map(move |b| format!(" {a}{b}")));
        let words: Vec<String> = words.collect();
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("words.txt");
        std::fs::write(&text, words.concat().repeat(3)).unwrap();
        let level = ByteLevel::new(false, true, splits);
        let mut tokenizer = TokenizerBuilder::<
            BPE,
            NormalizerWrapper,
            PreTokenizerWrapper,
            PostProcessorWrapper,
            DecoderWrapper,
        >::new()
        .with_model(BPE::default())
        .with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(level)))
        .with_decoder(Some(DecoderWrapper::ByteLevel(level)))
        .build()
        .unwrap();
        let mut trainer = BpeTrainer::builder()
            .vocab_size(1200)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        tokenizer
            .train_from_files(&mut trainer, vec![text.display().to_string()])
            .unwrap();
        let file = folder.path().join("tokenizer.json");
        tokenizer.save(&file, false).unwrap();
        Words::load(&file).unwrap()
    }

    #[test]
    fn words_that_encode_apart_make_texts_of_exact_length() {
        let words = trained(true);
        assert!(words.apart.is_some());
        let ids: Vec<u32> = words.ids.iter().rev().step_by(3).copied().collect();
        let text = words.compose(&ids).unwrap();
        assert_eq!(words.encode(&text), Some(ids));
    }

    #[test]
    fn ids_that_are_no_words_are_not_composed() {
        let words = trained(true);
        let other = (0..).find(|id| !words.ids.contains(id)).unwrap();
        assert_eq!(words.compose(&[words.ids[0], other]), None);
        assert_eq!(words.compose(&[]), None);
    }

    #[test]
    fn words_that_merge_with_their_neighbours_are_not_taken_apart() {
        let words = trained(false);
        let merges = words.apart.is_none() || words.ids.len() < ENOUGH_WORDS;
        assert!(merges, "text without word borders encodes word by word");
    }
}
