//! The ways to launch a server: the exact command lines, what is refused, and,
//! where there is podman or uv, the real thing.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Said, inferbench, json_file, run_folder, said};
use serde_json::{Value, json};

/// A folder with a config, a model, and programs of the PATH that do nothing.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(programs: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::create_dir(folder.path().join("hub")).unwrap();
        for program in programs {
            let file = folder.path().join("bin").join(program);
            fs::write(&file, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn validate(&self, config: &str) -> Said {
        let file = self.path("bench.yaml");
        fs::write(&file, config).unwrap();
        said(
            inferbench()
                .env("PATH", self.path("bin"))
                .env("HF_HUB_CACHE", self.path("hub"))
                .env_remove("HF_TOKEN")
                .env_remove("HF_ENDPOINT")
                .env_remove("HF_HUB_OFFLINE")
                .env_remove("HUGGING_FACE_HUB_TOKEN")
                .args(["validate", "--json"])
                .arg(&file),
        )
    }

    /// Of the first backend: what fetches it and what starts it.
    fn lines(&self, backend: &str) -> (String, String) {
        let said = self.validate(&config(self, backend));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let preview: Value = serde_json::from_str(&said.out).unwrap();
        let first = &preview["backends"][0];
        let text = |key: &str| first[key].as_str().unwrap().to_owned();
        (text("fetch"), text("launch"))
    }

    fn refused(&self, backend: &str) -> String {
        let said = self.validate(&config(self, backend));
        assert_eq!(said.code, Some(2), "{}", said.err);
        let place = format!("{}:", self.path("bench.yaml").display());
        said.err.replace(&place, "bench.yaml:")
    }
}

/// A config with one backend. Prompts are from a file, so that nothing has to
/// state a vocabulary.
fn config(bench: &Bench, backend: &str) -> String {
    let prompts = bench.path("prompts.jsonl");
    fs::write(&prompts, "{\"prompt\": \"a\", \"prompt_token_ids\": [7]}\n").unwrap();
    format!(
        "\
name: ways
model: {{ id: org/model, dtype: bfloat16, max_model_len: 4096 }}
backends:
  - {}
workload: {{ prompts: jsonl, file: {}, output_tokens: 8 }}
load: {{ concurrency: [1], requests: 1 }}
",
        backend.trim().replace('\n', "\n    "),
        prompts.display()
    )
}

const VLLM: &str = "serve org/model --host 127.0.0.1 --port 0 --served-model-name org/model \
                    --seed 1 --generation-config vllm --dtype bfloat16 --max-model-len 4096";
const SGLANG: &str = "-m sglang.launch_server --model-path org/model --served-model-name org/model \
                      --host 127.0.0.1 --port 0 --random-seed 1 --sampling-defaults openai \
                      --enable-metrics --dtype bfloat16 --context-length 4096";
const HF: &str = "RUN_FOLDER/logs/inferbench_hf_server.py --model org/model --served-model-name \
                  org/model --host 127.0.0.1 --port 0 --device auto --dtype bfloat16 \
                  --max-model-len 4096";

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

#[test]
fn a_container_is_run_by_its_runtime_for_every_plugin_that_launches() {
    let bench = Bench::new(&["docker", "podman"]);
    let hub = bench.path("hub").display().to_string();
    let folder = "RUN_FOLDER/logs";
    let check = |plugin: &str, rest: &str, env: &str, program: &str, arguments: &str| {
        let backend = format!("plugin: {plugin}\ncontainer: {{image: org/image:v1}}{rest}");
        let (fetch, launch) = bench.lines(&backend);
        assert_eq!(fetch, "docker pull org/image:v1");
        // The client holds what is secret; a machine with GPUs passes them on.
        let held = if plugin == "openai" {
            "A_KEY='***' "
        } else {
            ""
        };
        assert_eq!(
            launch.replace(" --gpus all", ""),
            format!(
                "{held}docker run --rm --name inferbench-RUN-{plugin}-0 --network host --ipc host \
                 --stop-signal SIGTERM -v {folder}:{folder}:ro -v {hub}:{hub} \
                 -e INFERBENCH_SERVER -e HF_HUB_CACHE={hub} {env}--entrypoint {program} org/image:v1 {arguments}"
            )
        );
    };
    let vllm = "-e VLLM_SERVER_DEV_MODE=1 -e VLLM_NO_USAGE_STATS=1 ";
    check("vllm", "", vllm, "vllm", VLLM);
    check("sglang", "", "", "python3", SGLANG);
    let hf = "-e PYTHONUNBUFFERED=1 -e TOKENIZERS_PARALLELISM=false ";
    check("hf", "", hf, "python3", HF);
    let command = "\noptions: {command: [llama-server, --port, '{port}']}\nenv: {A_KEY: marked}";
    check("openai", command, "-e A_KEY ", "llama-server", "--port 0");
}

#[test]
fn a_container_says_how_it_is_stopped() {
    let bench = Bench::new(&["podman"]);
    let backend = "{plugin: vllm, label: a, container: {image: i, runtime: podman}}";
    let said = bench.validate(&config(&bench, backend));
    let preview: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        preview["backends"][0]["stop"],
        json!([
            "podman stop -t 30 inferbench-RUN-a-0",
            "podman rm -f -t 0 inferbench-RUN-a-0"
        ])
    );
}

