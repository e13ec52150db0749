//! What a supervisor hears: signals, orders, and ends of processes, each on a thread of its
//! own.

use std::io::{self, BufRead};
use std::sync::mpsc::{SendError, Sender, channel};
use std::thread::Builder;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::job::Order;

/// What it hears.
pub(super) enum Heard {
    Order(Order),
    /// InferBench, or whoever ends this process, wants the end.
    End,
    Ended(Pid, i32),
    /// No process of the tree is left.
    Empty,
}

/// Hears all of it from now on; ends of processes once there are any.
pub(super) fn listen(send: &Sender<Heard>) -> io::Result<Reaper> {
    heed_signals(send.clone())?;
    let reaper = Reaper::new(send.clone())?;
    hear_orders(send.clone())?;
    Ok(reaper)
}

/// Turns the signals that end a process into an end in order. They are handled,
/// not blocked: what is started here would inherit that.
fn heed_signals(send: Sender<Heard>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let heed = move || {
        for _ in signals.forever() {
            if send.send(Heard::End).is_err() {
                return;
            }
        }
    };
    Builder::new().spawn(heed).map(drop)
}

/// Reaps, on a thread of its own, once it is asked to: before there is a
/// server there is nothing to wait for.
pub(super) struct Reaper(Sender<()>);

impl Reaper {
    fn new(send: Sender<Heard>) -> io::Result<Self> {
        let (begin, told) = channel();
        let wait = move || {
            if told.recv().is_ok() {
                reap(&send);
            }
        };
        Builder::new().spawn(wait).map(|_| Self(begin))
    }

    /// There is a server.
    pub(super) fn begin(&self) {
        // Its thread waits for nothing else.
        let _: Result<(), SendError<()>> = self.0.send(());
    }
}

fn hear_orders(send: Sender<Heard>) -> io::Result<()> {
    Builder::new().spawn(move || hear_all(&send)).map(drop)
}

fn hear_all(send: &Sender<Heard>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if let Ok(order) = serde_json::from_str(&line)
            && send.send(Heard::Order(order)).is_err()
        {
            return;
        }
    }
    // If nobody listens any more, the end has come already.
    drop(send.send(Heard::End));
}

/// Reaps every process of the tree, adopted ones too, until none is left.
fn reap(send: &Sender<Heard>) {
    loop {
        let heard = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) => Heard::Ended(pid, code << 8),
            Ok(WaitStatus::Signaled(pid, signal, dumped)) => {
                Heard::Ended(pid, signal as i32 | if dumped { 0x80 } else { 0 })
            }
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => Heard::Empty,
        };
        let last = matches!(heard, Heard::Empty);
        if send.send(heard).is_err() || last {
            return;
        }
    }
}
