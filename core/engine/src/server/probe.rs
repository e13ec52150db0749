//! One request outside the load, over the same path as the run's own: for
//! readiness, and for the audit of cached answers.

use std::time::Duration;

use inferbench_model::config::Level;
use inferbench_model::facts::exchange::{self as facts, Exchange};
use inferbench_model::facts::record::{Phase, RequestKey, RequestRecord};
use inferbench_plugin_api::RequestSpec;
use tokio_util::sync::CancellationToken;

use crate::http::{Connection, Target};
use crate::load::MAKE_LIMIT;
use crate::load::RequestError;
use crate::load::exchange;
use crate::load::outcome::Timeouts;
use crate::load::requests;
use crate::plugins::backend::OpenBackend;

/// One request, and whom it goes to.
pub(crate) struct Probe<'a> {
    pub(crate) backend: &'a OpenBackend,
    pub(crate) target: &'a Target,
    pub(crate) spec: &'a RequestSpec,
    /// Prompt tokens that it asks with, if known.
    pub(crate) input_tokens: Option<u32>,
    /// Longest that it may take.
    pub(crate) limit: Duration,
}

impl Probe<'_> {
    /// Sends it over `slot`, or over a new connection if that holds none, and
    /// gives the record of its answer, of a failed one too.
    ///
    /// # Errors
    /// If the plugin makes no request of it.
    pub(crate) async fn ask(
        &self,
        slot: &mut Option<Connection>,
        cancel: &CancellationToken,
    ) -> Result<RequestRecord, RequestError> {
        Ok(self.ask_on(slot, cancel).await?.record)
    }

    /// The same, with the path that it was sent to.
    ///
    /// # Errors
    /// If the plugin makes no request of it.
    pub(crate) async fn ask_on(
        &self,
        slot: &mut Option<Connection>,
        cancel: &CancellationToken,
    ) -> Result<Asked, RequestError> {
        let client = &self.backend.client;
        let wire = requests::wire_within(MAKE_LIMIT, client, self.target, self.spec).await?;
        let line = request_line(&wire.bytes);
        let mut exchange = Exchange::default();
        exchange.asked = facts::Asked {
            input_tokens: self.input_tokens,
            output_tokens: self.spec.output_tokens,
            ..facts::Asked::default()
        };
        let timeouts = Timeouts {
            total: self.limit,
            idle: None,
        };
        let outcome = exchange::run(slot, self.target, wire, exchange, timeouts, cancel).await;
        let key = RequestKey {
            // Nothing keeps the record.
            backend: String::new(),
            block: 0,
            level: Level::Concurrency(1),
            phase: Phase::Warmup,
            index: 0,
        };
        let exchange = outcome.exchange;
        Ok(Asked {
            record: exchange.finish_record(key, &outcome.end, outcome.end_ns, false),
            line,
        })
    }
}

/// A request that was sent, and what came of it.
pub(crate) struct Asked {
    pub(crate) record: RequestRecord,
    /// Method and path: `POST /v1/completions`.
    pub(crate) line: String,
}

/// Method and path of a request's head.
fn request_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\r').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    let end = line.rfind(" HTTP/").unwrap_or(line.len());
    line[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_its_method_and_path() {
        let head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n\r\n{}";
        assert_eq!(request_line(head), "POST /v1/completions");
        assert_eq!(request_line(b""), "");
    }
}
