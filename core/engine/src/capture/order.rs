//! Segments in the order of their times: a file may have them in another, since several
//! processors write it.

use std::collections::{BTreeMap, VecDeque};

use super::segment::Segment;

/// How long a segment is held back for earlier ones, ns of the capture's time.
const HELD_NS: u64 = 100_000_000;
/// Payload that is held back at most, bytes.
const HELD_BYTES: usize = 16 * 1024 * 1024;

/// Segments that wait for earlier ones.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// By time, and within one time in the order of the file.
    held: BTreeMap<u64, VecDeque<Segment>>,
    bytes: usize,
    newest_ns: u64,
}

impl InOrder {
    /// Takes a segment, and gives those that have waited long enough.
    pub(super) fn take(&mut self, segment: Segment, give: &mut dyn FnMut(Segment)) {
        self.newest_ns = self.newest_ns.max(segment.wall_ns);
        self.bytes += segment.payload.len();
        let at = self.held.entry(segment.wall_ns).or_default();
        at.push_back(segment);
        while let Some(oldest) = self.held.first_entry() {
            let is_due = oldest.key().saturating_add(HELD_NS) <= self.newest_ns;
            if !is_due && self.bytes <= HELD_BYTES {
                return;
            }
            self.give_oldest(give);
        }
    }

    /// Gives all that is left.
    pub(super) fn finish(&mut self, give: &mut dyn FnMut(Segment)) {
        while !self.held.is_empty() {
            self.give_oldest(give);
        }
    }

    fn give_oldest(&mut self, give: &mut dyn FnMut(Segment)) {
        let Some(mut oldest) = self.held.first_entry() else {
            return;
        };
        let segment = oldest.get_mut().pop_front();
        if oldest.get().is_empty() {
            oldest.remove();
        }
        if let Some(segment) = segment {
            self.bytes -= segment.payload.len();
            give(segment);
        }
    }
}
