//! The known name that a mistyped one was meant to be.

/// The known name that differs from `word` in at most a third of the longer
/// one's letters; case and `-` for `_` do not count. `None` if none does.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |text: &str| text.to_lowercase().replace('-', "_");
    let word = folded(word);
    known
        .map(|name| (strsim::damerau_levenshtein(&word, &folded(name)), name))
        .filter(|(distance, name)| {
            let length = name.chars().count().max(word.chars().count());
            *distance <= length / 3
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_near_if_at_most_a_third_of_its_letters_differ() {
        let near = |word| nearest(word, ["vllm", "sglang", "max_len"].into_iter());
        assert_eq!(near("vlm"), Some("vllm"));
        assert_eq!(near("Max-Len"), Some("max_len"));
        assert_eq!(near("llm"), Some("vllm"));
        // two of four letters differ
        assert_eq!(near("lm"), None);
    }
}
