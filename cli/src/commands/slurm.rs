//! `slurm`: one batch script that runs a config as shards and merges them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inferbench_model::config::Config;
use inferbench_model::plan::shard::Shard;
use inferbench_model::plan::shardable;

use super::inputs::{attach_to, load_config};
use crate::args::{PluginArgs, SlurmArgs};
use crate::exit::{CliError, Code};
use crate::say;

/// The program that takes batch scripts.
const SBATCH: &str = "sbatch";

pub(super) fn slurm(args: &SlurmArgs, plugins: &PluginArgs) -> Result<Code, CliError> {
    let mut loaded = load_config(&args.config)?;
    match Server::from_args(args) {
        Some(Server::ByPlan) => {
            must_be_started(&loaded.config)?;
            // Where it will be is known only in the job.
            attach_to(&mut loaded.config, "--server", "http://localhost")?;
        }
        Some(Server::ByCommand(_)) => must_wait_for_server(&loaded.config)?,
        None => {}
    }
    must_be_shardable(&loaded.config, args.shards)?;
    let script = script(&loaded.config, args, plugins)?;
    if args.submit {
        // A job whose log has no folder fails without a word.
        fs::create_dir_all(&args.folder).map_err(|source| CliError::Unwritable {
            file: args.folder.display().to_string(),
            source,
        })?;
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

/// What starts the server of a job.
enum Server<'a> {
    /// The plugin's plan.
    ByPlan,
    /// A command line of the user's.
    ByCommand(&'a str),
}

impl<'a> Server<'a> {
    fn from_args(args: &'a SlurmArgs) -> Option<Self> {
        Some(match args.server.as_deref()? {
            "" => Self::ByPlan,
            command => Self::ByCommand(command),
        })
    }
}

/// Refuses a config whose server runs already.
fn must_be_started(config: &Config) -> Result<(), CliError> {
    match config.backends.iter().find(|b| b.attach.is_some()) {
        Some(backend) => Err(CliError::Usage(format!(
            "--server: {} is attached to: remove `attach`, so that its plugin starts it, or give the command line that does",
            backend.label()
        ))),
        None => Ok(()),
    }
}

/// Refuses a server whose start nobody would wait for.
fn must_wait_for_server(config: &Config) -> Result<(), CliError> {
    let places = config.backends.iter().enumerate();
    let mut hasty = places.filter(|(_, backend)| backend.ready_timeout.is_none());
    match hasty.next() {
        Some((place, _)) => Err(CliError::Usage(format!(
            "--server: `backends[{place}].ready_timeout` is not set, so that a server which does not answer yet is given up after 30 s: set it to the longest time that the start may take, such as 20m"
        ))),
        None => Ok(()),
    }
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
    let serve = format!(
        "{program} --quiet serve {config} --host \"$INFERBENCH_SERVER_HOST\" \\\n  --ready-file \"$folder/server.url\" --output \"$folder/server\"",
        config = quoted(&file)
    );
    let step = ServerStep::new(Server::from_args(args), &serve, &args.server_sbatch);
    Ok(format!(
        r#"#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --ntasks={shards}
#SBATCH --no-requeue
#SBATCH --output={log}
{options}{allocation}
# All tasks of one allocation run at the same time: they meet in the folder, begin
# together, and are merged whatever became of them.
folder={folder}/job-$SLURM_JOB_ID
mkdir -p "$folder/shards" || exit 2
trap : TERM INT  # the tasks get it too, and end in order
{start}srun {group}--ntasks={shards} --kill-on-bad-exit=0 --output="$folder/shard-%t.log" \
  {program} --quiet run {config} --shard auto --rendezvous "$folder/meet" \
  --rendezvous-limit {limit_s} --output "$folder/shards"{attach} &
shards=$!
while kill -0 "$shards" 2>/dev/null; do wait "$shards"; done
{stop}exec {program} merge "$folder/shards" -o "$folder/run"
"#,
        name = args.name.as_deref().unwrap_or(&config.name),
        log = folder.join("job-%j.log").display(),
        options = sbatch_lines(&args.sbatch),
        allocation = step.allocation,
        start = step.start,
        group = step.shards_group,
        attach = step.attach,
        stop = step.stop,
        folder = quoted(&folder),
        config = quoted(&file),
        limit_s = args.rendezvous_limit,
    ))
}

fn sbatch_lines(options: &[String]) -> String {
    let lines = options.iter().map(|option| format!("#SBATCH {option}\n"));
    lines.collect()
}

/// Until the plugin finds that the server answers, or it has ended.
const WAIT_FOR_SERVER: &str = r#"while [ ! -s "$folder/server.url" ]; do
  if ! kill -0 "$server" 2>/dev/null; then
    echo "error: the server ended before it was ready, see $folder/server.log" >&2
    exit 3
  fi
  sleep 1
done
"#;
/// The shards measure that server.
const ATTACH: &str = r#" \
  --attach "$(cat "$folder/server.url")""#;

/// TERM for all of the second allocation, which is the server alone, and its end after half
/// a minute whatever it does with that. TERM for its `srun` would kill it at once.
const STOP_SERVER: &str = r#"scancel --signal=TERM "$SLURM_JOB_ID+1"
for _ in $(seq 30); do kill -0 "$server" 2>/dev/null || break; sleep 1; done
kill -TERM "$server" 2>/dev/null
wait "$server"
"#;

/// What a script has beside the shards where it starts the server too: an allocation of
/// its own in the same job, so that no shard is on its node by chance.
#[derive(Default)]
struct ServerStep {
    allocation: String,
    start: String,
    attach: &'static str,
    shards_group: &'static str,
    stop: &'static str,
}

impl ServerStep {
    /// `serve`: what starts the server by the plugin's plan.
    fn new(server: Option<Server<'_>>, serve: &str, options: &[String]) -> Self {
        let (command, wait, attach) = match server {
            None => return Self::default(),
            Some(Server::ByPlan) => (serve.to_owned(), WAIT_FOR_SERVER, ATTACH),
            Some(Server::ByCommand(command)) => {
                (format!("bash -c {}", shell_word(command)), "", "")
            }
        };
        let allocation = format!(
            "#SBATCH hetjob\n#SBATCH --ntasks=1\n#SBATCH --no-requeue\n{}",
            sbatch_lines(options)
        );
        let start = format!(
            r#"# The server, once, in the second allocation.
node=$(scontrol show hostnames "$SLURM_JOB_NODELIST_HET_GROUP_1" | head -n 1)
host=$(scontrol show node "$node" | sed -n 's/.*NodeAddr=\([^ ]*\).*/\1/p')
export INFERBENCH_SERVER_HOST=${{host:-$node}}
srun --het-group=1 --ntasks=1 --output="$folder/server.log" \
  {command} &
server=$!
{wait}"#
        );
        Self {
            allocation,
            start,
            attach,
            shards_group: "--het-group=0 ",
            stop: STOP_SERVER,
        }
    }
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
    shell_word(&path.display().to_string())
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::args::{Args, Command as Wanted};

    fn config(ready_timeout: Option<&str>) -> Config {
        let config = json!({
            "name": "chat", "model": {"id": "m"}, "load": {},
            "backends": [{
                "plugin": "vllm", "attach": "http://h:8000", "ready_timeout": ready_timeout
            }]
        });
        serde_json::from_value(config).unwrap()
    }

    fn made(more: &[&str]) -> String {
        let words = ["inferbench", "slurm", "c.yaml", "-n", "4", "--folder", "/r"];
        let args = Args::try_parse_from(words.iter().chain(more)).unwrap();
        let Wanted::Slurm(args) = args.command else {
            panic!("it is another command");
        };
        script(&config(None), &args, &PluginArgs::default()).unwrap()
    }

    #[test]
    fn a_path_stays_one_word_whatever_is_in_it() {
        assert_eq!(quoted(Path::new("/a b/c'd$e")), r"'/a b/c'\''d$e'");
    }

    #[test]
    fn a_server_that_nobody_would_wait_for_is_refused() {
        let refused = must_wait_for_server(&config(None)).unwrap_err().to_string();
        assert!(
            refused.starts_with("--server: `backends[0].ready_timeout` is not set"),
            "{refused}"
        );
        assert!(must_wait_for_server(&config(Some("20m"))).is_ok());
    }

    #[test]
    fn the_server_has_an_allocation_of_its_own_and_is_stopped_before_the_merge() {
        let alone = made(&["--sbatch=--time=30"]);
        assert!(alone.contains("#SBATCH --time=30\n"), "{alone}");
        assert!(
            !alone.contains("het") && !alone.contains("server"),
            "{alone}"
        );
        let by_plan = made(&["--server", "--server-sbatch=--gres=gpu:8"]);
        let places = [
            "#SBATCH hetjob\n#SBATCH --ntasks=1\n#SBATCH --no-requeue\n#SBATCH --gres=gpu:8\n",
            "trap : TERM",
            " --quiet serve ",
            r#"--host "$INFERBENCH_SERVER_HOST""#,
            r#"while [ ! -s "$folder/server.url" ]"#,
            "srun --het-group=0 --ntasks=4 ",
            r#"--attach "$(cat "$folder/server.url")" &"#,
            "scancel --signal=TERM",
            " merge ",
        ]
        .map(|part| {
            by_plan
                .find(part)
                .unwrap_or_else(|| panic!("{part} is not in {by_plan}"))
        });
        assert!(places.is_sorted(), "{by_plan}");
        let both = made(&["--server", "serve 'm'", "--server-sbatch=--gres=gpu:8"]);
        assert!(!both.contains("server.url"), "{both}");
        let places = [
            "#SBATCH --ntasks=4\n",
            "#SBATCH hetjob\n#SBATCH --ntasks=1\n#SBATCH --no-requeue\n#SBATCH --gres=gpu:8\n",
            r"bash -c 'serve '\''m'\''' &",
            "srun --het-group=0 --ntasks=4 ",
            "scancel --signal=TERM \"$SLURM_JOB_ID+1\"",
            " merge ",
        ]
        .map(|part| {
            both.find(part)
                .unwrap_or_else(|| panic!("{part} is not in {both}"))
        });
        assert!(places.is_sorted(), "{both}");
    }
}
