//! `plugins new`: a project that works as it is.

use super::*;

fn new(arguments: &[&str], folder: &Path) -> Said {
    let mut command = inferbench();
    command
        .args(["plugins", "new"])
        .args(arguments)
        .current_dir(folder);
    said(&mut command)
}

#[test]
fn a_new_plugin_is_a_whole_project_of_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let api = api();
    let made = new(
        &["my-server", "--api-path", api.to_str().unwrap()],
        folder.path(),
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    let project = folder.path().join("inferbench-my-server");
    let read = |file: &str| fs::read_to_string(project.join(file)).unwrap();
    assert!(read("Cargo.toml").contains(&format!("path = {:?}", api.canonicalize().unwrap())));
    assert!(read("tests/conformance.rs").contains("use inferbench_my_server as _;"));
    for file in [
        "src/lib.rs",
        "README.md",
        "exchanges/hello.json",
        "Cargo.toml",
    ] {
        assert!(
            !read(file).contains('@'),
            "{file} has a field that is not filled in"
        );
    }
    let code = read("src/lib.rs");
    let code = code
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.trim().starts_with("//"));
    assert!(code.count() < 60);
}

#[test]
fn each_flavour_has_a_server_for_its_first_run_and_no_field_left_open() {
    let folder = tempfile::tempdir().unwrap();
    for (flavour, files, command) in [
        (
            "openai",
            ["src/lib.rs", "exchanges/hello.sse"],
            "inferbench-sim",
        ),
        (
            "native",
            ["src/bin/stand-in.rs", "exchanges/hello.ndjson"],
            "target/release/stand-in",
        ),
    ] {
        let made = new(
            &["acme", "--flavour", flavour, "--path", flavour],
            folder.path(),
        );
        assert_eq!(made.code, Some(0), "{}", made.err);
        let read = |file: &str| fs::read_to_string(folder.path().join(flavour).join(file)).unwrap();
        for file in files
            .into_iter()
            .chain(["src/lib.rs", "README.md", "run.yaml"])
        {
            assert!(!read(file).contains('@'), "{flavour}: {file}");
        }
        assert!(read("run.yaml").contains(command));
        assert!(read("prompts.jsonl").lines().count() > 1);
    }
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inferbench-acme")).unwrap();
    let made = new(&["acme"], folder.path());
    assert_eq!(made.code, Some(2));
    assert!(
        made.err
            .contains("inferbench-acme already exists, nothing was written")
    );
    assert_eq!(
        fs::read_dir(folder.path().join("inferbench-acme"))
            .unwrap()
            .count(),
        0
    );
    fs::write(folder.path().join("file"), "mine").unwrap();
    let made = new(&["acme", "--path", "file"], folder.path());
    assert_eq!(made.code, Some(2));
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"mine");
}

#[test]
fn a_wrong_name_or_path_is_an_error_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let model = repository().join("core/model");
    let cases = [
        (vec!["Acme"], "plugin name `Acme` may only contain a-z"),
        (vec!["9lives"], "must start with a letter"),
        (vec!["a/../../b"], "may only contain a-z"),
        (
            vec!["acme", "--api-path", "nowhere"],
            "--api-path nowhere: Cargo.toml cannot be read",
        ),
        (
            vec!["acme", "--api-path", model.to_str().unwrap()],
            "is the package `inferbench-model`, not inferbench-plugin-api",
        ),
    ];
    for (arguments, words) in cases {
        let made = new(&arguments, folder.path());
        assert_eq!(made.code, Some(2), "{arguments:?}");
        assert!(made.err.contains(words), "{arguments:?}: {}", made.err);
        assert!(made.err.contains("hint: "), "{}", made.err);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // A folder that cannot be written to is an error with its reason. Root may write anywhere.
    if !nix::unistd::geteuid().is_root() {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let made = new(&["acme"], folder.path());
        assert_eq!(made.code, Some(2));
        assert!(made.err.contains("cannot be written"), "{}", made.err);
    }
}
