//! An estimate line by line, each figure with its arithmetic in numbers, so that
//! it can be checked by hand.

use serde::Serialize;

use super::capacity::{Budget, Capacity};
use super::estimate::{DtypeSource, KvEstimate, KvTerm, TermKind};
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

impl DtypeSource {
    /// Where a reader finds it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Option => "as set",
            Self::KvCacheScheme => "from kv_cache_scheme in config.json",
            Self::QuantizationConfig => "from quantization_config in config.json",
            Self::HfQuantConfig => "from hf_quant_config.json",
            Self::Model => "the model's own type",
        }
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
            Self::Convolution => "short convolution",
            Self::Compressed => "compressed",
            Self::CompressorState => "compressor state",
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
        let here = match term.context_ranks {
            0 | 1 => kept,
            ranks => format!("ceil({kept} / {ranks})"),
        };
        let block = self.block_size;
        let blocks = match term.extra_blocks {
            0 => format!("ceil({here} / {block})"),
            n => format!("(ceil({here} / {block}) + {n})"),
        };
        let bytes = grouped(term.bytes_per_entry.unwrap_or(term.bytes_per_token));
        match term.tokens_per_entry {
            0 | 1 => format!("{blocks} blocks x {block} tokens x {bytes} B"),
            n => format!("ceil({blocks} blocks x {block} tokens / {n}) entries x {bytes} B"),
        }
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
        lines.extend(self.over_ranks(capacity));
        lines
    }

    /// The same over all ranks that have a cache each; nothing for one.
    fn over_ranks(&self, capacity: &Capacity) -> Vec<Line> {
        let ranks = u64::from(self.data_parallel.max(1));
        let all = |name: &str, one: Option<u64>| {
            let formula = format!("{} x {ranks}", grouped(one?));
            let sum = grouped(one?.saturating_mul(ranks));
            Some(line(format!("{name}, {ranks} ranks"), formula, sum))
        };
        let both = [
            all("tokens", capacity.tokens),
            all("sequences", capacity.sequences),
        ];
        both.into_iter().flatten().filter(|_| ranks > 1).collect()
    }

    /// What `sequences` of `tokens` each need: for the cache, and of the GPU. They
    /// are divided among the ranks that have a cache each.
    #[must_use]
    pub fn explain_need(&self, budget: &Budget, sequences: u64, tokens: u64) -> Vec<Line> {
        let here = self.sequences_of_one_rank(sequences);
        let (each, needed) = (self.sequence_bytes(tokens), self.needed_bytes(here, tokens));
        let taken = format!(
            "({} + {} + {}) / {}",
            grouped(needed),
            grouped(budget.weight_bytes),
            grouped(budget.overhead_bytes),
            budget.utilization
        );
        let mut lines = Vec::new();
        if self.data_parallel > 1 {
            let formula = format!("ceil({} / {})", grouped(sequences), self.data_parallel);
            lines.push(line("on each rank", formula, grouped(here)));
        }
        lines.extend([
            line(
                format!("cache for {}", grouped(here)),
                format!("{} x {} B", grouped(here), grouped(each)),
                exact_bytes(needed),
            ),
            line(
                "GPU memory",
                taken,
                exact_bytes(self.memory_for(budget, here, tokens)),
            ),
        ]);
        lines
    }
}

fn of_term(term: &KvTerm) -> Line {
    let value = match term.bytes_per_token {
        0 => format!("{} per sequence", exact_bytes(term.bytes_per_sequence)),
        bytes => format!("{} per token", exact_bytes(bytes)),
    };
    line(term.kind.words(), term.formula.clone(), value)
}
