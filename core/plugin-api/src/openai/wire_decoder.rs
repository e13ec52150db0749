//! The decoder of an endpoint's answers.

use super::{Endpoint, OpenAiDecoder, ResponsesDecoder};
use crate::{Decoder, Events, Message, PluginError};

/// Reads the answers of one endpoint.
#[derive(Debug, Clone)]
pub enum WireDecoder {
    /// Of `/v1/completions` and `/v1/chat/completions`.
    Choices(OpenAiDecoder),
    /// Of `/v1/responses`.
    Responses(ResponsesDecoder),
}

impl WireDecoder {
    /// A decoder for one answer of `endpoint`.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Completions | Endpoint::Chat => Self::Choices(OpenAiDecoder::new()),
            Endpoint::Responses => Self::Responses(ResponsesDecoder::new()),
        }
    }
}

impl Decoder for WireDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        match self {
            Self::Choices(decoder) => decoder.feed(message, out),
            Self::Responses(decoder) => decoder.feed(message, out),
        }
    }

    fn finish(&mut self, out: &mut Events<'_>) -> Result<(), PluginError> {
        match self {
            Self::Choices(decoder) => decoder.finish(out),
            Self::Responses(decoder) => decoder.finish(out),
        }
    }
}
