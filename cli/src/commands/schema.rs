//! `schema`: prints a JSON Schema.

use inferbench_model::cell::row;
use inferbench_model::{config, report};

use super::output::print_json;
use crate::args::SchemaKind;
use crate::exit::{CliError, Code};

pub(super) fn print(of: SchemaKind) -> Result<Code, CliError> {
    let schema = match of {
        SchemaKind::Config => config::schema(),
        SchemaKind::Cells => row::schema(),
        SchemaKind::Report => report::schema(),
    };
    print_json(&schema)?;
    Ok(Code::Done)
}
