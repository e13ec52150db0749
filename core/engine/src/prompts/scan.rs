//! What a file of rows holds, seen before a run: as much of it as the run can need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inferbench_model::config::{PromptSource, TraceFormat, WorkloadConfig};
use inferbench_model::plan::prompt::Vocabulary;
use inferbench_model::prompts::row::{Content, Row, RowFault};
use inferbench_model::prompts::trace::TraceReader;
use inferbench_model::prompts::{build, jsonl, sharegpt};

use super::error::{Place, PromptFileError};
use super::rows::RowReader;

/// How much of a file is looked at.
#[derive(Debug, Clone, Copy)]
pub struct ScanLimit {
    /// Rows that are needed, of those that are kept.
    pub rows: u64,
    /// Longest time, once one row is kept.
    pub time: Duration,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scan {
    /// Rows that give a request.
    pub kept: u64,
    /// Rows that are left out, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Fields that nothing reads, and in how many rows they are.
    pub passed_over: BTreeMap<String, u64>,
    /// The file was looked at to its end.
    pub whole: bool,
    /// Place of the first row that has messages.
    pub first_messages: Option<Place>,
    /// Place of the first row that has a text without its token ids.
    pub first_text: Option<Place>,
    /// Times of the rows that are kept, s; empty if any has none.
    pub times_s: Vec<f64>,
    /// Place of the first row that has no time.
    pub first_untimed: Option<Place>,
    /// Place of the first row that is earlier than the one before it.
    pub first_backwards: Option<Place>,
    /// Longest prompt and answer that are known, tokens.
    pub longest: (Option<u32>, Option<u32>),
    /// Prompts of all rows together, tokens; `None` from the first that is not known on.
    pub input_tokens: Option<u64>,
    /// The same of the answers, each as long as it may get.
    pub output_tokens: Option<u64>,
    /// Longest of both together, and where it is.
    pub longest_total: Option<(u32, Place)>,
    /// Format of a trace.
    pub format: Option<TraceFormat>,
}

impl Scan {
    /// Mean length of a prompt and of an answer, tokens, where each is known.
    #[must_use]
    pub fn mean_tokens(&self) -> (Option<f64>, Option<f64>) {
        let mean = |tokens: Option<u64>| tokens.map(|n| n as f64 / self.kept.max(1) as f64);
        (mean(self.input_tokens), mean(self.output_tokens))
    }

    /// What was left out, in words: `1,204 of 90,665 rows left out: ...`; `None` if
    /// nothing was.
    #[must_use]
    pub fn left_out(&self) -> Option<(u64, u64)> {
        let dropped = self.dropped.values().sum();
        (dropped > 0).then_some((dropped, dropped + self.kept))
    }
}

/// How the rows of a file are read.
#[derive(Clone)]
pub(super) enum Reader {
    Jsonl(BTreeMap<String, String>),
    Sharegpt,
    Trace(TraceReader),
}

/// A file of rows.
pub(super) struct RowFile {
    path: PathBuf,
    reader: Reader,
}

/// A row, and the fields of it that nothing reads.
type Read = (Row, Vec<String>);

impl RowFile {
    /// # Errors
    /// If the file cannot be read, or is of another format.
    pub(super) fn open(path: &Path, workload: &WorkloadConfig) -> Result<Self, PromptFileError> {
        let mut rows = RowReader::open(path)?;
        let Some(first) = rows.next()? else {
            let file = path.display().to_string();
            return Err(PromptFileError::Empty { file });
        };
        let reader = match workload.prompts {
            PromptSource::Sharegpt => Reader::Sharegpt,
            PromptSource::Trace => {
                let found = TraceReader::from_first(first, workload.format);
                Reader::Trace(found.map_err(|fault| rows.wrong(fault))?)
            }
            _ => Reader::Jsonl(workload.fields.clone()),
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
        })
    }

