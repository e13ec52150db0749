//! Every command line of the texts' shell blocks is one that the program takes.

use clap::Parser;
use inferbench::args::Args;

use super::blocks::all_blocks;

/// The words of a line up to what the shell takes for itself: a comment, a pipe, a
/// second command.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('#', None) if word.is_empty() => break,
            ('|' | '>' | ';' | '&', None) => break,
            (c, None) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// The arguments of the program in a line; `None` if the line does not run it.
fn arguments(line: &str) -> Option<Vec<String>> {
    let words = words(line);
    let is_setting = |word: &String| word.contains('=');
    let is_program = |word: &String| word == "inferbench" || word.ends_with("/inferbench");
    let start = words
        .iter()
        .position(|word| !is_setting(word) && is_program(word))?;
    words[..start]
        .iter()
        .all(is_setting)
        .then(|| words[start..].to_vec())
}

#[test]
fn every_command_line_in_the_texts_is_one_that_the_program_takes() {
    let mut checked = 0;
    for block in all_blocks(&["sh"]) {
        let joined = block.text.replace("\\\n", " ");
        for line in joined.lines() {
            let Some(arguments) = arguments(line) else {
                continue;
            };
            checked += 1;
            let error = Args::try_parse_from(arguments).err();
            let fault = error.filter(clap::Error::use_stderr);
            assert!(
                fault.is_none(),
                "{}: {line}\n{}",
                block.place(),
                fault.unwrap()
            );
        }
    }
    assert!(
        checked > 25,
        "{checked} command lines are too few to be all"
    );
}

#[test]
fn a_flag_that_does_not_exist_is_found() {
    let line = "MODEL=x ./target/release/inferbench run a.yaml --outptu x  # a comment";
    let words = arguments(line).unwrap();
    assert_eq!(words[1..], ["run", "a.yaml", "--outptu", "x"]);
    assert!(Args::try_parse_from(words).is_err());
    assert_eq!(arguments("ls inferbench"), None);
}
