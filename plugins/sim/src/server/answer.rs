//! One answer being written: tokens to SSE events or to a whole JSON body, in
//! vLLM's shapes. It appends bytes; others send them.

mod responses;

use std::io::Write as _;

use serde_json::{Value, json};

use super::http::{Response, push_chunk};
use super::openai::{ApiError, Endpoint, Job};

const FINGERPRINT: &str = concat!("inferbench-sim-", env!("CARGO_PKG_VERSION"));

/// What all answers of a server share.
#[derive(Debug, Clone)]
pub(crate) struct AnswerStyle {
    pub(crate) model: String,
    /// Whether usage shows cached tokens.
    pub(crate) shows_cached: bool,
    /// Tokens in one event.
    pub(crate) tokens_per_event: usize,
}

/// An answer in progress.
#[derive(Debug)]
pub(crate) struct Answer {
    job: Job,
    id: String,
    created_s: u64,
    chunked: bool,
    close: bool,
    cached_tokens: u32,
    produced: u32,
    opened: bool,
    /// Tokens not yet in an event; for a whole answer, all of them.
    pending: Vec<u32>,
    /// Tokens of events that are said again at the end.
    said: Vec<u32>,
    /// Start of every event up to the opening quote of its text.
    prefix: Vec<u8>,
}

fn kind_names(endpoint: Endpoint, stream: bool) -> (&'static str, &'static str) {
    match (endpoint, stream) {
        (Endpoint::Completions, _) => ("cmpl", "text_completion"),
        (Endpoint::Chat, true) => ("chatcmpl", "chat.completion.chunk"),
        (Endpoint::Chat, false) => ("chatcmpl", "chat.completion"),
        (Endpoint::Responses, _) => ("resp", "response"),
    }
}

pub(crate) fn answer_id(endpoint: Endpoint, request: u64) -> String {
    format!("{}-sim-{request:016x}", kind_names(endpoint, true).0)
}

fn push_ids(ids: &[u32], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, id) in ids.iter().enumerate() {
        // Writing to a Vec cannot fail, here and below.
        let _ = if i == 0 {
            write!(out, "{id}")
        } else {
            write!(out, ",{id}")
        };
    }
    out.push(b']');
}

fn push_text(ids: &[u32], out: &mut Vec<u8>) {
    for id in ids {
        let _ = write!(out, " w{id}");
    }
}

impl Answer {
    /// An answer to `job` with nothing produced. `chunked`: frame events as
    /// HTTP chunks; `close`: the head of a whole answer says so.
    pub(crate) fn new(
        job: Job,
        style: &AnswerStyle,
        request: u64,
        created_s: u64,
        chunked: bool,
        close: bool,
    ) -> Self {
        let id = answer_id(job.endpoint, request);
        let object = kind_names(job.endpoint, job.stream).1;
        let model = Value::from(style.model.as_str());
        let prefix = match job.endpoint {
            Endpoint::Responses => responses::delta_prefix(&id),
            _ => format!(
                "data: {{\"id\":\"{id}\",\"object\":\"{object}\",\"created\":{created_s},\"model\":{model},\"choices\":["
            ),
        };
        let pending = Vec::with_capacity(if job.stream {
            style.tokens_per_event.min(64)
        } else {
            16
        });
        Self {
            job,
            id,
            created_s,
            chunked,
            close,
            cached_tokens: 0,
            produced: 0,
            opened: false,
            pending,
            said: Vec::new(),
            prefix: prefix.into_bytes(),
        }
    }

    /// What was asked for.
    pub(crate) fn job(&self) -> &Job {
        &self.job
    }

    /// Tokens produced so far.
    pub(crate) fn produced(&self) -> u32 {
        self.produced
    }

    /// Whether every token has been produced.
    pub(crate) fn is_complete(&self) -> bool {
        self.produced >= self.job.output_tokens
    }

    /// Sets what usage says about the prefix cache.
    pub(crate) fn set_cached_tokens(&mut self, tokens: u32) {
        self.cached_tokens = tokens;
    }

