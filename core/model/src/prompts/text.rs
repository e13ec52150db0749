//! Pieces of a text: from a place that is drawn, as many tokens as are asked.

use rand::Rng;

use crate::plan::prompt::{PromptError, Vocabulary};

/// Bytes of text that hold so many tokens in all likelihood.
#[must_use]
pub fn bytes_for(tokens: u32) -> u64 {
    const BYTES_PER_TOKEN: u64 = 8;
    const SPARE: u64 = 256;
    u64::from(tokens) * BYTES_PER_TOKEN + SPARE
}

/// Where a piece of so many bytes begins in a text of `whole_bytes`.
pub fn place(rng: &mut impl Rng, whole_bytes: u64, piece_bytes: u64) -> u64 {
    rng.random_range(0..=whole_bytes.saturating_sub(piece_bytes))
}

/// The characters of a piece that may begin and end within one, from the first word
/// border on.
#[must_use]
pub fn whole_words(piece: &[u8], is_start: bool) -> String {
    let is_middle = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let begins = piece.iter().take_while(|byte| is_middle(byte)).count();
    let text = String::from_utf8_lossy(&piece[begins..]);
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    match text.find(char::is_whitespace) {
        Some(at) if !is_start => text[at..].to_owned(),
        _ => text.to_owned(),
    }
}

/// Tries to find a beginning of `text` that has exactly `tokens` tokens.
///
/// # Errors
/// `NoExactText` if there is none; `TextTooShort` if all of it has fewer.
pub fn beginning(
    vocabulary: &dyn Vocabulary,
    text: &str,
    tokens: u32,
) -> Result<(Vec<u32>, String), PromptError> {
    const TRIES: u32 = 50;
    let wanted = tokens as usize;
    let mut from = 0;
    for _ in 0..TRIES {
        let rest = &text[from..];
        let ids = vocabulary.encode(rest).unwrap_or_default();
        if ids.len() < wanted {
            return Err(PromptError::TextTooShort {
                tokens,
                has: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            });
        }
        let cut = vocabulary.decode(&ids[..wanted]).unwrap_or_default();
        let again = vocabulary.encode(&cut).unwrap_or_default();
        if again.len() == wanted {
            return Ok((again, cut));
        }
        // Cut within a character or a word: a word further on it may fit.
        let after = rest.char_indices().skip(1).find(|(_, c)| c.is_whitespace());
        match after {
            Some((at, _)) => from += at,
            None => break,
        }
    }
    Err(PromptError::NoExactText {
        tokens,
        tries: TRIES,
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// One token a character; `ß` is two.
    struct Letters;

    impl Vocabulary for Letters {
        fn ordinary_ids(&self) -> &[u32] {
            &[]
        }

        fn encode(&self, text: &str) -> Option<Vec<u32>> {
            let double = text.replace('ß', "ss");
            Some(double.chars().map(u32::from).collect())
        }

        fn decode(&self, ids: &[u32]) -> Option<String> {
            let text: String = ids.iter().filter_map(|id| char::from_u32(*id)).collect();
            Some(text.replace("ss", "ß"))
        }
    }

    #[test]
    fn a_piece_begins_with_a_word_and_has_whole_characters() {
        let bytes = "one größe two".as_bytes();
        assert_eq!(whole_words(bytes, true), "one größe two");
        assert_eq!(whole_words(&bytes[1..], false), " größe two");
        // From the middle of `ö`, and up to the middle of `ß`.
        assert_eq!(whole_words(&bytes[7..], false), " two");
        assert_eq!(whole_words(&bytes[..9], true), "one grö");
    }

    #[test]
    fn a_piece_has_exactly_the_asked_tokens() {
        let (ids, text) = beginning(&Letters, "straße und weg", 4).unwrap();
        assert_eq!((ids.len(), text.as_str()), (4, "stra"));
        let short = beginning(&Letters, "ab", 4).unwrap_err();
        assert_eq!(short, PromptError::TextTooShort { tokens: 4, has: 2 });
    }

    #[test]
    fn places_are_anywhere_in_the_text() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let places: Vec<u64> = (0..1000).map(|_| place(&mut rng, 1000, 900)).collect();
        assert!(places.iter().all(|at| *at <= 100));
        assert!(places.iter().any(|at| *at < 10) && places.iter().any(|at| *at > 90));
        assert_eq!(place(&mut rng, 10, 900), 0);
    }
}
