//! `kv-cache`, and what `validate` says of a level that cannot fit.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Said, inferbench, said};
use serde_json::{Value, json};

/// Llama 3.1 8B, with the index of its weights.
fn llama(folder: &Path) -> PathBuf {
    let folder = folder.join("llama");
    fs::create_dir_all(&folder).unwrap();
    let config = json!({"model_type": "llama", "architectures": ["LlamaForCausalLM"],
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "hidden_size": 4096, "vocab_size": 128_256, "max_position_embeddings": 131_072,
        "torch_dtype": "bfloat16"});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let index = json!({"metadata": {"total_size": 16_060_522_496_u64}, "weight_map": {}});
    fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    folder
}

fn kv_cache(model: &Path, arguments: &[&str]) -> Said {
    said(inferbench().arg("kv-cache").arg(model).args(arguments))
}

#[test]
fn every_term_is_shown_in_numbers_within_100_columns() {
    let place = tempfile::tempdir().unwrap();
    let model = llama(place.path());
    let said = kv_cache(
        &model,
        &[
            "--gpu-memory",
            "32GiB",
            "--tp",
            "2",
            "--context",
            "4224",
            "--concurrency",
            "64",
        ],
    );
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for line in said.out.lines().skip(1) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    // 32 x 4 x 256 x 2 = 65,536; 264 blocks of 16 are 276,824,064 B; 30,923,764,531
    // - 8,030,261,248 leave 22,893,503,283 B, which are 82 such sequences.
    for part in [
        "32 layers x max(1, 8 / 2) KV heads x (128 + 128) x 2 B",
        "= 65\u{202f}536 B (64.0 KiB) per token",
        "ceil(4\u{202f}224 / 16) blocks x 16 tokens x 65\u{202f}536 B = 276\u{202f}824\u{202f}064 B (264 MiB)",
        "ceil(16\u{202f}060\u{202f}522\u{202f}496 / 2) = 8\u{202f}030\u{202f}261\u{202f}248 B (7.48 GiB)",
        "34\u{202f}359\u{202f}738\u{202f}368 B x 0.9 = 30\u{202f}923\u{202f}764\u{202f}531 B (28.8 GiB)",
        "30\u{202f}923\u{202f}764\u{202f}531 - 8\u{202f}030\u{202f}261\u{202f}248 weights - 0 overhead",
        "floor(22\u{202f}893\u{202f}503\u{202f}283 / (16 x 65\u{202f}536)) blocks x 16 = 349\u{202f}312",
        "floor(22\u{202f}893\u{202f}503\u{202f}283 / 276\u{202f}824\u{202f}064) = 82",
        "64 x 276\u{202f}824\u{202f}064 B = 17\u{202f}716\u{202f}740\u{202f}096 B (16.5 GiB)",
        "activations, graphs and the runtime count as 0",
    ] {
        assert!(said.out.contains(part), "{part:?} is not in\n{}", said.out);
    }
}

#[test]
fn the_same_figures_are_data_with_json() {
    let place = tempfile::tempdir().unwrap();
    let model = llama(place.path());
    let said = kv_cache(
        &model,
        &[
            "--gpu-memory",
            "80GiB",
            "--kv-dtype",
            "fp8",
            "--concurrency",
            "4",
            "--json",
        ],
    );
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["estimate"]["bytes_per_token"], 65_536);
    assert_eq!(found["estimate"]["dtype"], "fp8");
    assert_eq!(
        found["capacity"]["cache_bytes"],
        77_309_411_328_u64 - 16_060_522_496
    );
    assert_eq!(found["capacity"]["sequences"], 114);
    assert_eq!(found["need"]["cache_bytes"], 2_147_483_648_u64);
}

