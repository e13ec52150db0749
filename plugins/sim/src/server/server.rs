//! The server's state between events: connections, engine or timetable, truth
//! and counts. Sockets are read here; what a request means is in `routes`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::answer::AnswerStyle;
use super::args::Args;
use super::clock::{now_ns, read_stamped};
use super::conn::{Active, Conn, Ending, Flushed};
use super::metrics::{Counts, Snapshot};
use super::model::{Engine, Produced, SeqKey};
use super::openai::Limits;
use super::pacing::Pacing;
use super::truth::Truth;

const READ_BYTES: usize = 64 * 1024;
/// Writes between two looks at the sockets.
const WRITES_PER_TURN: usize = 64;

/// What decides when tokens come.
#[derive(Debug)]
pub(crate) enum Clockwork {
    /// The virtual engine.
    Engine(Box<Engine>),
    /// A fixed timetable.
    Fixed(Pacing),
}

/// Everything but the poll.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) args: Args,
    pub(crate) limits: Limits,
    pub(crate) style: AnswerStyle,
    pub(crate) clockwork: Clockwork,
    pub(crate) conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    /// Connections that may have a complete request in their input.
    recheck: Vec<usize>,
    /// Ends of stalls.
    pub(crate) stalls: BinaryHeap<Reverse<(u64, u64, usize)>>,
    pub(crate) truth: Truth,
    pub(crate) counts: Counts,
    pub(crate) requests: u64,
    pub(crate) ready_at_ns: u64,
    pub(crate) crashed: bool,
    pub(crate) scratch: Vec<u8>,
    produced: Vec<Produced>,
    read_buffer: Vec<u8>,
}

impl Server {
    /// A server without connections.
    pub(crate) fn new(args: Args) -> Self {
        let clockwork = match args.fixed_pacing() {
            Some((ttft_ns, itl_ns)) => {
                Clockwork::Fixed(Pacing::new(ttft_ns, itl_ns, args.fixed_burst))
            }
            None => Clockwork::Engine(Box::new(Engine::new(args.engine()))),
        };
        let style = AnswerStyle {
            model: args.model.clone(),
            shows_cached: args.prefix_caching,
            tokens_per_event: args.tokens_per_event as usize,
        };
        Self {
            limits: args.limits(),
            style,
            clockwork,
            conns: Vec::new(),
            free: Vec::new(),
            recheck: Vec::new(),
            stalls: BinaryHeap::new(),
            truth: Truth::default(),
            counts: Counts::default(),
            requests: 0,
            ready_at_ns: now_ns() + args.load_ns(),
            crashed: false,
            scratch: Vec::with_capacity(1024),
            produced: Vec::new(),
            read_buffer: vec![0; READ_BYTES],
            args,
        }
    }

    /// The slot that the next `insert` fills.
    pub(crate) fn next_slot(&self) -> usize {
        self.free.last().copied().unwrap_or(self.conns.len())
    }

    /// Takes in a connection.
    pub(crate) fn insert(&mut self, conn: Conn) {
        match self.free.pop() {
            Some(slot) => self.conns[slot] = Some(conn),
            None => self.conns.push(Some(conn)),
        }
    }

    /// The connection in `slot`, if there is one.
    pub(crate) fn conn(&mut self, slot: usize) -> Option<&mut Conn> {
        self.conns.get_mut(slot)?.as_mut()
    }

    /// The request `key` names, if it is still in progress.
    pub(crate) fn active(&mut self, key: SeqKey) -> Option<&mut Active> {
        self.conn(key.slot)?
            .active
            .as_mut()
            .filter(|a| a.request == key.request)
    }

