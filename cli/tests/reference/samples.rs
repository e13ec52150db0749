//! What the texts show of the program's output is what the program prints today, about runs
//! that were recorded once.
//!
//! The comment before a block of text names its sample, and the day of the run if it is of
//! one: `sample: quickstart, recorded 2026-11-29`. A block that is no output of the program
//! has the comment `no sample`. `just record` records the quickstart's run anew, `just
//! bless` writes the blocks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::blocks::{Block, all_blocks};
use super::common::stored::unpack;
use super::common::{inferbench, json_file, program, repository, said};
use super::is_blessing;
use super::snippets::whole;

/// What the program prints today, and the day of the run that it prints it about.
struct Sample {
    text: String,
    recorded: Option<String>,
}

/// A sample that is of no stored run.
fn of_no_run(text: String) -> Sample {
    Sample {
        text,
        recorded: None,
    }
}

/// The sample of a name, made in an empty folder; `None` if there is none.
fn sample(name: &str, place: &Path) -> Option<Sample> {
    Some(match name {
        "quickstart" => reported("recorded/quickstart", place, &|table| table.to_owned()),
        "quickstart-short" => reported("recorded/quickstart", place, &last_level),
        "prometheus" => prometheus(place),
        "real-engines" => reported("old_runs/real", place, &without_warnings),
        "capture" => capture(place),
        "regression" => regression(place),
        "schedule" => of_no_run(schedule(place)),
        "kv-cache-too-small" => of_no_run(kv_cache_too_small(place)),
        "no-start" => of_no_run(no_start(place)),
        "unknown-key" => of_no_run(unknown_key(place)),
        "errors" => of_no_run(errors(place)),
        "doctor" => of_no_run(doctor(place)),
        _ => return None,
    })
}

/// A stored run, unpacked, and the day on which it began.
fn stored(name: &str, place: &Path) -> (PathBuf, String) {
    let run = place.join(name);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    unpack(&here.join(name), &run);
    let began = json_file(&run.join("run.json"))["anchors"][0]["utc"].clone();
    let began = began.as_str().unwrap();
    (run, began[.."2026-11-29".len()].to_owned())
}

/// What a command prints to standard output, or to standard error if it fails, without
/// the folder that it is run in.
fn printed(command: &mut Command, place: &Path) -> String {
    let said = said(command.current_dir(place).env("XDG_STATE_HOME", place));
    let text = match said.out.is_empty() {
        true => said.err,
        false => said.out,
    };
    text.replace(&format!("{}/", place.display()), "")
}

/// The lines of a text from the first that begins so, to the next empty one.
fn paragraph(text: &str, beginning: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(beginning));
    let lines = lines.take_while(|line| !line.trim().is_empty());
    let paragraph: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(!paragraph.is_empty(), "no `{beginning}` in:\n{text}");
    paragraph
}

fn reported(run: &str, place: &Path, part: &dyn Fn(&str) -> String) -> Sample {
    let (folder, day) = stored(run, place);
    let printed = printed(inferbench().arg("report").arg(folder), place);
    let table = printed.split("\npage: ").next().unwrap();
    Sample {
        text: format!("{}\n", part(table.trim_end())),
        recorded: Some(day),
    }
}

/// The heading of a table, its last level, and the answer.
fn last_level(table: &str) -> String {
    let parts: Vec<&str> = table.split("\n\n").collect();
    let rows: Vec<&str> = parts[1].lines().collect();
    let levels = rows.iter().enumerate();
    let mut level = levels.filter(|(_, row)| row.starts_with(" concurrency"));
    let last = level.next_back().unwrap().0;
    let is_row = |row: &&&str| row.starts_with(' ');
    let shown = [&rows[..3], &rows[last..]].concat();
    let shown: Vec<&str> = shown
        .iter()
        .enumerate()
        .filter(|(n, row)| *n < 3 || is_row(row))
        .map(|(_, row)| *row)
        .collect();
    let answer = parts[2].lines().take(2).collect::<Vec<_>>().join("\n");
    format!("{}\n\n{}\n\n{answer}", parts[0], shown.join("\n"))
}

/// Table and answer, without the warnings below them.
fn without_warnings(table: &str) -> String {
    let parts = table.split("\n\n");
    let kept =
        parts.take_while(|part| !part.starts_with("critical:") && !part.starts_with("warning:"));
    kept.collect::<Vec<_>>().join("\n\n")
}

fn prometheus(place: &Path) -> Sample {
    let (folder, day) = stored("recorded/quickstart", place);
    printed(inferbench().arg("report").arg(&folder), place);
    let all = fs::read_to_string(folder.join("summary.prom")).unwrap();
    let from = all.find("# HELP inferbench_ttft_seconds ").unwrap();
    let lines = all[from..]
        .lines()
        .filter(|line| !line.starts_with("# UNIT"));
    Sample {
        text: lines.take(3).flat_map(|line| [line, "\n"]).collect(),
        recorded: Some(day),
    }
}

