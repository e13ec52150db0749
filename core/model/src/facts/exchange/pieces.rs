//! The text of an answer, joined from its pieces.

/// Pieces of text, joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces {
    pub(super) joined: String,
    pub(super) number: usize,
    /// Where the last one begins.
    last_at: usize,
}

/// Pieces before one that repeats them all, and its bytes, from which on that is no
/// chance: a model may say `ha`, `ha`, `haha`.
const PIECES_REPEATED: usize = 3;
const BYTES_REPEATED: usize = 8;

impl Pieces {
    pub(super) fn push(&mut self, piece: &str) {
        self.last_at = self.joined.len();
        self.joined.push_str(piece);
        self.number += 1;
    }

    /// Takes the last piece away if it is all that came before it; whether it was.
    pub(super) fn drop_repeated_whole(&mut self) -> bool {
        let (before, last) = self.joined.split_at(self.last_at);
        // White space at its ends may be gone, and one more piece be in it.
        let repeats = self.number > PIECES_REPEATED
            && before.trim().len() >= BYTES_REPEATED
            && last.trim_start().starts_with(before.trim());
        if repeats {
            self.joined.truncate(self.last_at);
            self.number -= 1;
            // Where the piece before it began is not known, and nothing asks for it.
            self.last_at = self.joined.len();
        }
        repeats
    }
}
