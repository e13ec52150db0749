//! `slurm`: one batch script that runs a config as shards and merges them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inferbench_model::config::Config;
use inferbench_model::plan::shard::Shard;
use inferbench_model::plan::shardable;

use super::inputs::load_config;
use crate::args::{PluginArgs, SlurmArgs};
use crate::exit::{CliError, Code};
use crate::say;

/// The program that takes batch scripts.
const SBATCH: &str = "sbatch";

pub(super) fn slurm(args: &SlurmArgs, plugins: &PluginArgs) -> Result<Code, CliError> {
    let loaded = load_config(&args.config)?;
    must_be_shardable(&loaded.config, args.shards)?;
    let script = script(&loaded.config, args, plugins)?;
    if args.submit {
        return submit(&script);
    }
    say::bytes(script.as_bytes());
    Ok(Code::Done)
}

/// Refuses a config that cannot be shared out among so many.
pub(super) fn must_be_shardable(config: &Config, shards: u32) -> Result<(), CliError> {
    let refused = |why: String| CliError::Usage(format!("--shards: {why}"));
    let first = Shard::new(0, shards).map_err(|error| refused(error.to_string()))?;
    shardable::check(config, first).map_err(|why| refused(why.to_string()))
}

/// The batch script. Everything of a job is in one folder, named after its number.
fn script(config: &Config, args: &SlurmArgs, plugins: &PluginArgs) -> Result<String, CliError> {
    let program = std::env::current_exe().map_err(|source| CliError::Unreadable {
        file: "/proc/self/exe".to_owned(),
        source,
    })?;
    let folder = absolute(&args.folder)?;
    let (file, shards) = (absolute(&args.config)?, args.shards);
    let program = [quoted(&program), plugin_words(plugins)?].concat();
    let options = args
        .sbatch
        .iter()
        .map(|option| format!("#SBATCH {option}\n"));
    let options: String = options.collect();
    Ok(format!(
        r#"#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --ntasks={shards}
#SBATCH --no-requeue
#SBATCH --output={log}
{options}
# All tasks of one allocation run at the same time: they meet in the folder, begin
# together, and are merged whatever became of them.
folder={folder}/job-$SLURM_JOB_ID
mkdir -p "$folder/shards" || exit 2
srun --ntasks={shards} --kill-on-bad-exit=0 --output="$folder/shard-%t.log" \
  {program} --quiet run {config} --shard auto --rendezvous "$folder/meet" \
  --rendezvous-limit {limit_s} --output "$folder/shards" &
shards=$!
trap : TERM INT  # the tasks get it too, and end in order
while kill -0 "$shards" 2>/dev/null; do wait "$shards"; done
exec {program} merge "$folder/shards" -o "$folder/run"
"#,
        name = args.name.as_deref().unwrap_or(&config.name),
        log = folder.join("job-%j.log").display(),
        folder = quoted(&folder),
        config = quoted(&file),
        limit_s = args.rendezvous_limit,
    ))
}

/// Where plugins come from, as words of a command.
fn plugin_words(plugins: &PluginArgs) -> Result<String, CliError> {
    let mut words = String::new();
    for (flag, paths) in [
        ("--plugin", &plugins.files),
        ("--plugin-dir", &plugins.dirs),
    ] {
        for path in paths {
            words.push_str(&format!(" {flag} {}", quoted(&absolute(path)?)));
        }
    }
    if plugins.trust_plugin_dir {
        words.push_str(" --trust-plugin-dir");
    }
    Ok(words)
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|source| CliError::Unreadable {
        file: path.display().to_string(),
        source,
    })
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Gives the script to the scheduler, whose words are shown.
fn submit(script: &str) -> Result<Code, CliError> {
    let failed = |source| CliError::Scheduler {
        program: SBATCH,
        source,
    };
    let mut child = Command::new(SBATCH)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let written = child
        .stdin
        .take()
        .map_or(Ok(()), |mut input| input.write_all(script.as_bytes()));
    let status = child.wait().map_err(failed)?;
    written.map_err(failed)?;
    match status.success() {
        true => Ok(Code::Done),
        false => Err(CliError::Usage(format!(
            "{SBATCH} refused the job: {status}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_whatever_is_in_it() {
        assert_eq!(quoted(Path::new("/a b/c'd$e")), r"'/a b/c'\''d$e'");
    }
}
