//! The blocks of code in the texts, and what a comment on the line before each says of it to
//! the tests. Readers of a page do not see these comments.

use std::path::{Path, PathBuf};

use super::texts;

/// A block of code in a text.
pub(super) struct Block {
    /// The file that it is in.
    pub(super) file: PathBuf,
    /// The line of its first fence, from 1.
    pub(super) line: usize,
    /// The word after its first fence; empty if there is none.
    pub(super) language: String,
    /// What stands between the fences, without the indent that the fence has.
    pub(super) text: String,
    /// What the comment before it says; `None` if there is none.
    pub(super) mark: Option<String>,
}

impl Block {
    /// Where it is, for messages.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// What a line says if it is a comment.
fn comment(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(inner.trim())
}

/// The blocks of a text, in order.
pub(super) fn blocks(file: &Path, text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let indent = lines[at].len() - lines[at].trim_start().len();
        let Some(language) = lines[at].trim_start().strip_prefix("```") else {
            at += 1;
            continue;
        };
        let length = lines[at + 1..]
            .iter()
            .take_while(|line| line.trim() != "```")
            .count();
        let inside = lines[at + 1..at + 1 + length].iter();
        let text = inside.map(|line| line.get(indent..).unwrap_or_default());
        found.push(Block {
            file: file.to_owned(),
            line: at + 1,
            language: language.trim().to_owned(),
            text: text.flat_map(|line| [line, "\n"]).collect(),
            mark: at
                .checked_sub(1)
                .and_then(|before| comment(lines[before]))
                .map(str::to_owned),
        });
        at += length + 2;
    }
    found
}

/// The blocks of all texts in one of these languages.
pub(super) fn all_blocks(languages: &[&str]) -> Vec<Block> {
    let all = texts().into_iter();
    all.flat_map(|(file, text)| blocks(&file, &text))
        .filter(|block| languages.contains(&block.language.as_str()))
        .collect()
}

#[test]
fn a_block_has_its_language_its_text_and_the_comment_before_it() {
    let text = "a\n<!-- runs -->\n```sh\nb\n```\n\n- c\n  ```yaml\n  d: 1\n    e\n  ```\n";
    let found = blocks(Path::new("x.md"), text);
    let seen: Vec<_> = found
        .iter()
        .map(|b| {
            (
                b.line,
                b.language.as_str(),
                b.text.as_str(),
                b.mark.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (3, "sh", "b\n", Some("runs")),
            (8, "yaml", "d: 1\n  e\n", None)
        ]
    );
}
