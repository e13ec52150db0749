//! Closed loop: N slots, each sending its next request when its last has ended.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use inferbench_model::facts::exchange::Exchange;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::channel::{Channel, Shared};
use super::error::LoadError;
use super::feed::Feed;
use super::phases::Phases;
use crate::os::clock;

/// Pause of a slot whose request could not even be sent, so that a dead server
/// does not make a busy loop.
const AFTER_UNSENT: Duration = Duration::from_millis(100);

pub(super) async fn run(shared: &Rc<Shared>, feed: Feed, slots: u32) -> Result<(), LoadError> {
    feed.fill(2 * slots as usize).await;
    // Last, so that none of them waits for anything but the others.
    let mut opening = JoinSet::new();
    for _ in 0..slots {
        let shared = Rc::clone(shared);
        opening.spawn_local(async move { shared.open().await });
    }
    let channels = opening.join_all().await;
    let feed = Rc::new(Mutex::new(feed));
    let phases = Rc::new(RefCell::new(Phases::new(&shared.cell.load)));
    let mut running = JoinSet::new();
    for channel in channels {
        let slot = Slot {
            shared: Rc::clone(shared),
            feed: Rc::clone(&feed),
            phases: Rc::clone(&phases),
            channel,
        };
        running.spawn_local(slot.run());
    }
    let mut first_error = Ok(());
    while let Some(joined) = running.join_next().await {
        let ended = joined.unwrap_or(Err(LoadError::Lost));
        if ended.is_err() && first_error.is_ok() {
            first_error = ended;
        }
    }
    first_error
}

struct Slot {
    shared: Rc<Shared>,
    feed: Rc<Mutex<Feed>>,
    phases: Rc<RefCell<Phases>>,
    channel: Channel,
}

impl Slot {
    async fn run(mut self) -> Result<(), LoadError> {
        while !self.shared.cancel.is_cancelled() {
            let request = self.feed.lock().await.next().await?;
            let phase = self.phases.borrow_mut().next(clock::now_ns());
            let Some(phase) = phase else {
                return Ok(());
            };
            let sent = self
                .shared
                .carry(&mut self.channel, request, phase, Exchange::default())
                .await;
            self.phases.borrow_mut().ended(phase);
            if !sent {
                tokio::time::sleep(AFTER_UNSENT).await;
            }
        }
        Ok(())
    }
}
