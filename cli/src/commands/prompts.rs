//! `prompts`: lists where prompts may come from, or writes those of a config.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use inferbench_engine::plugins::host::SearchPath;
use inferbench_engine::prepare::{PreparedRun, prepare};
use inferbench_model::config::Level;
use inferbench_model::plan::prompt::PromptKey;
use inferbench_model::plan::schedule::Schedule;
use inferbench_model::plan::seed;
use inferbench_model::prompts::export;
use inferbench_model::prompts::source::SOURCES;
use inferbench_model::text::number::counted;
use inferbench_model::text::units::NS_PER_S;
use serde_json::json;

use super::inputs::{load_config, load_plugins};
use super::output::{new_table, print_json, width};
use crate::args::{OutputArgs, PromptsArgs};
use crate::exit::{CliError, Code};

pub(super) fn prompts(
    args: &PromptsArgs,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    match &args.config {
        None => list(output),
        Some(config) => write(config, args, search, output),
    }
}

fn list(output: OutputArgs) -> Result<Code, CliError> {
    if output.json {
        let rows: Vec<_> = SOURCES
            .iter()
            .map(|info| {
                json!({
                    "name": info.source.name(), "about": info.about,
                    "file": info.file, "keys": info.keys,
                })
            })
            .collect();
        print_json(&rows)?;
        return Ok(Code::Done);
    }
    let mut rows = new_table(width());
    rows.set_header(["workload.prompts", "makes prompts of", "its file"]);
    for info in &SOURCES {
        let file = info.file.unwrap_or("none");
        rows.add_row([info.source.name(), info.about, file]);
    }
    println!("{rows}");
    Ok(Code::Done)
}

/// One cell of a run, as far as its prompts are concerned.
struct Cell {
    block: u32,
    place: usize,
    level: Level,
    requests: u64,
}

fn write(
    config: &Path,
    args: &PromptsArgs,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let loaded = load_config(config)?;
    let host = load_plugins(search, output.verbose);
    let prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    let cell = cell(&prepared, args)?;
    let written = match &args.output {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            rows(&prepared, &cell, &mut out, CliError::Output)
        }
        Some(file) => {
            let failed = |source| CliError::Unwritable {
                file: file.display().to_string(),
                source,
            };
            let created = File::create(file).map_err(failed)?;
            rows(&prepared, &cell, &mut BufWriter::new(created), failed)
        }
    };
    written?;
    if let (Some(file), false) = (&args.output, output.quiet) {
        let many = counted(cell.requests, "request");
        println!("{}: {many} of {}", file.display(), cell.level);
    }
    Ok(Code::Done)
}

/// The cell that the arguments name: the first level and repeat, if they name none.
fn cell(prepared: &PreparedRun, args: &PromptsArgs) -> Result<Cell, CliError> {
    let load = &prepared.config.load;
    let levels = load.levels();
    let place = match &args.level {
        None => 0,
        Some(asked) => {
            let place = levels.iter().position(|level| level.value_text() == *asked);
            place.ok_or_else(|| {
                let known: Vec<String> = levels.iter().map(Level::value_text).collect();
                CliError::Usage(format!(
                    "--level is {asked}, must be a level of the config: {}",
                    known.join(", ")
                ))
            })?
        }
    };
    if args.repeat == 0 || args.repeat > prepared.config.repeats {
        return Err(CliError::Usage(format!(
            "--repeat is {}, must be from 1 to the config's {}",
            args.repeat, prepared.config.repeats
        )));
    }
    let level = levels[place];
    let measured = load.requests_at(level).map(|n| n + load.warmup_requests);
    let requests = args.limit.or(measured).ok_or_else(|| {
        CliError::Usage(
            "the config ends its cells by time: say with --limit how many requests to write"
                .to_owned(),
        )
    })?;
    Ok(Cell {
        block: args.repeat - 1,
        place,
        level,
        requests,
    })
}

fn rows(
    prepared: &PreparedRun,
    cell: &Cell,
    into: &mut impl Write,
    failed: impl Fn(io::Error) -> CliError,
) -> Result<(), CliError> {
    let config = &prepared.config;
    let mut times = match cell.level {
        Level::Concurrency(_) => None,
        Level::RequestRate(rate) => {
            let seed = seed::arrivals(config.seed, cell.block, cell.place);
            Schedule::new(&config.load, rate, seed).ok()
        }
        Level::TraceSpeed(speed) => {
            let trace = prepared.trace.as_ref();
            trace.map(|trace| Schedule::replay(trace, speed))
        }
    };
    for index in 0..cell.requests {
        let key = PromptKey {
            block: cell.block,
            level: cell.place,
            index,
        };
        let prompt = prepared.prompts.make(key);
        let prompt = prompt.map_err(|error| CliError::Prompt { index, error })?;
        let at_ns = times.as_mut().and_then(Iterator::next);
        let row = export::row(&prompt, at_ns.map(|ns| ns as f64 / NS_PER_S));
        writeln!(into, "{row}").map_err(&failed)?;
    }
    into.flush().map_err(failed)
}
