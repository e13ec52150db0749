//! Every file in `configs/` is one that `validate` accepts, and launches what
//! it says it would.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{plugin_dir, program, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A tokenizer of 300 words, each of which encodes to itself.
fn tokenizer() -> Value {
    let words = (0..300).map(|id| (format!("w{id}"), id));
    let vocabulary: BTreeMap<String, u32> = words.collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "none"},
    })
}

fn write_model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let config =
        json!({"model_type": "llama", "vocab_size": 300, "max_position_embeddings": 32768});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
}

/// A machine that has uv, and Qwen2.5-0.5B in the hub's cache.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = folder
            .path()
            .join("hub/models--Qwen--Qwen2.5-0.5B-Instruct");
        fs::create_dir_all(repo.join("refs")).unwrap();
        fs::write(repo.join("refs/main"), "x").unwrap();
        write_model(&repo.join("snapshots/x"));
        write_model(&folder.path().join("model"));
        let uv = folder.path().join("bin/uv");
        fs::create_dir(uv.parent().unwrap()).unwrap();
        fs::write(&uv, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&uv, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn model(&self) -> String {
        self.folder.path().join("model").display().to_string()
    }

    fn validate(&self, config: &str, env: &[(&str, &str)]) -> Output {
        let mut command = Command::new(program());
        command
            .args(["validate", "--elsewhere"])
            .arg(repository().join("configs").join(config))
            .arg("--plugin-dir")
            .arg(plugin_dir())
            // Folders of a build may be writable by the group.
            .arg("--trust-plugin-dir")
            .current_dir(repository())
            .env("PATH", self.folder.path().join("bin"))
            .env("HF_HUB_CACHE", self.folder.path().join("hub"));
        for name in ["MODEL", "VLLM", "HF_PYTHON", "INFERBENCH_PLUGIN_PATH"] {
            command.env_remove(name);
        }
        command.envs(env.iter().copied()).output().unwrap()
    }

    /// What `validate` prints of a config that is good.
    fn accepted(&self, config: &str, env: &[(&str, &str)]) -> String {
        let output = self.validate(config, env);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{config}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[track_caller]
fn assert_holds(text: &str, lines: &[&str]) {
    for line in lines {
        let found = text.lines().any(|other| other.trim() == *line);
        assert!(found, "no line `{line}` in:\n{text}");
    }
}

#[test]
fn no_config_is_without_a_test() {
    let entries = fs::read_dir(repository().join("configs")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "attach.yaml",
            "capacity.yaml",
            "cpu.yaml",
            "example.yaml",
            "open-loop.yaml",
            "quickstart.yaml"
        ]
    );
}

/// Each recipe of the book, with a tokenizer of this machine and a load.
#[test]
fn every_recipe_of_the_book_is_valid() {
    let machine = Machine::new();
    let page = fs::read_to_string(repository().join("docs/src/guides/recipes.md")).unwrap();
    let recipes: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|part| part.split("```").next().unwrap())
        .collect();
    assert_eq!(recipes.len(), 7);
    for recipe in recipes {
        let lines = recipe.lines().map(|line| match line.trim_start() {
            line if line.starts_with("tokenizer:") => format!("  tokenizer: {}", machine.model()),
            _ => line.to_owned(),
        });
        let lines: Vec<String> = lines.collect();
        let load = "load: { concurrency: [4], requests: 32 }";
        let config = format!("name: recipe\n{}\n{load}\n", lines.join("\n"));
        let file = machine.folder.path().join("recipe.yaml");
        fs::write(&file, config).unwrap();
        let keys = [("LITELLM_KEY", "k"), ("OPENROUTER_API_KEY", "k")];
        // Joined to a folder, an absolute path stands for itself.
        let text = machine.accepted(file.to_str().unwrap(), &keys);
        assert!(text.contains("plugin openai"), "{recipe}\n{text}");
    }
}

#[test]
fn quickstart_launches_two_simulators() {
    let text = Machine::new().accepted("quickstart.yaml", &[]);
    assert_holds(
        &text,
        &[
            "quickstart: the config is valid",
            "inferbench-sim --host 127.0.0.1 --port 0 --model no-model --seed 1 --scheduler sequential --step-base-us 4000 --step-per-seq-us 50 --prefill-us-per-token 20",
            "inferbench-sim --host 127.0.0.1 --port 0 --model no-model --seed 1 --scheduler continuous --step-base-us 4000 --step-per-seq-us 50 --prefill-us-per-token 20",
        ],
    );
}

#[test]
fn capacity_launches_a_backend_for_each_setting() {
    let text = Machine::new().accepted("capacity.yaml", &[]);
    assert_holds(
        &text,
        &[
            "search: the most requests in flight that keep the promise, from 1 to 64, to 5%; about 8 measurements at the first start of a backend, 2 or more at each later one",
            "measurements: as many as the search needs (2 backends, 3 repeats, order of backends from seed 1)",
            "sim max_num_seqs 4 (plugin sim, prompts as token_ids, started 3 times)",
            "inferbench-sim --host 127.0.0.1 --port 0 --model no-model --seed 1 --max-num-seqs 12 --step-base-us 5000 --prefill-us-per-token 10",
        ],
    );
}

#[test]
fn open_loop_launches_a_small_and_a_large_batch() {
    let text = Machine::new().accepted("open-loop.yaml", &[]);
    assert_holds(
        &text,
        &[
            "levels: 5 requests/s, 20 requests/s",
            "inferbench-sim --host 127.0.0.1 --port 0 --model no-model --seed 1 --max-num-seqs 4",
            "inferbench-sim --host 127.0.0.1 --port 0 --model no-model --seed 1 --max-num-seqs 64",
        ],
    );
}

