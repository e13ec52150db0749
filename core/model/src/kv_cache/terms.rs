//! From parts of layers to bytes on one GPU, each term with its arithmetic in words.

use super::error::{Bad, KvError};
use super::estimate::{KvTerm, TermKind};
use super::part::{Part, Reach, State, StateKind};
use super::rank::Rank;
use crate::text::number::grouped;

/// Bytes of the indexer's key: 8-bit elements, and 4 bytes of scale for each
/// 128 of them (vLLM's DeepSeek V3.2: 132 B for 128).
const INDEX_GROUP: u64 = 128;
const INDEX_SCALE_BYTES: u64 = 4;
/// Elements of DeepSeek V4's 8-bit layout that share a scale of one byte, beside
/// one byte more (vLLM's `deepseek_compressor.py`: 448 + 128 + 7 + 1 = 584 B).
const SHARED_GROUP: u64 = 64;
/// Bytes of an element of a compressor's state.
const COMPRESSOR_BYTES: u64 = 4;

impl Rank {
    /// The terms of `count` layers with this part.
    pub(super) fn push_terms(&self, terms: &mut Vec<KvTerm>, count: u32, part: &Part) -> Bad<()> {
        match part {
            Part::Attention {
                kv_heads,
                k_dim,
                v_dim,
                reach,
            } => self.attention(terms, count, *kv_heads, [*k_dim, *v_dim], *reach)?,
            Part::Latent {
                rank,
                rope,
                index_dim,
            } => self.latent(terms, count, [*rank, *rope], *index_dim)?,
            Part::Shared {
                dim,
                rope,
                ratio,
                reach,
            } => {
                let (bytes, text) = self.shared_row(*dim, *rope);
                let kind = match ratio {
                    1 => TermKind::SlidingWindow,
                    _ => TermKind::Compressed,
                };
                let term = self.per_entry(kind, count, (1, ""), (bytes, text))?;
                let term = self.capped(term, *reach);
                terms.push(self.compressed(term, *ratio));
            }
            Part::Indexer { dim, ratio } => {
                let row = index_row(*dim);
                let term = self.per_entry(TermKind::Indexer, count, (1, ""), row)?;
                terms.push(self.compressed(term, *ratio));
            }
            Part::Compressor { tokens, width } => terms.push(KvTerm {
                bytes_per_sequence: product(&[
                    u64::from(count),
                    *tokens,
                    *width,
                    COMPRESSOR_BYTES,
                ])?,
                formula: format!(
                    "{} x {tokens} tokens x {} x {COMPRESSOR_BYTES} B{}",
                    layers_text(count),
                    grouped(*width),
                    self.repeated()
                ),
                ..blank(TermKind::CompressorState, count)
            }),
            Part::State(state) => terms.push(self.state(count, state)?),
        }
        Ok(())
    }

    fn attention(
        &self,
        terms: &mut Vec<KvTerm>,
        count: u32,
        kv_heads: u64,
        dims: [u64; 2],
        reach: Reach,
    ) -> Bad<()> {
        let heads = (kv_heads / self.tp).max(1);
        let heads_text = match self.tp {
            1 => format!("{kv_heads} KV heads x "),
            tp => format!("max(1, {kv_heads} / {tp}) KV heads x "),
        };
        let kind = match reach {
            Reach::All => TermKind::Attention,
            Reach::Window(_) => TermKind::SlidingWindow,
            Reach::Chunk(_) => TermKind::Chunked,
        };
        let row = self
            .dtype
            .bytes_of(dims[0])
            .saturating_add(self.dtype.bytes_of(dims[1]));
        let mut push = |kind, row| {
            let term = self.per_entry(kind, count, (heads, &heads_text), row)?;
            terms.push(self.dealt_out(self.capped(term, reach)));
            Ok::<(), KvError>(())
        };
        push(kind, (row, self.dtype.rows_text(&dims)))?;
        match self.dtype.head_scale() {
            0 => Ok(()),
            scale => push(TermKind::Scales, (2 * scale, format!("2 x {scale} B"))),
        }
    }

    fn latent(
        &self,
        terms: &mut Vec<KvTerm>,
        count: u32,
        [rank, rope]: [u64; 2],
        index_dim: Option<u64>,
    ) -> Bad<()> {
        let row = match self.dtype.is_ds_mla() {
            // 8-bit elements, a 4-byte scale for each 128, 16-bit positions.
            true => {
                let scales = rank.div_ceil(128) * 4;
                let text = format!("({rank} + {scales} + {rope} x 2) B");
                (rank + scales + 2 * rope, text)
            }
            false => (
                self.dtype.bytes_of(rank + rope),
                self.dtype.rows_text(&[rank, rope]),
            ),
        };
        let term = self.per_entry(TermKind::Latent, count, (1, ""), row)?;
        terms.push(self.dealt_out(self.whole(term)));
        if let Some(dim) = index_dim {
            let term = self.per_entry(TermKind::Indexer, count, (1, ""), index_row(dim))?;
            terms.push(self.dealt_out(self.whole(term)));
        }
        Ok(())
    }

    /// DeepSeek V4's vector: 8-bit elements have a layout of their own there, in
    /// which positions keep 16 bits.
    fn shared_row(&self, dim: u64, rope: u64) -> (u64, String) {
        let is_8_bit = self.dtype.bytes_of(1) == 1 && self.dtype.head_scale() == 0;
        if !is_8_bit {
            return (self.dtype.bytes_of(dim), self.dtype.rows_text(&[dim]));
        }
        let plain = dim - rope;
        let scales = plain.div_ceil(SHARED_GROUP) + 1;
        (
            plain + 2 * rope + scales,
            format!("({plain} + {rope} x 2 + {scales}) B"),
        )
    }

