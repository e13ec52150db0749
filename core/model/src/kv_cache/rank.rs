//! From layers to bytes on one GPU, each term with its arithmetic in words.

use super::dtype::CacheDtype;
use super::error::{Bad, KvError};
use super::estimate::{KvTerm, TermKind};
use super::fields::Fields;
use super::layers::Model;
use super::options::KvOptions;
use super::part::{Part, Reach, State};
use crate::text::number::grouped;

/// Bytes of the indexer's key: 8-bit elements, and 4 bytes of scale for each
/// 128 of them (vLLM's DeepSeek V3.2: 132 B for 128).
const INDEX_GROUP: u64 = 128;
const INDEX_SCALE_BYTES: u64 = 4;

/// What all terms of one GPU are computed with.
pub(super) struct Rank {
    pub(super) dtype: CacheDtype,
    model_dtype: CacheDtype,
    state_dtype: Option<CacheDtype>,
    tp: u64,
    batched_tokens: Option<u64>,
}

impl Rank {
    pub(super) fn new(fields: Fields<'_>, options: &KvOptions, latent: bool) -> Bad<Self> {
        let named = |name: &Option<String>| name.clone().filter(|name| name != "auto");
        let own = match named(&options.model_dtype) {
            Some(name) => Some(name),
            None => fields.dtype()?.map(str::to_owned),
        };
        let own = own.map(|name| CacheDtype::parse(&name)).transpose()?;
        let cache = named(&options.dtype)
            .map(|name| CacheDtype::parse(&name))
            .transpose()?;
        let dtype = cache.or(own).ok_or_else(|| fields.missing("torch_dtype"))?;
        if dtype.is_ds_mla() && !latent {
            return Err(KvError::Dtype {
                dtype: dtype.name().to_owned(),
                fact: format!(
                    "works only with compressed (MLA) caches, which `model_type` \"{}\" does not have",
                    fields.model_type
                ),
            });
        }
        let state = named(&options.state_dtype);
        Ok(Self {
            dtype,
            model_dtype: own.unwrap_or(dtype),
            state_dtype: state.map(|name| CacheDtype::parse(&name)).transpose()?,
            tp: u64::from(options.tensor_parallel),
            batched_tokens: options.batched_tokens,
        })
    }