#[test]
fn what_cannot_be_launched_is_refused_with_its_place() {
    let bench = Bench::new(&["uv", "docker"]);
    let starts = |backend: &str, words: &str| {
        let err = bench.refused(backend);
        assert!(err.starts_with(words), "{err}");
    };
    starts(
        "plugin: vllm\nversion: 0.32.0\noptions: {command: [/venv/bin/vllm, serve]}",
        "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", but `options.command` names \
         the program that is run\nhint: remove one of the two\n",
    );
    starts(
        "plugin: openai\nversion: 0.32.0\noptions: {command: [x, '{port}']}",
        "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", but `options.command` names \
         the program that is run\nhint: set options.package to",
    );
    starts(
        "plugin: sim\nversion: 0.32.0",
        "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", but plugin `sim` names no \
         Python package to install\n",
    );
    starts(
        "plugin: vllm\nversion: 0.32.0\ncontainer: {image: x}",
        "error: bench.yaml:5:14: `backends[0].version` is set beside `container`",
    );
    starts(
        "plugin: vllm\ncontainer: {image: x, runtime: podman}",
        "error: bench.yaml:5:36: `backends[0].container.runtime` is podman, and no `podman` is on \
         the PATH\nhint: install podman, or",
    );
    let err = Bench::new(&[]).refused("plugin: vllm\nversion: 0.32.0");
    let words = "error: bench.yaml:5:14: `backends[0].version` is \"0.32.0\", which is installed \
                 through uv, and no `uv` is on the PATH\nhint: install it: pip install uv";
    assert!(err.starts_with(words), "{err}");
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

/// A `docker` whose server runs below a daemon, which is this test, and so in no
/// tree of InferBench's.
const DOCKER: &str = r#"#!/bin/sh
case "$1" in
    run)
        while [ "$1" != image ]; do shift; done
        shift
        echo "$INFERBENCH_SERVER $*" > asked.part && mv asked.part asked
        while [ ! -e stopped ]; do sleep 0.05; done ;;
    stop) echo > stopped ;;
esac
"#;

