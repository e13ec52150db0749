//! One direction of a connection: its bytes in their order, each piece with the moment at
//! which it could be read. What is sent again is dropped, what comes out of order waits,
//! and bytes that the other side has acknowledged and the capture lacks are a hole.

/// Payload that waits for earlier bytes, at most; then these count as missing.
const WAITING_BYTES: usize = 4 * 1024 * 1024;
const WAITING_SEGMENTS: usize = 4096;

/// What a direction of a connection gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'s> {
    /// The next bytes.
    Bytes {
        bytes: &'s [u8],
        /// When the last of them could be read.
        at_ns: u64,
        /// What their sender expected next when it sent them.
        acknowledged: Option<u32>,
    },
    /// Bytes that the capture lacks.
    Hole,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Number of the first byte, where the beginning was seen.
    first: Option<u32>,
    /// Number of the next byte; `None` before the first.
    next: Option<u32>,
    /// What the other side expects next.
    acknowledged: Option<u32>,
    /// By distance from `next`, ascending.
    waiting: Vec<Sent>,
    waiting_bytes: usize,
    /// Time of the latest byte that was given.
    last_ns: u64,
}

/// Bytes of one segment.
#[derive(Debug)]
pub(super) struct Sent {
    /// Number of the first.
    pub(super) sequence: u32,
    /// What their sender expected next.
    pub(super) acknowledged: Option<u32>,
    pub(super) at_ns: u64,
    pub(super) bytes: Vec<u8>,
}

/// How far a number lies ahead of another; numbers begin anew after 2^32.
fn ahead(number: u32, of: u32) -> i32 {
    number.wrapping_sub(of).cast_signed()
}

impl Stream {
    /// Whether it began with this byte.
    pub(super) fn began_with(&self, sequence: u32) -> bool {
        self.first == Some(sequence)
    }

    /// The stream begins with this byte.
    pub(super) fn begin(&mut self, sequence: u32) {
        *self = Self {
            first: Some(sequence),
            next: Some(sequence),
            ..Self::default()
        };
    }

    /// Whether the number of its first byte is known.
    pub(super) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    /// The other side expects this byte next.
    pub(super) fn acknowledge(&mut self, number: u32) {
        let is_news = self.acknowledged.is_none_or(|last| ahead(number, last) > 0);
        if is_news {
            self.acknowledged = Some(number);
        }
    }