#[test]
fn tokens_of_a_file_are_those_of_its_rows() {
    let folder = TempDir::new().unwrap();
    let rows = [
        json!({"prompt": [1, 2, 3, 4], "output_tokens": 5}),
        json!({"prompt": [1, 2], "output_tokens": 7}),
    ];
    let file = folder.path().join("rows.jsonl");
    fs::write(&file, rows.map(|row| row.to_string()).join("\n")).unwrap();
    let config = folder.path().join("run.yaml");
    let keys = json!({"name": "rows", "model": {"id": "no-model"}, "backends": [{"plugin": "sim"}],
        "workload": {"prompts": "jsonl", "file": file},
        "load": {"concurrency": [1, 2], "requests": 10}, "repeats": 1});
    fs::write(&config, keys.to_string()).unwrap();
    let output = Command::new(program())
        .arg("--plugin-dir")
        .arg(plugin_dir())
        .arg("validate")
        .arg(&config)
        .output()
        .unwrap();
    // 20 requests of 3 and 6 tokens in the mean.
    let text = String::from_utf8(output.stdout).unwrap();
    assert_holds(
        &text,
        &["measured requests: 20, about 60 prompt tokens and 120 answer tokens"],
    );
}

#[test]
fn example_launches_vllm_sglang_and_hf() {
    let text = Machine::new().accepted("example.yaml", &[]);
    assert_holds(
        &text,
        &[
            // 3 repeats of 6 levels on two backends and of 4 on hf: 3 * 16.
            "measurements: 48 (3 backends, 3 repeats, order of backends from seed 1)",
            // 48 cells * 128 requests, of 512 and 128 tokens.
            "measured requests: 6\u{202f}144, about 3\u{202f}145\u{202f}728 prompt tokens and 786\u{202f}432 answer tokens",
            "vllm (plugin vllm, prompts as token_ids, started 3 times)",
            "VLLM_SERVER_DEV_MODE=1 VLLM_NO_USAGE_STATS=1 uv tool run --offline --isolated --from vllm==0.32.0 vllm serve Qwen/Qwen2.5-0.5B-Instruct --host 127.0.0.1 --port 0 --served-model-name Qwen/Qwen2.5-0.5B-Instruct --seed 1 --generation-config vllm --dtype bfloat16 --max-model-len 4096 --gpu-memory-utilization 0.9",
            "sglang (plugin sglang, prompts as token_ids, started 3 times)",
            "uv tool run --offline --isolated --from sglang==0.5.23 python -m sglang.launch_server --model-path Qwen/Qwen2.5-0.5B-Instruct --served-model-name Qwen/Qwen2.5-0.5B-Instruct --host 127.0.0.1 --port 0 --random-seed 1 --sampling-defaults openai --enable-metrics --dtype bfloat16 --context-length 4096 --mem-fraction-static 0.85",
            "hf (plugin hf, prompts as token_ids, started 3 times)",
            "PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false uv tool run --offline --isolated --from transformers==5.24.0 --with torch python RUN_FOLDER/logs/inferbench_hf_server.py --model Qwen/Qwen2.5-0.5B-Instruct --served-model-name Qwen/Qwen2.5-0.5B-Instruct --host 127.0.0.1 --port 0 --device auto --dtype bfloat16 --max-model-len 4096",
            "skipped: hf at concurrency 16: max_concurrency of this backend is 8",
            "skipped: hf at concurrency 32: max_concurrency of this backend is 8",
        ],
    );
}

#[test]
fn cpu_launches_the_programs_that_the_environment_names() {
    let machine = Machine::new();
    let model = machine.model();
    let env = [
        ("MODEL", model.as_str()),
        ("VLLM", "/opt/vllm/bin/vllm"),
        ("HF_PYTHON", "/opt/hf/bin/python"),
    ];
    let text = machine.accepted("cpu.yaml", &env);
    let vllm = format!(
        "VLLM_SERVER_DEV_MODE=1 VLLM_NO_USAGE_STATS=1 HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 /opt/vllm/bin/vllm serve {model} --host 127.0.0.1 --port 0 --served-model-name {model} --seed 1 --generation-config vllm --dtype float32 --max-model-len 2048 --enforce-eager"
    );
    let hf = format!(
        "PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1 /opt/hf/bin/python RUN_FOLDER/logs/inferbench_hf_server.py --model {model} --served-model-name {model} --host 127.0.0.1 --port 0 --device cpu --dtype float32 --max-model-len 2048"
    );
    assert_holds(&text, &[&vllm, &hf]);
}

#[test]
fn attach_launches_nothing() {
    let text = Machine::new().accepted("attach.yaml", &[]);
    assert_holds(
        &text,
        &[
            "blue (plugin openai, prompts as text, measured 2 times)",
            "attach to http://127.0.0.1:8000",
            "attach to http://127.0.0.1:8001",
            "each measurement lasts 30s",
        ],
    );
}

#[test]
fn a_model_that_is_not_on_this_machine_is_named_with_what_to_do() {
    let output = Machine::new().validate("attach.yaml", &[("MODEL", "nobody/nothing")]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("configs/attach.yaml:") && errors.contains("`model.tokenizer` is absent"),
        "{errors}"
    );
}
