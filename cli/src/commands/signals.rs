//! What Ctrl-C and the signals like it do to a run.

use std::time::Duration;

use inferbench_engine::os::signals::is_ignored;
use inferbench_engine::run::Stops;
use inferbench_engine::worker::{self, Note};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Code;

/// Time after the second signal until the process exits anyway. A server that
/// ignores its signal is killed well before that.
const FORCED_EXIT_AFTER: Duration = Duration::from_secs(30);

/// The first signal stops the run in order, the second at once, the third exits
/// even if something hangs.
pub(super) async fn stop_on_signals(stops: Stops) {
    let mut asked = Asked::listen();
    asked.wait_for(1).await;
    eprintln!("stopping, press Ctrl-C again to stop at once");
    stops.gentle.cancel();
    asked.wait_for(2).await;
    stops.now.cancel();
    // A plugin that hangs cannot be stopped from outside. The supervisors see
    // this process exit, and stop their servers.
    tokio::select! {
        () = asked.wait_for(3) => {}
        () = tokio::time::sleep(FORCED_EXIT_AFTER) => {}
    }
    eprintln!("error: the run does not stop");
    eprintln!("hint: find out whether a plugin hangs with inferbench plugins check");
    worker::note(&Note::Ends(Code::Interrupted as u8));
    std::process::exit(Code::Interrupted as i32);
}

/// How often the user has asked to stop. A terminal sends its signals to this process and
/// to its watcher, which passes them on: of the two counts the higher one is true.
struct Asked {
    received: mpsc::UnboundedReceiver<SignalKind>,
    directly: u32,
    through_watcher: u32,
}

impl Asked {
    fn listen() -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            passed_on(),
        ];
        // Whoever ignores one, as nohup does, means that for InferBench too.
        for kind in kinds.into_iter().filter(|k| !is_ignored(k.as_raw_value())) {
            match signal(kind) {
                Ok(signal) => send_each(signal, kind, sender.clone()),
                Err(error) => eprintln!("warning: no handler for a signal: {error}"),
            }
        }
        Self {
            received,
            directly: 0,
            through_watcher: 0,
        }
    }

    async fn wait_for(&mut self, times: u32) {
        while self.directly.max(self.through_watcher) < times {
            match self.received.recv().await {
                Some(kind) if kind == passed_on() => self.through_watcher += 1,
                Some(_) => self.directly += 1,
                // There is no handler at all: nobody will ask.
                None => std::future::pending().await,
            }
        }
    }
}

fn passed_on() -> SignalKind {
    SignalKind::from_raw(worker::STOP as i32)
}

fn send_each(mut signal: Signal, kind: SignalKind, sender: mpsc::UnboundedSender<SignalKind>) {
    tokio::spawn(
        async move { while signal.recv().await.is_some() && sender.send(kind).is_ok() {} },
    );
}