    /// The rows, from the first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn rows(&self) -> Result<Rows, PromptFileError> {
        let mut input = RowReader::open(&self.path)?;
        if matches!(&self.reader, Reader::Trace(trace) if trace.has_header()) {
            input.next()?;
        }
        Ok(Rows {
            input,
            reader: self.reader.clone(),
        })
    }

    /// Looks at the file, as far as `limit` says.
    ///
    /// # Errors
    /// The first row that is wrong; `Empty` or `NoneKept` if no request can be had.
    pub(super) fn scan(
        &self,
        workload: &WorkloadConfig,
        vocabulary: Option<&dyn Vocabulary>,
        limit: ScanLimit,
    ) -> Result<Scan, PromptFileError> {
        let mut scan = Scan {
            format: match &self.reader {
                Reader::Trace(trace) => Some(trace.format()),
                _ => None,
            },
            input_tokens: Some(0),
            output_tokens: Some(0),
            ..Scan::default()
        };
        let began = Instant::now();
        let mut rows = self.rows()?;
        let mut is_timed = true;
        while scan.kept < limit.rows && (scan.kept == 0 || began.elapsed() < limit.time) {
            let Some(read) = rows.next()? else {
                scan.whole = true;
                break;
            };
            scan.take(read, &rows, (workload, vocabulary), &mut is_timed);
        }
        if !is_timed {
            scan.times_s.clear();
        }
        let file = self.path.display().to_string();
        match (scan.kept, scan.dropped.is_empty()) {
            (0, true) => Err(PromptFileError::Empty { file }),
            (0, false) => Err(PromptFileError::NoneKept {
                file,
                rows: scan.dropped.values().sum(),
                reasons: reasons(&scan.dropped),
            }),
            _ => Ok(scan),
        }
    }
}

/// The reasons for which rows are left out, and how often each.
pub(super) fn reasons(dropped: &BTreeMap<String, u64>) -> String {
    let each = dropped.iter().map(|(why, rows)| format!("{rows}: {why}"));
    each.collect::<Vec<_>>().join("; ")
}

impl Scan {
    fn take(
        &mut self,
        read: Result<Read, String>,
        rows: &Rows,
        (workload, vocabulary): (&WorkloadConfig, Option<&dyn Vocabulary>),
        is_timed: &mut bool,
    ) {
        let (row, passed_over) = match read {
            Ok(read) => read,
            Err(reason) => {
                *self.dropped.entry(reason).or_default() += 1;
                return;
            }
        };
        let (input, output) = match build::lengths(&row, workload, vocabulary) {
            Ok(lengths) => lengths,
            Err(fault) => {
                *self.dropped.entry(fault.to_string()).or_default() += 1;
                return;
            }
        };
        for field in passed_over {
            *self.passed_over.entry(field).or_default() += 1;
        }
        self.kept += 1;
        self.longest = (self.longest.0.max(input), self.longest.1.max(output));
        let add = |sum: Option<u64>, tokens: Option<u32>| Some(sum? + u64::from(tokens?));
        self.input_tokens = add(self.input_tokens, input);
        self.output_tokens = add(self.output_tokens, output);
        let place = rows.input.place();
        if let Some(total) = input.zip(output).map(|(i, o)| i.saturating_add(o))
            && self.longest_total.is_none_or(|(most, _)| total > most)
        {
            self.longest_total = Some((total, place));
        }
        match row.content {
            Content::Messages(_) => self.first_messages.get_or_insert(place),
            Content::Text(_) | Content::Conversation(_) => self.first_text.get_or_insert(place),
            Content::TokenIds(..) | Content::Made { .. } => &mut { place },
        };
        match row.at_s {
            Some(at_s) => {
                if self.times_s.last().is_some_and(|last_s| at_s < *last_s) {
                    self.first_backwards.get_or_insert(place);
                }
                self.times_s.push(at_s);
            }
            None => {
                self.first_untimed.get_or_insert(place);
                *is_timed = false;
            }
        }
    }
}

/// The rows of a file, one after the other.
pub(super) struct Rows {
    input: RowReader,
    reader: Reader,
}

impl Rows {
    /// The next row, or why it is left out.
    ///
    /// # Errors
    /// If it is wrong.
    pub(super) fn next(&mut self) -> Result<Option<Result<Read, String>>, PromptFileError> {
        let Some(row) = self.input.next()? else {
            return Ok(None);
        };
        let read = match &self.reader {
            Reader::Jsonl(names) => jsonl::read(row, names),
            Reader::Sharegpt => sharegpt::read(row).map(|row| (row, Vec::new())),
            Reader::Trace(trace) => trace.read(row).map(|row| (row, Vec::new())),
        };
        match read {
            Ok(read) => Ok(Some(Ok(read))),
            Err(RowFault::Dropped(reason)) => Ok(Some(Err(reason))),
            Err(fault) => Err(self.input.wrong(fault)),
        }
    }
}
