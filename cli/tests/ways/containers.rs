//! Engines in containers.

use super::*;

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

/// Names of the containers of a run, living or not.
fn containers(run: &Path) -> String {
    let run = run.file_name().unwrap().to_str().unwrap();
    let filter = format!("name=inferbench-{run}");
    let mut podman = Command::new("podman");
    podman.args(["ps", "-a", "--format", "{{.Names}}", "--filter", &filter]);
    said(&mut podman).out
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
