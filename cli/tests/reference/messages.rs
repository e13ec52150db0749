//! Messages that the book explains are ones that the program has.

use super::common::repository;
use super::environment::sources;

/// Pages with tables of messages.
const PAGES: [&str; 2] = ["guides/troubleshooting.md", "guides/real-engines.md"];

/// The first cells of the tables whose first column is a message.
fn messages(page: &str) -> Vec<&str> {
    let tables = page.split("\n| Message |").skip(1);
    let rows =
        tables.flat_map(|table| table.lines().skip(2).take_while(|row| row.starts_with('|')));
    rows.filter_map(|row| row.split('|').nth(1)).collect()
}

/// Whether a word stands for one that differs each time: a name in capitals, a number.
fn is_placeholder(word: &str) -> bool {
    let word = word.trim_matches([',', '.', '"']);
    let is_name = word.chars().any(|c| c.is_ascii_uppercase())
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    is_name && word != "KV" || word.parse::<f64>().is_ok()
}

/// The parts of a message of three words or more that are the same each time.
fn fixed_parts(message: &str) -> Vec<String> {
    let mut parts = vec![Vec::new()];
    for piece in message.split(['`', '…', ':', '"', '(']) {
        for word in piece.split_whitespace() {
            match is_placeholder(word) || word == "..." {
                true => parts.push(Vec::new()),
                false => parts.last_mut().unwrap().push(word),
            }
        }
        parts.push(Vec::new());
    }
    parts.retain(|words| words.len() > 2);
    let joined = parts.iter().map(|words| words.join(" "));
    joined
        .map(|part| part.trim_matches([',', '.']).to_owned())
        .collect()
}

#[test]
fn every_message_that_the_book_explains_is_one_of_the_program() {
    let files = ["cli/src", "core", "plugins"].into_iter().flat_map(sources);
    let text: String = files
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let text = text.replace("\\\n", " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut checked = 0;
    for name in PAGES {
        let page = std::fs::read_to_string(repository().join("docs/src").join(name)).unwrap();
        for message in messages(&page) {
            for part in fixed_parts(message) {
                assert!(text.contains(&part), "{name}: no source says `{part}`");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked} parts are too few to be all");
}

#[test]
fn what_differs_each_time_divides_a_message() {
    let parts = fixed_parts("`ended with exit status N before it was ready: 3 lines of it`");
    assert_eq!(
        parts,
        [
            "ended with exit status",
            "before it was ready",
            "lines of it"
        ]
    );
}