    /// Query heads must divide among the GPUs; KV heads too, or be repeated
    /// evenly.
    pub(super) fn check_heads(&self, model: &Model) -> Bad<()> {
        let not = |field: &str, value: u64| KvError::NotDivisible {
            field: field.to_owned(),
            value,
            by_name: "tensor parallel size".to_owned(),
            by: self.tp,
        };
        if let Some(heads) = model.query_heads
            && !heads.is_multiple_of(self.tp)
        {
            return Err(not("num_attention_heads", heads));
        }
        for part in model.layers.iter().flatten() {
            match part {
                Part::Attention { kv_heads, .. }
                    if !kv_heads.is_multiple_of(self.tp) && !self.tp.is_multiple_of(*kv_heads) =>
                {
                    return Err(not("num_key_value_heads", *kv_heads));
                }
                Part::State(state) if !state.heads.is_multiple_of(self.tp) => {
                    return Err(not(state.heads_field, state.heads));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// One term per shape, in the order in which the shapes come up.
    pub(super) fn terms(&self, layers: &[Vec<Part>]) -> Bad<Vec<KvTerm>> {
        let mut shapes: Vec<(&Part, u32)> = Vec::new();
        for part in layers.iter().flatten() {
            match shapes.iter_mut().find(|(known, _)| *known == part) {
                Some((_, count)) => *count += 1,
                None => shapes.push((part, 1)),
            }
        }
        let mut terms = Vec::new();
        for (part, count) in shapes {
            match part {
                Part::Attention {
                    kv_heads,
                    k_dim,
                    v_dim,
                    reach,
                } => self.attention(&mut terms, count, *kv_heads, [*k_dim, *v_dim], *reach)?,
                Part::Latent {
                    rank,
                    rope,
                    index_dim,
                } => self.latent(&mut terms, count, [*rank, *rope], *index_dim)?,
                Part::State(state) => terms.push(self.state(count, state)?),
            }
        }
        Ok(terms)
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
            1 => format!("{kv_heads} KV heads"),
            tp => format!("max(1, {kv_heads} / {tp}) KV heads"),
        };
        let kind = match reach {
            Reach::All => TermKind::Attention,
            Reach::Window(_) => TermKind::SlidingWindow,
            Reach::Chunk(_) => TermKind::Chunked,
        };
        let (cap_tokens, extra_blocks) = self.cap(reach);
        let mut push = |kind, row_bytes: u64, rows: String| {
            terms.push(KvTerm {
                kind,
                layers: count,
                bytes_per_token: product(&[u64::from(count), heads, row_bytes])?,
                bytes_per_sequence: 0,
                cap_tokens,
                extra_blocks,
                formula: format!("{} x {heads_text} x {rows}", layers_text(count)),
            });
            Ok::<(), KvError>(())
        };
        let row = self
            .dtype
            .bytes_of(dims[0])
            .saturating_add(self.dtype.bytes_of(dims[1]));
        push(kind, row, self.dtype.rows_text(&dims))?;
        match self.dtype.head_scale() {
            0 => Ok(()),
            scale => push(TermKind::Scales, 2 * scale, format!("2 x {scale} B")),
        }
    }

    /// Tokens that are kept of a sequence, and blocks beyond them, as vLLM's
    /// cache manager counts: the window less one, and the tokens of one step.
    fn cap(&self, reach: Reach) -> (Option<u64>, u32) {
        match (reach, self.batched_tokens) {
            (Reach::All, _) => (None, 0),
            (Reach::Window(window), Some(step)) => (Some((window - 1).saturating_add(step)), 1),
            (Reach::Chunk(chunk), Some(step)) => (Some(chunk.saturating_add(step)), 0),
            (Reach::Window(tokens) | Reach::Chunk(tokens), None) => (Some(tokens), 0),
        }
    }

    fn latent(
        &self,
        terms: &mut Vec<KvTerm>,
        count: u32,
        [rank, rope]: [u64; 2],
        index_dim: Option<u64>,
    ) -> Bad<()> {
        let (bytes, text) = match self.dtype.is_ds_mla() {
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
        let repeated = match self.tp {
            1 => "",
            _ => ", whole on each GPU",
        };
        let mut push = |kind, bytes: u64, text: String| {
            terms.push(KvTerm {
                kind,
                layers: count,
                bytes_per_token: product(&[u64::from(count), bytes])?,
                bytes_per_sequence: 0,
                cap_tokens: None,
                extra_blocks: 0,
                formula: format!("{} x {text}{repeated}", layers_text(count)),
            });
            Ok::<(), KvError>(())
        };
        push(TermKind::Latent, bytes, text)?;
        if let Some(dim) = index_dim {
            let scales = dim.div_ceil(INDEX_GROUP) * INDEX_SCALE_BYTES;
            push(
                TermKind::Indexer,
                dim + scales,
                format!("({dim} + {scales}) B"),
            )?;
        }
        Ok(())
    }

    fn state(&self, count: u32, state: &State) -> Bad<KvTerm> {
        let mut channels = 0_u64;
        let mut texts = Vec::new();
        for factors in &state.conv {
            channels = channels.saturating_add(product(factors)?);
            texts.push(times(factors));
        }
        if let Some((groups, size)) = state.groups {
            // Groups that do not divide among GPUs are repeated on each.
            let groups = if groups.is_multiple_of(self.tp) {
                groups
            } else {
                self.tp.max(groups)
            };
            channels = channels.saturating_add(product(&[2, groups, size])?);
            texts.push(times(&[2, groups, size]));
        }
        let dtype = self.recurrent_dtype(state)?;
        let heads = state.heads / self.tp;
        let dims = product(&state.dims)?;
        let conv = self
            .model_dtype
            .bytes_of(product(&[channels / self.tp, state.conv_steps])?);
        let recurrent = dtype.bytes_of(product(&[heads, dims])?);
        let split = match self.tp {
            1 => String::new(),
            tp => format!(" / {tp}"),
        };
        Ok(KvTerm {
            kind: match state.linear {
                true => TermKind::LinearAttention,
                false => TermKind::StateSpace,
            },
            layers: count,
            bytes_per_token: 0,
            bytes_per_sequence: product(&[u64::from(count), conv.saturating_add(recurrent)])?,
            cap_tokens: None,
            extra_blocks: 0,
            formula: format!(
                "{} x (({}){split} x {} x {} B + {}{split} x {} x {} B)",
                layers_text(count),
                texts.join(" + "),
                state.conv_steps,
                self.model_dtype.bytes_of(1),
                state.heads,
                times(&state.dims),
                dtype.bytes_of(1),
            ),
        })
    }

    fn recurrent_dtype(&self, state: &State) -> Bad<CacheDtype> {
        if let Some(dtype) = self.state_dtype {
            return Ok(dtype);
        }
        let named = state.dtype.as_deref().filter(|name| *name != "auto");
        named.map_or(Ok(self.model_dtype), CacheDtype::parse)
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
