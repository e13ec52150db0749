//! TGI's own API: `/generate_stream`, one event for each token, and `/generate`.
//!
//! Source: `docs/source/conceptual/streaming.md` and `router/src/lib.rs` of Text
//! Generation Inference.

use inferbench_plugin_api::openai::{
    error_message, error_words, json_object, post_merged, seed_for,
};
use inferbench_plugin_api::{
    Decoder, Events, Framing, HttpRequest, Message, OutputKind, PluginError, PromptContent,
    PromptForm, RequestSpec, Usage, Wire,
};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize)]
struct Body<'a> {
    inputs: &'a str,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Parameters {
    max_new_tokens: u32,
    /// With it the end of an answer says how many tokens it has.
    details: bool,
    do_sample: bool,
    /// Must be above 0, so it is left out where the likeliest token is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

/// How `/generate_stream` and `/generate` are asked.
#[derive(Debug)]
pub(crate) struct NativeWire {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) extra_body: Map<String, Value>,
}

impl Wire for NativeWire {
    fn prompt_form(&self, _: bool) -> PromptForm {
        PromptForm::Text
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        let PromptContent::Text(inputs) = &request.prompt else {
            let words = "/generate_stream: prompt is token ids or messages, must be text";
            return Err(PluginError::new(words));
        };
        let body = Body {
            inputs,
            parameters: Parameters::from_request(request),
        };
        let (path, framing) = match request.stream {
            true => ("/generate_stream", Framing::Sse),
            false => ("/generate", Framing::Body),
        };
        let extra = [&request.extra_body, &self.extra_body];
        let mut http = post_merged(path, &body, &extra, framing)?;
        http.headers.extend_from_slice(&self.headers);
        Ok(http)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(NativeDecoder::default())
    }

    fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

impl Parameters {
    fn from_request(request: &RequestSpec) -> Self {
        let temperature = request.temperature.filter(|t| *t > 0.0);
        Self {
            max_new_tokens: request.output_tokens,
            details: true,
            do_sample: temperature.is_some(),
            temperature,
            // It must be below 1.
            top_p: request.top_p.filter(|p| *p < 1.0),
            seed: seed_for(request),
        }
    }
}

/// Reads the answers of both.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NativeDecoder {
    tokens: u32,
}

impl NativeDecoder {
    fn read(&mut self, object: &Value, out: &mut Events<'_>) {
        if let Some(error) = object.get("error").filter(|error| !error.is_null()) {
            return out.error(&error_message(error));
        }
        let generated = match object.get("token") {
            Some(token) => {
                self.token(token, out);
                None
            }
            // A whole answer has no token of its own.
            None => object.get("generated_text").and_then(Value::as_str),
        };
        let details = object.get("details").unwrap_or(&Value::Null);
        let count = |key: &str| u32::try_from(details.get(key)?.as_u64()?).ok();
        let usage = Usage {
            input_tokens: count("input_length"),
            output_tokens: count("generated_tokens"),
            ..Usage::default()
        };
        if let Some(text) = generated {
            out.output(OutputKind::Text, text, usage.output_tokens);
        }
        if usage != Usage::default() {
            out.usage(usage);
        }
        if let Some(reason) = details.get("finish_reason").and_then(Value::as_str) {
            out.finish(reason);
        }
    }

    /// The text of a special token, such as the end of the sequence, is not shown.
    fn token(&mut self, token: &Value, out: &mut Events<'_>) {
        self.tokens = self.tokens.saturating_add(1);
        let is_special = token.get("special").and_then(Value::as_bool) == Some(true);
        let text = token.get("text").and_then(Value::as_str);
        let text = text.filter(|_| !is_special).unwrap_or_default();
        out.output(OutputKind::Text, text, Some(self.tokens));
    }
}

impl Decoder for NativeDecoder {
    fn feed(&mut self, message: Message<'_>, out: &mut Events<'_>) -> Result<(), PluginError> {
        match message {
            Message::Data(data) => {
                if let Some(object) = json_object(data, out) {
                    self.read(&Value::Object(object), out);
                }
            }
            Message::ErrorEvent(data) | Message::ErrorField(data) => {
                out.error(&error_words(data));
            }
            Message::NamedEvent { .. } => {}
        }
        Ok(())
    }
}
