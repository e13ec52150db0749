//! Rows of comma-separated columns, by the names in their header. The traces quote
//! nothing.

use crate::prompts::row::RowFault;

/// The columns of a row.
pub(super) fn split(row: &str) -> Vec<&str> {
    row.trim_end_matches(['\r', '\n'])
        .split(',')
        .map(|column| column.trim().trim_matches('"'))
        .collect()
}

/// Where the column with this name is.
pub(super) fn position(header: &[&str], name: &str) -> Option<usize> {
    header.iter().position(|column| *column == name)
}

/// The columns of a row that has as many as its header.
pub(super) fn row(bytes: &[u8], columns: usize) -> Result<Vec<&str>, RowFault> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| RowFault::wrong("is no text in UTF-8", "columns with commas between them"))?;
    let found = split(text);
    match found.len() == columns {
        true => Ok(found),
        false => Err(RowFault::wrong(
            &format!("has {} columns", found.len()),
            &columns.to_string(),
        )),
    }
}

/// A column with a number of tokens.
pub(super) fn tokens(name: &str, text: &str) -> Result<u32, RowFault> {
    text.parse()
        .map_err(|_| RowFault::wrong(&format!("`{name}` is `{text}`"), "a whole number of tokens"))
}
