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

/// A server that closes a kept connection so soon after an answer, ns, will do so
/// again, also just when the next request goes out. The shortest limits on idle
/// connections that servers have are above it (2 s: gunicorn).
const SOON_NS: u64 = 1_000_000_000;

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
///
/// A connection that has carried other requests may be closed by the server just
/// when the next one goes out: where it then ends before the first byte of an
/// answer, the request is sent again, once, over a connection of its own that is
/// open before the clock starts.
pub async fn run(
    slot: &mut Option<Connection>,
    target: &Target,
    wire: Wire,
    mut exchange: Exchange,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> ExchangeOutcome {
    let opened = match usable(slot.take(), target) {
        Some(connection) => Ok(connection),
        None => connect(target, timeouts.total, cancel).await,
    };
    let mut connection = match opened {
        Ok(connection) => connection,
        Err(end) => return not_sent(exchange, end),
    };
    exchange.connect_ms = connection.first_use_ms();
    let mut answer = Answer::new(exchange, wire.framing, wire.decoder);
    let bytes = wire.bytes;
    let (mut end, mut end_ns) = over(&mut connection, &mut answer, bytes, timeouts, cancel).await;
    if was_closed(&end)
        && let Some(bytes) = connection.take_unanswered()
    {
        target.note_unannounced_close();
        drop(connection);
        connection = match connect(target, timeouts.total, cancel).await {
            Ok(fresh) => fresh,
            Err(end) => return not_sent(answer.unsent(), end),
        };
        answer.begins_again(connection.first_use_ms());
        (end, end_ns) = over(&mut connection, &mut answer, bytes, timeouts, cancel).await;
    }
    if end == StreamEnd::Clean && answer.can_reuse() {
        connection.note_carried(clock::now_ns());
        *slot = Some(connection);
    }
    answer.outcome(end, end_ns)
}

/// Sends the request and reads its answer: how and when it ended.
async fn over(
    connection: &mut Connection,
    answer: &mut Answer,
    bytes: Vec<u8>,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> (StreamEnd, u64) {
    tokio::select! {
        biased;
        ended = answer.exchange_over(connection, bytes, timeouts) => ended,
        () = cancel.cancelled() => (interrupted(), clock::now_ns()),
    }
}

/// The connection, if it can carry a request now.
pub(super) fn usable(kept: Option<Connection>, target: &Target) -> Option<Connection> {
    let mut connection = kept?;
    let carried_ns = connection.carried_ns();
    if connection.is_stale() {
        let rested_ns = carried_ns.map(|at_ns| clock::now_ns().saturating_sub(at_ns));
        if rested_ns.is_some_and(|ns| ns < SOON_NS) {
            target.note_unannounced_close();
        }
        return None;
    }
    let may_carry = carried_ns.is_none() || target.keeps_connections();
    may_carry.then_some(connection)
}

/// Whether the connection was ended by the other side.
fn was_closed(end: &StreamEnd) -> bool {
    let closed = [
        FailureReason::ConnectionClosed,
        FailureReason::ConnectionReset,
    ];
    matches!(end, StreamEnd::Broken { reason, .. } if closed.contains(reason))
}

/// Opens a connection.
pub(super) async fn connect(
    target: &Target,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<Connection, StreamEnd> {
    tokio::select! {
        biased;
        opened = Connection::open(target, limit) => {
            opened.map_err(|error| not_opened(target, &error))
        }
        () = cancel.cancelled() => Err(interrupted()),
    }
}

fn interrupted() -> StreamEnd {
    broken(FailureReason::Interrupted, "the run was interrupted")
}

fn not_opened(target: &Target, error: &OpenError) -> StreamEnd {
    let reason = match error {
        OpenError::Socket(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            FailureReason::ConnectionRefused
        }
        OpenError::TimedOut { .. } => FailureReason::ConnectTimeout,
        OpenError::OutOfPorts => FailureReason::ClientOutOfPorts,
        OpenError::OutOfFiles { .. } => FailureReason::ClientOutOfFiles,
        _ => FailureReason::ConnectError,
    };
    let address = target.address_text();
    broken(reason, format!("connecting to {address}: {error}"))
}

fn not_sent(exchange: Exchange, end: StreamEnd) -> ExchangeOutcome {
    ExchangeOutcome {
        exchange,
        end,
        end_ns: clock::now_ns(),
        reads: ReadStats::default(),
    }
}

/// The outcome of a request that has no wire form for a socket.
pub(super) fn unsendable(exchange: Exchange) -> ExchangeOutcome {
    let end = broken(FailureReason::NotEncoded, "the plugin gave no HTTP request");
    not_sent(exchange, end)
}
