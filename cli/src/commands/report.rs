//! `report`: rebuilds every derived file.

use std::path::Path;

use super::derived;
use super::inputs::warn_of_altered;
use super::output::{look, print_json, width};
use crate::args::OutputArgs;
use crate::exit::{CliError, Code};
use crate::table::render_table;

pub(super) fn report(folder: &Path, output: OutputArgs) -> Result<Code, CliError> {
    let derived = derived::write(folder)?;
    warn_of_altered(folder)?;
    if output.json {
        print_json(&derived.report)?;
    } else {
        println!("{}", render_table(&derived.report, look(), width()));
        println!("page: {}", folder.join("report.html").display());
    }
    Ok(Code::Done)
}
