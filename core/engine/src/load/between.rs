//! Conversations between two turns: first their next turn is made, then they pause.

use std::collections::BTreeMap;

use super::encoded::EncodedRequest;
use super::error::LoadError;
use super::shared::Channel;
use super::supply::{Followed, MAKE_LIMIT, Supply};

/// The conversations of one thread that are between two turns.
#[derive(Default)]
pub(super) struct Between {
    /// By conversation: when its answer ended, ns, and what carries it.
    waiting: BTreeMap<u64, (u64, Channel)>,
    /// By when they are due, ns, and conversation.
    pausing: BTreeMap<(u64, u64), (Channel, EncodedRequest)>,
}

impl Between {
    /// The next turn of a conversation was asked for; the answer before it has just ended.
    pub(super) fn waits(&mut self, session: u64, channel: Channel, ended_ns: u64) {
        self.waiting.insert(session, (ended_ns, channel));
    }

    /// Takes the turns that are made; gives what carried those conversations that are
    /// over.
    ///
    /// # Errors
    /// A turn could not be made, or not in time.
    pub(super) fn take_made(
        &mut self,
        supply: &Supply,
        now_ns: u64,
    ) -> Result<Vec<Channel>, LoadError> {
        let mut over = Vec::new();
        let sessions: Vec<u64> = self.waiting.keys().copied().collect();
        for session in sessions {
            let followed = supply.take_followed(session)?;
            let Some((ended_ns, channel)) = self.waiting.remove(&session) else {
                continue;
            };
            match followed {
                Followed::Over => over.push(channel),
                Followed::NotYet => {
                    let limit_ns = MAKE_LIMIT.as_nanos() as u64;
                    if now_ns.saturating_sub(ended_ns) > limit_ns {
                        let limit_s = MAKE_LIMIT.as_secs_f64();
                        return Err(LoadError::NotMade { limit_s });
                    }
                    self.waiting.insert(session, (ended_ns, channel));
                }
                Followed::Next(next) => {
                    let due_ns = ended_ns.saturating_add(next.pause_ns);
                    let mut request = next.request;
                    if let Some(turn) = &mut request.asked.turn {
                        turn.due_ns = Some(due_ns);
                    }
                    self.pausing.insert((due_ns, session), (channel, request));
                }
            }
        }
        Ok(over)
    }

    /// The first conversation whose turn is due, with its request.
    pub(super) fn next_due(&mut self, now_ns: u64) -> Option<(Channel, EncodedRequest)> {
        let ((due_ns, _), _) = self.pausing.first_key_value()?;
        let is_due = *due_ns <= now_ns;
        let (_, turn) = is_due.then(|| self.pausing.pop_first())??;
        Some(turn)
    }

    /// When the first turn is due, ns.
    pub(super) fn first_due_ns(&self) -> Option<u64> {
        self.pausing
            .first_key_value()
            .map(|((due_ns, _), _)| *due_ns)
    }
}
