//! SGLang's own API, `/generate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inferbench_plugin_api::json::mended;
use inferbench_plugin_api::openai::{
    Count, Fields, Object, StreamMessage, Text, error_message, error_words, is_error, post_merged,
    seed_for, skip,
};
use inferbench_plugin_api::{
    Decoder, Events, Framing, HttpRequest, Message, OutputKind, PluginError, PromptContent,
    PromptForm, RequestSpec, Usage, Wire,
};
use serde::de::MapAccess;
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

/// How the server streams: as the options say, until it says itself what it does.
#[derive(Debug, Clone)]
pub(crate) struct ServerStreaming(Arc<AtomicBool>);

impl ServerStreaming {
    /// `incremental`: each piece is streamed once.
    pub(crate) fn new(incremental: bool) -> Self {
        Self(Arc::new(AtomicBool::new(incremental)))
    }

    pub(crate) fn set(&self, incremental: bool) {
        self.0.store(incremental, Ordering::Relaxed);
    }

    fn now(&self) -> Streaming {
        match self.0.load(Ordering::Relaxed) {
            true => Streaming::Incremental,
            false => Streaming::Cumulative,
        }
    }
}

/// How `/generate` is asked.
#[derive(Debug)]
pub(crate) struct NativeWire {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) extra_body: Map<String, Value>,
    pub(crate) streaming: ServerStreaming,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_new_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_seed: Option<u64>,
}

impl Wire for NativeWire {
    fn prompt_form(&self, token_ids: bool) -> PromptForm {
        match token_ids {
            true => PromptForm::TokenIds,
            false => PromptForm::Text,
        }
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
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
                top_p: request.top_p,
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
        let extra = [&request.extra_body, &self.extra_body];
        let mut http = post_merged("/generate", &body, &extra, framing)?;
        http.headers.extend_from_slice(&self.headers);
        Ok(http)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(NativeDecoder::new(self.streaming.now()))
    }

    fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

/// One message of a stream, or a whole answer.
#[derive(Debug, Default)]
struct Chunk<'a> {
    text: Text<'a>,
    /// Ids of the answer's tokens, all that a server without a tokenizer sends.
    output_ids: Option<Vec<u32>>,
    meta_info: Object<Meta>,
    error: Option<Value>,
    object: Text<'a>,
    message: Text<'a>,
}

impl<'de> Fields<'de> for Chunk<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "text" => self.text = map.next_value()?,
            // With text beside them they are not needed, and they grow long.
            "output_ids" if self.text.0.is_none() => {
                let ids: Value = map.next_value()?;
                self.output_ids = serde_json::from_value(ids).ok();
            }
            "meta_info" => self.meta_info = map.next_value()?,
            "error" => self.error = map.next_value()?,
            "object" => self.object = map.next_value()?,
            "message" => self.message = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Meta {
    finish: FinishReason,
    prompt_tokens: Count,
    completion_tokens: Count,
    cached_tokens: Count,
    reasoning_tokens: Count,
}

impl<'de> Fields<'de> for Meta {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "finish_reason" => self.finish = map.next_value()?,
            "prompt_tokens" => self.prompt_tokens = map.next_value()?,
            "completion_tokens" => self.completion_tokens = map.next_value()?,
            "cached_tokens" => self.cached_tokens = map.next_value()?,
            "reasoning_tokens" => self.reasoning_tokens = map.next_value()?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// `{"type": "length", ...}`, or the bare word.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Value")]
struct FinishReason(Option<String>);

impl From<Value> for FinishReason {
    fn from(reason: Value) -> Self {
        let word = reason.get("type").unwrap_or(&reason).as_str();
        Self(word.map(str::to_owned))
    }
}

impl Meta {
    fn usage(&self) -> Usage {
        Usage {
            input_tokens: self.prompt_tokens.0,
            output_tokens: self.completion_tokens.0,
            cached_tokens: self.cached_tokens.0,
            reasoning_tokens: self.reasoning_tokens.0,
            image_tokens: None,
        }
    }
}

/// Reads the answers of `/generate`, streamed or whole.
#[derive(Debug, Clone, Default)]
pub struct NativeDecoder {
    streaming: Streaming,
    so_far: String,
    /// Ids that have come, of a server that sends no text.
    ids_so_far: usize,
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
        let data = match StreamMessage::from_data(data) {
            StreamMessage::Blank => return,
            StreamMessage::End => {
                self.ended = true;
                return out.end();
            }
            StreamMessage::Object(data) => data,
            StreamMessage::Other => return out.malformed(),
        };
        if let Ok(Object(Some(chunk))) = serde_json::from_slice::<Object<Chunk<'_>>>(data) {
            return self.chunk(&chunk, out);
        }
        match serde_json::from_slice::<Object<Chunk<'_>>>(&mended(data)) {
            Ok(Object(Some(chunk))) => {
                out.mended();
                self.chunk(&chunk, out);
            }
            _ => out.malformed(),
        }
    }

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Events<'_>) {
        if let Some(error) = chunk.error.as_ref().filter(|error| is_error(error)) {
            out.error(&error_message(error));
        } else if chunk.object.filled() == Some("error") {
            out.error(chunk.message.filled().unwrap_or("error without a message"));
        }
        let meta = chunk.meta_info.0.as_ref();
        let usage = meta.map(Meta::usage);
        let tokens = usage.and_then(|usage| usage.output_tokens);
        let text = chunk.text.0.as_deref();
        if let (None, Some(ids)) = (text, &chunk.output_ids) {
            out.output(OutputKind::TokenIds, &self.new_ids(ids), tokens);
        } else {
            let new = self.new_text(text);
            if !new.is_empty() || tokens.is_some() {
                out.output(OutputKind::Text, new, tokens);
            }
        }
        if let Some(usage) = usage.filter(|usage| *usage != Usage::default()) {
            out.usage(usage);
        }
        if let Some(reason) = meta.and_then(|meta| meta.finish.0.as_deref()) {
            out.finish(reason);
        }
    }

    /// The ids that are new, in digits.
    fn new_ids(&mut self, ids: &[u32]) -> String {
        let from = match self.streaming {
            Streaming::Cumulative => self.ids_so_far.min(ids.len()),
            Streaming::Incremental => 0,
        };
        self.ids_so_far = ids.len();
        let digits: Vec<String> = ids[from..].iter().map(u32::to_string).collect();
        digits.join(" ")
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
            Message::NamedEvent { .. } => {}
        }
        Ok(())
    }
}
