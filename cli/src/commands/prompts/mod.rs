//! `prompts`: lists where prompts may come from, or writes those of a config.

mod proxy_log;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use inferbench_engine::plugins::search::SearchPath;
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

use crate::args::{OutputArgs, PromptsArgs};
use crate::commands::inputs::{load_config, load_plugins, plugin_names};
use crate::commands::output::{new_table, print_json, width};
use crate::exit::{CliError, Code};
use crate::say;

pub(super) fn prompts(
    args: &PromptsArgs,
    search: &SearchPath,
    output: OutputArgs,
) -> Result<Code, CliError> {
    match (&args.config, &args.from_log) {
        (Some(config), _) => write(config, args, search, output),
        (None, Some(log)) => proxy_log::write_trace(log, args.output.as_deref(), output),
        (None, None) if args.output.is_some() => Err(CliError::Usage(
            "--output needs a config, or --from-log: without one the sources of prompts are listed"
                .to_owned(),
        )),
        (None, None) => list(output),
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
    let host = load_plugins(search, plugin_names(&loaded), output.verbose);
    let prepared = prepare(&loaded, &host).map_err(CliError::Config)?;
    let cell = cell(&prepared, args)?;
    written_to(args.output.as_deref(), |into, failed| {
        rows(&prepared, &cell, into, failed)
    })?;
    if let (Some(file), false) = (&args.output, output.quiet) {
        let many = counted(cell.requests, "request");
        println!("{}: {many} of {}", file.display(), cell.level);
    }
    Ok(Code::Done)
}

/// What a write that fails is to the user.
type Failed<'f> = &'f dyn Fn(io::Error) -> CliError;

/// Writes to a file, or to standard output if none is named.
fn written_to(
    file: Option<&Path>,
    write: impl FnOnce(&mut dyn Write, Failed<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let Some(file) = file else {
        let mut out = BufWriter::new(io::stdout().lock());
        return write(&mut out, &CliError::Output);
    };
    let failed = |source| CliError::Unwritable {
        file: file.display().to_string(),
        source,
    };
    let created = File::create(file).map_err(failed)?;
    write(&mut BufWriter::new(created), &failed)
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
    into: &mut dyn Write,
    failed: Failed<'_>,
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
    let mut cut = 0;
    for index in 0..cell.requests {
        let key = PromptKey {
            block: cell.block,
            level: cell.place,
            index,
        };
        let turns = prepared.prompts.conversation(key);
        let turns = turns.map_err(|error| CliError::Prompt { index, error })?;
        let at_ns = times.as_mut().and_then(Iterator::next);
        let at_s = at_ns.map(|ns| ns as f64 / NS_PER_S);
        let (rows, is_cut) = export::rows(&turns, &index.to_string(), at_s);
        cut += u64::from(is_cut);
        for row in rows {
            writeln!(into, "{row}").map_err(failed)?;
        }
    }
    into.flush().map_err(failed)?;
    if cut > 0 {
        say::err(format_args!(
            "{}: only the first turn is written, later ones hold what the model answers",
            counted(cut, "conversation")
        ));
    }
    Ok(())
}
