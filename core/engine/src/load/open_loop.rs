//! Open loop: requests sent at their planned times, whatever the server does.

use std::collections::VecDeque;
use std::iter::{Enumerate, Peekable};
use std::rc::Rc;
use std::time::Duration;

use inferbench_model::config::LoadConfig;
use inferbench_model::facts::exchange::Exchange;
use inferbench_model::facts::record::Phase;
use inferbench_model::plan::schedule::Schedule;
use inferbench_model::text::units::DurationText;
use tokio::task::JoinSet;

use super::channel::Shared;
use super::connections::{Connections, Taken, opened};
use super::error::LoadError;
use super::exchange::EncodedRequest;
use super::feed::Feed;
use crate::os::clock;

/// Time between the end of the preparations and the first planned send, ns.
const HEAD_START_NS: u64 = 20_000_000;
/// The timer's grain: the last stretch before a send is waited out awake, ns.
const AWAKE_NS: u64 = 1_500_000;
/// Longest time between two looks at which free connections are to be closed, ns.
const LOOK_EVERY_NS: u64 = 20_000_000;
/// Longest wait for the connections of the first sends.
const FIRST_OPEN_LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn run(
    shared: &Rc<Shared>,
    mut feed: Feed,
    schedule: Schedule,
) -> Result<(), LoadError> {
    let load = &shared.cell.load;
    let wanted = load.requests.map(|n| n + load.warmup_requests);
    feed.fill(wanted.unwrap_or(u64::MAX).min(1024) as usize)
        .await;
    let mut ahead = Ahead::new(Connections::new(shared), Sends::new(load, schedule));
    ahead.open_first().await;
    let start_ns = clock::now_ns() + HEAD_START_NS;
    let mut running = JoinSet::new();
    let mut outcome = Ok(());
    while let Some(offset_ns) = ahead.next_offset_ns() {
        let due_ns = start_ns.saturating_add(offset_ns);
        tokio::select! {
            biased;
            () = shared.cancel.cancelled() => break,
            () = ahead.until(due_ns, start_ns) => {}
        }
        let Some((planned, taken)) = ahead.next_send() else {
            break;
        };
        let request = match feed.next().await {
            Ok(request) => request,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        };
        let connections = Rc::clone(&ahead.connections);
        let send = send(
            Rc::clone(shared),
            (connections, taken),
            request,
            planned.phase,
            due_ns,
        );
        running.spawn_local(send);
        while running.try_join_next().is_some() {}
    }
    ahead.connections.close_others();
    running.join_all().await;
    outcome
}

/// One planned send.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Send {
    /// After the start, ns.
    offset_ns: u64,
    phase: Phase,
}

/// The sends of a cell: those of the schedule, up to the cell's end.
struct Sends {
    schedule: Enumerate<Schedule>,
    warmup: u64,
    wanted: Option<u64>,
    duration_ns: Option<u64>,
    ends_ns: Option<u64>,
}

impl Sends {
    fn new(load: &LoadConfig, schedule: Schedule) -> Self {
        Self {
            schedule: schedule.enumerate(),
            warmup: load.warmup_requests,
            wanted: load.requests.map(|n| n + load.warmup_requests),
            duration_ns: load.duration.map(DurationText::as_ns),
            ends_ns: None,
        }
    }
}

impl Iterator for Sends {
    type Item = Send;

    fn next(&mut self) -> Option<Send> {
        let (index, offset_ns) = self.schedule.next()?;
        if self.wanted.is_some_and(|wanted| index as u64 >= wanted) {
            return None;
        }
        let warm = (index as u64) < self.warmup;
        if !warm && self.ends_ns.is_none() {
            let ends = |duration_ns| offset_ns.saturating_add(duration_ns);
            self.ends_ns = self.duration_ns.map(ends);
        }
        let phase = if warm { Phase::Warmup } else { Phase::Measured };
        let over = self.ends_ns.is_some_and(|end| offset_ns >= end);
        (!over).then_some(Send { offset_ns, phase })
    }
}

/// The sends to come: the next ones have taken their connections.
struct Ahead {
    connections: Rc<Connections>,
    sends: Peekable<Sends>,
    taken: VecDeque<(Send, Taken)>,
}

impl Ahead {
    fn new(connections: Rc<Connections>, sends: Sends) -> Self {
        Self {
            connections,
            sends: sends.peekable(),
            taken: VecDeque::new(),
        }
    }

    /// Lets every send up to `offset_ns` after the start take its connection.
    fn take_until(&mut self, offset_ns: u64) {
        while let Some(send) = self.sends.next_if(|send| send.offset_ns <= offset_ns) {
            self.taken.push_back((send, self.connections.take()));
        }
    }

    /// Opens the connections of the first sends, before the clock starts: of the
    /// very first ones, and once it is known how long that takes, of those that
    /// come so soon that there would be no time later.
    async fn open_first(&mut self) {
        for offset_ns in [0, u64::MAX] {
            self.take_until(offset_ns.min(self.connections.lead_ns()));
            let taken = self.taken.iter_mut().map(|(_, taken)| taken);
            opened(taken, FIRST_OPEN_LIMIT).await;
        }
    }

    fn next_offset_ns(&mut self) -> Option<u64> {
        let first = self.taken.front().map(|(send, _)| send);
        let next = first.or_else(|| self.sends.peek());
        next.map(|send| send.offset_ns)
    }

    /// The next send, with its connection.
    fn next_send(&mut self) -> Option<(Send, Taken)> {
        let taken = self.taken.pop_front();
        taken.or_else(|| Some((self.sends.next()?, self.connections.take())))
    }

    /// Waits until a time to well below a millisecond: asleep at first, then
    /// awake. Meanwhile later sends take their connections, and those that are
    /// free for too long are closed.
    async fn until(&mut self, due_ns: u64, start_ns: u64) {
        loop {
            let now_ns = clock::now_ns();
            self.connections.close_idle(now_ns);
            let lead_ns = self.connections.lead_ns();
            self.take_until((now_ns + lead_ns + AWAKE_NS).saturating_sub(start_ns));
            if now_ns >= due_ns {
                return;
            }
            let asleep_ns = due_ns.saturating_sub(now_ns + AWAKE_NS);
            if asleep_ns == 0 {
                tokio::task::yield_now().await;
                continue;
            }
            let next = self.sends.peek().map(|send| send.offset_ns);
            let next_take_ns = next.map_or(u64::MAX, |offset_ns| {
                start_ns.saturating_add(offset_ns).saturating_sub(lead_ns)
            });
            let until_take_ns = next_take_ns.saturating_sub(now_ns).max(1);
            let asleep_ns = asleep_ns.min(until_take_ns).min(LOOK_EVERY_NS);
            tokio::time::sleep(Duration::from_nanos(asleep_ns)).await;
        }
    }
}

async fn send(
    shared: Rc<Shared>,
    (connections, taken): (Rc<Connections>, Taken),
    request: EncodedRequest,
    phase: Phase,
    due_ns: u64,
) {
    let mut channel = connections.claim(taken).await;
    let mut exchange = Exchange::default();
    exchange.scheduled_ns = Some(due_ns);
    let under_way = connections.begin(&channel);
    shared.carry(&mut channel, request, phase, exchange).await;
    connections.end(&under_way, channel);
}
