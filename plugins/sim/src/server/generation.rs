//! A generation request from its start to its last token, faults included.
//! When tokens come is decided elsewhere.

use std::cmp::Reverse;

use super::answer::{Answer, answer_id};
use super::clock::{now_ns, unix_seconds};
use super::conn::{Active, Ending};
use super::faults::{self, FaultKind};
use super::http::{Request, push_stream_head};
use super::model::{Produced, SeqKey};
use super::openai::{ApiError, Endpoint, Job, parse_job};
use super::server::{Clockwork, Server};
use super::truth::Record;

impl Server {
    /// Starts to answer a generation request.
    pub(crate) fn start_generation(&mut self, slot: usize, endpoint: Endpoint, request: &Request) {
        let number = self.requests;
        self.requests += 1;
        let Some(conn) = self.conn(slot) else { return };
        let arrival = conn.arrival;
        let mut record = Record {
            id: answer_id(endpoint, number),
            x_request_id: request.x_request_id.clone(),
            endpoint: endpoint.path(),
            stream: false,
            status: 200,
            prompt_tokens: None,
            cached_tokens: 0,
            output_tokens: 0,
            received_ns: arrival.best_ns(),
            received_by: if arrival.kernel_ns.is_some() {
                "kernel"
            } else {
                "read"
            },
            read_ns: arrival.read_ns,
            head_write_ns: None,
            first_write_ns: None,
            last_write_ns: None,
            done_ns: None,
            token_write_ns: Vec::new(),
            aborted: false,
            fault: None,
        };
        let job = match parse_job(endpoint, &request.body, &self.limits) {
            Ok(job) => job,
            Err(error) => return self.refuse(slot, record, &error, None, request.close),
        };
        record.stream = job.stream;
        record.prompt_tokens = u32::try_from(job.prompt_ids.len()).ok();
        let fault = faults::choose(&self.args.faults, self.counts.accepted);
        self.counts.accepted += 1;
        if let Some(kind @ FaultKind::Http503 { retry_after_s }) = fault {
            record.fault = Some(kind.name());
            let error = ApiError::unavailable("simulated fault http-503".into());
            return self.refuse(slot, record, &error, retry_after_s, request.close);
        }
        let key = SeqKey {
            slot,
            request: number,
        };
        if let Clockwork::Engine(engine) = &mut self.clockwork
            && let Err(error) = engine.submit(key, &job.prompt_ids, job.output_tokens as usize)
        {
            let error = ApiError::bad(None, error.to_string());
            return self.refuse(slot, record, &error, None, request.close);
        }
        self.open_answer(key, job, record, fault, request);
    }

    fn open_answer(
        &mut self,
        key: SeqKey,
        job: Job,
        mut record: Record,
        fault: Option<FaultKind>,
        request: &Request,
    ) {
        let stream = job.stream;
        record.token_write_ns.reserve(job.output_tokens as usize);
        // Without chunks only the end of the connection ends a stream.
        let close = request.close || (stream && request.http10);
        let chunked = !request.http10;
        let answer = Answer::new(
            job,
            &self.style,
            key.request,
            unix_seconds(),
            chunked,
            close,
        );
        let Some(conn) = self.conn(key.slot) else {
            return;
        };
        conn.ending = if close { Ending::Close } else { Ending::Keep };
        conn.active = Some(Active {
            request: key.request,
            answer,
            record,
            fault_at: fault.and_then(FaultKind::after),
            fault,
            stalled: false,
            held: 0,
            scheduled: false,
            ended: false,
        });
        if stream {
            push_stream_head(chunked, close, &mut conn.out);
        }
        if fault.and_then(FaultKind::after) == Some(0) {
            self.strike(key);
        }
        self.push_out(key.slot);
    }

    /// Answers with an error at once.
    fn refuse(
        &mut self,
        slot: usize,
        mut record: Record,
        error: &ApiError,
        retry_after_s: Option<u64>,
        close: bool,
    ) {
        let mut response = error.response();
        response.retry_after_s = retry_after_s;
        record.status = error.status;
        record.head_write_ns = Some(now_ns());
        self.respond(slot, &response, close);
        record.done_ns = Some(now_ns());
        self.truth.push(record);
        self.count_answered();
    }

