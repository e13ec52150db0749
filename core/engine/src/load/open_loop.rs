//! Open loop: requests sent at their planned times, whatever the server does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use inferbench_model::facts::exchange::Exchange;
use inferbench_model::facts::record::Phase;
use inferbench_model::plan::schedule::Schedule;
use tokio::task::JoinSet;

use super::channel::{Channel, Shared};
use super::error::LoadError;
use super::exchange::EncodedRequest;
use super::feed::Feed;
use crate::os::clock;

/// Connections opened before the clock starts.
const FIRST_CONNECTIONS: u64 = 64;
/// Time between the end of the preparations and the first planned send, ns.
const HEAD_START_NS: u64 = 20_000_000;
/// The timer's grain: the last stretch before a send is waited out awake, ns.
const AWAKE_NS: u64 = 1_500_000;

type Idle = Rc<RefCell<Vec<(Channel, Option<f64>)>>>;

pub(super) async fn run(
    shared: &Rc<Shared>,
    mut feed: Feed,
    schedule: Schedule,
) -> Result<(), LoadError> {
    let load = &shared.cell.load;
    let wanted = load.requests.map(|n| n + load.warmup_requests);
    let idle = open_some(shared, wanted.unwrap_or(FIRST_CONNECTIONS)).await;
    feed.fill(wanted.unwrap_or(u64::MAX).min(1024) as usize)
        .await;
    let start_ns = clock::now_ns() + HEAD_START_NS;
    let mut running = JoinSet::new();
    let mut ends_ns = None;
    let mut outcome = Ok(());
    for (index, offset_ns) in schedule.enumerate() {
        if wanted.is_some_and(|wanted| index as u64 >= wanted) {
            break;
        }
        let due_ns = start_ns.saturating_add(offset_ns);
        let warm = (index as u64) < load.warmup_requests;
        if !warm && ends_ns.is_none() {
            ends_ns = load.duration.map(|d| due_ns.saturating_add(d.as_ns()));
        }
        if ends_ns.is_some_and(|end| due_ns >= end) {
            break;
        }
        tokio::select! {
            biased;
            () = shared.cancel.cancelled() => break,
            () = until(due_ns) => {}
        }
        let phase = if warm { Phase::Warmup } else { Phase::Measured };
        let request = match feed.next().await {
            Ok(request) => request,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
        let send = send(Rc::clone(shared), Rc::clone(&idle), request, phase, due_ns);
        running.spawn_local(send);
        while running.try_join_next().is_some() {}
    }
    running.join_all().await;
    outcome
}

async fn open_some(shared: &Rc<Shared>, wanted: u64) -> Idle {
    let mut opening = JoinSet::new();
    for _ in 0..wanted.min(FIRST_CONNECTIONS) {
        let shared = Rc::clone(shared);
        opening.spawn_local(async move { shared.open().await });
    }
    Rc::new(RefCell::new(opening.join_all().await))
}

/// Waits until a time to well below a millisecond: asleep at first, then awake.
async fn until(due_ns: u64) {
    loop {
        let left = due_ns.saturating_sub(clock::now_ns());
        if left == 0 {
            return;
        }
        if left > AWAKE_NS {
            tokio::time::sleep(Duration::from_nanos(left - AWAKE_NS)).await;
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn send(shared: Rc<Shared>, idle: Idle, request: EncodedRequest, phase: Phase, due_ns: u64) {
    let ready = idle.borrow_mut().pop();
    // A new connection is opened by the exchange itself, and its time shows as
    // connect_ms and as send lag.
    let (mut channel, connect_ms) = match ready {
        Some(ready) => ready,
        None => shared.new_channel(),
    };
    let mut exchange = Exchange::default();
    exchange.scheduled_ns = Some(due_ns);
    exchange.connect_ms = connect_ms;
    shared.carry(&mut channel, request, phase, exchange).await;
    if channel.is_usable() {
        idle.borrow_mut().push((channel, None));
    }
}
