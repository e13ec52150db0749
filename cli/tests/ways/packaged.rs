//! Engines that uv installs.

use super::*;

#[test]
fn a_version_is_run_by_uv_for_every_plugin_that_launches() {
    let bench = Bench::new(&["uv"]);
    let check = |backend: &str, env: &str, environment: &str, program: &str| {
        let (fetch, launch) = bench.lines(backend);
        assert_eq!(
            fetch,
            format!(
                "{env}uv tool run --compile-bytecode --isolated {environment} python --version"
            )
        );
        assert_eq!(
            launch,
            format!("{env}uv tool run --offline --isolated {environment} {program}")
        );
    };
    check(
        "{plugin: vllm, version: 0.32.0}",
        "VLLM_SERVER_DEV_MODE=1 VLLM_NO_USAGE_STATS=1 ",
        "--from vllm==0.32.0",
        &format!("vllm {VLLM}"),
    );
    check(
        "{plugin: sglang, version: 0.5.23}",
        "",
        "--from sglang==0.5.23",
        &format!("python {SGLANG}"),
    );
    check(
        "{plugin: hf, version: 5.24.0, options: {python: '3.12'}}",
        "PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false ",
        "--python 3.12 --from transformers==5.24.0 --with torch",
        &format!("python {HF}"),
    );
    check(
        "
plugin: openai
version: 0.9.1
env: {UV_TORCH_BACKEND: cpu}
options: {command: [lmdeploy, serve, '{model}', --port, '{port}'], package: {name: lmdeploy, with: [timm]}}",
        "UV_TORCH_BACKEND=cpu ",
        "--from lmdeploy==0.9.1 --with timm",
        "lmdeploy serve org/model --port 0",
    );
}

/// A backend whose package is the simulator's program, and a `uv` for it: `install`
/// is what it does to install, the rest of its arguments what it then runs.
fn packaged(install: &str) -> (Bench, Command) {
    let bench = Bench::new(&["uv"]);
    let script = format!(
        "#!/bin/sh
if [ \"$3\" = --offline ]; then shift 6; exec \"$@\"; fi
{install}"
    );
    fs::write(bench.path("bin/uv"), script).unwrap();
    let program = common::plugin_dir().join("inferbench-sim");
    let backend = format!(
        "
plugin: openai
version: 1.2.3
options: {{command: [{}, --port, '{{port}}', --model, '{{served_name}}'], package: {{name: sim}}}}",
        program.display()
    );
    let file = bench.path("bench.yaml");
    fs::write(&file, config(&bench, &backend)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = inferbench();
    command
        .env("PATH", format!("{}:{path}", bench.path("bin").display()))
        .current_dir(bench.0.path())
        .arg("run")
        .arg(&file);
    (bench, command)
}

#[test]
fn a_version_is_installed_once_before_the_first_start_with_its_progress_shown() {
    let (bench, mut command) = packaged("echo Downloading torch >&2; echo x >> installs");
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let line = "openai: fetching sim 1.2.3: Downloading torch\n";
    assert!(said.err.contains(line), "{}", said.err);
    assert!(
        said.err.contains("openai: fetched sim 1.2.3 in "),
        "{}",
        said.err
    );
    assert_eq!(fs::read_to_string(bench.path("installs")).unwrap(), "x\n");
    let run = run_folder(&bench.path("results"));
    assert_eq!(manifest(&run)["stages"].as_array().unwrap().len(), 3);
    let log = fs::read_to_string(run.join("logs/openai/0/install.log"));
    assert_eq!(log.unwrap(), "Downloading torch\n");
}

#[test]
fn a_failed_install_is_reported_in_its_own_words() {
    let (bench, mut command) = packaged("echo 'no version of sim==1.2.3' >&2; exit 2");
    let said = said(&mut command);
    assert_eq!(said.code, Some(3), "{}", said.err);
    let words = "error: openai: sim 1.2.3 cannot be fetched: exit status 2\n";
    assert!(said.err.contains(words), "{}", said.err);
    let run = run_folder(&bench.path("results"));
    let tail = &manifest(&run)["stages"][0]["log_tail"];
    assert_eq!(*tail, json!(["no version of sim==1.2.3"]));
}

#[test]
fn an_interrupt_ends_an_install() {
    let (bench, mut command) = packaged("echo $$ > pid; sleep 1000");
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = || fs::read_to_string(bench.path("pid")).unwrap_or_default();
    wait_for("install", || pid().ends_with('\n'));
    let interrupt = nix::sys::signal::Signal::SIGINT;
    let inferbench = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(inferbench, interrupt).unwrap();
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(130), "{}", said.err);
    assert!(!Path::new("/proc").join(pid().trim()).exists());
}

#[test]
#[ignore = "needs uv and the network: INFERBENCH_TEST_MODEL, and INFERBENCH_TEST_UV_ENV, the backends' `env` as JSON, if any is needed"]
fn hf_in_two_versions_of_transformers_is_compared_by_one_config() {
    let env = std::env::var("INFERBENCH_TEST_UV_ENV").unwrap_or_else(|_| "{}".to_owned());
    let env: Value = serde_json::from_str(&env).unwrap();
    let backend = |version: &str| {
        json!({
            "plugin": "hf", "label": format!("hf-{version}"), "version": version,
            "options": {"device": "cpu"}, "env": env,
        })
    };
    let model = std::env::var("INFERBENCH_TEST_MODEL").unwrap();
    let (folder, mut command) = bench(&model, &[backend("5.24.0"), backend("5.20.0")], 4);
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("fetched transformers 5.20.0 in "),
        "{}",
        said.err
    );
    let run = run_folder(&folder.path().join("results"));
    for stage in manifest(&run)["stages"].as_array().unwrap() {
        let version = stage["backend"].as_str().unwrap().replace("hf-", "");
        let server_version = stage["evidence"]["version"].as_str().unwrap();
        assert!(
            server_version.starts_with(&format!("transformers {version},")),
            "{stage}"
        );
    }
}
