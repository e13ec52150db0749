//! Marks of an answer's text: enough to find about where two answers differ,
//! too little to recover what they say.
//!
//! A mark is one hexadecimal digit of the text up to a place. Places lie every 4
//! characters up to 64; from there on 8 of them lie in every doubling: every 8
//! characters up to 128, every 16 up to 256, and so on. So 512 characters, about
//! 128 tokens, have 40 marks. Four bits for four characters, and fewer for later
//! ones, are less than a text holds: it cannot be put together from its marks.

use std::ops::Range;

use thiserror::Error;

/// Characters between marks, up to [`EVEN_MARKS`] of them.
const STEP: u64 = 4;
/// Marks up to which the places are evenly spaced.
const EVEN_MARKS: u64 = 16;
/// Characters up to which they are.
const EVEN_CHARS: u64 = STEP * EVEN_MARKS;
/// Marks in every doubling of the characters behind them.
const PER_DOUBLING: u64 = 8;

/// The marks of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMarks {
    chars: u64,
    digits: Box<str>,
}

/// Marks that no text has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MarksError {
    /// Not one digit for each place.
    #[error("text_marks has {found} digits, a text of {chars} characters has {due}")]
    Count {
        /// Digits, or bytes where they are none.
        found: usize,
        /// Length of the text.
        chars: u64,
        /// Digits that it has.
        due: u64,
    },
    /// Something else than a lower-case hexadecimal digit.
    #[error("text_marks has {0:?} among its hexadecimal digits")]
    Digit(char),
}

impl TextMarks {
    /// The marks of `text`, in one pass: at each place the first of the eight
    /// hexadecimal digits of the CRC-32 (of zlib and RFC 1952) of the UTF-8 bytes
    /// up to there.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let is_ascii = text.is_ascii();
        let chars = if is_ascii {
            text.len() as u64
        } else {
            text.chars().count() as u64
        };
        let mut crc = crc32fast::Hasher::new();
        let mut digits = String::with_capacity(count(chars) as usize);
        let (mut rest, mut place) = (text, 0);
        for next in (0..count(chars)).map(end) {
            let step = (next - place) as usize;
            // Most answers are ASCII, where nothing must be counted.
            let bytes = if is_ascii {
                step
            } else {
                let mut ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
                ends.nth(step - 1).unwrap_or(rest.len())
            };
            let (stretch, behind) = rest.split_at(bytes);
            crc.update(stretch.as_bytes());
            let first = crc.clone().finalize() >> 28;
            digits.extend(char::from_digit(first, 16));
            (rest, place) = (behind, next);
        }
        Self {
            chars,
            digits: digits.into_boxed_str(),
        }
    }

    /// The marks of a text of `chars` characters as a record has them.
    ///
    /// # Errors
    /// `Count` if so long a text has more or fewer, `Digit` if one is none.
    pub fn read(chars: u64, digits: &str) -> Result<Self, MarksError> {
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if let Some(other) = digits.chars().find(|c| !is_digit(*c)) {
            return Err(MarksError::Digit(other));
        }
        let (found, due) = (digits.len(), count(chars));
        if found as u64 != due {
            return Err(MarksError::Count { found, chars, due });
        }
        Ok(Self {
            chars,
            digits: digits.into(),
        })
    }

    /// Length of the text, characters (Unicode scalar values).
    #[must_use]
    pub fn chars(&self) -> u64 {
        self.chars
    }

    /// One hexadecimal digit per place.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// The same, taken out.
    #[must_use]
    pub fn into_digits(self) -> String {
        self.digits.into_string()
    }

    /// Where two texts, which are known to differ, do so first: places of
    /// characters from 0, one of which is the first that is not the same (or
    /// where the shorter text ends).
    ///
    /// Marks of different texts are the same by chance one time in 16: the true
    /// place is then before these, by one stretch in most cases. It is never
    /// behind them.
    #[must_use]
    pub fn parting(&self, other: &Self) -> Range<u64> {
        let pairs = self.digits.bytes().zip(other.digits.bytes());
        let alike = pairs.take_while(|(a, b)| a == b).count() as u64;
        let from = alike.checked_sub(1).map_or(0, end);
        // Where both have no further mark, the shorter one ends before it.
        let shorter = self.chars.min(other.chars);
        from..end(alike).min(shorter.saturating_add(1))
    }
}

