//! What `validate` and `doctor CONFIG` look for before anything starts, and how long
//! a run is said to take.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Said, inferbench, said};
use serde_json::{Value, json};

/// A folder with a config, prompts, and programs of the PATH.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(
            folder.path().join("prompts.jsonl"),
            "{\"prompt\": \"a\", \"prompt_token_ids\": [7]}\n",
        )
        .unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.path("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn config(&self, backends: &str) -> PathBuf {
        let prompts = self.path("prompts.jsonl").display().to_string();
        self.write(&format!(
            "name: needs\nmodel: {{ id: org/model }}\nbackends: [{backends}]\n\
             workload: {{ prompts: jsonl, file: {prompts}, output_tokens: 50 }}\n\
             load: {{ concurrency: [1, 4], requests: 40 }}\n"
        ))
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.path("bench.yaml");
        fs::write(&file, text).unwrap();
        file
    }

    fn command(&self) -> Command {
        let mut command = inferbench();
        command.env("PATH", self.path("bin"));
        command.env("HF_HUB_CACHE", self.path("hub"));
        command
    }

    fn validate(&self, config: &Path, arguments: &[&str]) -> Said {
        said(self.command().arg("validate").args(arguments).arg(config))
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_at_its_place_and_not_elsewhere() {
    let bench = Bench::new();
    let config =
        bench.config("{plugin: vllm}, {plugin: vllm, label: b, options: {command: [/no/vllm]}}");
    let here = bench.validate(&config, &[]);
    assert_eq!(here.code, Some(2), "{}", here.out);
    let file = config.display();
    let nowhere = format!(
        "error: {file}:3:21: `backends[0].plugin` cannot be started here: no `vllm` on the PATH\n"
    );
    assert!(here.err.contains(&nowhere), "{}", here.err);
    // Both have one hint, which stands once.
    assert_eq!(
        here.err.matches("hint: install it").count(),
        1,
        "{}",
        here.err
    );
    let gone = "`backends[1].options.command` cannot be started here: `/no/vllm` is not there";
    assert!(here.err.contains(gone), "{}", here.err);
    assert!(here.err.contains("--elsewhere"), "{}", here.err);
    let elsewhere = bench.validate(&config, &["--elsewhere"]);
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.err);
    bench.program("vllm", "exit 0");
    let own = "{plugin: vllm}, {plugin: openai, attach: 'http://127.0.0.1:1'}";
    let there = bench.validate(&bench.config(own), &[]);
    assert_eq!(there.code, Some(0), "{}", there.err);
    let found = format!("  found: {}", bench.path("bin/vllm").display());
    assert!(there.out.contains(&found), "{}", there.out);
    assert!(there.out.contains("measured 3 times)"), "{}", there.out);
}

#[test]
fn a_python_without_the_module_is_an_error() {
    let bench = Bench::new();
    bench.program("python3", "echo False");
    let said = bench.validate(
        &bench.config("{plugin: sglang, options: {command: [python3, -m, sglang.launch_server]}}"),
        &[],
    );
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("python3 lacks sglang"), "{}", said.err);
}

#[test]
fn an_image_is_looked_into_where_its_runtime_works() {
    let bench = Bench::new();
    let config = bench.config("{plugin: vllm, container: {image: 'i:1'}}");
    let wrong = [
        (
            "echo 'Cannot connect to the daemon' >&2; exit 1",
            "docker does not work: Cannot connect",
        ),
        (
            r#"test "$1" = image || echo nowhere"#,
            "image i:1 has no `vllm`",
        ),
    ];
    for (script, words) in wrong {
        bench.program("docker", script);
        let said = bench.validate(&config, &[]);
        assert_eq!(said.code, Some(2), "{}", said.out);
        assert!(said.err.contains(words), "{}", said.err);
    }
    for (script, words) in [
        (
            "echo 'No such image: i:1' >&2; exit 1",
            "image i:1 is not here: it is fetched",
        ),
        (
            r#"test "$1" = image || echo /bin/vllm"#,
            "image i:1, with `vllm`",
        ),
    ] {
        bench.program("docker", script);
        let said = bench.validate(&config, &[]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains(words), "{}", said.out);
    }
}

