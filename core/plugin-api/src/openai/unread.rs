//! Fields that nobody knows, and whether they may be output that nobody sees.

use crate::Events;

/// Fields of which track is kept.
const MOST: usize = 16;

/// Fields that nobody knows: messages without output that they were in, or `None` if
/// they stand beside output too, so that they are marks.
#[derive(Debug, Clone, Default)]
pub(super) struct UnreadFields(Vec<(String, Option<u32>)>);

impl UnreadFields {
    /// Notes a field; `is_mark`: it says nothing about output here.
    pub(super) fn note(&mut self, field: String, is_mark: bool) {
        let has_room = self.0.len() < MOST;
        let known = self.0.iter_mut().find(|(name, _)| *name == field);
        match known {
            Some((_, unread)) if is_mark => *unread = None,
            Some((_, unread)) => *unread = unread.map(|unread| unread.saturating_add(1)),
            None if has_room => self.0.push((field, (!is_mark).then_some(1))),
            None => {}
        }
    }

    /// Gives the fields that were in messages without output alone.
    pub(super) fn tell(&mut self, out: &mut Events<'_>) {
        for (field, unread) in self.0.drain(..) {
            if let Some(unread) = unread {
                out.unread(&field, unread);
            }
        }
    }
}
