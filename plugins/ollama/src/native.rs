//! Ollama's own API: `/api/generate` and `/api/chat`, whose answers are lines of JSON.
//!
//! Source: `docs/api.md` of Ollama.

use inferbench_plugin_api::openai::{
    OpenAiWire, error_message, json_object, post_merged, seed_for,
};
use inferbench_plugin_api::{
    Decoder, Events, Framing, HttpRequest, Message, OutputKind, PluginError, PromptContent,
    PromptForm, RequestSpec, Usage, Wire,
};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    /// The prompt goes into no template.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<&'a Value>,
    stream: bool,
    options: Sampling,
}

#[derive(Serialize)]
struct Sampling {
    num_predict: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

/// How both are asked, for the same prompts and with the same fields as OpenAI's.
#[derive(Debug)]
pub(crate) struct NativeWire(pub(crate) OpenAiWire);

impl Wire for NativeWire {
    fn prompt_form(&self, token_ids: bool) -> PromptForm {
        self.0.prompt_form(token_ids)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let (path, prompt, messages) = match &request.prompt {
            PromptContent::Text(text) => ("/api/generate", Some(text.as_str()), None),
            PromptContent::Messages(messages) => ("/api/chat", None, Some(messages)),
            PromptContent::TokenIds(_) => {
                let words = "/api/generate: prompt is token ids, must be text or messages";
                return Err(PluginError::new(words));
            }
        };
        let body = Body {
            model: &request.model,
            prompt,
            raw: prompt.map(|_| true),
            messages,
            stream: request.stream,
            options: Sampling {
                num_predict: request.output_tokens,
                temperature: request.temperature,
                top_p: request.top_p,
                seed: seed_for(request),
            },
        };
        let framing = match request.stream {
            true => Framing::Ndjson,
            false => Framing::Body,
        };
        let extra = [&request.extra_body, &self.0.extra_body];
        post_merged(path, &body, &extra, framing)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(NativeDecoder)
    }
}

/// Reads the answers of both, streamed or whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NativeDecoder;

impl Decoder for NativeDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        if let Message::Data(data) = message
            && let Some(object) = json_object(data, out)
        {
            read(&Value::Object(object), out);
        }
        Ok(())
    }
}

fn read(object: &Value, out: &mut Events<'_>) {
    if let Some(error) = object.get("error").filter(|error| !error.is_null()) {
        return out.error(&error_message(error));
    }
    let places = [
        (OutputKind::Reasoning, "/thinking"),
        (OutputKind::Reasoning, "/message/thinking"),
        (OutputKind::Text, "/response"),
        (OutputKind::Text, "/message/content"),
    ];
    for (kind, place) in places {
        let text = object.pointer(place).and_then(Value::as_str);
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            out.output(kind, text, None);
        }
    }
    if object.get("done").and_then(Value::as_bool) != Some(true) {
        return;
    }
    let count = |key: &str| u32::try_from(object.get(key)?.as_u64()?).ok();
    let usage = Usage {
        input_tokens: count("prompt_eval_count"),
        output_tokens: count("eval_count"),
        ..Usage::default()
    };
    if usage != Usage::default() {
        out.usage(usage);
    }
    if let Some(reason) = object.get("done_reason").and_then(Value::as_str) {
        out.finish(reason);
    }
    out.end();
}
