//! One request over one connection, opened first if there is none to use.

use std::io;
use std::time::Duration;

use inferbench_model::facts::exchange::{Asked, Exchange, StreamEnd};
use inferbench_model::facts::failure_reason::FailureReason;
use inferbench_plugin_api::client::DecoderClient;
use inferbench_plugin_api::{Framing, RequestSpec};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::outcome::{ExchangeOutcome, Timeouts, broken};
use super::self_check::ReadStats;
use crate::http::{Connection, OpenError, Target};
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
}

/// A request in its HTTP form, with the decoder of its answer.
#[derive(Debug)]
pub struct Wire {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// Framing of the answer.
    pub framing: Framing,
    /// Decoder of the answer.
    pub decoder: DecoderClient,
}

/// Sends one request over the connection in `slot`, opening it first if there
/// is none that can be used, and reads its answer. Afterwards `slot` holds the
/// connection only if it can carry another request.
pub async fn run(
    slot: &mut Option<Connection>,
    target: &Target,
    wire: Wire,
    mut exchange: Exchange,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> ExchangeOutcome {
    if slot.as_mut().is_some_and(Connection::is_stale) {
        *slot = None;
    }
    let mut connection = match slot.take() {
        Some(connection) => connection,
        None => match open(target, timeouts.total, cancel).await {
            Some(Ok(connection)) => {
                exchange.connect_ms = Some(connection.connect_ms);
                connection
            }
            Some(Err(error)) => return not_sent(exchange, target, &error),
            None => return interrupted_unsent(exchange),
        },
    };
    let bytes = wire.bytes;
    let mut answer = Answer::new(exchange, wire.framing, wire.decoder);
    let (end, end_ns) = tokio::select! {
        biased;
        ended = answer.exchange_over(&mut connection, bytes, timeouts) => ended,
        () = cancel.cancelled() => (interrupted(), clock::now_ns()),
    };
    if end == StreamEnd::Clean && answer.can_reuse() {
        *slot = Some(connection);
    }
    answer.outcome(end, end_ns)
}

/// Opens a connection; `None` if the run was interrupted before it was open.
pub(super) async fn open(
    target: &Target,
    limit: Duration,
    cancel: &CancellationToken,
) -> Option<Result<Connection, OpenError>> {
    tokio::select! {
        biased;
        opened = Connection::open(target, limit) => Some(opened),
        () = cancel.cancelled() => None,
    }
}

fn interrupted() -> StreamEnd {
    broken(FailureReason::Interrupted, "the run was interrupted")
}

fn interrupted_unsent(exchange: Exchange) -> ExchangeOutcome {
    ExchangeOutcome {
        exchange,
        end: interrupted(),
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}

fn not_sent(exchange: Exchange, target: &Target, error: &OpenError) -> ExchangeOutcome {
    let reason = match error {
        OpenError::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            FailureReason::ConnectionRefused
        }
        OpenError::TimedOut { .. } => FailureReason::ConnectTimeout,
        OpenError::OutOfPorts => FailureReason::ClientOutOfPorts,
        OpenError::OutOfFiles { .. } => FailureReason::ClientOutOfFiles,
        _ => FailureReason::ConnectError,
    };
    ExchangeOutcome {
        exchange,
        end: broken(
            reason,
            format!("connecting to {}: {error}", target.address_text()),
        ),
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}

/// The outcome of a request that has no wire form for a socket.
pub(super) fn unsendable(exchange: Exchange) -> ExchangeOutcome {
    ExchangeOutcome {
        exchange,
        end: broken(FailureReason::NotEncoded, "the plugin gave no HTTP request"),
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}
