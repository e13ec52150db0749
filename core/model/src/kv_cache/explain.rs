//! An estimate line by line, each figure with its arithmetic in numbers, so that
//! it can be checked by hand.

use serde::Serialize;

use super::capacity::{Budget, Capacity};
use super::estimate::{KvEstimate, KvTerm, TermKind};
use crate::text::number::{exact_bytes, grouped};

/// One line: a name, the arithmetic, and the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// The arithmetic in numbers; empty if there is none.
    pub formula: String,
    /// The outcome, with its unit.
    pub value: String,
}

fn line(name: impl Into<String>, formula: impl Into<String>, value: impl Into<String>) -> Line {
    Line {
        name: name.into(),
        formula: formula.into(),
        value: value.into(),
    }
}

impl TermKind {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Latent => "latent attention",
            Self::Indexer => "indexer",
            Self::SlidingWindow => "sliding window",
            Self::Chunked => "chunked attention",
            Self::Scales => "scales",
            Self::StateSpace => "state space",
            Self::LinearAttention => "linear attention",
        }
    }
}

impl KvEstimate {
    /// What one token and one sequence take, term by term.
    #[must_use]
    pub fn explain(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.terms.iter().map(of_term).collect();
        let mut total = |name: &str, bytes: fn(&KvTerm) -> u64, sum: u64| {
            let parts: Vec<u64> = self.terms.iter().map(bytes).filter(|b| *b > 0).collect();
            if parts.len() > 1 {
                let parts: Vec<String> = parts.into_iter().map(grouped).collect();
                lines.push(line(name, parts.join(" + "), exact_bytes(sum)));
            }
        };
        total(
            "per token",
            |term| term.bytes_per_token,
            self.bytes_per_token,
        );
        total(
            "per sequence",
            |term| term.bytes_per_sequence,
            self.bytes_per_sequence,
        );
        lines
    }

    /// What one sequence of `tokens` takes, term by term.
    #[must_use]
    pub fn explain_sequence(&self, tokens: u64) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for term in &self.terms {
            let bytes = term.sequence_bytes(tokens, self.block_size);
            let name = term.kind.words();
            lines.push(line(
                name,
                self.blocks_text(term, tokens),
                exact_bytes(bytes),
            ));
        }
        let each = self.terms.iter();
        let parts: Vec<String> = each
            .map(|term| grouped(term.sequence_bytes(tokens, self.block_size)))
            .collect();
        if parts.len() != 1 {
            let total = exact_bytes(self.sequence_bytes(tokens));
            lines.push(line("one sequence", parts.join(" + "), total));
        }
        lines
    }

    fn blocks_text(&self, term: &KvTerm, tokens: u64) -> String {
        if term.bytes_per_token == 0 {
            return "whatever its length".to_owned();
        }
        let kept = match term.cap_tokens {
            Some(cap) if cap < tokens => {
                format!("min({}, {})", grouped(tokens), grouped(cap))
            }
            _ => grouped(tokens),
        };
        let block = self.block_size;
        let blocks = match term.extra_blocks {
            0 => format!("ceil({kept} / {block})"),
            n => format!("(ceil({kept} / {block}) + {n})"),
        };
        let bytes = grouped(term.bytes_per_token);
        format!("{blocks} blocks x {block} tokens x {bytes} B")
    }

    /// What fits into a budget, from memory to sequences.
    #[must_use]
    pub fn explain_capacity(&self, budget: &Budget, capacity: &Capacity) -> Vec<Line> {
        let usable = budget.usable_bytes();
        let mut lines = vec![
            line(
                "usable",
                format!(
                    "{} B x {}",
                    grouped(budget.memory_bytes),
                    budget.utilization
                ),
                exact_bytes(usable),
            ),
            line(
                "for the cache",
                format!(
                    "{} - {} weights - {} overhead",
                    grouped(usable),
                    grouped(budget.weight_bytes),
                    grouped(budget.overhead_bytes)
                ),
                exact_bytes(capacity.cache_bytes),
            ),
        ];
        if let Some(tokens) = capacity.tokens {
            let state = match self.bytes_per_sequence {
                0 => grouped(capacity.cache_bytes),
                state => format!("({} - {})", grouped(capacity.cache_bytes), grouped(state)),
            };
            let (block, per_token) = (self.block_size, grouped(self.bytes_per_token));
            let formula = format!("floor({state} / ({block} x {per_token})) blocks x {block}");
            lines.push(line("tokens", formula, grouped(tokens)));
        }
        if let Some(sequences) = capacity.sequences {
            let (cache, each) = (capacity.cache_bytes, capacity.sequence_bytes);
            let formula = format!("floor({} / {})", grouped(cache), grouped(each));
            let name = format!("sequences of {}", grouped(capacity.context_tokens));
            lines.push(line(name, formula, grouped(sequences)));
        }
        lines
    }

    /// What `sequences` of `tokens` each need: for the cache, and of the GPU.
    #[must_use]
    pub fn explain_need(&self, budget: &Budget, sequences: u64, tokens: u64) -> Vec<Line> {
        let (each, needed) = (
            self.sequence_bytes(tokens),
            self.needed_bytes(sequences, tokens),
        );
        let taken = format!(
            "({} + {} + {}) / {}",
            grouped(needed),
            grouped(budget.weight_bytes),
            grouped(budget.overhead_bytes),
            budget.utilization
        );
        vec![
            line(
                format!("cache for {}", grouped(sequences)),
                format!("{} x {} B", grouped(sequences), grouped(each)),
                exact_bytes(needed),
            ),
            line(
                "GPU memory",
                taken,
                exact_bytes(self.memory_for(budget, sequences, tokens)),
            ),
        ]
    }
}

fn of_term(term: &KvTerm) -> Line {
    let value = match term.bytes_per_token {
        0 => format!("{} per sequence", exact_bytes(term.bytes_per_sequence)),
        bytes => format!("{} per token", exact_bytes(bytes)),
    };
    line(term.kind.words(), term.formula.clone(), value)
}
