//! What Ctrl-C and the signals like it do to a run.

use std::time::Duration;

use inferbench_engine::run::Stops;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Code;

/// Time after the second signal until the process exits anyway. A server that
/// ignores its signal is killed well before that.
const FORCED_EXIT_AFTER: Duration = Duration::from_secs(30);

/// The first signal stops the run in order, the second at once, the third exits
/// even if something hangs.
pub(super) async fn stop_on_signals(stops: Stops) {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        match signal(kind) {
            Ok(signal) => signals.push(signal),
            Err(error) => eprintln!("warning: no handler for a signal: {error}"),
        }
    }
    let mut received = any_of(signals);
    if received.recv().await.is_some() {
        eprintln!("stopping, press Ctrl-C again to stop at once");
        stops.gentle.cancel();
    }
    if received.recv().await.is_some() {
        stops.gentle.cancel();
        stops.now.cancel();
        // A plugin that hangs cannot be stopped from outside. The supervisors see
        // this process exit, and stop their servers.
        tokio::select! {
            _ = received.recv() => {}
            () = tokio::time::sleep(FORCED_EXIT_AFTER) => {}
        }
        eprintln!("error: the run does not stop");
        eprintln!("hint: find out whether a plugin hangs with inferbench plugins check");
        std::process::exit(Code::Interrupted as i32);
    }
}

fn any_of(signals: Vec<Signal>) -> mpsc::UnboundedReceiver<()> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for mut signal in signals {
        let sender = sender.clone();
        tokio::spawn(
            async move { while signal.recv().await.is_some() && sender.send(()).is_ok() {} },
        );
    }
    receiver
}
