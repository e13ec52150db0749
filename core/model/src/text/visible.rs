//! Words from outside as they are shown: what a terminal, a page or an editor would obey
//! is written out, so that it can be seen and does nothing.

use std::borrow::Cow;

/// Whether a character does something in place of being seen: control characters other
/// than the end of a line and the tabulator, marks of direction (Unicode Standard Annex 9,
/// table 2), breaks of lines and paragraphs, and what has no width.
#[must_use]
pub fn is_obeyed(c: char) -> bool {
    let is_plain = matches!(c, '\n' | '\t');
    let has_effect = matches!(
        c,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    );
    (c.is_control() && !is_plain) || has_effect
}

/// The text with every such character written out: `[U+001B]`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_obeyed(c) {
            out.push_str(&format!("[U+{:04X}]", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A text of one line: ends of lines are written out too, so that it cannot begin another
/// one that looks like this program's.
#[must_use]
pub fn visible_line(text: &str) -> Cow<'_, str> {
    match visible(text) {
        shown if shown.contains('\n') => Cow::Owned(shown.replace('\n', "[U+000A]")),
        shown => shown,
    }
}

/// As [`visible`], but with colours and weights as they are: `ESC [`, digits and `;`, `m`.
#[must_use]
pub fn visible_styled(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&visible(&rest[..at]));
        let (code, after) = rest[at..].split_at(style_length(&rest[at..]).unwrap_or(1));
        match code.len() {
            1 => out.push_str(&visible(code)),
            _ => out.push_str(code),
        }
        rest = after;
    }
    out.push_str(&visible(rest));
    Cow::Owned(out)
}

/// Bytes of the code of a style at the beginning of `text`, if there is one.
fn style_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_obeyed_is_written_out() {
        assert_eq!(visible("a\u{1b}]0;x\u{7}b"), "a[U+001B]]0;x[U+0007]b");
        assert_eq!(visible("12%\r13%"), "12%[U+000D]13%");
        assert_eq!(visible("\u{9b}2J\u{7f}"), "[U+009B]2J[U+007F]");
        assert_eq!(visible("a\u{202e}b"), "a[U+202E]b");
        assert_eq!(visible("a\u{200b}b\u{2028}c"), "a[U+200B]b[U+2028]c");
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(
            visible_line("a.so\nerror: b\u{7}"),
            "a.so[U+000A]error: b[U+0007]"
        );
        assert_eq!(visible_line("a b"), "a b");
    }

    #[test]
    fn words_stay_as_they_are() {
        for text in ["é 漢字 👩\u{200d}🔬", "two\nlines\tand a tab", ""] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn of_what_a_terminal_obeys_only_styles_pass() {
        let text = "\u{1b}[1;31mred\u{1b}[0m \u{1b}[2J \u{1b}]8;;x\u{7}\u{1b}";
        assert_eq!(
            visible_styled(text),
            "\u{1b}[1;31mred\u{1b}[0m [U+001B][2J [U+001B]]8;;x[U+0007][U+001B]"
        );
    }
}
