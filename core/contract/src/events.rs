//! What a decoder reads out of an answer.

/// Kind of an output event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Text of the answer.
    Text,
    /// Reasoning before the answer.
    Reasoning,
    /// A piece of a tool call: its name or its arguments.
    ToolCall,
    /// Ids of tokens in place of their text, in digits with a space between two: the
    /// answer of a server that does not turn tokens into text.
    TokenIds,
}

/// Token counts that a server reports; each may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens.
    pub input_tokens: Option<u32>,
    /// Answer tokens, cumulative.
    pub output_tokens: Option<u32>,
    /// Prompt tokens from the prefix cache.
    pub cached_tokens: Option<u32>,
    /// Answer tokens spent on reasoning.
    pub reasoning_tokens: Option<u32>,
    /// Prompt tokens that stand for images.
    pub image_tokens: Option<u32>,
}