#[test]
fn a_hub_id_in_the_local_cache_is_a_model_with_weights_by_dtype() {
    let place = tempfile::tempdir().unwrap();
    let repo = place.path().join("models--org--tiny");
    let snapshot = repo.join("snapshots/abc");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), "abc").unwrap();
    fs::copy(
        llama(place.path()).join("config.json"),
        snapshot.join("config.json"),
    )
    .unwrap();
    let header = json!({"a": {"dtype": "BF16", "shape": [1024], "data_offsets": [0, 2048]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [2048, 2056]}});
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    fs::write(snapshot.join("model.safetensors"), file).unwrap();
    let mut command = inferbench();
    command.env("HF_HUB_CACHE", place.path());
    let said = said(command.args(["kv-cache", "org/tiny"]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let line = "2\u{202f}048 BF16 + 8 F32 = 2\u{202f}056 B";
    assert!(said.out.contains(line), "{}", said.out);
}

#[test]
fn what_cannot_be_estimated_is_one_line_and_exit_code_2() {
    let place = tempfile::tempdir().unwrap();
    let model = llama(place.path());
    let with = |config: &str| {
        let folder = place.path().join("other");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), config).unwrap();
        kv_cache(&folder, &[])
    };
    let broken = [
        (
            kv_cache(&model, &["--gpu-memory", "8GiB"]),
            "no room for a KV cache: 7.20 GiB of 8.00 GiB can be used per GPU, weights take 15.0 GiB and overhead takes 0 B",
        ),
        (
            kv_cache(&model, &["--tp", "3"]),
            "`num_attention_heads` is 32, must be a multiple of tensor parallel size, 3",
        ),
        (
            kv_cache(&model, &["--kv-dtype", "fp7"]),
            "cache dtype \"fp7\" is unknown",
        ),
        (
            kv_cache(&model, &["--concurrency", "2", "--utilization", "0"]),
            "`utilization` is 0, must be above 0, at most 1",
        ),
        (
            with("{\"model_type\": \"lla"),
            "config.json is not JSON: line 1, column 19: it ends too early",
        ),
        (
            with("{\"model_type\": \"new_thing\"}"),
            "`model_type` \"new_thing\" (architecture not named) is an unsupported model type",
        ),
        (
            with("{\"model_type\": \"llama\", \"num_hidden_layers\": \"two\"}"),
            "`num_hidden_layers` is \"two\", must be a whole number",
        ),
    ];
    for (said, words) in broken {
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        assert!(
            said.err.starts_with("error: ") && said.err.contains(words),
            "{}",
            said.err
        );
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    let nowhere = kv_cache(Path::new("nobody/none"), &[]);
    assert!(
        nowhere
            .err
            .contains("neither a folder nor a model in the hub's cache\nhint: ")
    );
    let bare = kv_cache(&model, &["--gpu-memory", "32"]);
    assert!(bare.err.contains("\"32\" is not a size"), "{}", bare.err);
}

