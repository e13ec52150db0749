//! Text from outside as text of the page: no markup begins in it, and it cannot
//! turn the direction in which the rest is read.

/// Characters that change the direction of what follows them. Source: Unicode
/// Standard Annex 9, table 2.
const DIRECTIONS: [char; 12] = [
    '\u{061c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

/// Text for HTML, in an element or in an attribute between quotes.
pub(super) fn html(text: &str) -> String {
    tera::escape_html(&seen(text))
}

/// Text with marks of direction written out: `[U+202E]`.
pub(super) fn seen(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if DIRECTIONS.contains(&c) {
            out.push_str(&format!("[U+{:04X}]", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_markup_nor_direction_comes_through() {
        assert_eq!(html("a<b \"c\"&"), "a&lt;b &quot;c&quot;&amp;");
        assert_eq!(seen("a\u{202e}b é"), "a[U+202E]b é");
    }
}