    /// Takes what one segment brought.
    pub(super) fn take(&mut self, sent: Sent, give: &mut dyn FnMut(Piece<'_>)) {
        let next = *self.next.get_or_insert(sent.sequence);
        if ahead(sent.sequence, next) > 0 {
            self.wait(sent);
        } else {
            self.give(&sent, give);
        }
        self.give_waiting(give);
        while self.lacks_bytes() {
            give(Piece::Hole);
            self.next = self.waiting.first().map(|first| first.sequence);
            self.give_waiting(give);
        }
    }

    /// What came before this byte was read by the other side, whether the capture has it
    /// or not; whether it has.
    pub(super) fn skip_to(&mut self, number: u32) -> bool {
        let had_all = self.next.is_none_or(|next| ahead(number, next) <= 0);
        if !had_all || self.next.is_none() {
            self.next = Some(number);
            self.waiting
                .retain(|piece| ahead(piece.sequence, number) >= 0);
            self.waiting_bytes = self.waiting.iter().map(|piece| piece.bytes.len()).sum();
        }
        had_all
    }

    /// Whether the other side has acknowledged more than came: more than the one number
    /// that an end takes.
    pub(super) fn ends_in_hole(&self) -> bool {
        let both = self.acknowledged.zip(self.next);
        both.is_some_and(|(acknowledged, next)| ahead(acknowledged, next) > 1)
    }

    fn wait(&mut self, piece: Sent) {
        if piece.bytes.is_empty() {
            return;
        }
        self.waiting_bytes += piece.bytes.len();
        let sequence = piece.sequence;
        let at = self
            .waiting
            .partition_point(|other| ahead(other.sequence, sequence) <= 0);
        self.waiting.insert(at, piece);
    }

    /// Whether what is waited for will not come.
    fn lacks_bytes(&self) -> bool {
        let Some(next) = self.next.filter(|_| !self.waiting.is_empty()) else {
            return false;
        };
        let was_read = self
            .acknowledged
            .is_some_and(|number| ahead(number, next) > 0);
        was_read || self.waiting_bytes > WAITING_BYTES || self.waiting.len() > WAITING_SEGMENTS
    }

    fn give_waiting(&mut self, give: &mut dyn FnMut(Piece<'_>)) {
        while let Some((next, first)) = self.next.zip(self.waiting.first()) {
            if ahead(first.sequence, next) > 0 {
                return;
            }
            let piece = self.waiting.remove(0);
            self.waiting_bytes -= piece.bytes.len();
            self.give(&piece, give);
        }
    }

    /// Gives what is new of bytes that begin at or before the next one.
    fn give(&mut self, sent: &Sent, give: &mut dyn FnMut(Piece<'_>)) {
        let Some(next) = self.next else { return };
        let known = usize::try_from(ahead(next, sent.sequence)).unwrap_or(0);
        let Some(bytes) = sent.bytes.get(known..).filter(|new| !new.is_empty()) else {
            return;
        };
        self.next = Some(next.wrapping_add(bytes.len() as u32));
        self.last_ns = self.last_ns.max(sent.at_ns);
        give(Piece::Bytes {
            bytes,
            at_ns: self.last_ns,
            acknowledged: sent.acknowledged,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes with their times, and `-` for a hole.
    fn given(stream: &mut Stream, segments: &[(u32, &str, u64)]) -> String {
        let mut words = String::new();
        for (sequence, text, at_ns) in segments {
            let sent = Sent {
                sequence: *sequence,
                acknowledged: None,
                at_ns: *at_ns,
                bytes: text.as_bytes().to_vec(),
            };
            stream.take(sent, &mut |piece| {
                words.push_str(&match piece {
                    Piece::Hole => "- ".to_owned(),
                    Piece::Bytes { bytes, at_ns, .. } => {
                        format!("{}@{at_ns} ", String::from_utf8_lossy(bytes))
                    }
                });
            });
        }
        words
    }

    #[test]
    fn what_is_sent_again_counts_when_it_first_came() {
        let mut stream = Stream::default();
        let segments = [(10, "abc", 1), (10, "abc", 2), (12, "cde", 3)];
        assert_eq!(given(&mut stream, &segments), "abc@1 de@3 ");
    }

    #[test]
    fn bytes_out_of_order_can_be_read_when_the_last_before_them_came() {
        let mut stream = Stream::default();
        stream.begin(10);
        let segments = [(13, "def", 1), (16, "g", 2), (10, "abc", 3)];
        assert_eq!(given(&mut stream, &segments), "abc@3 def@3 g@3 ");
    }

    #[test]
    fn numbers_begin_anew() {
        let mut stream = Stream::default();
        stream.begin(u32::MAX - 1);
        let segments = [(1, "def", 1), (u32::MAX - 1, "abc", 2), (4, "g", 3)];
        assert_eq!(given(&mut stream, &segments), "abc@2 def@2 g@3 ");
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_a_hole() {
        let mut stream = Stream::default();
        stream.begin(10);
        assert_eq!(given(&mut stream, &[(13, "def", 1)]), "");
        stream.acknowledge(13);
        assert_eq!(given(&mut stream, &[(16, "g", 2)]), "- def@1 g@2 ");
    }

    #[test]
    fn what_is_never_acknowledged_waits_within_a_limit() {
        let mut stream = Stream::default();
        stream.begin(0);
        let long = "x".repeat(1024 * 1024);
        let mut words = String::new();
        for turn in 0..5_u32 {
            let at = 10 + turn * 1024 * 1024;
            words.push_str(&given(&mut stream, &[(at, &long, 1)]).replace('x', ""));
        }
        assert!(words.starts_with("- @1 @1 "), "{words}");
    }

    #[test]
    fn an_end_is_no_hole() {
        let mut stream = Stream::default();
        given(&mut stream, &[(10, "abc", 1)]);
        stream.acknowledge(14);
        assert!(!stream.ends_in_hole());
        stream.acknowledge(15);
        assert!(stream.ends_in_hole());
    }
}
