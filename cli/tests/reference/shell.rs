//! Every shell block of the texts is run, or says why a plain test cannot run it.
//!
//! The comment before a block says which:
//!
//! - `runs`: as it stands, in a folder with configs, two runs and the program on the `PATH`;
//!   `runs after: COMMANDS` prepares that folder first, `runs with PROGRAM` only where
//!   that is installed,
//! - `runs in: just RECIPE`: CI runs the same commands by that recipe,
//! - `needs: A, B`: things of the list `NEEDS`, which no plain test has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use super::blocks::{Block, all_blocks};
use super::common::{plugin_dir, program, repository, said};

/// What a block may need that a plain test does not have.
const NEEDS: [&str; 11] = [
    "a cluster",
    "a container runtime",
    "a GPU",
    "a model hub",
    "a package index",
    "a release",
    "engines",
    "minutes",
    "nightly Rust",
    "several machines",
    "the right to capture",
];

/// Longest time for one block, seconds.
const LIMIT_S: &str = "120";

/// How a block is tested.
#[derive(Debug, PartialEq)]
enum Way<'a> {
    Runs {
        with: Option<&'a str>,
        after: &'a str,
    },
    RunsIn(&'a str),
    Needs(Vec<&'a str>),
}

fn way(mark: &str) -> Result<Way<'_>, String> {
    if let Some(recipe) = mark.strip_prefix("runs in: just ") {
        return Ok(Way::RunsIn(recipe));
    }
    if let Some(list) = mark.strip_prefix("needs: ") {
        let needs: Vec<&str> = list.split(", ").collect();
        let unknown = needs.iter().find(|need| !NEEDS.contains(need));
        return match unknown {
            Some(need) => Err(format!("`{need}` is not in the list NEEDS")),
            None => Ok(Way::Needs(needs)),
        };
    }
    let (head, after) = mark.split_once(" after: ").unwrap_or((mark, ""));
    let with = head.strip_prefix("runs with ");
    match with.is_some() || head == "runs" {
        true => Ok(Way::Runs { with, after }),
        false => Err(format!("`{mark}` is no mark of a shell block")),
    }
}

/// A small load, so that a run ends in a second.
const CHAT: &str = "name: chat
model: { id: no-model }
backends:
  - { plugin: sim, options: { step_base_us: 200 } }
workload: { input_tokens: 16, output_tokens: 4 }
load: { concurrency: [1], requests: 4, warmup_requests: 1 }
repeats: 2
";