    /// Reads all that is there, then acts on complete requests.
    pub(crate) fn readable(&mut self, slot: usize) {
        let mut gone = false;
        loop {
            let Some(conn) = self.conns.get_mut(slot).and_then(Option::as_mut) else {
                return;
            };
            match read_stamped(&conn.stream, &mut self.read_buffer) {
                Ok((0, _)) => gone = true,
                Ok((n, arrival)) => {
                    conn.input.extend_from_slice(&self.read_buffer[..n]);
                    conn.arrival = arrival;
                    if conn.is_flooded() {
                        gone = true;
                    } else {
                        continue;
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => gone = true,
            }
            break;
        }
        self.take_requests(slot);
        if gone {
            self.drop_conn(slot);
        }
    }

    /// Goes on writing to a socket that may have room again.
    pub(crate) fn writable(&mut self, slot: usize) {
        if self.conn(slot).is_some_and(|c| !c.out.is_empty()) {
            self.push_out(slot);
        }
    }

    /// Takes up requests that arrived behind others.
    pub(crate) fn take_queued_requests(&mut self) {
        while let Some(slot) = self.recheck.pop() {
            self.take_requests(slot);
        }
    }

    /// Writes what is appended, then does what follows once all is written.
    pub(crate) fn push_out(&mut self, slot: usize) {
        let Some(conn) = self.conn(slot) else { return };
        match conn.flush() {
            Ok(Flushed::Drained) => self.settle(slot),
            Ok(Flushed::Blocked) => {}
            Err(_) => self.drop_conn(slot),
        }
    }

    fn settle(&mut self, slot: usize) {
        let Some(conn) = self.conns.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        match &mut conn.active {
            Some(active) if active.ended => self.finish_request(slot),
            Some(active) => {
                if let Clockwork::Fixed(pacing) = &mut self.clockwork
                    && !active.stalled
                    && !active.scheduled
                {
                    active.scheduled = true;
                    let key = SeqKey {
                        slot,
                        request: active.request,
                    };
                    pacing.schedule(key, active.record.received_ns, active.answer.produced());
                }
                return;
            }
            None => {}
        }
        let Some(conn) = self.conn(slot) else { return };
        match conn.ending {
            Ending::Keep if conn.input.is_empty() => {}
            Ending::Keep => self.recheck.push(slot),
            Ending::Close => self.drop_conn(slot),
            Ending::Reset => {
                // A socket that refuses the option is closed all the same.
                let _ = conn.reset_on_close();
                self.drop_conn(slot);
            }
        }
    }

    fn finish_request(&mut self, slot: usize) {
        let Some(mut active) = self.conn(slot).and_then(|c| c.active.take()) else {
            return;
        };
        active.record.done_ns = Some(now_ns());
        if active.answer.is_complete() {
            match active.answer.job().finish_reason {
                "stop" => self.counts.stopped += 1,
                _ => self.counts.reached_length += 1,
            }
        }
        self.truth.push(active.record);
        self.count_answered();
    }

    /// Counts an answered generation request; the server may crash on it.
    pub(crate) fn count_answered(&mut self) {
        self.counts.answered += 1;
        self.crashed |= self.args.exit_after_requests == Some(self.counts.answered);
    }

    /// Closes a connection; a request in progress is aborted.
    pub(crate) fn drop_conn(&mut self, slot: usize) {
        let Some(conn) = self.conns.get_mut(slot).and_then(Option::take) else {
            return;
        };
        self.free.push(slot);
        if let Some(mut active) = conn.active {
            self.stop_sequence(SeqKey {
                slot,
                request: active.request,
            });
            active.record.aborted = true;
            self.counts.aborted += 1;
            self.truth.push(active.record);
        }
    }

    /// Frees what a request holds in the engine.
    pub(crate) fn stop_sequence(&mut self, key: SeqKey) {
        if let Clockwork::Engine(engine) = &mut self.clockwork {
            engine.abort(key);
        }
    }

    /// When something is next due, ns: 0 = now, `None` = only on an event.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        let tokens = match &self.clockwork {
            Clockwork::Engine(engine) => engine.due_ns(),
            Clockwork::Fixed(pacing) => pacing.due_ns(),
        };
        let stall = self.stalls.peek().map(|Reverse((due_ns, _, _))| *due_ns);
        [tokens, stall].into_iter().flatten().min()
    }

    /// Does what is due, up to a bounded number of writes.
    pub(crate) fn turn(&mut self) {
        self.end_stalls();
        let mut writes = 0;
        while writes < WRITES_PER_TURN && !self.crashed {
            let done = match self.clockwork {
                Clockwork::Engine(_) => self.engine_step(),
                Clockwork::Fixed(_) => self.paced_token(),
            };
            if done == 0 {
                break;
            }
            writes += done;
        }
    }

    /// Ends at most one step; returns the tokens it gave.
    fn engine_step(&mut self) -> usize {
        let Clockwork::Engine(engine) = &mut self.clockwork else {
            return 0;
        };
        let now_ns = now_ns();
        if engine.due_ns().is_none_or(|due_ns| due_ns > now_ns) {
            return 0;
        }
        let mut produced = std::mem::take(&mut self.produced);
        engine.advance(now_ns, &mut produced);
        // A step that only began, or only prefilled, counts as one.
        let tokens = produced.len().max(1);
        for one in produced.drain(..) {
            if self.crashed {
                break;
            }
            self.engine_token(one);
        }
        self.produced = produced;
        tokens
    }

    fn paced_token(&mut self) -> usize {
        let Clockwork::Fixed(pacing) = &mut self.clockwork else {
            return 0;
        };
        let Some(key) = pacing.pop(now_ns) else {
            return 0;
        };
        if let Some(active) = self.active(key) {
            active.scheduled = false;
            self.emit(key);
        }
        1
    }

    /// What `/metrics` shows.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let (running, waiting, kv_usage, engine) = match &self.clockwork {
            Clockwork::Engine(e) => (e.running(), e.waiting(), e.kv_usage(), e.counts()),
            Clockwork::Fixed(_) => {
                let running = self
                    .conns
                    .iter()
                    .flatten()
                    .filter(|c| c.active.is_some())
                    .count();
                (running, 0, 0.0, Default::default())
            }
        };
        Snapshot {
            running,
            waiting,
            kv_usage,
            engine,
            counts: self.counts,
        }
    }
}