#[test]
fn doctor_with_a_config_begins_with_what_it_needs() {
    let bench = Bench::new();
    let own = "{plugin: vllm}, {plugin: openai, label: up, attach: 'http://127.0.0.1:1'}";
    let config = bench.config(own);
    let said = said(bench.command().args(["--json", "doctor"]).arg(&config));
    assert_eq!(said.code, Some(3), "{}", said.err);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    let of_config: Vec<&Value> = found["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["group"] == "config")
        .collect();
    assert_eq!(of_config.len(), 2);
    assert_eq!(
        (&of_config[0]["name"], &of_config[0]["status"]),
        (&json!("vllm"), &json!("error"))
    );
    assert_eq!(
        (&of_config[1]["name"], &of_config[1]["status"]),
        (&json!("up"), &json!("warning"))
    );
}

/// A model that takes 2,048 tokens, of 128 KiB each in the cache.
fn model(bench: &Bench) -> String {
    let folder = bench.path("model");
    fs::create_dir_all(&folder).unwrap();
    let config = json!({
        "model_type": "llama", "vocab_size": 32000, "max_position_embeddings": 2048,
        "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "torch_dtype": "bfloat16",
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    folder.display().to_string()
}

fn with_model(bench: &Bench, length: &str, options: &str) -> Said {
    let model = model(bench);
    let config = bench.write(&format!(
        "name: kv\nmodel: {{ id: {model}{length} }}\nbackends: [{{plugin: sglang, options: {options}}}]\n\
         workload: {{ input_tokens: 1024, output_tokens: 128 }}\n\
         load: {{ concurrency: [1], requests: 40 }}\n"
    ));
    bench.validate(&config, &["--elsewhere"])
}

#[test]
fn a_length_beyond_the_model_s_own_is_an_error() {
    let bench = Bench::new();
    let said = with_model(&bench, ", max_model_len: 4096", "{}");
    assert_eq!(said.code, Some(2), "{}", said.out);
    let words = "`model.max_model_len` is 4096 tokens, but the model takes 2048";
    assert!(said.err.contains(words), "{}", said.err);
    assert_eq!(
        with_model(&bench, ", max_model_len: 2048", "{}").code,
        Some(0)
    );
}

#[test]
fn a_cache_that_does_not_hold_the_longest_request_is_an_error() {
    let bench = Bench::new();
    let small = with_model(&bench, "", "{max_total_tokens: 1000}");
    assert_eq!(small.code, Some(2), "{}", small.out);
    let words = "has too small a KV cache for the longest request";
    assert!(small.err.contains(words), "{}", small.err);
    let enough = with_model(&bench, "", "{max_total_tokens: 2000}");
    assert_eq!(enough.code, Some(0), "{}", enough.err);
}

/// A GGUF file that says how many tokens it has, and nothing else.
fn gguf_of_300_tokens() -> Vec<u8> {
    let key = b"tokenizer.ggml.tokens";
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend([0_u64, 1, key.len() as u64].map(u64::to_le_bytes).concat());
    file.extend(key);
    // An array of texts, each of which is empty.
    file.extend([9_u32, 8].map(u32::to_le_bytes).concat());
    file.extend(300_u64.to_le_bytes());
    file.extend([0; 300 * 8]);
    file
}

#[test]
fn llama_cpp_is_launched_with_a_file_as_the_guide_says() {
    let bench = Bench::new();
    bench.program("llama-server", "exit 0");
    let file = bench.path("m.gguf");
    let guide =
        fs::read_to_string(crate::common::repository().join("docs/src/guides/real-engines.md"));
    let guide = guide.unwrap();
    let examples = guide.split("```yaml\n").skip(1);
    let mut examples = examples.map(|part| part.split("```").next().unwrap());
    let example = examples.find(|example| example.contains("llama-server"));
    let example = example.unwrap();
    let lines = example.lines().map(|line| match line.trim_start() {
        line if line.starts_with("id:") => format!("  id: {}", file.display()),
        _ => line.to_owned(),
    });
    let lines: Vec<String> = lines.collect();
    let config = bench.write(&format!(
        "name: llama\n{}\nload: {{ concurrency: [8], requests: 64 }}\n",
        lines.join("\n")
    ));
    let absent = bench.validate(&config, &[]);
    assert_eq!(absent.code, Some(2));
    assert!(
        absent.err.contains("which is no folder and no file"),
        "{}",
        absent.err
    );
    fs::write(&file, gguf_of_300_tokens()).unwrap();
    let said = bench.validate(&config, &[]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let model = file.display();
    let command = format!(
        "llama-server --model {model} --alias {model} --host 127.0.0.1 --port 0 --seed 1 --parallel 8"
    );
    assert!(said.out.contains(&command), "{}", said.out);
    // 8 slots of 2,048 tokens.
    assert!(said.out.contains("--ctx-size 16384"), "{}", said.out);
}

#[test]
fn what_a_backend_cannot_do_is_said_before_it_is_asked() {
    let bench = Bench::new();
    let own = "{plugin: hf}, {plugin: vllm, options: {extra_args: [--speculative-config, '{}']}}";
    let said = bench.validate(&bench.config(own), &["--elsewhere"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let words =
        "warning: hf: answers one request at a time: at 1 level more are in flight and wait";
    assert!(said.err.contains(words), "{}", said.err);
    // Its prompts are real ones.
    assert!(!said.err.contains("speculative"), "{}", said.err);
    // 3 repeats of 2 backends; hf 81 + 1 requests of 1.1 s a repeat, vllm 50 + 2.
    let time = "likely time: 13 minutes, if a start takes a minute and a token 20 ms";
    assert!(said.out.contains(time), "{}", said.out);
}

#[test]
fn speculation_on_random_prompts_is_a_warning() {
    let bench = Bench::new();
    let speculates = "{extra_args: [--speculative-algorithm, EAGLE]}";
    let said = with_model(&bench, "", speculates);
    let words = "warning: sglang: speculative decoding was given random prompts";
    assert!(said.err.contains(words), "{}", said.err);
}
