//! How many answers of two backends are the same, and where the others differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Measured;
use crate::cell::fold::{AnswerHead, TextHash, Work};
use crate::cell::row::CellRow;
use crate::facts::warning::WarningKind;
use crate::text::number::{grouped, percent};

/// Tokens that are the start of an answer.
const START_TOKENS: u64 = 4;
/// Share of the answers that were looked at from which those that part at the
/// start are too many for rounding to have done it.
const MOST_FROM: f64 = 0.5;
/// Answers from which on such a share is reported.
const FEWEST: u64 = 10;

/// How many answers of two backends are the same, by the hash of the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Agreement {
    /// Label of one backend.
    pub a: String,
    /// Label of the other.
    pub b: String,
    /// Requests that both answered and whose answers were hashed.
    pub compared: u64,
    /// Those with identical text.
    pub identical: u64,
    /// Identical over compared; absent if none was compared.
    pub share: Option<f64>,
    /// Where those that are not identical part; absent if none could be placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parting: Option<Parting>,
}

/// Where answers that are not identical first differ, by the marks of their
/// texts. Tokens count from 1 and are about: a place in characters times the
/// tokens per character of both answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parting {
    /// Requests whose answers have marks and a count of tokens from both: at most
    /// the first 1000 of each level and repeat.
    pub looked_at: u64,
    /// Those of them whose answers differ.
    pub placed: u64,
    /// First token that differs: median of those placed, the lower of two.
    pub median_token: u64,
    /// First token that differs, of the answers that part first.
    pub earliest_token: u64,
    /// Length of the shorter answer, tokens: median of those placed, the lower of two.
    pub of_tokens: u64,
    /// Those that part within the first 4 tokens.
    pub at_start: u64,
    /// Whether half or more of 10 or more that were looked at part within the first
    /// 4 tokens: more than rounding does.
    pub mostly_at_start: bool,
    /// Where they part, in words.
    pub words: String,
}

/// Where the answers to one request part: the first token that differs, and the
/// tokens of the shorter answer.
type PartingPlace = (u64, u64);

