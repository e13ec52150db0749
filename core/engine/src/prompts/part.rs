//! Makes the prompts of one workload.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use inferbench_model::config::{Length, PromptSource, WorkloadConfig};
use inferbench_model::plan::conversation::{self, synthetic_turn};
use inferbench_model::plan::length_table::LengthTable;
use inferbench_model::plan::prompt::{
    Prompt, PromptError, PromptKey, TurnPrompt, Vocabulary, asked_lengths, draw_lengths,
    request_rng, synthetic,
};
use inferbench_model::prompts::build::{BuildError, turns_from_row};
use inferbench_model::prompts::row::Row;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::error::PromptFileError;
use super::images::ImageMaker;
use super::scan::{RowFile, Rows, Scan, ScanLimit};
use super::text_file::TextFile;
use crate::os::files;

/// What prompts are made of.
pub(super) type SharedVocabulary = Arc<dyn Vocabulary + Send + Sync>;

/// Makes the prompts of one workload.
pub(super) struct PartMaker {
    workload: WorkloadConfig,
    vocabulary: Option<SharedVocabulary>,
    table: Option<LengthTable>,
    from: From,
    images: Option<ImageMaker>,
}

/// Where prompts come from.
#[expect(clippy::large_enum_variant, reason = "there is one in a run")]
enum From {
    Seed,
    Text(TextFile),
    Rows(Listed),
}

/// Rows of a file, in their order, from the first again after the last.
struct Listed {
    file: RowFile,
    scan: Scan,
    at: Mutex<At>,
}

/// How far a file is read.
#[derive(Default)]
struct At {
    rows: Option<Rows>,
    /// How often the file was read to its end.
    pass: u64,
    /// A row that was read and belongs to the next request.
    held: Option<Row>,
    /// Index of the request whose row comes next.
    index: u64,
}

impl PartMaker {
    /// Synthetic prompts from a vocabulary.
    #[must_use]
    pub(super) fn synthetic(workload: WorkloadConfig, vocabulary: SharedVocabulary) -> Self {
        Self {
            workload,
            vocabulary: Some(vocabulary),
            table: None,
            from: From::Seed,
            images: None,
        }
    }

    /// Opens what the workload names. `limit` says how many rows of a file are looked at.
    ///
    /// # Errors
    /// See [`PromptFileError`].
    pub(super) fn open(
        workload: &WorkloadConfig,
        vocabulary: Option<SharedVocabulary>,
        limit: ScanLimit,
    ) -> Result<Self, PromptFileError> {
        let file = workload.file.as_deref().map(Path::new);
        let from = match (workload.prompts, file) {
            (PromptSource::Synthetic, _) | (_, None) => From::Seed,
            (PromptSource::Text, Some(file)) => From::Text(TextFile::open(file)?),
            (_, Some(file)) => {
                let file = RowFile::open(file, workload)?;
                From::Rows(Listed {
                    scan: file.scan(workload, vocabulary.as_deref().map(|v| v as _), limit)?,
                    file,
                    at: Mutex::default(),
                })
            }
        };
        let images = workload.images.as_ref();
        let images = images.map(|images| ImageMaker::open(images, workload.seed));
        Ok(Self {
            table: read_table(workload)?,
            workload: workload.clone(),
            vocabulary,
            from,
            images: images.transpose()?,
        })
    }

    /// What was seen in the file of rows; `None` if prompts do not come from one.
    #[must_use]
    pub(super) fn scan(&self) -> Option<&Scan> {
        match &self.from {
            From::Rows(listed) => Some(&listed.scan),
            _ => None,
        }
    }

    /// The workload that it makes the prompts of.
    #[must_use]
    pub(super) fn workload(&self) -> &WorkloadConfig {
        &self.workload
    }

    /// Ids of a text; `None` if there is no tokenizer.
    #[must_use]
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u32>> {
        self.vocabulary.as_ref()?.encode(text)
    }

    /// Longest prompt and answer, tokens, as far as they are known.
    #[must_use]
    pub(super) fn longest(&self) -> (Option<u32>, Option<u32>) {
        let drawn = || match &self.table {
            Some(table) => table.longest(),
            None => (
                u32::try_from(self.workload.longest_prompt()).unwrap_or(u32::MAX),
                self.workload.output_tokens.bounds().1,
            ),
        };
        match self.scan() {
            Some(scan) => scan.longest,
            None => {
                let (input, output) = drawn();
                (Some(input), Some(output))
            }
        }
    }

