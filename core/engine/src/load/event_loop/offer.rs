//! What a loop asks of that which offers requests to it.

use inferbench_model::facts::record::Phase;

use super::EventLoop;
use crate::load::error::LoadError;
use crate::load::mailbox::Opened;
use crate::load::outcome::Answered;
use crate::load::shared::Channel;

/// What offers requests to a loop.
pub(in crate::load) trait Offer {
    /// Prepares what has to be there before the load begins; whether all is. It is
    /// asked again when something has happened.
    fn prepare(&mut self, events: &mut EventLoop) -> bool;

    /// Sends at most one request, and says when it wants to be asked again.
    ///
    /// # Errors
    /// No request can be had.
    fn next(&mut self, events: &mut EventLoop, now_ns: u64) -> Result<Next, LoadError>;

    /// A request has ended.
    ///
    /// # Errors
    /// No request can be had.
    fn ended(&mut self, events: &mut EventLoop, ended: Ended) -> Result<(), LoadError>;

    /// A connection that it asked for is open, or cannot be opened.
    fn opened(&mut self, events: &mut EventLoop, opened: Opened);
}

/// When an offer wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::load) enum Next {
    /// After a look at the sockets.
    AtOnce,
    /// At this time, ns, or when something has happened.
    At(u64),
    /// When something has happened.
    Later,
    /// Not any more.
    Nothing,
}

/// A request that has ended.
pub(in crate::load) struct Ended {
    /// The offer's own number for it.
    pub(in crate::load) number: u64,
    pub(in crate::load) phase: Phase,
    /// It was sent.
    pub(in crate::load) sent: bool,
    /// What carried it.
    pub(in crate::load) channel: Channel,
    /// When it ended, ns.
    pub(in crate::load) end_ns: u64,
    /// Its answer, if its conversation goes on.
    pub(in crate::load) answered: Option<Answered>,
}
