//! Text from outside as text of the page: no markup begins in it, and nothing in it is
//! obeyed in place of being shown.

use inferbench_model::text::visible::visible;

/// Text for HTML, in an element or in an attribute between quotes.
pub(super) fn html(text: &str) -> String {
    tera::escape_html(&visible(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_markup_nor_direction_comes_through() {
        assert_eq!(html("a<b \"c\"&"), "a&lt;b &quot;c&quot;&amp;");
        assert_eq!(html("a\u{202e}b é"), "a[U+202E]b é");
    }
}