    /// The prompt of one request, with its images; of a conversation its first turn.
    ///
    /// # Errors
    /// If none of the asked length can be made, or the file cannot be read any more.
    pub(super) fn make(&self, key: PromptKey) -> Result<Prompt, PromptError> {
        let mut prompt = self.make_words(key)?;
        if let Some(images) = &self.images {
            images.put(&mut prompt, key)?;
        }
        Ok(prompt)
    }

    /// The prompt of the request `key`, of the lengths that the request `alike` has.
    /// Those of a file of rows keep their own.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(super) fn make_alike(
        &self,
        key: PromptKey,
        alike: PromptKey,
    ) -> Result<Prompt, PromptError> {
        let lengths = asked_lengths(&self.workload, self.table.as_ref(), alike);
        let mut prompt = match &self.from {
            From::Seed => {
                let workload = WorkloadConfig {
                    input_tokens: Length::Fixed(lengths.0),
                    output_tokens: Length::Fixed(lengths.1),
                    ..self.workload.clone()
                };
                synthetic(&workload, None, self.needed_vocabulary()?, key)?
            }
            From::Text(text) => self.piece(text, request_rng(&self.workload, key), lengths)?,
            From::Rows(_) => return self.make(key),
        };
        if let Some(images) = &self.images {
            images.put(&mut prompt, key)?;
        }
        Ok(prompt)
    }

    fn make_words(&self, key: PromptKey) -> Result<Prompt, PromptError> {
        match &self.from {
            From::Seed => {
                let vocabulary = self.needed_vocabulary()?;
                synthetic(&self.workload, self.table.as_ref(), vocabulary, key)
            }
            From::Text(text) => self.drawn_piece(text, key),
            From::Rows(listed) => {
                let mut turns = self.row(listed, key)?;
                Ok(turns.swap_remove(0).prompt)
            }
        }
    }

    fn needed_vocabulary(&self) -> Result<&dyn Vocabulary, PromptError> {
        let vocabulary = self.vocabulary.as_deref();
        Ok(vocabulary.ok_or(PromptError::NoOrdinaryTokens)?)
    }

    fn drawn_piece(&self, text: &TextFile, key: PromptKey) -> Result<Prompt, PromptError> {
        let mut rng = request_rng(&self.workload, key);
        let lengths = draw_lengths(&self.workload, self.table.as_ref(), &mut rng);
        self.piece(text, rng, lengths)
    }

    fn piece(
        &self,
        text: &TextFile,
        mut rng: ChaCha8Rng,
        (input_tokens, output_tokens): (u32, u32),
    ) -> Result<Prompt, PromptError> {
        let (ids, words) = text.piece(self.needed_vocabulary()?, &mut rng, input_tokens)?;
        Ok(Prompt {
            token_ids: Some(ids),
            text: Some(words),
            input_tokens: Some(input_tokens),
            output_tokens,
            ..Prompt::default()
        })
    }

    /// What is said in each turn of a conversation; a single request is one of one turn.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(super) fn conversation(&self, key: PromptKey) -> Result<Vec<TurnPrompt>, PromptError> {
        let mut turns = self.turns(key)?;
        if let (Some(images), Some(first)) = (&self.images, turns.first_mut()) {
            images.put(&mut first.prompt, key)?;
        }
        Ok(turns)
    }

    fn turns(&self, key: PromptKey) -> Result<Vec<TurnPrompt>, PromptError> {
        match &self.from {
            From::Seed => {
                let vocabulary = self.needed_vocabulary()?;
                let (workload, table) = (&self.workload, self.table.as_ref());
                let turns = 0..conversation::turns(workload, key);
                let made = turns.map(|turn| {
                    let made = synthetic_turn(workload, table, vocabulary, key, turn);
                    made.map(single)
                });
                made.collect()
            }
            From::Text(text) => Ok(vec![single(self.drawn_piece(text, key)?)]),
            From::Rows(listed) => self.row(listed, key),
        }
    }

    fn row(&self, listed: &Listed, key: PromptKey) -> Result<Vec<TurnPrompt>, PromptError> {
        let unread = |error: PromptFileError| PromptError::Row(error.to_string());
        let mut at = listed.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.rows.is_none() || key.index < at.index {
            *at = At::default();
        }
        let joins = self.workload.turns != Length::Fixed(1);
        loop {
            let rows = listed.next(&mut at, joins).map_err(unread)?;
            let turns = self.turns_of_rows(rows, key)?;
            if turns.is_empty() {
                continue;
            }
            at.index += 1;
            if at.index == key.index + 1 {
                return Ok(turns);
            }
        }
    }

    /// The turns of one conversation: those of one row, or a row each; none if they are
    /// left out.
    fn turns_of_rows(
        &self,
        rows: Vec<Row>,
        key: PromptKey,
    ) -> Result<Vec<TurnPrompt>, PromptError> {
        let most = match rows.len() {
            1 => usize::MAX,
            _ => self.workload.turns.bounds().1 as usize,
        };
        let mut all = Vec::new();
        for row in rows {
            let vocabulary = self.vocabulary.as_deref();
            match turns_from_row(row, &self.workload, vocabulary.map(|v| v as _), key) {
                Err(BuildError::Dropped(_)) => {}
                Err(BuildError::Prompt(error)) => return Err(error),
                Ok(turns) => all.extend(turns),
            }
        }
        all.truncate(most);
        Ok(all)
    }

    /// Adds the words of a prompt to a hash.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn add_words(&self, key: PromptKey, hash: &mut Sha256) -> Result<(), PromptError> {
        let prompt = self.make_words(key)?;
        for id in prompt.token_ids.iter().flatten() {
            hash.update(id.to_le_bytes());
        }
        hash.update(prompt.text.unwrap_or_default());
        for message in prompt.messages.iter().flatten() {
            hash.update(message.to_string());
        }
        hash.update(prompt.output_tokens.to_le_bytes());
        Ok(())
    }

    /// Adds the images, if there are any, to a hash.
    pub(super) fn add_images(&self, hash: &mut Sha256) {
        if let Some(images) = &self.images {
            images.add_to(hash);
        }
    }
}

