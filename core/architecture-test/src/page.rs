//! The table as `ARCHITECTURE.md` shows it.

use crate::table::{ALL_BELOW, Crate, Room};

/// The crates: name, job, what each may depend on.
#[must_use]
pub fn crates(table: &[Crate]) -> String {
    let mut text = String::from("| crate | its job | may depend on |\n|---|---|---|\n");
    for entry in table {
        let used = names(entry.may_use);
        text += &format!("| `{}` | {} | {used} |\n", entry.folder, entry.job);
    }
    text
}

/// The rooms of one crate: name, job, what each may import.
#[must_use]
pub fn rooms(rooms: &[Room]) -> String {
    let mut text = String::from("| room | its job | may use |\n|---|---|---|\n");
    for room in rooms {
        let used = names(room.uses);
        text += &format!("| `{}` | {} | {used} |\n", room.name, room.job);
    }
    text
}

fn names(used: &[&str]) -> String {
    if used.is_empty() {
        return "none".to_owned();
    }
    let name = |one: &&str| match *one {
        ALL_BELOW => "all rows above".to_owned(),
        name => format!("`{name}`"),
    };
    used.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// `page` with `table` between the comments `<!-- table: name -->` and
/// `<!-- end of table -->`.
///
/// # Errors
/// One line if the page has no such comments.
pub fn with_table(page: &str, name: &str, table: &str) -> Result<String, String> {
    let start = format!("<!-- table: {name} -->\n");
    let missing = || format!("no `{}` before an end of table", start.trim_end());
    let (before, rest) = page.split_once(&start).ok_or_else(missing)?;
    let end = rest.find("<!-- end of table -->").ok_or_else(missing)?;
    Ok(format!("{before}{start}\n{table}\n{}", &rest[end..]))
}
