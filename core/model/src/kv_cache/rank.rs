//! What all terms of one GPU are computed with, and which heads it may hold.

use super::checkpoint::Asked;
use super::dtype::CacheDtype;
use super::error::{Bad, KvError};
use super::estimate::{DtypeSource, KvTerm};
use super::fields::Fields;
use super::layers::Model;
use super::options::KvOptions;
use super::part::{Part, Reach, State};

/// What all terms of one GPU are computed with.
pub(super) struct Rank {
    pub(super) dtype: CacheDtype,
    pub(super) dtype_source: DtypeSource,
    pub(super) model_dtype: CacheDtype,
    state_dtype: Option<CacheDtype>,
    /// GPUs that split the heads.
    pub(super) tp: u64,
    /// GPUs that deal the tokens out among them.
    pub(super) context: u64,
    batched_tokens: Option<u64>,
}

impl Rank {
    /// `asked`: what the checkpoint asks for; `heads`: GPUs that split the heads.
    pub(super) fn new(
        fields: Fields<'_>,
        options: &KvOptions,
        asked: Option<Asked>,
        heads: u32,
    ) -> Bad<Self> {
        let named = |name: &Option<String>| name.clone().filter(|name| name != "auto");
        let own = match named(&options.model_dtype) {
            Some(name) => Some(name),
            None => fields.dtype()?.map(str::to_owned),
        };
        let own = own.map(|name| CacheDtype::parse(&name)).transpose()?;
        let (dtype, dtype_source) = match (named(&options.dtype), asked, own) {
            (Some(name), ..) => (CacheDtype::parse(&name)?, DtypeSource::Option),
            (None, Some(asked), _) => (CacheDtype::parse(asked.dtype)?, asked.source),
            (None, None, Some(own)) => (own, DtypeSource::Model),
            (None, None, None) => return Err(fields.missing("torch_dtype")),
        };
        let state = named(&options.state_dtype);
        let context = u64::from(options.decode_context_parallel)
            * u64::from(options.prefill_context_parallel);
        Ok(Self {
            dtype,
            dtype_source,
            model_dtype: own.unwrap_or(dtype),
            state_dtype: state.map(|name| CacheDtype::parse(&name)).transpose()?,
            tp: u64::from(heads),
            context,
            batched_tokens: options.batched_tokens,
        })
    }

    /// Query heads must divide among the GPUs; KV heads too, or be repeated
    /// evenly. Only a cache that grows with every token can be dealt out, and only
    /// one that is compressed has DeepSeek's layout.
    pub(super) fn check(&self, fields: Fields<'_>, model: &Model) -> Bad<()> {
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
            self.check_context(part)?;
            self.check_layout(fields, part)?;
        }
        Ok(())
    }

    fn check_context(&self, part: &Part) -> Bad<()> {
        let grows = match part {
            Part::Attention { reach, .. } => *reach == Reach::All,
            Part::Latent { .. } | Part::State(_) => true,
            Part::Shared { .. } | Part::Indexer { .. } | Part::Compressor { .. } => false,
        };
        if grows || self.context == 1 {
            return Ok(());
        }
        Err(KvError::Wrong {
            field: "context parallel size".to_owned(),
            value: self.context.to_string(),
            must:
                "1 for a model with windows, chunks or compressed layers, which no server deals out"
                    .to_owned(),
        })
    }

    fn check_layout(&self, fields: Fields<'_>, part: &Part) -> Bad<()> {
        if !self.dtype.is_ds_mla() || !matches!(part, Part::Attention { .. }) {
            return Ok(());
        }
        Err(KvError::Dtype {
            dtype: self.dtype.name().to_owned(),
            fact: format!(
                "works only with compressed (MLA) caches, which `model_type` \"{}\" does not have",
                fields.model_type
            ),
        })
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
            self.push_terms(&mut terms, count, part)?;
        }
        Ok(terms)
    }

    /// Tokens that are kept of a sequence, and blocks beyond them, as vLLM's
    /// cache manager counts: the window less one, and the tokens of one step.
    pub(super) fn cap(&self, reach: Reach) -> (Option<u64>, u32) {
        match (reach, self.batched_tokens) {
            (Reach::All, _) => (None, 0),
            (Reach::Window(window), Some(step)) => (Some((window - 1).saturating_add(step)), 1),
            (Reach::Chunk(chunk), Some(step)) => (Some(chunk.saturating_add(step)), 0),
            (Reach::Window(tokens) | Reach::Chunk(tokens), None) => (Some(tokens), 0),
        }
    }

    pub(super) fn recurrent_dtype(&self, state: &State) -> Bad<CacheDtype> {
        if let Some(dtype) = self.state_dtype {
            return Ok(dtype);
        }
        let named = state.dtype.as_deref().filter(|name| *name != "auto");
        named.map_or(Ok(self.model_dtype), CacheDtype::parse)
    }
}