fn capture(place: &Path) -> Sample {
    let (folder, day) = stored("capture/run", place);
    let packets = folder.join("any.pcap");
    let mut verify = inferbench();
    let all = printed(
        verify
            .arg("verify")
            .arg(&folder)
            .arg("--capture")
            .arg(packets),
        place,
    );
    Sample {
        text: paragraph(&all, "capture/run/any.pcap").replace("capture/run/any.pcap", "run.pcap"),
        recorded: Some(day),
    }
}

fn regression(place: &Path) -> Sample {
    let (before, day) = stored("old_runs/simulated", place);
    let (after, _) = stored("old_runs/slower", place);
    let mut compare = inferbench();
    compare
        .arg("compare")
        .arg(format!("main={}", before.display()))
        .arg(format!("change={}", after.display()))
        .args(["--fail-on-regression", "5%", "--output", "change"]);
    printed(&mut compare, place);
    let summary = fs::read_to_string(place.join("change/summary.md")).unwrap();
    let line = summary.lines().find_map(|line| line.strip_prefix("> "));
    Sample {
        text: format!("{}\n", line.unwrap()),
        recorded: Some(day),
    }
}

/// The schedule of the config that stands on the page before it.
fn schedule(place: &Path) -> String {
    let shaped = |block: &Block| block.text.contains("shape: { steps");
    let block = all_blocks(&["yaml"]).into_iter().find(shaped).unwrap();
    let config = serde_yaml::to_string(&whole(&block.text).unwrap()).unwrap();
    fs::write(place.join("shape.yaml"), config).unwrap();
    let mut validate = inferbench();
    let all = printed(
        validate.args(["validate", "shape.yaml", "--show-schedule"]),
        place,
    );
    paragraph(&all, "4 requests/s,")
}

/// A model with 131 072 bytes a token, as the folder `model`.
fn write_model(place: &Path) {
    let model = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "torch_dtype": "bfloat16", "max_position_embeddings": 8192}"#;
    fs::create_dir(place.join("model")).unwrap();
    fs::write(place.join("model/config.json"), model).unwrap();
}

/// A level that needs ten times the cache that its command sets, 26 214 tokens.
fn kv_cache_too_small(place: &Path) -> String {
    write_model(place);
    let config = "name: kv\nmodel: { id: model }\nbackends:\n  - plugin: vllm\n    options: { extra_args: [--kv-cache-memory-bytes, '3435973837'] }\nworkload: { input_tokens: 4096, output_tokens: 128 }\nload: { concurrency: [64], requests: 512 }\n";
    fs::write(place.join("kv.yaml"), config).unwrap();
    let mut validate = inferbench();
    validate.args(["validate", "--elsewhere", "kv.yaml"]);
    let said = said(validate.current_dir(place));
    paragraph(&said.err, "warning: vllm: concurrency 64")
}

/// An engine that ends before it is ready.
fn no_start(place: &Path) -> String {
    let config = "name: fails\nmodel: { id: no-model, max_model_len: 2048 }\nbackends:\n  - plugin: openai\n    label: vllm\n    options: { command: [sh, -c, \"echo 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.' >&2; exit 1\", '{port}'], endpoint: chat }\nworkload: { prompts: jsonl, file: rows.jsonl, output_tokens: 4 }\nload: { concurrency: [1], requests: 1 }\nrepeats: 1\n";
    fs::write(place.join("fails.yaml"), config).unwrap();
    let row = r#"{"messages": [{"role": "user", "content": "Hello"}], "output_tokens": 4}"#;
    fs::write(place.join("rows.jsonl"), format!("{row}\n")).unwrap();
    let mut run = inferbench();
    run.args(["run", "-q", "fails.yaml"]);
    let said = said(run.current_dir(place).env("XDG_STATE_HOME", place));
    assert_eq!(said.code, Some(3), "{}", said.err);
    paragraph(&said.err, "error: vllm:")
}

/// The quickstart's config with a key that is mistyped.
fn unknown_key(place: &Path) -> String {
    let config = fs::read_to_string(repository().join("configs/quickstart.yaml")).unwrap();
    fs::create_dir(place.join("configs")).unwrap();
    let mistyped = config.replace("\nrepeats:", "\nrepeets:");
    fs::write(place.join("configs/quickstart.yaml"), mistyped).unwrap();
    printed(
        inferbench().args(["validate", "configs/quickstart.yaml"]),
        place,
    )
}

/// Three errors: a value, a place, two keys that contradict each other.
fn errors(place: &Path) -> String {
    write_model(place);
    let chat = "name: chat\nmodel: { id: model }\nbackends:\n  - plugin: vllm\n";
    let write = |name: &str, text: &str| fs::write(place.join(name), text).unwrap();
    write(
        "chat.yaml",
        &format!("{chat}load: {{ concurrency: [1], requests: 0 }}\n"),
    );
    let value = printed(inferbench().args(["validate", "chat.yaml"]), place);
    let (run, _) = stored("capture/run", &place.join("results/x"));
    fs::rename(run, place.join("results/x/a-new")).unwrap();
    fs::remove_dir(place.join("results/x/capture")).unwrap();
    let folder = printed(inferbench().args(["report", "results/x"]), place);
    let both = "    version: \"0.32.0\"\n    options: { command: [vllm, serve] }\n";
    write(
        "chat.yaml",
        &format!("{chat}{both}load: {{ concurrency: [1], requests: 9 }}\n"),
    );
    let keys = printed(inferbench().args(["validate", "chat.yaml"]), place);
    format!("{value}\n{folder}\n{keys}")
}