fn single(prompt: Prompt) -> TurnPrompt {
    TurnPrompt {
        prompt,
        is_whole: false,
        answer: None,
    }
}

impl Listed {
    /// The next row that the format does not leave out; with `joins` all rows of its
    /// session that follow it.
    fn next(&self, at: &mut At, joins: bool) -> Result<Vec<Row>, PromptFileError> {
        let first = match at.held.take() {
            Some(held) => held,
            None => self.next_row(at)?,
        };
        let session = first.session.clone().filter(|_| joins);
        let mut rows = vec![first];
        let Some(session) = session else {
            return Ok(rows);
        };
        // A session ends with the file, too.
        let pass = at.pass;
        loop {
            let next = self.next_row(at)?;
            if at.pass != pass || next.session.as_ref() != Some(&session) {
                at.held = Some(next);
                return Ok(rows);
            }
            rows.push(next);
        }
    }

    fn next_row(&self, at: &mut At) -> Result<Row, PromptFileError> {
        // One of the scan's rows was kept, so that this ends.
        loop {
            let rows = match &mut at.rows {
                Some(rows) => rows,
                none => none.insert(self.file.rows()?),
            };
            match rows.next()? {
                Some(Ok((row, _))) => return Ok(row),
                Some(Err(_)) => {}
                None => {
                    at.rows = None;
                    at.pass += 1;
                }
            }
        }
    }
}

/// Largest table of lengths.
const TABLE_BYTES: u64 = 256 << 20;

fn read_table(workload: &WorkloadConfig) -> Result<Option<LengthTable>, PromptFileError> {
    let Some(lengths) = &workload.lengths else {
        return Ok(None);
    };
    let path = Path::new(&lengths.file);
    let text = files::read_text(path, TABLE_BYTES);
    let text = text.map_err(|error| PromptFileError::unreadable(path, error))?;
    let table = LengthTable::from_csv(&text, lengths.apart);
    Ok(Some(table.map_err(|error| {
        PromptFileError::unreadable(path, error)
    })?))
}
