//! The measured window of a cell whose load several shards made together.

use super::record::Timing;
use super::window::{Window, WindowFold};
use crate::config::Level;
use crate::plan::shard::Shard;

/// The window of a cell, found request by request: of an open loop that of its schedule,
/// which all shards share; of a closed loop the time in which every shard had its slots
/// full.
#[derive(Debug, Clone)]
pub struct SharedWindow {
    count: u32,
    /// One for each shard of a closed loop, else one.
    folds: Vec<WindowFold>,
}

impl Default for SharedWindow {
    fn default() -> Self {
        Self::new(1)
    }
}

impl SharedWindow {
    /// That of a load which so many shards made.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self {
            count: count.max(1),
            folds: vec![WindowFold::default()],
        }
    }

    /// Takes the request with this index, of any phase and in any order.
    pub fn add(&mut self, index: u64, timing: &Timing) {
        let mut timing = *timing;
        let mut place = 0;
        if let Level::Concurrency(slots) = timing.level {
            let own = (index % u64::from(self.count)) as u32;
            if let Ok(shard) = Shard::new(own, self.count) {
                timing.level = Level::Concurrency(shard.slots(slots));
                place = own as usize;
            }
        }
        if place >= self.folds.len() {
            self.folds.resize_with(place + 1, WindowFold::default);
        }
        self.folds[place].add(&timing);
    }

    /// The window; `None` if nothing was measured, or there was no time at which all
    /// shards measured.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        let begun = self.folds.iter().filter(|fold| fold.has_measured());
        let windows: Option<Vec<Window>> = begun.map(WindowFold::window).collect();
        let windows = windows?;
        let start_ns = windows.iter().map(|window| window.start_ns).max()?;
        let end_ns = windows.iter().map(|window| window.end_ns).min()?;
        (end_ns > start_ns).then_some(Window { start_ns, end_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use crate::facts::record::Phase;

    fn window(count: u32, level: Level, requests: &[(u64, u64, u64)]) -> Option<(u64, u64)> {
        let mut window = SharedWindow::new(count);
        for (index, sent_ns, end_ns) in requests {
            let timed = level.is_timed();
            window.add(
                *index,
                &Timing {
                    level,
                    phase: Phase::Measured,
                    scheduled_ns: timed.then_some(*sent_ns),
                    sent_ns: Some(*sent_ns),
                    end_ns: *end_ns,
                },
            );
        }
        window
            .window()
            .map(|window| (window.start_ns, window.end_ns))
    }

    #[test]
    fn a_closed_loop_is_measured_while_every_shard_is() {
        // Two slots, one a shard. The first begins at 0 and falls at 20, the second goes
        // from 5 to 45: together they are full from 5 to 20.
        let requests = [
            (0, 0, 10),
            (2, 10, 20),
            (1, 5, 15),
            (3, 15, 25),
            (5, 25, 35),
            (7, 35, 45),
        ];
        assert_eq!(window(2, Level::Concurrency(2), &requests), Some((5, 20)));
        // In one loop of two slots the last rounds would be one slot's falling load, which
        // is never so long there: its last send, at 35, would end it.
        assert_eq!(window(1, Level::Concurrency(2), &requests), Some((0, 45)));
    }

    #[test]
    fn shards_that_never_measure_together_have_no_window() {
        let requests = [(0, 0, 10), (1, 30, 40)];
        assert_eq!(window(2, Level::Concurrency(2), &requests), None);
    }

    #[test]
    fn an_open_loop_has_the_window_of_its_schedule() {
        let requests = [(0, 0, 10), (1, 5, 15), (2, 20, 90)];
        let level = Level::RequestRate(Rate(1.0));
        assert_eq!(window(3, level, &requests), Some((0, 20)));
    }
}
