//! The timers of a load thread, which wake its loop as sockets do.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::self_check::{LAG_EVERY, Lags, lag_every_ns};
use crate::os::clock;

fn timer() -> io::Result<TimerFd> {
    let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
    Ok(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?)
}

/// Makes a timer silent until it fires again.
fn silence(timer: &TimerFd) {
    // It may have been set anew meanwhile: then there is nothing to read.
    let _nothing = timer.wait();
}

/// Wakes the loop once, far more exactly than its own wait could.
#[derive(Debug)]
pub(super) struct Alarm(TimerFd);

impl Alarm {
    /// # Errors
    /// The kernel gives no timer.
    pub(super) fn new() -> io::Result<Self> {
        timer().map(Self)
    }

    /// Sets it to ring after `wait`, in place of an earlier time.
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn set(&self, wait: Duration) -> io::Result<()> {
        let once = Expiration::OneShot(TimeSpec::from_duration(wait));
        Ok(self.0.set(once, TimerSetTimeFlags::empty())?)
    }

    /// It has rung.
    pub(super) fn rang(&self) {
        silence(&self.0);
    }
}

impl AsRawFd for Alarm {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Wakes the loop at a steady rate, to see how late it is.
#[derive(Debug)]
pub(super) struct Pulse {
    timer: TimerFd,
    due_ns: u64,
}

impl Pulse {
    /// A running pulse.
    ///
    /// # Errors
    /// The kernel gives no timer.
    pub(super) fn start() -> io::Result<Self> {
        let timer = timer()?;
        let due_ns = clock::now_ns() + lag_every_ns();
        let every = Expiration::Interval(TimeSpec::from_duration(LAG_EVERY));
        timer.set(every, TimerSetTimeFlags::empty())?;
        Ok(Self { timer, due_ns })
    }

    /// It was seen to beat: notes how late that is, for every beat that was missed too.
    pub(super) fn beat(&mut self, now_ns: u64, lags: &mut Lags) {
        silence(&self.timer);
        self.due_ns = lags.note(self.due_ns, now_ns);
    }
}

impl AsRawFd for Pulse {
    fn as_raw_fd(&self) -> RawFd {
        self.timer.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use inferbench_model::facts::self_check::SelfCheck;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn beats_within(pulse: &mut Pulse, lags: &mut Lags, ms: u64) {
        let until_ns = clock::now_ns() + ms * 1_000_000;
        while clock::now_ns() < until_ns {
            let mut waits = [PollFd::new(pulse.timer.as_fd(), PollFlags::POLLIN)];
            poll(&mut waits, PollTimeout::from(50u8)).unwrap();
            pulse.beat(clock::now_ns(), lags);
        }
    }

    #[test]
    fn a_loop_that_is_held_up_is_late_by_every_beat_it_missed() {
        let (mut pulse, mut lags) = (Pulse::start().unwrap(), Lags::default());
        beats_within(&mut pulse, &mut lags, 30);
        std::thread::sleep(Duration::from_millis(200));
        beats_within(&mut pulse, &mut lags, 30);
        let mut check = SelfCheck::default();
        lags.fill_in(260_000_000, &mut check);
        assert!(check.stalls.unwrap() >= 1, "{check:?}");
        assert!(check.stall_ms_max.unwrap() >= 180.0, "{check:?}");
        assert!(check.loop_lag_ms_max.unwrap() >= 180.0, "{check:?}");
        // Twenty of some twenty-six beats fell into the stall: 190, 180, .. 0 ms late.
        assert!(check.loop_lag_ms_p50.unwrap() > 20.0, "{check:?}");
    }

    #[test]
    fn an_alarm_that_is_set_anew_rings_at_its_last_time_only() {
        let alarm = Alarm::new().unwrap();
        let began_ns = clock::now_ns();
        alarm.set(Duration::from_millis(1)).unwrap();
        alarm.set(Duration::from_millis(30)).unwrap();
        let mut waits = [PollFd::new(alarm.0.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut waits, PollTimeout::from(200u8)).unwrap(), 1);
        assert!(clock::now_ns() - began_ns >= 30_000_000);
        alarm.rang();
        let mut waits = [PollFd::new(alarm.0.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut waits, PollTimeout::ZERO).unwrap(), 0);
    }
}
