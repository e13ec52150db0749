//! The derived files of a run folder: written the same way after a run and by
//! `report`.

use std::path::Path;

use inferbench_engine::derive::{Derived, derive};
use inferbench_engine::store::RunFolder;

use crate::exit::CliError;
use crate::render::{render_csv, render_html, render_markdown};

/// Derives everything from the facts in `folder` and writes it there.
pub(super) fn write(folder: &Path) -> Result<Derived, CliError> {
    let derived = derive(folder)?;
    let run = RunFolder::open(folder);
    run.write_json("cells.json", &derived.cells)?;
    run.write_json("report.json", &derived.report)?;
    let page = render_html(&derived.report)?;
    run.write_with("report.html", |file| page.write_to(file))?;
    run.write("summary.md", render_markdown(&derived.report).as_bytes())?;
    run.write("summary.csv", render_csv(&derived.report)?.as_bytes())?;
    Ok(derived)
}