#[test]
fn validate_warns_of_a_level_that_cannot_fit() {
    let place = tempfile::tempdir().unwrap();
    let model = llama(place.path());
    let config = place.path().join("c.yaml");
    let text = format!(
        "name: kv
model: {{ id: {}, max_model_len: 8192 }}
backends:
  - plugin: vllm
    options: {{ extra_args: [\"--kv-cache-memory-bytes\", \"3435973836\"] }}
  - plugin: sglang
    options: {{ max_total_tokens: 20000 }}
workload: {{ input_tokens: 4096, output_tokens: 128 }}
load: {{ concurrency: [1, 64], requests: 512 }}
",
        model.display()
    );
    fs::write(&config, text).unwrap();
    let output = said(inferbench().args(["validate", "--elsewhere"]).arg(&config));
    assert_eq!(output.code, Some(0), "{}", output.err);
    // 64 x 4,224 x 131,072 B = 33 GiB; 3.2 GiB hold 6 sequences of 528 MiB.
    assert_eq!(
        output.err,
        "warning: vllm: concurrency 64 x 4\u{202f}224 tokens needs 33.0 GiB, 3.20 GiB are free: expect queueing or preemption above 6
warning: sglang: concurrency 64 x 4\u{202f}224 tokens needs 270\u{202f}336 tokens, 20\u{202f}000 tokens are free: expect queueing or preemption above 4
"
    );
    assert!(
        output.out.contains(
            "  KV cache: 131\u{202f}072 B per token, in bfloat16 (the model's own type)\n"
        ),
        "{}",
        output.out
    );
    let output = said(
        inferbench()
            .args(["validate", "--elsewhere", "--json"])
            .arg(&config),
    );
    let found: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(
        found["backends"][0]["kv_estimate"]["bytes_per_token"],
        131_072
    );
    assert_eq!(found["warnings"].as_array().unwrap().len(), 2);
}

#[test]
fn a_run_keeps_the_estimate_and_the_warning_even_if_the_server_never_starts() {
    let place = tempfile::tempdir().unwrap();
    let model = llama(place.path());
    let config = place.path().join("c.yaml");
    let text = format!(
        "name: kv
model: {{ id: {}, max_model_len: 8192 }}
backends:
  - plugin: vllm
    options: {{ command: [\"false\"], kv_cache_dtype: fp8, extra_args: [\"--kv-cache-memory-bytes=3435973836\"] }}
workload: {{ input_tokens: 4096, output_tokens: 128 }}
load: {{ concurrency: [64], requests: 64 }}
repeats: 1
",
        model.display()
    );
    fs::write(&config, text).unwrap();
    let results = place.path().join("results");
    let mut command = inferbench();
    command
        .arg("run")
        .arg(&config)
        .arg("--output")
        .arg(&results);
    let output = said(&mut command);
    assert_eq!(output.code, Some(3), "{}", output.err);
    let warning = "vllm: concurrency 64 x 4\u{202f}224 tokens needs 16.5 GiB, 3.20 GiB are free: expect queueing or preemption above 12";
    assert!(output.err.contains(warning), "{}", output.err);
    let folder = fs::read_dir(&results).unwrap().next().unwrap().unwrap();
    let manifest = fs::read(folder.path().join("run.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let estimate = &manifest["backends"][0]["kv_estimate"];
    assert_eq!(estimate["bytes_per_token"], 65_536);
    assert_eq!(estimate["weight_bytes"], 16_060_522_496_u64);
    let kept = manifest["warnings"].as_array().unwrap();
    let kept = kept.iter().find(|one| one["code"] == "kv-cache-too-small");
    let kept = kept.unwrap_or_else(|| panic!("{manifest}"));
    assert_eq!(kept["backend"], "vllm");
    let detail = kept["values"]["detail"].as_str().unwrap();
    assert!(warning.ends_with(detail), "{detail}");
}

/// 32 layers x 8 heads x 256 x 1 B, and 4 ranks of 16 GiB with 26 of 104 sequences of
/// 5,120 tokens each, 320 MiB: 8.125 GiB.
#[test]
fn a_checkpoint_s_type_and_the_ranks_are_taken_and_said() {
    let place = tempfile::tempdir().unwrap();
    let model = llama(place.path());
    let quantized = json!({"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}});
    fs::write(model.join("hf_quant_config.json"), quantized.to_string()).unwrap();
    let said = kv_cache(
        &model,
        &["--dp", "4", "--concurrency", "104", "--context", "5120"],
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    for words in [
        "cache in fp8_e4m3 (from hf_quant_config.json)",
        "4 ranks with a cache each",
        "x 1 B = 65\u{202f}536 B",
        "ceil(104 / 4) = 26",
        "(8.12 GiB)",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let json = kv_cache(&model, &["--dp", "4", "--concurrency", "104", "--json"]);
    let found: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(found["estimate"]["dtype_source"], "hf_quant_config");
    assert_eq!(found["need"]["concurrency_per_rank"], 26);
    let split = kv_cache(&model, &["--tp", "4", "--dp", "3", "--dp-attention"]);
    assert!(
        split
            .err
            .contains("must be a multiple of data parallel size, 3")
    );
}
