//! TABs that indent a line: the parser's own errors about them are obscure.

use saphyr_parser::{ScalarStyle, Span};

use super::error::Mark;

/// TABs in the indentation of lines, unless they are known to be harmless.
pub(super) struct Tabs(Vec<Mark>);

impl Tabs {
    /// The TABs of a text; blank lines and comments may contain them.
    pub(super) fn in_text(text: &str) -> Self {
        let tab_of = |(index, line): (usize, &str)| {
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            let content = line[indent..].trim_end();
            let column = line[..indent].find('\t')? + 1;
            let counts = !content.is_empty() && !content.starts_with('#');
            let line = index + 1;
            counts.then_some(Mark { line, column })
        };
        Self(text.lines().enumerate().filter_map(tab_of).collect())
    }

    /// A TAB that a scalar must not hold. Over several lines a scalar may hold
    /// TABs unless it is plain: there the TAB was meant to indent a key that
    /// is now part of the text above.
    pub(super) fn in_scalar(&mut self, style: ScalarStyle, span: &Span) -> Option<Mark> {
        let inside = |tab: &Mark| tab.line > span.start.line() && tab.line <= span.end.line();
        if style == ScalarStyle::Plain {
            return self.0.iter().copied().find(inside);
        }
        self.0.retain(|tab| !inside(tab));
        None
    }

    /// The TAB behind the parser's refusal of a line: the first at or above it
    /// or, where the parser reports a TAB in a scalar that begins on that
    /// line, the first below.
    pub(super) fn behind(&self, line: usize, refusal: &str) -> Option<Mark> {
        let spoken_of = refusal.contains("tab");
        self.0
            .iter()
            .copied()
            .find(|tab| tab.line <= line || spoken_of)
    }
}