/// Lines of the doctor on a machine that has no program but a Python.
fn doctor(place: &Path) -> String {
    let bin = place.join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("python3"), "#!/bin/sh\necho Python 3.11.7\n").unwrap();
    fs::set_permissions(bin.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
    let all = printed(inferbench().arg("doctor").env("PATH", &bin), place);
    let built = program().parent().unwrap().display().to_string();
    let all = all
        .replace(&built, "/opt/inferbench")
        .replace("bin/python3", "/usr/bin/python3");
    let group = |name: &str, entries: &[&str]| {
        let lines = all.lines().skip_while(|line| *line != name);
        let lines = lines.take_while(|line| !line.is_empty()).skip(1);
        let mut is_shown = false;
        let shown = lines.filter(|line| {
            if let Some(entry) = line
                .split_whitespace()
                .nth(1)
                .filter(|_| !line.starts_with("   "))
            {
                is_shown = entries.contains(&entry);
            }
            is_shown
        });
        let shown: String = shown.flat_map(|line| [line, "\n"]).collect();
        format!("{name}\n{shown}")
    };
    let tools = group("Tools", &["uv", "python3"]);
    format!("{tools}\n{}", group("Plugins", &["sim", "vllm"]))
}

/// A text without what differs from machine to machine and where its lines break.
fn form(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let path = word.starts_with('/') || word.starts_with("(/");
        let word = if path { "PATH" } else { word };
        word.replace(|c: char| c.is_ascii_digit(), "#")
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a block shows what the program prints today.
fn is_the_same(name: &str, shown: &str, today: &str) -> bool {
    match name {
        // It is of a machine.
        "doctor" => form(shown) == form(today),
        _ => shown == today,
    }
}

/// Writes a block's text and mark into its file.
fn write(block: &Block, mark: &str, text: &str) {
    let file = fs::read_to_string(&block.file).unwrap();
    let mut lines: Vec<&str> = file.lines().collect();
    let end = block.line + block.text.lines().count();
    let mark = format!("<!-- {mark} -->");
    lines.splice(block.line..end, text.lines());
    lines[block.line - 2] = &mark;
    fs::write(&block.file, format!("{}\n", lines.join("\n"))).unwrap();
}

/// What is wrong with a block of text; `None` if nothing is.
fn fault(block: &Block, is_blessing: bool) -> Option<String> {
    let mark = block.mark.as_deref().unwrap_or_default();
    if mark == "no sample" {
        return None;
    }
    let Some(named) = mark.strip_prefix("sample: ") else {
        return Some("no comment before it names its sample, or says `no sample`".to_owned());
    };
    let name = named.split(',').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Some(today) = sample(name, folder.path()) else {
        return Some(format!("there is no sample `{name}`"));
    };
    let day = today.recorded.map(|day| format!(", recorded {day}"));
    let its_mark = format!("sample: {name}{}", day.unwrap_or_default());
    let is_the_same = is_the_same(name, &block.text, &today.text);
    if is_blessing && !(is_the_same && mark == its_mark) {
        write(block, &its_mark, &today.text);
        return None;
    }
    if mark != its_mark {
        return Some(format!("its mark should be `{its_mark}`"));
    }
    (!is_the_same).then(|| format!("the program prints\n{}", today.text))
}

#[test]
fn every_sample_is_what_the_program_prints_today() {
    let (mut seen, mut faults) = (0, Vec::new());
    // From the last of a file to its first, since writing one moves what is below it.
    for block in all_blocks(&["text"]).iter().rev() {
        seen += 1;
        let fault =
            fault(block, is_blessing()).map(|fault| format!("{}: {fault}\n", block.place()));
        faults.extend(fault);
    }
    assert!(
        faults.is_empty(),
        "{}\nif that is as it should be, `just bless` writes the samples anew",
        faults.join("\n")
    );
    assert!(seen > 8, "{seen} samples are too few to be all");
}

#[test]
fn a_sample_with_another_figure_or_day_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let today = sample("regression", folder.path()).unwrap();
    let day = today.recorded.unwrap();
    let block = |mark: &str, text: &str| Block {
        file: PathBuf::from("x.md"),
        line: 2,
        language: "text".to_owned(),
        text: text.to_owned(),
        mark: Some(mark.to_owned()),
    };
    let right = format!("sample: regression, recorded {day}");
    assert_eq!(fault(&block(&right, &today.text), false), None);
    assert!(fault(&block(&right, &today.text.replace("95 %", "96 %")), false).is_some());
    assert!(
        fault(
            &block("sample: regression, recorded 2020-01-01", &today.text),
            false
        )
        .is_some()
    );
    assert!(fault(&block("sample: no-such", ""), false).is_some());
    assert!(fault(&block("", ""), false).is_some());
}
