//! Checks of engines that generate in the process.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::{Outcome, Subject, launch, must, no_panic, words};
use crate::Replayed;
use inferbench_plugin_api::abi::EventBuf;
use inferbench_plugin_api::client::{EngineClient, HostSink, SharedSink};
use inferbench_plugin_api::events::decoded;
use inferbench_plugin_api::{OpenContext, RequestSpec};

/// How long an engine may take for a few tokens.
const PATIENCE: Duration = Duration::from_secs(30);

struct Pushed {
    id: u64,
    t_ns: u64,
    events: Vec<Replayed>,
}

struct Sink {
    start: Instant,
    pushed: Mutex<Sender<Pushed>>,
}

impl HostSink for Sink {
    fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn push(&self, id: u64, t_ns: u64, buffer: &EventBuf) -> bool {
        let events = decoded(buffer).map(Replayed::from).collect();
        let pushed = Pushed { id, t_ns, events };
        self.pushed
            .lock()
            .is_ok_and(|sender| sender.send(pushed).is_ok())
    }
}

pub(super) fn engine_answers(subject: &Subject) -> Outcome {
    if !subject.description.capabilities.in_process {
        return Ok(());
    }
    let context = OpenContext {
        options: subject.options.clone(),
        attached: false,
    };
    let engine = EngineClient::open(subject.module, &subject.name, &context, &launch::usual());
    let engine = engine.map_err(words)?;
    let (sender, pushed) = channel();
    let start = Instant::now();
    let sink = SharedSink::new(Sink {
        start,
        pushed: Mutex::new(sender),
    });
    let request = RequestSpec {
        output_tokens: 3,
        ..subject.request()?
    };
    engine.submit(7, &request, &sink).map_err(words)?;
    let answered = whole_answer(&pushed, start);
    // Nobody waits for this one: it is given up, and must not hold the end up.
    no_panic("submit", engine.submit(8, &request, &sink))?;
    engine.cancel(8);
    engine.shutdown();
    answered
}

fn whole_answer(pushed: &Receiver<Pushed>, start: Instant) -> Outcome {
    let (mut last_ns, mut outputs) = (0, 0);
    loop {
        let next = pushed.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("nothing came for {} s", PATIENCE.as_secs()),
            RecvTimeoutError::Disconnected => "the engine dropped the request".to_owned(),
        })?;
        must(
            next.id == 7,
            format!("an event of request {}, asked was 7", next.id),
        )?;
        let now_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        must(
            next.t_ns <= now_ns,
            "an event is stamped later than it came",
        )?;
        must(next.t_ns >= last_ns, "stamps go backwards")?;
        last_ns = next.t_ns;
        for event in next.events {
            match event {
                Replayed::Output(_, text, _) if !text.is_empty() => outputs += 1,
                Replayed::Error(message) => return Err(format!("the engine reported: {message}")),
                Replayed::End => return must(outputs > 0, "an answer without output"),
                _ => {}
            }
        }
    }
}
