//! How commands write results to standard output.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::CliError;
use crate::table::{Look, WIDTH};

pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
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