/// The config of a model that a block names, as the hub's cache has it.
const QWEN: &str = r#"{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_size": 896,
 "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "torch_dtype": "bfloat16",
 "vocab_size": 151936, "max_position_embeddings": 32768}"#;

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_all(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The quickstart's config with fewer levels, requests and repeats, and faster steps.
fn small_quickstart() -> String {
    let mut text = fs::read_to_string(repository().join("configs/quickstart.yaml")).unwrap();
    for (long, short) in [
        ("concurrency: [1, 4, 8]", "concurrency: [1, 2]"),
        ("requests: 44", "requests: 4"),
        ("repeats: 3", "repeats: 1"),
        ("step_base_us: 4000", "step_base_us: 400"),
    ] {
        assert!(text.contains(long), "the quickstart has no `{long}`");
        text = text.replace(long, short);
    }
    text
}

/// A folder in which blocks run: configs, examples, the program, two runs of a config.
fn prepare(place: &Path) {
    copy_all(&repository().join("configs"), &place.join("configs"));
    copy_all(&repository().join("examples"), &place.join("examples"));
    fs::write(place.join("configs/quickstart.yaml"), small_quickstart()).unwrap();
    fs::write(place.join("chat.yaml"), CHAT).unwrap();
    let hub = place.join(".cache/huggingface/hub/models--Qwen--Qwen2.5-0.5B-Instruct");
    fs::create_dir_all(hub.join("refs")).unwrap();
    fs::create_dir_all(hub.join("snapshots/x")).unwrap();
    fs::write(hub.join("refs/main"), "x").unwrap();
    fs::write(hub.join("snapshots/x/config.json"), QWEN).unwrap();
    fs::create_dir(place.join("bin")).unwrap();
    // What the doctor finds is no fault of the block: its exit code 3 counts as 0.
    let wrapper = format!(
        "#!/usr/bin/env bash\n{} --plugin-dir {} \"$@\" || {{ code=$?; [ \"$1 $code\" = 'doctor 3' ] || exit $code; }}\n",
        program().display(),
        plugin_dir().display()
    );
    fs::write(place.join("bin/inferbench"), wrapper).unwrap();
    let runs = "chmod +x bin/inferbench; mkdir target; ln -s \"$BUILT\" target/debug
        for stamp in 20261101T090000000Z 20261125T090000000Z; do
            inferbench run -q chat.yaml --output first >printed
            mkdir -p results; mv first/* results/chat-$stamp
        done";
    let said = run(place, runs);
    assert_eq!(said, None, "the folder for the blocks");
}

/// Runs commands in the folder; what they said if they failed.
fn run(place: &Path, commands: &str) -> Option<String> {
    let path = format!(
        "{}:{}",
        place.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", LIMIT_S, "bash", "-euo", "pipefail", "-c"])
        .arg(commands)
        .current_dir(place)
        .env("PATH", path)
        .env("HOME", place)
        .env("REPOSITORY", repository())
        .env("BUILT", program().parent().unwrap())
        .env("XDG_STATE_HOME", place.join(".state"))
        .env("XDG_DATA_HOME", place.join(".data"))
        .env("XDG_CACHE_HOME", place.join(".cache"))
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HOME")
        .env_remove("INFERBENCH_PLUGIN_PATH")
        .stdin(std::process::Stdio::null());
    let said = said(&mut command);
    (said.code != Some(0)).then(|| format!("{:?}\n{}{}", said.code, said.out, said.err))
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What is wrong with a block that CI runs by a recipe; `None` if nothing is.
fn fault_of_recipe(recipe: &str) -> Option<String> {
    let read = |name: &str| fs::read_to_string(repository().join(name)).unwrap();
    let head = format!("\n{recipe}");
    let mut rest = read("justfile");
    rest = rest.split_off(rest.find(&head)? + head.len());
    let is_recipe = rest.starts_with(':') || rest.starts_with(' ');
    let is_run = read(".github/workflows/ci.yml").contains(&format!("- run: just {recipe}\n"));
    (!is_recipe || !is_run).then(|| format!("CI runs no recipe `{recipe}`"))
}

/// What is wrong with a block; `None` if nothing is.
#[allow(clippy::print_stdout, reason = "a block that did not run is named")]
fn fault(block: &Block, prepared: &Path) -> Option<String> {
    let Some(mark) = &block.mark else {
        return Some("no comment before it says whether it runs or what it needs".to_owned());
    };
    match way(mark) {
        Err(error) => Some(error),
        Ok(Way::Needs(_)) => None,
        Ok(Way::RunsIn(recipe)) => fault_of_recipe(recipe),
        Ok(Way::Runs { with, .. }) if with.is_some_and(|program| !is_installed(program)) => {
            println!("{}: not run, it needs {}", block.place(), with.unwrap());
            None
        }
        Ok(Way::Runs { after, .. }) => {
            let folder = tempfile::tempdir().unwrap();
            copy_place(prepared, folder.path());
            run(folder.path(), &format!("{after}\n{}", block.text))
        }
    }
}

/// A copy of the prepared folder, links and modes included.
fn copy_place(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(from.join(".")).arg(to);
    assert!(copy.status().unwrap().success());
}

#[test]
fn every_shell_block_runs_or_says_what_it_needs() {
    let prepared = tempfile::tempdir().unwrap();
    prepare(prepared.path());
    let blocks = all_blocks(&["sh"]);
    let (next, faults) = (Mutex::new(blocks.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let Some(block) = next.lock().unwrap().next() else {
                        return;
                    };
                    if let Some(fault) = fault(block, prepared.path()) {
                        let said = format!("{}\n{}\n{fault}", block.place(), block.text);
                        faults.lock().unwrap().push(said);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let runs = |block: &&Block| block.mark.as_deref().is_some_and(|m| m.starts_with("runs"));
    let run = blocks.iter().filter(runs).count();
    assert!(run > 20, "{run} blocks that run are too few to be all");
}

#[test]
fn a_shell_block_is_called_sh_and_none_hides_under_another_name() {
    let hidden = ["bash", "shell", "console", "zsh", "text", ""];
    let is_command = |line: &str| {
        let line = line.trim_start_matches("$ ");
        ["inferbench ", "cargo ", "pip ", "just "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    for block in all_blocks(&hidden) {
        let is_shell = ["bash", "shell", "console", "zsh"].contains(&block.language.as_str());
        let line = block.text.lines().find(|line| is_command(line));
        assert!(
            !is_shell && line.is_none(),
            "{}: a shell block must begin with ```sh",
            block.place()
        );
    }
}

#[test]
fn a_block_that_fails_and_one_without_a_mark_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let block = |mark: Option<&str>, text: &str| Block {
        file: PathBuf::from("x.md"),
        line: 1,
        language: "sh".to_owned(),
        text: text.to_owned(),
        mark: mark.map(str::to_owned),
    };
    let fault_of = |mark, text| fault(&block(mark, text), folder.path());
    assert_eq!(fault_of(Some("runs after: touch a"), "ls a\n"), None);
    assert!(fault_of(Some("runs"), "false; true\n").is_some());
    assert!(fault_of(None, "true\n").unwrap().contains("no comment"));
    assert!(fault_of(Some("rnus"), "true\n").is_some());
    assert_eq!(fault_of(Some("needs: a GPU, engines"), "false\n"), None);
    assert!(fault_of(Some("needs: a moon"), "true\n").is_some());
    assert_eq!(fault_of(Some("runs in: just quickstart"), ""), None);
    assert!(fault_of(Some("runs in: just quick"), "").is_some());
    assert_eq!(fault_of(Some("runs with no-such-program"), "false\n"), None);
}
