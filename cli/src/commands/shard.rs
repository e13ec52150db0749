//! One shard of a run: what the command line says of it, and what is shown at its end.

use std::time::Duration;

use inferbench_engine::prepare::{PreparedRun, ShardPlan, StartTogether};
use inferbench_engine::run::Finished;
use inferbench_engine::run::shard::{ahead_ns, wall_ns};
use inferbench_model::plan::shard::Shard;
use inferbench_model::plan::shard_place::shard_from_variables;
use inferbench_model::plan::shardable;
use serde_json::json;

use super::output::print_json;
use crate::args::{OutputArgs, ShardArgs};
use crate::exit::{CliError, Code};

/// The word for a shard that the scheduler's variables name.
const AUTO: &str = "auto";
/// Furthest that a start may lie ahead.
const FURTHEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The part of the run that this process does; `None` if all.
pub(super) fn plan(
    args: &ShardArgs,
    prepared: &PreparedRun,
) -> Result<Option<ShardPlan>, CliError> {
    let Some(text) = &args.shard else {
        return Ok(None);
    };
    let shard = shard(text)?;
    let refused = |why: shardable::NotShardable| CliError::Usage(format!("--shard: {why}"));
    shardable::check(&prepared.config, shard).map_err(refused)?;
    let start = match (&args.start_at, &args.rendezvous) {
        (Some(time), _) => {
            shardable::check_single_start(&prepared.plan).map_err(refused)?;
            StartTogether::At {
                wall_ns: start_ns(time)?,
            }
        }
        (None, Some(folder)) => StartTogether::Rendezvous {
            folder: folder.clone(),
            limit: Duration::from_secs(args.rendezvous_limit),
        },
        (None, None) => {
            let words = "--shard: shards must begin together: give --start-at TIME, or --rendezvous DIR with a folder that all share";
            return Err(CliError::Usage(words.to_owned()));
        }
    };
    Ok(Some(ShardPlan { shard, start }))
}

fn shard(text: &str) -> Result<Shard, CliError> {
    let found = match text {
        AUTO => shard_from_variables(&|name| std::env::var(name).ok())
            .map_err(|error| error.to_string()),
        text => text.parse::<Shard>().map_err(|error| error.to_string()),
    };
    found.map_err(|why| CliError::Usage(format!("--shard {why}")))
}

/// The time, ns since 1970. One that has passed is for the run to refuse.
fn start_ns(text: &str) -> Result<u64, CliError> {
    let wall_ns = wall_ns(text).ok_or_else(|| {
        CliError::Usage(format!(
            "--start-at is `{text}`, must be a time such as 2030-01-31T12:00:00Z"
        ))
    })?;
    match ahead_ns(wall_ns) {
        Some(ahead_ns) if u128::from(ahead_ns) > FURTHEST.as_nanos() => {
            let words = "--start-at lies more than 24 hours ahead: is the date or the clock wrong?";
            Err(CliError::Usage(words.to_owned()))
        }
        _ => Ok(wall_ns),
    }
}

/// Shows what a shard has done.
pub(super) fn show(
    shard: Shard,
    finished: &Finished,
    output: OutputArgs,
) -> Result<Code, CliError> {
    let folder = finished.folder.path();
    if output.json {
        print_json(&json!({
            "index": shard.index(),
            "count": shard.count(),
            "folder": folder,
            "exit_state": finished.exit_state,
        }))?;
    } else {
        println!("{shard}: join all with inferbench merge DIR... -o RUN");
        println!("folder: {}", folder.display());
    }
    match &finished.not_started {
        Some(why) => {
            eprintln!("error: {why}");
            Ok(Code::NotStarted)
        }
        None => Ok(Code::from(finished.exit_state)),
    }
}
