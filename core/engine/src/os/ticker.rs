//! A thread that is woken at fixed times until it is stopped.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::os::clock::now_ns;

/// A running thread. It is stopped and joined when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticker<T> {
    stop: Option<Sender<()>>,
    /// Closed when the work has ended.
    working: Receiver<()>,
    thread: Option<JoinHandle<T>>,
}

/// How a thread was found when it was to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stopped<T> {
    /// It ended with this.
    Done(T),
    /// It panicked.
    Panicked,
    /// It is still at its work, and left to itself.
    LeftBehind,
}

/// The times at which the thread is woken.
#[derive(Debug)]
pub(crate) struct Ticks {
    stop: Receiver<()>,
    every_ns: u64,
    next_ns: u64,
}

impl<T: Send + 'static> Ticker<T> {
    /// Runs `work` on a thread of its own; its first tick is due at once.
    ///
    /// # Errors
    /// The system has no room for a thread.
    pub(crate) fn start(
        name: &str,
        every: Duration,
        work: impl FnOnce(&mut Ticks) -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, stop) = mpsc::channel();
        let (at_work, working) = mpsc::channel();
        let mut ticks = Ticks {
            stop,
            every_ns: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1),
            next_ns: now_ns(),
        };
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let _at_work: Sender<()> = at_work;
            work(&mut ticks)
        })?;
        Ok(Self {
            stop: Some(sender),
            working,
            thread: Some(thread),
        })
    }

    /// Stops the thread, waits for its end and gives what it returned; `None`
    /// if it panicked.
    pub(crate) fn stop(mut self) -> Option<T> {
        self.end()
    }

    /// Stops the thread and waits for its end, but no longer than `limit`: for
    /// work that may hang in a call.
    pub(crate) fn stop_within(mut self, limit: Duration) -> Stopped<T> {
        self.stop.take();
        if self.working.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            self.thread.take();
            return Stopped::LeftBehind;
        }
        self.end().map_or(Stopped::Panicked, Stopped::Done)
    }
}

impl<T> Ticker<T> {
    fn end(&mut self) -> Option<T> {
        self.stop.take();
        self.thread.take()?.join().ok()
    }
}

impl<T> Drop for Ticker<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl Ticks {
    /// Waits for the next tick; false once the thread shall end.
    ///
    /// Ticks are due at whole multiples of the interval after the first one,
    /// however long the work takes; those that were missed are left out.
    pub(crate) fn wait(&mut self) -> bool {
        loop {
            let left_ns = self.next_ns.saturating_sub(now_ns());
            if left_ns == 0 {
                break;
            }
            match self.stop.recv_timeout(Duration::from_nanos(left_ns)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        self.next_ns = following(self.next_ns, self.every_ns, now_ns());
        self.stop.try_recv() == Err(TryRecvError::Empty)
    }
}

/// The first time after `now_ns` that is a whole number of intervals after `due_ns`.
fn following(due_ns: u64, every_ns: u64, now_ns: u64) -> u64 {
    let passed = now_ns.saturating_sub(due_ns) / every_ns;
    due_ns.saturating_add((passed + 1).saturating_mul(every_ns))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn deadlines_do_not_drift_and_missed_ones_are_left_out() {
        assert_eq!(following(1000, 100, 1000), 1100);
        assert_eq!(following(1000, 100, 1099), 1100);
        assert_eq!(following(1000, 100, 1100), 1200);
        assert_eq!(following(1000, 100, 1350), 1400);
        assert_eq!(following(1000, u64::MAX, 1350), u64::MAX);
    }

    #[test]
    fn a_thread_that_waits_long_stops_at_once() {
        let (sender, ticked) = mpsc::channel();
        let ticker = Ticker::start("test", Duration::from_secs(3600), move |ticks| {
            let mut count = 0;
            while ticks.wait() {
                count += 1;
                sender.send(()).unwrap();
            }
            count
        })
        .unwrap();
        ticked.recv().unwrap();
        assert_eq!(ticker.stop(), Some(1));
    }

    #[test]
    fn work_that_hangs_is_left_behind() {
        let (release, hung) = mpsc::channel::<()>();
        let hour = Duration::from_secs(3600);
        let ticker = Ticker::start("test", hour, move |_| hung.recv().is_err()).unwrap();
        assert_eq!(
            ticker.stop_within(Duration::from_millis(10)),
            Stopped::LeftBehind
        );
        drop(release);
        let ticker = Ticker::start("test", hour, |ticks| while ticks.wait() {}).unwrap();
        assert_eq!(ticker.stop_within(hour), Stopped::Done(()));
    }
}