#[test]
fn a_server_below_a_daemon_is_known_by_its_mark_and_stopped_by_name() {
    let bench = Bench::new(&["docker"]);
    fs::write(bench.path("bin/docker"), DOCKER).unwrap();
    let backend = "{plugin: sim, container: {image: image}}";
    let prompts = format!(
        "prompts: jsonl, file: {}",
        bench.path("prompts.jsonl").display()
    );
    let config = config(&bench, backend).replace(&prompts, "input_tokens: 8") + "repeats: 1\n";
    fs::write(bench.path("bench.yaml"), config).unwrap();
    let path = std::env::var("PATH").unwrap();
    let child = inferbench()
        .env("PATH", format!("{}:{path}", bench.path("bin").display()))
        .current_dir(bench.0.path())
        .args(["run", "bench.yaml"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("container", || bench.path("asked").is_file());
    let asked = fs::read_to_string(bench.path("asked")).unwrap();
    let (mark, arguments) = asked.trim().split_once(' ').unwrap();
    let mut server = Command::new(common::plugin_dir().join("inferbench-sim"))
        .args(arguments.split(' '))
        .env("INFERBENCH_SERVER", mark)
        .spawn()
        .unwrap();
    let said: Said = child.wait_with_output().unwrap().into();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(bench.path("stopped").is_file());
}

/// The podman tests' image, whose programs are the host's.
fn container(more: &[String]) -> Value {
    let image = std::env::var("INFERBENCH_TEST_IMAGE");
    let mut args: Vec<String> = Vec::new();
    for path in ["/usr", "/lib", "/lib64"] {
        args.extend(["-v".to_owned(), format!("{path}:{path}:ro")]);
    }
    args.extend(more.iter().cloned());
    json!({
        "image": image.unwrap_or_else(|_| "localhost/hostlike:1".to_owned()),
        "runtime": "podman",
        "args": args,
    })
}

fn sim(label: &str, program: &str) -> Value {
    let file = common::plugin_dir().join("inferbench-sim");
    let mount = format!("{}:/bin/inferbench-sim:ro", file.display());
    json!({
        "plugin": "sim", "label": label,
        "options": {"command": [program]},
        "container": container(&["-v".to_owned(), mount]),
    })
}

/// A folder with a config of these backends.
fn bench(model: &str, backends: &[Value], requests: u32) -> (tempfile::TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "name": "ways",
        "model": {"id": model, "dtype": "float32", "max_model_len": 2048},
        "backends": backends,
        "workload": {"input_tokens": 16, "output_tokens": 16},
        "load": {"concurrency": [2], "requests": requests},
        "repeats": 2,
        "output": folder.path().join("results"),
    });
    let file = folder.path().join("bench.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let mut command = inferbench();
    command
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .arg("run")
        .arg(&file);
    (folder, command)
}

/// Names of the containers of a run, living or not.
fn containers(run: &Path) -> String {
    let run = run.file_name().unwrap().to_str().unwrap();
    let filter = format!("name=inferbench-{run}");
    let mut podman = Command::new("podman");
    podman.args(["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]);
    said(&mut podman).out
}

fn manifest(run: &Path) -> Value {
    json_file(&run.join("run.json"))
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs podman"]
fn a_simulator_in_a_container_is_measured_and_leaves_nothing() {
    let backends = [sim("in", "inferbench-sim"), sim("none", "no-such-program")];
    let (folder, mut command) = bench("simulated", &backends, 4);
    let said = said(&mut command);
    // The second one cannot start, which stops neither the first nor the run.
    assert_eq!(said.code, Some(3), "{}", said.err);
    let run = run_folder(&folder.path().join("results"));
    let requests = fs::read_to_string(run.join("requests.jsonl")).unwrap();
    assert_eq!(requests.matches("\"status\":\"ok\"").count(), 8);
    assert!(said.err.contains("no-such-program"), "{}", said.err);
    assert_eq!(containers(&run), "");
}

#[test]
#[ignore = "needs podman"]
fn a_container_goes_with_a_killed_inferbench() {
    let (folder, mut command) = bench("simulated", &[sim("in", "inferbench-sim")], 100_000);
    let mut child = command.spawn().unwrap();
    let results = folder.path().join("results");
    wait_for("run folder", || results.is_dir());
    let run = run_folder(&results);
    wait_for("request", || {
        fs::metadata(run.join("requests.jsonl")).is_ok_and(|file| file.len() > 0)
    });
    assert!(containers(&run).ends_with("-in-0\n"));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("end of the container", || containers(&run).is_empty());
}

#[test]
#[ignore = "needs podman"]
fn an_image_that_is_missing_is_reported_in_the_words_of_the_runtime() {
    let mut backend = sim("in", "inferbench-sim");
    backend["container"]["image"] = json!("localhost/no-such-image:1");
    let (folder, mut command) = bench("simulated", &[backend], 4);
    let said = said(&mut command);
    assert_eq!(said.code, Some(3), "{}", said.err);
    let words = "image localhost/no-such-image:1 cannot be fetched: exit status 125";
    assert!(said.err.contains(words), "{}", said.err);
    let run = run_folder(&folder.path().join("results"));
    let tail = manifest(&run)["stages"][0]["log_tail"].to_string();
    assert!(tail.contains("no-such-image"), "{tail}");
}

/// Mounts of a virtual environment and of the Python that it was made from.
fn environment(program: &str) -> Vec<String> {
    let bin = Path::new(program).parent().unwrap();
    let python = bin.join("python").canonicalize().unwrap();
    let roots = [bin.parent().unwrap(), python.ancestors().nth(2).unwrap()];
    let mount = |root: &Path| ["-v".to_owned(), format!("{0}:{0}:ro", root.display())];
    roots.into_iter().flat_map(mount).collect()
}

#[test]
#[ignore = "needs podman, vLLM and transformers: INFERBENCH_TEST_VLLM, INFERBENCH_TEST_HF_PYTHON, INFERBENCH_TEST_MODEL"]
fn vllm_and_hf_in_containers_are_measured_and_leave_nothing() {
    let env = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (vllm, python) = (
        env("INFERBENCH_TEST_VLLM"),
        env("INFERBENCH_TEST_HF_PYTHON"),
    );
    let backends = [
        json!({
            "plugin": "vllm",
            "options": {"command": [vllm, "serve"], "enforce_eager": true},
            "container": container(&environment(&vllm)),
            "env": {"VLLM_CPU_KVCACHE_SPACE": "1"},
        }),
        json!({
            "plugin": "hf",
            "options": {"python": python, "device": "cpu"},
            "container": container(&environment(&python)),
        }),
    ];
    let (folder, mut command) = bench(&env("INFERBENCH_TEST_MODEL"), &backends, 4);
    let said = said(&mut command);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let run = run_folder(&folder.path().join("results"));
    let requests = fs::read_to_string(run.join("requests.jsonl")).unwrap();
    assert_eq!(requests.matches("\"status\":\"ok\"").count(), 16);
    assert_eq!(containers(&run), "");
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