    /// A term of so many bytes for each token, before it is capped or divided.
    fn per_entry(
        &self,
        kind: TermKind,
        count: u32,
        (heads, heads_text): (u64, &str),
        (row_bytes, row_text): (u64, String),
    ) -> Bad<KvTerm> {
        Ok(KvTerm {
            bytes_per_token: product(&[u64::from(count), heads, row_bytes])?,
            formula: format!("{} x {heads_text}{row_text}", layers_text(count)),
            ..blank(kind, count)
        })
    }

    fn capped(&self, term: KvTerm, reach: Reach) -> KvTerm {
        let (cap_tokens, extra_blocks) = self.cap(reach);
        KvTerm {
            cap_tokens,
            extra_blocks,
            ..term
        }
    }

    /// Says that each GPU has all of it.
    fn whole(&self, term: KvTerm) -> KvTerm {
        KvTerm {
            formula: format!("{}{}", term.formula, self.repeated()),
            ..term
        }
    }

    fn repeated(&self) -> &'static str {
        match (self.tp, self.context) {
            (1, _) => "",
            (_, 1) => ", whole on each GPU",
            _ => ", not split by heads",
        }
    }

    /// Divided among the GPUs that deal a sequence's tokens out.
    fn dealt_out(&self, term: KvTerm) -> KvTerm {
        if self.context == 1 {
            return term;
        }
        KvTerm {
            bytes_per_token: term.bytes_per_token.div_ceil(self.context),
            bytes_per_entry: Some(term.bytes_per_token),
            context_ranks: self.context,
            formula: format!("{} / {} context ranks", term.formula, self.context),
            ..term
        }
    }

    /// One entry for each `ratio` tokens.
    fn compressed(&self, term: KvTerm, ratio: u64) -> KvTerm {
        let term = self.whole(term);
        if ratio == 1 {
            return term;
        }
        KvTerm {
            bytes_per_token: term.bytes_per_token.div_ceil(ratio),
            bytes_per_entry: Some(term.bytes_per_token),
            tokens_per_entry: ratio,
            formula: format!("{} / {ratio} tokens", term.formula),
            ..term
        }
    }

    fn state(&self, count: u32, state: &State) -> Bad<KvTerm> {
        let split = match self.tp {
            1 => String::new(),
            tp => format!(" / {tp}"),
        };
        let (mut bytes, mut texts) = (0_u64, Vec::new());
        if !state.conv.is_empty() {
            let (channels, text) = self.channels(state)?;
            let element = self.model_dtype;
            let kept = product(&[channels / self.tp, state.conv_steps])?;
            bytes = bytes.saturating_add(element.bytes_of(kept));
            let each = element.bytes_of(1);
            let text = match text.contains(" + ") {
                true => format!("({text})"),
                false => text,
            };
            texts.push(format!("{text}{split} x {} x {each} B", state.conv_steps));
        }
        if !state.dims.is_empty() {
            let dtype = self.recurrent_dtype(state)?;
            let kept = product(&[state.heads / self.tp, product(&state.dims)?])?;
            bytes = bytes.saturating_add(dtype.bytes_of(kept));
            let (dims, each) = (times(&state.dims), dtype.bytes_of(1));
            texts.push(format!("{}{split} x {dims} x {each} B", state.heads));
        }
        Ok(KvTerm {
            bytes_per_sequence: product(&[u64::from(count), bytes])?,
            formula: format!("{} x ({})", layers_text(count), texts.join(" + ")),
            ..blank(
                match state.kind {
                    StateKind::StateSpace => TermKind::StateSpace,
                    StateKind::Linear => TermKind::LinearAttention,
                    StateKind::Convolution => TermKind::Convolution,
                },
                count,
            )
        })
    }

    /// Channels of a convolution over all GPUs, and their summands.
    fn channels(&self, state: &State) -> Bad<(u64, String)> {
        let (mut channels, mut texts) = (0_u64, Vec::new());
        for factors in &state.conv {
            channels = channels.saturating_add(product(factors)?);
            texts.push(times(factors));
        }
        if let Some((groups, size)) = state.groups {
            // Groups that do not divide among GPUs are repeated on each.
            let groups = match groups.is_multiple_of(self.tp) {
                true => groups,
                false => self.tp.max(groups),
            };
            channels = channels.saturating_add(product(&[2, groups, size])?);
            texts.push(times(&[2, groups, size]));
        }
        Ok((channels, texts.join(" + ")))
    }
}

fn index_row(dim: u64) -> (u64, String) {
    let scales = dim.div_ceil(INDEX_GROUP) * INDEX_SCALE_BYTES;
    (dim + scales, format!("({dim} + {scales}) B"))
}

/// A term without any byte.
fn blank(kind: TermKind, layers: u32) -> KvTerm {
    KvTerm {
        kind,
        layers,
        bytes_per_token: 0,
        bytes_per_entry: None,
        tokens_per_entry: 1,
        context_ranks: 1,
        bytes_per_sequence: 0,
        cap_tokens: None,
        extra_blocks: 0,
        formula: String::new(),
    }
}

fn layers_text(count: u32) -> String {
    match count {
        1 => "1 layer".to_owned(),
        n => format!("{n} layers"),
    }
}

fn times(factors: &[u64]) -> String {
    let texts: Vec<String> = factors.iter().map(|n| grouped(*n)).collect();
    texts.join(" x ")
}

fn product(factors: &[u64]) -> Bad<u64> {
    let each = factors.iter();
    each.copied()
        .try_fold(1_u64, u64::checked_mul)
        .filter(|product| *product < 1 << 56)
        .ok_or(KvError::TooLarge)
}
