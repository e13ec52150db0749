//! Each word has one meaning: the tables of words agree, and every word is one that the
//! book uses.

use std::collections::BTreeMap;

use super::common::repository;
use super::texts;

/// The words and meanings of a text's tables headed `word` and `meaning`, in order.
fn table(text: &str) -> Vec<(String, String)> {
    let heads = text.split("| word | meaning |\n|---|---|\n").skip(1);
    let rows = heads.flat_map(|table| table.lines().take_while(|row| row.starts_with('|')));
    let cells = rows.map(|row| row.trim_matches('|').split_once('|').unwrap());
    cells
        .map(|(word, meaning)| (word.trim().to_owned(), meaning.trim().to_owned()))
        .collect()
}

fn table_of(file: &str) -> Vec<(String, String)> {
    table(&std::fs::read_to_string(repository().join(file)).unwrap())
}

/// Words that two rows explain.
fn explained_twice(rows: &[(String, String)]) -> Vec<&str> {
    let mut seen = BTreeMap::new();
    for (word, _) in rows {
        *seen.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    let twice = |word: &str| seen[&word.to_lowercase()] > 1;
    let words = rows.iter().map(|(word, _)| word.as_str());
    words.filter(|word| twice(word)).collect()
}

#[test]
fn no_word_has_two_meanings() {
    let architecture = table_of("ARCHITECTURE.md");
    let terms = table_of("docs/src/reference/terms.md");
    assert!(architecture.len() > 10 && terms.len() > 30);
    let all = [&architecture[..], &terms[..]].concat();
    assert_eq!(explained_twice(&all), [""; 0]);
    for row in table_of("docs/src/introduction.md") {
        assert!(
            all.contains(&row),
            "the introduction explains `{}` otherwise than the page of terms",
            row.0
        );
    }
}

#[test]
fn a_term_is_one_short_sentence_about_a_word_that_the_book_uses() {
    let pages: String = texts()
        .into_iter()
        .filter(|(file, _)| !file.ends_with("terms.md"))
        .map(|(_, text)| text.to_lowercase())
        .collect();
    let pages = pages.split_whitespace().collect::<Vec<_>>().join(" ");
    for (word, meaning) in table_of("docs/src/reference/terms.md") {
        let is_used = pages.contains(&word.to_lowercase());
        assert!(is_used, "the book does not use `{word}`");
        let length = meaning.split_whitespace().count();
        assert!(length <= 25, "`{word}`: {length} words");
        assert!(!meaning.contains(". "), "`{word}`: two sentences");
    }
}

#[test]
fn a_word_that_is_explained_twice_is_found() {
    let text =
        "| word | meaning |\n|---|---|\n| cell | a |\n| Cell | b |\n| run | c |\n\n| x | y |\n";
    let rows = table(text);
    assert_eq!(rows.len(), 3);
    assert_eq!(explained_twice(&rows), ["cell", "Cell"]);
}
