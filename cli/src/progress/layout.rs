//! Fits the live view into the terminal: each item whole or not at all.

use console::{measure_text_width, truncate_str};

use crate::table::wrapped_at;

/// Size of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Between two items.
const SEPARATOR: &str = " · ";
/// Least width for a long bar and for a short one, columns.
const LONG_BAR_FROM: usize = 80;
const SHORT_BAR_FROM: usize = 50;
/// Least height at which the current part may take a second line, lines.
const SECOND_LINE_FROM: usize = 6;

impl Size {
    /// Length of a bar, columns; 0: no bar.
    pub(super) fn bar(self) -> usize {
        match self.columns {
            LONG_BAR_FROM.. => 16,
            SHORT_BAR_FROM.. => 8,
            _ => 0,
        }
    }

    /// Whether there is room for a bar before the current part.
    pub(super) fn is_wide(self) -> bool {
        self.columns >= LONG_BAR_FROM
    }

    /// Lines for the current part.
    pub(super) fn lines(self) -> usize {
        if self.rows >= SECOND_LINE_FROM { 2 } else { 1 }
    }
}

/// The items, most important first, in at most `lines` lines of `columns` columns;
/// the first line has `used` columns less. An item that fits in no line is left out.
pub(super) fn flow(items: &[String], columns: usize, used: usize, lines: usize) -> String {
    let mut text = vec![String::new()];
    for item in items {
        let width = measure_text_width(item);
        let before = if text.len() == 1 { used } else { 0 };
        let last = text.last_mut().expect("there is always a last line");
        let taken = before + measure_text_width(last);
        let gap = if last.is_empty() { "" } else { SEPARATOR };
        if taken + measure_text_width(gap) + width <= columns {
            last.push_str(gap);
            last.push_str(item);
        } else if !last.is_empty() && text.len() < lines && width <= columns {
            text.push(item.clone());
        }
    }
    text.join("\n")
}

/// The text in at most `lines` lines, wrapped between words; an ellipsis stands for
/// the rest.
pub(super) fn cut(words: &str, columns: usize, lines: usize) -> String {
    let folded = wrapped_at(columns, words, "  ");
    let is_cut = folded.len() > lines;
    let mut shown: Vec<String> = folded.into_iter().take(lines).collect();
    if let (true, Some(last)) = (is_cut, shown.last_mut()) {
        while measure_text_width(last) + 2 > columns
            && let Some((start, _)) = last.rsplit_once(' ')
        {
            last.truncate(start.len());
        }
        last.push_str(" …");
    }
    // A path or an address can be wider than the terminal.
    let fitted = shown.iter().map(|line| truncate_str(line, columns, "…"));
    fitted.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn items_go_on_in_a_second_line() {
        let items = items(&["12345", "1234", "123"]);
        // 5 + 3 + 4 = 12
        assert_eq!(flow(&items, 12, 0, 2), "12345 · 1234\n123");
        assert_eq!(flow(&items, 11, 0, 2), "12345\n1234 · 123");
        assert_eq!(flow(&items, 12, 7, 2), "12345\n1234 · 123");
    }

    #[test]
    fn an_item_without_room_is_left_out_whole() {
        let items = items(&["12345", "123456789", "123"]);
        assert_eq!(flow(&items, 11, 0, 1), "12345 · 123");
        assert_eq!(flow(&items, 8, 0, 2), "12345\n123");
        assert_eq!(flow(&items, 2, 0, 2), "");
    }

    #[test]
    fn words_are_cut_between_two_of_them() {
        assert_eq!(cut("vllm: one two three", 10, 2), "vllm: one\n  two …");
        assert_eq!(cut("vllm: one", 10, 2), "vllm: one");
        assert_eq!(cut("0123456789ab", 10, 2), "012345678…");
    }
}
