//! What is kept of a cell's answers to find where those of two
//! backends differ.

use std::collections::BTreeMap;

use crate::facts::record::RequestRecord;
use crate::facts::text_marks::TextMarks;

/// Answers of a cell of which marks are kept: those that were asked for first.
pub(crate) const MOST_MARKED: usize = 1000;

/// The marks of a cell's answers by the index of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerHeads(BTreeMap<u64, AnswerHead>);

/// The marks of one answer.
#[derive(Debug, Clone)]
pub(crate) struct AnswerHead {
    pub(crate) marks: TextMarks,
    /// Tokens of the text; at least 1.
    pub(crate) tokens: u32,
}

impl AnswerHeads {
    /// Takes in an answer, in any order. One without marks, with marks that no
    /// text has, or whose tokens are not known, is skipped.
    pub(crate) fn add(&mut self, record: &RequestRecord) {
        let kept = &mut self.0;
        let is_late = || {
            kept.last_key_value()
                .is_some_and(|(i, _)| *i < record.index)
        };
        if kept.len() >= MOST_MARKED && is_late() {
            return;
        }
        if let Some(beginning) = AnswerHead::from_record(record) {
            kept.insert(record.index, beginning);
            if kept.len() > MOST_MARKED {
                kept.pop_last();
            }
        }
    }

    /// The answers that two cells have both, ascending by index.
    pub(crate) fn in_both<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (u64, &'a AnswerHead, &'a AnswerHead)> {
        let own = self.0.iter();
        own.filter_map(|(index, own)| Some((*index, own, other.0.get(index)?)))
    }
}

impl AnswerHead {
    fn from_record(record: &RequestRecord) -> Option<Self> {
        let tokens = text_tokens(record).filter(|tokens| *tokens > 0)?;
        let marks = TextMarks::read(record.text_chars?, record.text_marks.as_deref()?);
        let marks = marks.ok().filter(|marks| marks.chars() > 0)?;
        Some(Self { marks, tokens })
    }
}

/// Tokens of the answer's text alone. Not known where other output came before
/// the text and the server does not say how many tokens that took.
fn text_tokens(record: &RequestRecord) -> Option<u32> {
    let reasoning = record.reasoning_tokens.unwrap_or(0);
    let is_first = record.first_content_ns == record.first_output_ns;
    if reasoning == 0 && !is_first {
        return None;
    }
    record.output_tokens?.checked_sub(reasoning)
}
