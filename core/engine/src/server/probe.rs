//! One request outside the load, over the same path as the run's own: for
//! readiness, and for the audit of cached answers.

use std::time::Duration;

use inferbench_model::config::Level;
use inferbench_model::facts::exchange::{Asked, Exchange};
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
        let client = &self.backend.client;
        let wire = requests::wire_within(MAKE_LIMIT, client, self.target, self.spec).await?;
        let mut exchange = Exchange::default();
        exchange.asked = Asked {
            input_tokens: self.input_tokens,
            output_tokens: self.spec.output_tokens,
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
        Ok(exchange.finish_record(key, &outcome.end, outcome.end_ns, false))
    }
}
