//! How commands write results to standard output.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use inferbench_model::text::visible::is_obeyed;
use serde::Serialize;

use crate::exit::CliError;
use crate::say;
use crate::table::{Look, WIDTH};

pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = inert_json(&serde_json::to_string_pretty(value)?);
    say::bytes(text.as_bytes());
    say::bytes(b"\n");
    Ok(())
}

/// The same JSON, with escapes for what a terminal would obey: such characters stand in
/// its strings only.
fn inert_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_obeyed(c) {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            out.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Styled if standard output is a terminal and `NO_COLOR` is not set.
pub(super) fn look() -> Look {
    let wants_none = std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    if std::io::stdout().is_terminal() && !wants_none {
        Look::Styled
    } else {
        Look::Plain
    }
}

/// Width of a line on standard output, columns.
pub(super) fn width() -> usize {
    let size = console::Term::stdout().size_checked();
    size.map_or(WIDTH, |(_, columns)| usize::from(columns).min(WIDTH))
}

pub(super) fn new_table(width: usize) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_for_a_terminal_holds_the_same_and_nothing_that_is_obeyed() {
        let value = serde_json::json!({"a": "\u{9b}2J\u{202e}\u{e0041}\u{1b}\n"});
        let text = inert_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(is_obeyed), "{text:?}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back, value);
    }
}
