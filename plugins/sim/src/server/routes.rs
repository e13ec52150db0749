//! What each path answers. Generation itself is in `generation`.

use serde_json::{Value, json};

use super::clock::{now_ns, unix_seconds};
use super::conn::Ending;
use super::http::{self, Parsed, Request, Response};
use super::metrics;
use super::openai::{ApiError, Endpoint};
use super::server::{Clockwork, Server};

const VERSION: &str = concat!("inferbench-sim ", env!("CARGO_PKG_VERSION"));

fn plain(content_type: &'static str, body: Vec<u8>) -> Response {
    Response {
        status: 200,
        content_type,
        body,
        retry_after_s: None,
    }
}

impl Server {
    /// Takes up complete requests in a connection's input, one after another,
    /// until one needs time.
    pub(crate) fn take_requests(&mut self, slot: usize) {
        while let Some(conn) = self.conn(slot) {
            if conn.is_busy() || conn.input.is_empty() || self.crashed {
                return;
            }
            let Some(conn) = self.conn(slot) else { return };
            match http::parse(&conn.input) {
                Parsed::Partial { expects_continue } => {
                    if expects_continue && !conn.continued {
                        conn.continued = true;
                        http::push_continue(&mut conn.out);
                        self.push_out(slot);
                    }
                    return;
                }
                Parsed::Complete(request, taken) => {
                    conn.input.drain(..taken);
                    conn.continued = false;
                    self.route(slot, &request);
                }
                Parsed::Bad(status, reason) => {
                    conn.input.clear();
                    let mut error = ApiError::bad(None, reason);
                    error.status = status;
                    self.respond(slot, &error.response(), true);
                }
            }
        }
    }

    /// Appends a whole answer and writes it.
    pub(crate) fn respond(&mut self, slot: usize, response: &Response, close: bool) {
        let Some(conn) = self.conn(slot) else { return };
        response.push(close, &mut conn.out);
        conn.ending = if close { Ending::Close } else { Ending::Keep };
        self.push_out(slot);
    }

    fn route(&mut self, slot: usize, request: &Request) {
        let left_ns = self.ready_at_ns.saturating_sub(now_ns());
        if left_ns > 0 {
            let text = format!(
                "the simulated model loads for {} ms more",
                left_ns.div_ceil(1_000_000)
            );
            let response = ApiError::unavailable(text).response();
            return self.respond(slot, &response, request.close);
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v1/completions") => {
                self.start_generation(slot, Endpoint::Completions, request)
            }
            ("POST", "/v1/chat/completions") => {
                self.start_generation(slot, Endpoint::Chat, request)
            }
            ("POST", "/v1/responses") => self.start_generation(slot, Endpoint::Responses, request),
            (method, path) => {
                let response = self.answer_at_once(method, path);
                self.respond(slot, &response, request.close);
            }
        }
    }

    fn answer_at_once(&mut self, method: &str, path: &str) -> Response {
        match (method, path) {
            ("GET", "/health") => plain("application/json", Vec::new()),
            ("GET", "/v1/models") => Response::json(200, &self.models()),
            ("GET", "/version") => {
                Response::json(200, &json!({"version": VERSION, "simulated": true}))
            }
            ("GET", "/metrics") => {
                let text = metrics::render(&self.args, &self.snapshot());
                plain(
                    "text/plain; version=0.0.4; charset=utf-8",
                    text.into_bytes(),
                )
            }
            ("GET", "/server_info") => Response::json(200, &self.server_info()),
            ("GET", "/truth") => plain("application/x-ndjson", self.truth.to_json_lines()),
            ("POST", "/truth/reset") => {
                self.truth.reset();
                Response::json(200, &json!({"success": true}))
            }
            ("POST", "/reset_prefix_cache") => {
                if let Clockwork::Engine(engine) = &mut self.clockwork {
                    engine.forget_prefixes();
                }
                Response::json(200, &json!({"success": true}))
            }
            (
                _,
                "/health"
                | "/v1/models"
                | "/version"
                | "/metrics"
                | "/server_info"
                | "/truth"
                | "/truth/reset"
                | "/reset_prefix_cache"
                | "/v1/completions"
                | "/v1/chat/completions"
                | "/v1/responses",
            ) => Response::json(405, &json!({"detail": "Method Not Allowed"})),
            _ => Response::json(404, &json!({"detail": "Not Found"})),
        }
    }

    fn models(&self) -> Value {
        json!({"object": "list", "data": [{
            "id": self.args.model, "object": "model", "created": unix_seconds(),
            "owned_by": "inferbench-sim", "root": self.args.model, "parent": null,
            "max_model_len": self.args.max_model_len, "permission": [],
        }]})
    }

    fn server_info(&self) -> Value {
        // Options serialize to an object: their keys are plain names.
        let mut info = serde_json::to_value(&self.args).unwrap_or_else(|_| json!({}));
        info["simulated"] = true.into();
        info["version"] = VERSION.into();
        info
    }
}
