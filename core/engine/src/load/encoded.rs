//! A request that is ready to be sent.

use inferbench_model::facts::exchange::{Asked, Exchange};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::client::DecoderClient;
use inferbench_plugin_api::{Framing, RequestSpec};

use super::outcome::{ExchangeOutcome, broken};
use super::self_check::ReadStats;
use crate::os::clock;

/// A request that is ready to be sent: nothing is left to do but to write it.
#[derive(Debug)]
pub struct EncodedRequest {
    /// Index in the cell.
    pub index: u64,
    /// What is asked.
    pub asked: Asked,
    /// The request, as an in-process engine takes it.
    pub spec: RequestSpec,
    /// The request, as it goes over a socket; absent for an in-process engine.
    pub wire: Option<Wire>,
    /// The number of the conversation that goes on after its answer.
    pub continues: Option<u64>,
}

/// A request in its HTTP form, with the decoder of its answer.
#[derive(Debug)]
pub struct Wire {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// Method and path, as the plugin gave them.
    pub line: (String, String),
    /// Framing of the answer.
    pub framing: Framing,
    /// Decoder of the answer.
    pub decoder: DecoderClient,
}

/// The outcome of a request that has no wire form for a socket.
pub(super) fn unsendable(exchange: Exchange) -> ExchangeOutcome {
    let end = broken(FailureReason::NotEncoded, "the plugin gave no HTTP request");
    ExchangeOutcome {
        exchange,
        end,
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}
