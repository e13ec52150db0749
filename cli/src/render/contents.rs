//! The page's list of contents, made from the headings that it has: a section
//! that is not there is not in it, and a new one need not be entered.

/// Where the list stands in the template's output. Nothing else there can be it:
/// text is escaped.
pub(super) const PLACE: &str = "<page contents>";

/// What a heading begins with, and what ends its text: as the template's macro
/// writes both, and as no escaped text can.
const BEGIN: &str = "<h2 id=\"";
const END: &str = " <a class=\"anchor\"";

/// The page with its list of contents.
pub(super) fn filled(page: &str) -> String {
    let links: Vec<String> = headings(page)
        .map(|(id, text)| format!("<li><a href=\"#{id}\">{text}</a></li>"))
        .collect();
    page.replace(PLACE, &links.join("\n"))
}

/// Id and text of each heading, both as the page has them.
fn headings(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split(BEGIN).skip(1).filter_map(|rest| {
        let (id, rest) = rest.split_once("\">")?;
        let (text, _) = rest.split_once(END)?;
        Some((id, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_is_listed_and_nothing_else_is() {
        let heading = |id: &str, text: &str| {
            format!("<h2 id=\"{id}\">{text} <a class=\"anchor\" href=\"#{id}\">#</a></h2>")
        };
        let page = format!(
            "<ul>{PLACE}</ul>{}<p>&lt;h2 id=&quot;x&quot;&gt;</p>{}",
            heading("a", "A &amp; B"),
            heading("b", "C")
        );
        let filled = filled(&page);
        let list = "<ul><li><a href=\"#a\">A &amp; B</a></li>\n<li><a href=\"#b\">C</a></li></ul>";
        assert!(filled.starts_with(list), "{filled}");
    }
}