pub(super) fn of_all_pairs(measured: &[Measured<'_>]) -> Vec<Agreement> {
    let mut pairs = Vec::new();
    for (at, a) in measured.iter().enumerate() {
        pairs.extend(measured[at + 1..].iter().map(|b| agreement_of_pair(a, b)));
    }
    pairs
}

fn agreement_of_pair((a, of_a): &Measured<'_>, (b, of_b): &Measured<'_>) -> Agreement {
    let (mut compared, mut identical) = (0, 0);
    let (mut looked_at, mut places) = (0, Vec::new());
    for (cell, work) in of_a {
        let same = |other: &CellRow| other.block == cell.block && other.level == cell.level;
        for (_, other) in of_b.iter().filter(|(other, _)| same(other)) {
            let both = in_both(work, other);
            compared += both.len() as u64;
            identical += both.iter().filter(|(_, alike)| *alike).count() as u64;
            looked_at += place(work, other, &both, &mut places);
        }
    }
    let parting = Parting::from_places(looked_at, places, identical, compared - identical);
    Agreement {
        a: a.label.clone(),
        b: b.label.clone(),
        compared,
        identical,
        share: (compared > 0).then(|| identical as f64 / compared as f64),
        parting,
    }
}

/// The indices that two cells have both hashed, ascending, and whether their
/// texts are identical. The hashes of both ascend by index.
fn in_both(a: &Work, b: &Work) -> Vec<(u64, bool)> {
    let mut both = Vec::with_capacity(a.hashes.len().min(b.hashes.len()));
    let mut others = b.hashes.iter().peekable();
    for (index, hash) in &a.hashes {
        while others.next_if(|(other, _)| other < index).is_some() {}
        let other = others.next_if(|(other, _)| other == index);
        both.extend(other.map(|(_, other): &(u32, TextHash)| (u64::from(*index), hash == other)));
    }
    both
}

/// Adds the places of the answers that differ; gives how many were looked at.
fn place(a: &Work, b: &Work, both: &[(u64, bool)], places: &mut Vec<PartingPlace>) -> u64 {
    let mut looked_at = 0;
    for (index, a, b) in a.answer_heads.in_both(&b.answer_heads) {
        let Ok(at) = both.binary_search_by_key(&index, |(index, _)| *index) else {
            continue;
        };
        looked_at += 1;
        if !both[at].1 {
            places.push(first_difference(a, b));
        }
    }
    looked_at
}

/// The middle of the stretch in which they part, in tokens of both together.
fn first_difference(a: &AnswerHead, b: &AnswerHead) -> PartingPlace {
    let stretch = a.marks.parting(&b.marks);
    // The places of a stretch are those of its first to its last character.
    let middle = (stretch.start as f64 + (stretch.end - 1) as f64) / 2.0;
    let tokens = f64::from(a.tokens) + f64::from(b.tokens);
    let chars = a.marks.chars() as f64 + b.marks.chars() as f64;
    let shorter = u64::from(a.tokens.min(b.tokens));
    let token = (middle * tokens / chars).floor() as u64 + 1;
    (token.min(shorter), shorter)
}

impl Parting {
    /// `identical` and `differing`: all answers, looked at or not.
    fn from_places(
        looked_at: u64,
        places: Vec<PartingPlace>,
        identical: u64,
        differing: u64,
    ) -> Option<Self> {
        let (mut tokens, mut lengths): (Vec<u64>, Vec<u64>) = places.into_iter().unzip();
        tokens.sort_unstable();
        lengths.sort_unstable();
        let (placed, middle) = (tokens.len() as u64, tokens.len().saturating_sub(1) / 2);
        let earliest_token = *tokens.first()?;
        let at_start = tokens.partition_point(|token| *token <= START_TOKENS) as u64;
        let most = at_start as f64 >= MOST_FROM * looked_at as f64;
        let mut parting = Self {
            looked_at,
            placed,
            median_token: tokens[middle],
            earliest_token,
            of_tokens: lengths[middle],
            at_start,
            mostly_at_start: looked_at >= FEWEST && most,
            words: String::new(),
        };
        parting.words = parting.said(identical, differing);
        Some(parting)
    }

    /// `the others part at about token 41 of 128 (earliest: 3)`.
    fn said(&self, identical: u64, differing: u64) -> String {
        let (placed, unplaced) = (self.placed, differing - self.placed);
        let whom = match (identical, placed, unplaced) {
            (_, _, 1..) => format!(
                "{} of the others, which could be placed, part",
                grouped(placed)
            ),
            (0, 1, 0) => "it parts".to_owned(),
            (0, _, 0) => "they part".to_owned(),
            (_, 1, 0) => "the other one parts".to_owned(),
            _ => "the others part".to_owned(),
        };
        let earliest = match placed {
            1 => String::new(),
            _ => format!(" (earliest: {})", grouped(self.earliest_token)),
        };
        format!(
            "{whom} at about token {} of {}{earliest}",
            grouped(self.median_token),
            grouped(self.of_tokens)
        )
    }
}

impl Agreement {
    /// `72 of 96 (75.0 %); the others part at about token 41 of 128 (earliest:
    /// 3)`, or that nothing could be compared.
    #[must_use]
    pub fn line(&self) -> String {
        let Some(share) = self.share else {
            return "none could be compared".to_owned();
        };
        let (identical, compared) = (grouped(self.identical), grouped(self.compared));
        let line = format!("{identical} of {compared} ({})", percent(share));
        match &self.parting {
            Some(parting) => format!("{line}; {}", parting.words),
            None => line,
        }
    }
}

/// Pairs most of whose answers part at their start; `None` if there is none.
pub(super) fn early_partings(pairs: &[Agreement]) -> Option<WarningKind> {
    let early = pairs.iter().filter_map(|pair| {
        let parting = pair.parting.as_ref().filter(|p| p.mostly_at_start)?;
        let (a, b) = (pair.a.clone(), pair.b.clone());
        Some((a, b, parting.at_start, parting.looked_at))
    });
    let pairs: Vec<_> = early.collect();
    (!pairs.is_empty()).then_some(WarningKind::AnswersPartEarly {
        start_tokens: START_TOKENS,
        pairs,
    })
}
