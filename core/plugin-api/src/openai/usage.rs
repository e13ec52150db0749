//! Token counts, wherever a server tells them.

use serde::de::MapAccess;

use super::lenient::{Count, Fields, Object, skip};
use crate::Usage;

/// Token counts, under the names that servers give them.
#[derive(Debug, Default)]
pub(super) struct UsageFields {
    input_tokens: Count,
    output_tokens: Count,
    /// Cached prompt tokens by the place that the server tells them in, the best
    /// known first: OpenAI, DeepSeek, Moonshot, Anthropic.
    cached_tokens: [Count; 4],
    /// OpenAI's place for it, then SGLang's.
    reasoning_tokens: [Count; 2],
    image_tokens: Count,
}

impl<'de> Fields<'de> for UsageFields {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "prompt_tokens" | "input_tokens" => self.input_tokens = map.next_value()?,
            "completion_tokens" | "output_tokens" => self.output_tokens = map.next_value()?,
            "prompt_tokens_details" | "input_tokens_details" => {
                let Object(details) = map.next_value::<Object<Details>>()?;
                let details = details.unwrap_or_default();
                self.cached_tokens[0] = details.cached_tokens;
                self.image_tokens = details.image_tokens();
            }
            "prompt_cache_hit_tokens" => self.cached_tokens[1] = map.next_value()?,
            "cached_tokens" => self.cached_tokens[2] = map.next_value()?,
            "cache_read_input_tokens" => self.cached_tokens[3] = map.next_value()?,
            "completion_tokens_details" | "output_tokens_details" => {
                let Object(details) = map.next_value::<Object<Details>>()?;
                self.reasoning_tokens[0] = details.unwrap_or_default().reasoning_tokens;
            }
            "reasoning_tokens" => self.reasoning_tokens[1] = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Details {
    cached_tokens: Count,
    reasoning_tokens: Count,
    /// SGLang's and OpenRouter's place for it.
    image_tokens: Count,
    /// vLLM's: counts by kind of input.
    multimodal_tokens: Object<Multimodal>,
}

impl Details {
    fn image_tokens(&self) -> Count {
        let by_kind = self.multimodal_tokens.0.as_ref();
        let by_kind = by_kind.and_then(|kinds| kinds.image.0);
        Count(self.image_tokens.0.or(by_kind))
    }
}

#[derive(Debug, Default)]
struct Multimodal {
    image: Count,
}

impl<'de> Fields<'de> for Multimodal {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "image" => self.image = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl<'de> Fields<'de> for Details {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "cached_tokens" | "cache_read_tokens" => self.cached_tokens = map.next_value()?,
            "reasoning_tokens" => self.reasoning_tokens = map.next_value()?,
            "image_tokens" => self.image_tokens = map.next_value()?,
            "multimodal_tokens" => self.multimodal_tokens = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl UsageFields {
    pub(super) fn usage(&self) -> Usage {
        let first = |counts: &[Count]| counts.iter().find_map(|count| count.0);
        Usage {
            input_tokens: self.input_tokens.0,
            output_tokens: self.output_tokens.0,
            cached_tokens: first(&self.cached_tokens),
            reasoning_tokens: first(&self.reasoning_tokens),
            image_tokens: self.image_tokens.0,
        }
    }
}

/// llama.cpp's own counts: cached and computed prompt tokens, and answer tokens so
/// far.
#[derive(Debug, Default)]
pub(super) struct Timings {
    cache_n: Count,
    prompt_n: Count,
    predicted_n: Count,
}

impl<'de> Fields<'de> for Timings {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "cache_n" => self.cache_n = map.next_value()?,
            "prompt_n" => self.prompt_n = map.next_value()?,
            "predicted_n" => self.predicted_n = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl Timings {
    pub(super) fn usage(&self) -> Usage {
        let prompt = self.cache_n.0.zip(self.prompt_n.0);
        Usage {
            input_tokens: prompt.and_then(|(cached, computed)| cached.checked_add(computed)),
            output_tokens: self.predicted_n.0,
            cached_tokens: self.cache_n.0,
            ..Usage::default()
        }
    }
}
