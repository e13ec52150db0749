//! SGLang's own API, `/generate`.

use std::sync::{Mutex, PoisonError};

use inferbench_plugin_api::openai::{
    Count, StreamMessage, Text, error_message, error_words, post_merged, seed_for,
};
use inferbench_plugin_api::{
    Decoder, Events, Framing, HttpRequest, Message, OutputKind, PluginError, PromptContent,
    RequestSpec, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a streamed message's text holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streaming {
    /// The whole text so far.
    #[default]
    Cumulative,
    /// What is new.
    Incremental,
}

impl Streaming {
    /// By whether each piece is streamed once.
    pub(crate) fn of(incremental: bool) -> Self {
        match incremental {
            true => Self::Incremental,
            false => Self::Cumulative,
        }
    }
}

/// How `/generate` is asked.
#[derive(Debug)]
pub(crate) struct NativeWire {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) extra_body: Map<String, Value>,
    /// What the options say, until the server says what it does.
    streaming: Mutex<Streaming>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    input_ids: Option<&'a [u32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    sampling_params: Sampling,
    stream: bool,
}

#[derive(Serialize)]
struct Sampling {
    max_new_tokens: u32,
    temperature: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_new_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_seed: Option<u64>,
}

impl NativeWire {
    pub(crate) fn new(
        headers: Vec<(String, String)>,
        extra_body: Map<String, Value>,
        streaming: Streaming,
    ) -> Self {
        Self {
            headers,
            extra_body,
            streaming: Mutex::new(streaming),
        }
    }

    /// Answers are read as the server says that it streams them.
    pub(crate) fn reads(&self, streaming: Streaming) {
        *self
            .streaming
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = streaming;
    }

    pub(crate) fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let (input_ids, text) = match &request.prompt {
            PromptContent::TokenIds(ids) => (Some(ids.as_slice()), None),
            PromptContent::Text(text) => (None, Some(text.as_str())),
            PromptContent::Messages(_) => {
                let words = "/generate: prompt is messages, must be text or token ids";
                return Err(PluginError::new(words));
            }
        };
        let forced = request.force_output;
        let body = Body {
            input_ids,
            text,
            sampling_params: Sampling {
                max_new_tokens: request.output_tokens,
                temperature: request.temperature,
                min_new_tokens: forced.then_some(request.output_tokens),
                ignore_eos: forced.then_some(true),
                sampling_seed: seed_for(request),
            },
            stream: request.stream,
        };
        let framing = if request.stream {
            Framing::Sse
        } else {
            Framing::Body
        };
        let mut http = post_merged("/generate", &body, &self.extra_body, framing)?;
        http.headers.extend_from_slice(&self.headers);
        Ok(http)
    }

    pub(crate) fn decoder(&self) -> NativeDecoder {
        let streaming = self.streaming.lock();
        NativeDecoder::new(*streaming.unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chunk<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    meta_info: Option<Meta>,
    error: Option<Value>,
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Meta {
    finish_reason: Option<Value>,
    prompt_tokens: Count,
    completion_tokens: Count,
    cached_tokens: Count,
    reasoning_tokens: Count,
}

impl Meta {
    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.prompt_tokens.0,
            output_tokens: self.completion_tokens.0,
            cached_tokens: self.cached_tokens.0,
            reasoning_tokens: self.reasoning_tokens.0,
        }
    }

    /// `{"type": "length", ...}`, or the bare word.
    fn finish(&self) -> Option<&str> {
        let reason = self.finish_reason.as_ref()?;
        reason.get("type").unwrap_or(reason).as_str()
    }
}

/// Reads the answers of `/generate`, streamed or whole.
#[derive(Debug, Clone, Default)]
pub struct NativeDecoder {
    streaming: Streaming,
    so_far: String,
    ended: bool,
}

impl NativeDecoder {
    /// A decoder for one answer.
    #[must_use]
    pub fn new(streaming: Streaming) -> Self {
        Self {
            streaming,
            ..Self::default()
        }
    }

    fn data(&mut self, data: &[u8], out: &mut Events<'_>) {
        let data = match StreamMessage::of(data) {
            StreamMessage::Blank => return,
            StreamMessage::End => {
                self.ended = true;
                return out.end();
            }
            StreamMessage::Object(data) => data,
            StreamMessage::Other => return out.malformed(),
        };
        match serde_json::from_slice::<Chunk<'_>>(data) {
            Ok(chunk) => self.chunk(&chunk, out),
            Err(_) => out.malformed(),
        }
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Events<'_>) {
        if let Some(error) = &chunk.error {
            out.error(&error_message(error));
        } else if chunk.object.filled() == Some("error") {
            out.error(chunk.message.filled().unwrap_or("error without a message"));
        }
        let usage = chunk.meta_info.as_ref().map(Meta::usage);
        let tokens = usage.and_then(|usage| usage.output_tokens);
        let new = self.new_text(chunk.text.0.as_deref());
        if !new.is_empty() || tokens.is_some() {
            out.output(OutputKind::Text, new, tokens);
        }
        if let Some(usage) = usage.filter(|usage| *usage != Usage::default()) {
            out.usage(usage);
        }
        if let Some(reason) = chunk.meta_info.as_ref().and_then(Meta::finish) {
            out.finish(reason);
        }
    }

    /// What `text` adds to the text so far. A server may rewrite the end of it,
    /// where a character was unfinished: then what follows the common beginning.
    fn new_text<'a>(&'a mut self, text: Option<&'a str>) -> &'a str {
        let Some(text) = text else {
            return "";
        };
        if self.streaming == Streaming::Incremental {
            return text;
        }
        let common = match text.starts_with(&self.so_far) {
            true => self.so_far.len(),
            false => common_prefix(&self.so_far, text),
        };
        self.so_far.truncate(common);
        self.so_far.push_str(&text[common..]);
        &self.so_far[common..]
    }
}

/// Bytes of the longest common beginning that ends at a character's border.
fn common_prefix(one: &str, other: &str) -> usize {
    let pairs = one.char_indices().zip(other.chars());
    let mut end = 0;
    for ((at, a), b) in pairs {
        if a != b {
            break;
        }
        end = at + a.len_utf8();
    }
    end
}

impl Decoder for NativeDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        if self.ended {
            return Ok(());
        }
        match message {
            Message::Data(data) => self.data(data, out),
            Message::ErrorEvent(data) | Message::ErrorField(data) => {
                out.error(&error_words(data));
            }
        }
        Ok(())
    }
}