    /// Produces the next token. True if an event is due.
    pub(crate) fn produce(&mut self, style: &AnswerStyle) -> bool {
        let id = self.job.tokens.next_id();
        self.pending.push(id);
        self.produced += 1;
        self.job.stream && (self.pending.len() >= style.tokens_per_event || self.is_complete())
    }

    /// Appends the event of the pending tokens; returns how many it carries.
    /// Nothing for a whole answer.
    pub(crate) fn push_event(
        &mut self,
        style: &AnswerStyle,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> u32 {
        if !self.job.stream || self.pending.is_empty() {
            return 0;
        }
        let first = !self.opened;
        self.opened = true;
        match self.job.endpoint {
            Endpoint::Chat if first => self.push_role(style, scratch, out),
            Endpoint::Responses if first => {
                let body = self.response_body(style, "in_progress", "", false);
                self.push_named(&responses::opening(&body, &self.id), out);
            }
            _ => {}
        }
        self.said.extend_from_slice(match self.job.endpoint {
            Endpoint::Responses => &self.pending,
            Endpoint::Completions | Endpoint::Chat => &[],
        });
        scratch.clear();
        scratch.extend_from_slice(&self.prefix);
        match self.job.endpoint {
            Endpoint::Completions => self.push_completion_choice(first, scratch),
            Endpoint::Chat => self.push_chat_choice(scratch),
            Endpoint::Responses => self.push_delta(scratch),
        }
        if self.job.continuous_usage {
            self.push_usage(style, self.produced, scratch);
        }
        scratch.extend_from_slice(b"}\n\n");
        push_chunk(self.chunked, scratch, out);
        let tokens = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        self.pending.clear();
        tokens
    }

    fn push_completion_choice(&self, first: bool, scratch: &mut Vec<u8>) {
        scratch.extend_from_slice(b"{\"index\":0,\"text\":\"");
        push_text(&self.pending, scratch);
        scratch.extend_from_slice(b"\",\"logprobs\":null,\"finish_reason\":");
        self.push_finish_reason(scratch);
        scratch.extend_from_slice(b",\"stop_reason\":null,\"prompt_token_ids\":");
        self.push_ids_or_null(&self.job.prompt_ids, first, scratch);
        scratch.extend_from_slice(b",\"token_ids\":");
        self.push_ids_or_null(&self.pending, true, scratch);
        scratch.extend_from_slice(b"}]");
    }

    fn push_chat_choice(&self, scratch: &mut Vec<u8>) {
        scratch.extend_from_slice(b"{\"index\":0,\"delta\":{\"content\":\"");
        push_text(&self.pending, scratch);
        scratch.extend_from_slice(b"\"},\"logprobs\":null,\"finish_reason\":");
        self.push_finish_reason(scratch);
        if self.is_complete() {
            scratch.extend_from_slice(b",\"stop_reason\":null");
        }
        scratch.extend_from_slice(b",\"token_ids\":");
        self.push_ids_or_null(&self.pending, true, scratch);
        scratch.extend_from_slice(b"}]");
    }

    fn push_role(&self, style: &AnswerStyle, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        scratch.clear();
        scratch.extend_from_slice(&self.prefix);
        scratch.extend_from_slice(
            b"{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}],\"prompt_token_ids\":",
        );
        self.push_ids_or_null(&self.job.prompt_ids, true, scratch);
        scratch.extend_from_slice(b",\"prompt_text\":null");
        if self.job.continuous_usage {
            self.push_usage(style, 0, scratch);
        }
        scratch.extend_from_slice(b"}\n\n");
        push_chunk(self.chunked, scratch, out);
    }

    fn push_finish_reason(&self, scratch: &mut Vec<u8>) {
        if self.is_complete() {
            let _ = write!(scratch, "\"{}\"", self.job.finish_reason);
        } else {
            scratch.extend_from_slice(b"null");
        }
    }

    fn push_ids_or_null(&self, ids: &[u32], here: bool, scratch: &mut Vec<u8>) {
        if here && self.job.return_token_ids {
            push_ids(ids, scratch);
        } else {
            scratch.extend_from_slice(b"null");
        }
    }

    fn push_usage(&self, style: &AnswerStyle, completion_tokens: u32, scratch: &mut Vec<u8>) {
        let prompt = self.job.prompt_ids.len();
        let total = prompt + completion_tokens as usize;
        let _ = write!(
            scratch,
            ",\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{total},\"completion_tokens\":{completion_tokens}"
        );
        if style.shows_cached {
            let cached = self.cached_tokens;
            let _ = write!(
                scratch,
                ",\"prompt_tokens_details\":{{\"cached_tokens\":{cached}}}"
            );
        }
        scratch.push(b'}');
    }

    /// Appends what follows the last token: usage, `[DONE]` and the end of the
    /// body; or the whole answer. Returns the tokens of a whole answer, else 0.
    pub(crate) fn push_end(
        &mut self,
        style: &AnswerStyle,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> u32 {
        if !self.job.stream {
            Response::json(200, &self.whole_body(style)).push(self.close, out);
            return self.produced;
        }
        if self.job.endpoint == Endpoint::Responses {
            self.push_closing(style, out);
            return 0;
        }
        if self.job.include_usage {
            scratch.clear();
            scratch.extend_from_slice(&self.prefix);
            scratch.push(b']');
            self.push_usage(style, self.produced, scratch);
            let _ = write!(scratch, ",\"system_fingerprint\":\"{FINGERPRINT}\"}}\n\n");
            push_chunk(self.chunked, scratch, out);
        }
        self.push_done(out);
        0
    }

    fn push_done(&self, out: &mut Vec<u8>) {
        push_chunk(self.chunked, b"data: [DONE]\n\n", out);
        self.push_last_chunk(out);
    }

    fn push_last_chunk(&self, out: &mut Vec<u8>) {
        if self.chunked {
            push_chunk(true, b"", out);
        }
    }

    /// Appends an error object and `[DONE]`; for a whole answer, a 500.
    pub(crate) fn push_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        if self.job.stream && self.job.endpoint == Endpoint::Responses {
            self.push_named(&[responses::error(error)], out);
            self.push_last_chunk(out);
        } else if self.job.stream {
            let event = format!("data: {}\n\n", error.body());
            push_chunk(self.chunked, event.as_bytes(), out);
            self.push_done(out);
        } else {
            error.response().push(self.close, out);
        }
    }

    fn whole_body(&self, style: &AnswerStyle) -> Value {
        if self.job.endpoint == Endpoint::Responses {
            return self.response_body(
                style,
                self.status(),
                &responses::text_of(&self.pending),
                true,
            );
        }
        let text = responses::text_of(&self.pending);
        let ids = |ids: &[u32]| match self.job.return_token_ids {
            true => Value::from(ids),
            false => Value::Null,
        };
        let (token_ids, prompt_ids) = (ids(&self.pending), ids(&self.job.prompt_ids));
        let prompt = self.job.prompt_ids.len();
        let details = style
            .shows_cached
            .then(|| json!({"cached_tokens": self.cached_tokens}));
        let usage = json!({
            "prompt_tokens": prompt,
            "total_tokens": prompt + self.produced as usize,
            "completion_tokens": self.produced,
            "prompt_tokens_details": details,
        });
        let object = kind_names(self.job.endpoint, false).1;
        let mut body = json!({
            "id": self.id, "object": object, "created": self.created_s, "model": style.model,
        });
        body["choices"] = match self.job.endpoint {
            Endpoint::Completions => json!([{
                "index": 0, "text": text, "logprobs": null, "finish_reason": self.job.finish_reason,
                "stop_reason": null, "token_ids": token_ids, "prompt_token_ids": prompt_ids,
            }]),
            Endpoint::Chat | Endpoint::Responses => json!([{
                "index": 0, "message": {"role": "assistant", "content": text}, "logprobs": null,
                "finish_reason": self.job.finish_reason, "stop_reason": null, "token_ids": token_ids,
            }]),
        };
        body["system_fingerprint"] = FINGERPRINT.into();
        body["usage"] = usage;
        if self.job.endpoint == Endpoint::Chat {
            body["prompt_token_ids"] = prompt_ids;
        }
        body
    }
}
