//! What Ctrl-C and the signals like it do to a run.

use std::time::Duration;

use inferbench_engine::run::Stops;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::Code;

/// How long stopping at once may take before the process ends all the same. A
/// server that ignores its signal is killed well within it.
const AT_ONCE_LIMIT: Duration = Duration::from_secs(30);

/// The first signal stops in order, the second at once, the third whatever hangs.
pub(super) async fn heed_signals(stops: Stops) {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        match signal(kind) {
            Ok(signal) => signals.push(signal),
            Err(error) => eprintln!("warning: a signal cannot be heard: {error}"),
        }
    }
    let mut heard = any_of(signals);
    if heard.recv().await.is_some() {
        eprintln!("stopping: again to stop at once");
        stops.gentle.cancel();
    }
    if heard.recv().await.is_some() {
        stops.gentle.cancel();
        stops.now.cancel();
        // A plugin that does not come back cannot be stopped from outside. The
        // servers' supervisors see this process go, and stop them.
        tokio::select! {
            _ = heard.recv() => {}
            () = tokio::time::sleep(AT_ONCE_LIMIT) => {}
        }
        eprintln!("error: the run does not come back");
        eprintln!("hint: inferbench plugins check tells whether a plugin hangs");
        std::process::exit(Code::Interrupted as i32);
    }
}

fn any_of(signals: Vec<Signal>) -> mpsc::UnboundedReceiver<()> {
    let (tell, heard) = mpsc::unbounded_channel();
    for mut signal in signals {
        let tell = tell.clone();
        tokio::spawn(
            async move { while signal.recv().await.is_some() && tell.send(()).is_ok() {} },
        );
    }
    heard
}
