//! A request that is carried through by itself, apart from the load.

use std::io;
use std::time::Duration;

use inferbench_model::facts::exchange::{Exchange, StreamEnd};
use tokio_util::sync::CancellationToken;

use super::carried::{Carried, Step, interrupted, not_opened};
use super::encoded::Wire;
use super::outcome::{ExchangeOutcome, Timeouts};
use super::woke::Woke;
use crate::http::{Connection, Target, Waiter};
use crate::os::clock;

/// Sends one request over the connection in `slot`, opening it first if there
/// is none that can be used, and reads its answer. Afterwards `slot` holds the
/// connection only if it can carry another request. For requests apart from the load.
pub async fn run(
    slot: &mut Option<Connection>,
    target: &Target,
    wire: Wire,
    exchange: Exchange,
    timeouts: Timeouts,
    cancel: &CancellationToken,
) -> ExchangeOutcome {
    let (mut carried, mut step) = Carried::begin(slot.take(), target, wire, exchange, timeouts);
    let mut waiter = None;
    while step != Step::Ended {
        if step == Step::HasMore {
            // A connection that always has bytes must not starve the others.
            tokio::task::yield_now().await;
        }
        step = if step == Step::NeedsConnection {
            waiter = None;
            carried.opened(connect(target, timeouts.total, cancel).await)
        } else {
            next_step(&mut carried, &mut waiter, target, cancel).await
        };
    }
    let (outcome, kept) = carried.finish();
    *slot = kept;
    outcome
}

/// Waits for the connection of a request, and lets it go on.
async fn next_step(
    carried: &mut Carried,
    waiter: &mut Option<Waiter>,
    target: &Target,
    cancel: &CancellationToken,
) -> Step {
    let left_ns = carried.due_ns().saturating_sub(clock::now_ns());
    let Some(connection) = carried.connection() else {
        return carried.interrupt();
    };
    let waiter = match waiter {
        Some(waiter) => waiter,
        None => match connection.waiter() {
            Ok(made) => waiter.insert(made),
            Err(error) => return carried.broke(&error, target),
        },
    };
    let ready = async {
        if !connection.wants_write() {
            return waiter.readable().await;
        }
        let ready = waiter.readable_or_writable().await;
        waiter.not_writable();
        connection.write_on();
        ready
    };
    tokio::select! {
        biased;
        ready = ready => match ready {
            Ok(()) => read_step(carried, waiter, target),
            Err(error) => carried.broke(&error, target),
        },
        () = tokio::time::sleep(Duration::from_nanos(left_ns)) => carried.due(clock::now_ns()),
        () = cancel.cancelled() => carried.interrupt(),
    }
}

/// Lets a request read all that there is.
fn read_step(carried: &mut Carried, waiter: &Waiter, target: &Target) -> Step {
    let read = waiter.try_read(|| match carried.ready(target, true, &mut Woke::default()) {
        Step::Waits => Err(io::ErrorKind::WouldBlock.into()),
        step => Ok(step),
    });
    read.unwrap_or(Step::Waits)
}

/// Opens a connection.
async fn connect(
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