/// Characters up to the `n`th place, from 0.
fn end(n: u64) -> u64 {
    let Some(behind) = n.checked_sub(EVEN_MARKS) else {
        return STEP * (n + 1);
    };
    let doubled = EVEN_CHARS << (behind / PER_DOUBLING);
    // Ends at 2^64, which no count of characters reaches.
    doubled.saturating_add(doubled / PER_DOUBLING * (behind % PER_DOUBLING + 1))
}

/// Places in a text of `chars` characters.
fn count(chars: u64) -> u64 {
    if chars < EVEN_CHARS {
        return chars / STEP;
    }
    let doublings = u64::from((chars / EVEN_CHARS).ilog2());
    let doubled = EVEN_CHARS << doublings;
    EVEN_MARKS + PER_DOUBLING * doublings + (chars - doubled) / (doubled / PER_DOUBLING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_every_4_characters_up_to_64_and_8_in_every_doubling() {
        let places: Vec<u64> = (0..34).map(end).collect();
        let by_hand = [
            4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, //
            72, 80, 88, 96, 104, 112, 120, 128, //
            144, 160, 176, 192, 208, 224, 240, 256, //
            288, 320,
        ];
        assert_eq!(places, by_hand);
        for (chars, marks) in [(0, 0), (3, 0), (4, 1), (63, 15), (64, 16), (71, 16)] {
            assert_eq!(count(chars), marks, "{chars}");
        }
        for (chars, marks) in [(72, 17), (127, 23), (128, 24), (512, 40), (1024, 48)] {
            assert_eq!(count(chars), marks, "{chars}");
        }
        assert_eq!(count(u64::MAX), 16 + 8 * 57 + 7);
    }

    /// The check value of the CRC-32, cbf43926, is that of `123456789`.
    #[test]
    fn a_mark_is_the_first_digit_of_the_crc_32_up_to_its_place() {
        // As Python's `zlib.crc32` gives them: 9be3e0a3, 9ae0daaf.
        let marks = TextMarks::from_text("123456789");
        assert_eq!((marks.chars(), marks.digits()), (9, "99"));
        // 005037b7: of the six bytes of four characters.
        let marks = TextMarks::from_text("é1ü2");
        assert_eq!((marks.chars(), marks.digits()), (4, "0"));
    }

    #[test]
    fn answers_part_in_the_first_stretch_whose_marks_differ() {
        let marks = |chars, digits| TextMarks::read(chars, digits).unwrap();
        let a = marks(17, "0a3f");
        assert_eq!(a.parting(&marks(17, "1a3f")), 0..4);
        assert_eq!(a.parting(&marks(17, "0a4f")), 8..12);
        // Behind the last mark, at 16: character 16, or the end at 17.
        assert_eq!(a.parting(&marks(18, "0a3f")), 16..18);
        // The shorter one ends before its next mark.
        assert_eq!(a.parting(&marks(10, "0a")), 8..11);
        assert_eq!(a.parting(&marks(3, "")), 0..4);
        assert_eq!(marks(1, "").parting(&marks(3, "")), 0..2);
        let longest = marks(u64::MAX, "0".repeat(479).as_str());
        assert_eq!(longest.parting(&longest).end, u64::MAX);
    }

    #[test]
    fn marks_that_no_text_has_are_refused() {
        let count = |found, chars, due| Err(MarksError::Count { found, chars, due });
        assert_eq!(TextMarks::read(17, "0a3"), count(3, 17, 4));
        assert_eq!(TextMarks::read(17, "0a3f0"), count(5, 17, 4));
        assert_eq!(TextMarks::read(u64::MAX, "0"), count(1, u64::MAX, 479));
        for (digits, other) in [("0A3f", 'A'), ("0a\u{fc}", '\u{fc}'), ("0 3f", ' ')] {
            assert_eq!(TextMarks::read(16, digits), Err(MarksError::Digit(other)));
        }
    }
}