    /// A token from the engine.
    pub(crate) fn engine_token(&mut self, produced: Produced) {
        let Some(active) = self.active(produced.key) else {
            return;
        };
        active.answer.set_cached_tokens(produced.cached_tokens);
        active.record.cached_tokens = produced.cached_tokens;
        self.emit(produced.key);
    }

    /// Gives the next token to a request; a stalled one holds it.
    pub(crate) fn emit(&mut self, key: SeqKey) {
        let Self {
            conns,
            style,
            scratch,
            counts,
            ..
        } = self;
        let Some(conn) = conns.get_mut(key.slot).and_then(Option::as_mut) else {
            return;
        };
        let Some(active) = conn.active.as_mut().filter(|a| a.request == key.request) else {
            return;
        };
        if active.stalled {
            active.held += 1;
            return;
        }
        let event_due = active.answer.produce(style);
        let produced = active.answer.produced();
        counts.generation_tokens += 1;
        if produced == 1 {
            counts.prompt_tokens += u64::from(active.record.prompt_tokens.unwrap_or(0));
        }
        let struck = active.fault_at == Some(produced);
        if event_due || struck {
            let tokens = active.answer.push_event(style, scratch, &mut conn.out);
            conn.mark(tokens);
        }
        if struck {
            self.strike(key);
        } else {
            self.end_if_complete(key);
        }
        self.push_out(key.slot);
    }

    /// Appends the end of a complete answer.
    fn end_if_complete(&mut self, key: SeqKey) {
        let Self {
            conns,
            style,
            scratch,
            ..
        } = self;
        let Some(conn) = conns.get_mut(key.slot).and_then(Option::as_mut) else {
            return;
        };
        let Some(active) = conn.active.as_mut().filter(|a| a.answer.is_complete()) else {
            return;
        };
        let tokens = active.answer.push_end(style, scratch, &mut conn.out);
        active.ended = true;
        conn.mark(tokens);
    }

    /// Acts out the request's fault.
    fn strike(&mut self, key: SeqKey) {
        let Some(conn) = self.conn(key.slot) else {
            return;
        };
        let Some(active) = conn.active.as_mut() else {
            return;
        };
        active.fault_at = None;
        active.record.fault = active.fault.map(FaultKind::name);
        match active.fault {
            Some(FaultKind::Stall { for_ms, .. }) => {
                active.stalled = true;
                if let Some(ms) = for_ms {
                    let end_ns = now_ns().saturating_add(ms.saturating_mul(1_000_000));
                    self.stalls.push(Reverse((end_ns, key.request, key.slot)));
                }
                return;
            }
            Some(FaultKind::Cut { .. }) => conn.ending = Ending::Close,
            Some(FaultKind::Reset { .. }) => conn.ending = Ending::Reset,
            Some(FaultKind::ErrorInStream { .. }) => {
                let error = ApiError::internal("simulated fault error-in-stream");
                active.answer.push_error(&error, &mut conn.out);
                if !active.answer.job().stream {
                    active.record.status = error.status;
                }
            }
            Some(FaultKind::Http503 { .. }) | None => return,
        }
        active.ended = true;
        self.stop_sequence(key);
    }

    /// Lets stalled requests go on whose time has come.
    pub(crate) fn end_stalls(&mut self) {
        while let Some(Reverse((due_ns, request, slot))) = self.stalls.peek().copied() {
            if due_ns > now_ns() {
                return;
            }
            self.stalls.pop();
            let key = SeqKey { slot, request };
            let Some(active) = self.active(key) else {
                continue;
            };
            active.stalled = false;
            let held = std::mem::take(&mut active.held);
            self.end_if_complete(key);
            self.push_out(slot);
            for _ in 0..held {
                self.emit(key);
            }
        }
    }
}
