//! The plugin host against files that are no plugins, or not this build's:
//! each is refused in one line that names the fact, and the others load.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::server::{TestServer, answer, event, good_answer};
use inferbench_engine::http::Target;
use inferbench_engine::load::requests;
use inferbench_engine::plugins::host::PluginHost;
use inferbench_engine::plugins::search::SearchPath;
use inferbench_model::facts::record::RequestRecord;
use inferbench_plugin_api::abi::{API_MAJOR, API_MINOR, HEADER_MAGIC};
use inferbench_plugin_api::client::BackendClient;
use inferbench_plugin_api::{LaunchContext, ModelSpec, OpenContext, PluginError};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

/// Offset of the header's field number `n` after the magic.
fn field(library: &[u8], n: usize) -> usize {
    let header = [API_MAJOR, API_MINOR, 1].map(u32::to_le_bytes).concat();
    let wanted = [&HEADER_MAGIC[..], &header].concat();
    let at = library.windows(wanted.len()).position(|w| w == wanted);
    at.unwrap() + HEADER_MAGIC.len() + 4 * n
}

/// A copy of `library` whose header field `n` is `value`.
fn patched(library: &[u8], n: usize, value: u32) -> Vec<u8> {
    let mut copy = library.to_vec();
    let at = field(library, n);
    copy[at..at + 4].copy_from_slice(&value.to_le_bytes());
    copy
}

fn system_library() -> PathBuf {
    let folders = [
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu",
        "/lib64",
        "/usr/lib64",
        "/usr/lib",
    ];
    let files = folders.map(|folder| Path::new(folder).join("libm.so.6"));
    files.into_iter().find(|file| file.is_file()).unwrap()
}

/// One line on what became of `file`.
fn outcome(host: &PluginHost, file: &Path) -> String {
    let found = host.found.iter().find(|found| found.file == file);
    match &found
        .unwrap_or_else(|| panic!("{} was not looked at", file.display()))
        .outcome
    {
        Ok(loaded) => format!("loaded, api {}", loaded.api),
        Err(refusal) => {
            let line = refusal.to_string();
            assert!(!line.contains('\n'), "more than one line: {line}");
            line
        }
    }
}

fn load(files: Vec<PathBuf>, dirs: Vec<PathBuf>, trust_dirs: bool) -> PluginHost {
    PluginHost::load(&SearchPath {
        files,
        dirs,
        trust_dirs,
    })
}

#[test]
fn each_bad_library_is_refused_in_one_line_and_the_good_ones_load() {
    let folder = tempfile::tempdir().unwrap();
    let library = fs::read(common::plugin_file("openai")).unwrap();
    let file = |name: &str| folder.path().join(format!("libinferbench_{name}.so"));
    let put = |name: &str, bytes: &[u8]| fs::write(file(name), bytes).unwrap();
    put("text", b"just text\n");
    put("empty", b"");
    put("truncated", &library[..library.len() / 2]);
    let mut other_cpu = library.clone();
    other_cpu[18] = 0xf3; // e_machine of RISC-V
    put("cpu", &other_cpu);
    put("libm", &fs::read(system_library()).unwrap());
    put("major", &patched(&library, 0, 7));
    put("newer_minor", &patched(&library, 1, 9));
    put("aborts", &patched(&library, 2, 0));
    let mut other_magic = library.clone();
    let at = field(&library, 0) - HEADER_MAGIC.len();
    other_magic[at] = b'X';
    put("magic", &other_magic);
    put("zz_again", &library);
    fs::create_dir(file("folder")).unwrap();
    mkfifo(&file("pipe"), Mode::S_IRWXU).unwrap();
    let missing = folder.path().join("nowhere.so");

    let host = load(vec![missing.clone()], vec![folder.path().to_owned()], false);
    let says = |name: &str| outcome(&host, &file(name));
    assert!(outcome(&host, &missing).starts_with("cannot be read: No such file"));
    assert_eq!(says("text"), "is not a shared library (no ELF header)");
    assert_eq!(says("empty"), "is not a shared library (no ELF header)");
    let half = library.len() / 2;
    assert!(
        says("truncated").starts_with(&format!("is truncated: it has {half} bytes")),
        "{}",
        says("truncated")
    );
    assert!(says("cpu").starts_with("is built for another CPU (ELF machine 243)"));
    let no_header = "is not an InferBench plugin (it has no plugin header)";
    assert_eq!(says("libm"), no_header);
    assert_eq!(says("magic"), no_header);
    assert!(
        says("major").starts_with(&format!(
            "speaks plugin API 7.{API_MINOR}, this build speaks {API_MAJOR}.{API_MINOR}: rebuild it"
        )),
        "{}",
        says("major")
    );
    assert_eq!(says("newer_minor"), format!("loaded, api {API_MAJOR}.9"));
    assert!(says("aborts").starts_with("was built with panic = \"abort\""));
    let again = says("zz_again");
    assert!(again.contains("the backend `openai`"), "{again}");
    assert!(again.contains("libinferbench_newer_minor.so"), "{again}");
    assert_eq!(
        says("folder"),
        "is not a shared library: it is no regular file"
    );
    assert_eq!(
        says("pipe"),
        "is not a shared library: it is no regular file"
    );
    assert_eq!(host.get("openai").unwrap().file, file("newer_minor"));
    let sha256 = inferbench_engine::store::hash::file_sha256(&host.get("openai").unwrap().file);
    assert_eq!(sha256.len(), 64);
}

/// A library made of a few lines of C.
fn from_c(source: &str, file: &Path, flags: &[&str]) {
    let code = file.with_extension("c");
    fs::write(&code, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(file)
        .arg(&code)
        .args(flags);
    assert!(cc.status().unwrap().success());
}

/// C for a header that this build accepts, with fields `major`, `minor`, `unwinds`.
fn header_in_c(major: u32, minor: u32, unwinds: u32) -> String {
    format!(
        "struct {{ char magic[16]; unsigned n[4]; char rest[160]; }} inferbench_plugin_header = \
         {{ \"InferBenchPlugin\", {{ {major}, {minor}, {unwinds}, 192 }}, \"\" }};"
    )
}

#[test]
fn what_the_loader_or_the_header_reports_is_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(format!("libinferbench_{name}.so"));
    from_c("int x;", &file("bare"), &[]);
    let header = header_in_c(API_MAJOR, API_MINOR, 1);
    let undefined = "int nowhere_to_be_found(void); int x(void) { return nowhere_to_be_found(); }";
    from_c(&format!("{header} {undefined}"), &file("undefined"), &[]);
    from_c(
        "int y(void) { return 1; }",
        &folder.path().join("libgone.so"),
        &[],
    );
    let needs = format!("-L{}", folder.path().display());
    let uses = "int y(void); int x(void) { return y(); }";
    from_c(
        &format!("{header} {uses}"),
        &file("needs"),
        &[&needs, "-lgone"],
    );
    fs::remove_file(folder.path().join("libgone.so")).unwrap();
    from_c(
        &header_in_c(API_MAJOR, API_MINOR, 1),
        &file("rootless"),
        &[],
    );
    from_c(&header_in_c(API_MAJOR + 1, 3, 1), &file("other_major"), &[]);
    from_c(
        &header_in_c(API_MAJOR, API_MINOR, 0),
        &file("c_aborts"),
        &[],
    );
    let no_root = format!(
        "{} char inferbench_plugin_root[4096];",
        header_in_c(API_MAJOR, API_MINOR, 1)
    );
    from_c(&no_root, &file("zero_root"), &[]);

    let host = load(vec![], vec![folder.path().to_owned()], false);
    let says = |name: &str| outcome(&host, &file(name));
    let no_header = "is not an InferBench plugin (it has no plugin header)";
    assert_eq!(says("bare"), no_header);
    assert_eq!(says("rootless"), no_header);
    for (name, words) in [
        ("undefined", "nowhere_to_be_found"),
        ("needs", "libgone.so"),
    ] {
        let line = says(name);
        assert!(line.starts_with("could not be opened: "), "{line}");
        assert!(line.contains(words), "{line}");
    }
    let major = API_MAJOR + 1;
    let other = format!("speaks plugin API {major}.3, this build speaks {API_MAJOR}.{API_MINOR}");
    assert!(says("other_major").starts_with(&other));
    assert!(says("c_aborts").starts_with("was built with panic = \"abort\""));
    assert!(says("zero_root").starts_with("was built with another abi_stable"));
}

#[test]
fn what_ends_or_breaks_the_process_that_loads_it_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(format!("libinferbench_{name}.so"));
    let header = header_in_c(API_MAJOR, API_MINOR, 1);
    let cases = [
        (
            "leaves",
            "_exit(0)",
            "it ended its process with exit code 0",
        ),
        ("exits", "exit(7)", "it ended its process with exit code 7"),
        ("gives_up", "abort()", "it ended its process: SIGABRT"),
        (
            "crashes",
            "*(volatile int *)0 = 1",
            "it ended its process: SIGSEGV",
        ),
    ];
    for (name, does, _) in cases {
        let code = format!(
            "#include <stdlib.h>\n#include <unistd.h>\n{header}\n\
             __attribute__((constructor)) static void begins(void) {{ {does}; }}"
        );
        from_c(&code, &file(name), &[]);
    }
    let code = format!(
        "#include <stdlib.h>\n{header}\n\
         __attribute__((destructor)) static void ends(void) {{ abort(); }}"
    );
    from_c(&code, &file("ends_badly"), &[]);
    let host = load(vec![], vec![folder.path().to_owned()], false);
    let line = outcome(&host, &file("ends_badly"));
    assert!(line.ends_with("it ended its process: SIGABRT"), "{line}");
    for (name, _, did) in cases {
        let line = outcome(&host, &file(name));
        assert_eq!(
            line,
            format!("was loaded in a process of its own first: {did}")
        );
    }
    assert!(host.get("openai").is_some(), "the others load");
}

#[test]
fn a_library_that_never_ends_loading_is_refused_at_the_limit_and_its_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libinferbench_waits.so");
    let noted = folder.path().join("pid");
    let code = format!(
        "#include <stdio.h>\n#include <unistd.h>\n{}\n\
         __attribute__((constructor)) static void begins(void) {{\n\
         FILE *to = fopen(\"{}\", \"w\"); fprintf(to, \"%d\", getpid()); fclose(to);\n\
         for (;;) pause(); }}",
        header_in_c(API_MAJOR, API_MINOR, 1),
        noted.display()
    );
    from_c(&code, &file, &[]);
    let began = Instant::now();
    let host = load(vec![file.clone()], vec![], true);
    let seconds = began.elapsed().as_secs();
    // Its limit is 10 s.
    assert!((10..30).contains(&seconds), "{seconds} s");
    assert_eq!(
        outcome(&host, &file),
        "was loaded in a process of its own first: it did not end within 10 s"
    );
    let pid = fs::read_to_string(noted).unwrap();
    assert!(!Path::new("/proc").join(pid).exists());
}

#[test]
fn no_code_of_a_library_runs_that_is_no_plugin_of_this_build() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(format!("libinferbench_{name}.so"));
    let ran = folder.path().join("ran");
    let headers = [
        ("bare", String::new()),
        ("other_major", header_in_c(API_MAJOR + 1, 0, 1)),
        ("aborts", header_in_c(API_MAJOR, API_MINOR, 0)),
    ];
    for (name, header) in headers {
        let code = format!(
            "#include <fcntl.h>\n{header}\n\
             __attribute__((constructor)) static void begins(void) {{ creat(\"{}\", 0600); }}",
            ran.display()
        );
        from_c(&code, &file(name), &[]);
        let host = load(vec![file(name)], vec![], true);
        assert!(!outcome(&host, &file(name)).starts_with("loaded"));
        assert!(!ran.exists(), "code of {name} ran");
    }
}

#[test]
fn a_library_that_others_may_write_to_is_refused_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libinferbench_openai.so");
    fs::copy(common::plugin_file("openai"), &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o777)).unwrap();
    let line = outcome(&load(vec![file.clone()], vec![], false), &file);
    assert!(line.starts_with("may be written to by others than its owner"));
    assert!(outcome(&load(vec![file.clone()], vec![], true), &file).starts_with("loaded"));
}

#[test]
fn a_folder_that_others_may_write_to_is_refused_unless_it_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libinferbench_openai.so");
    fs::copy(common::plugin_file("openai"), &file).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for (files, dirs) in [
        (vec![file.clone()], vec![]),
        (vec![], vec![folder.path().to_owned()]),
    ] {
        let host = load(files, dirs, false);
        let line = outcome(&host, &file);
        let shown = folder.path().display().to_string();
        assert!(line.contains(&shown), "{line}");
        assert!(
            line.contains("others than its owner may write to"),
            "{line}"
        );
        assert!(line.contains("--trust-plugin-dir"), "{line}");
    }
    let host = load(vec![], vec![folder.path().to_owned()], true);
    assert!(outcome(&host, &file).starts_with("loaded"));
}

#[test]
fn a_bare_file_name_means_the_file_in_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    fs::copy(common::plugin_file("openai"), path.join("mine.so")).unwrap();
    // The other tests of this program use absolute paths alone.
    std::env::set_current_dir(&path).unwrap();
    let host = load(vec!["mine.so".into()], vec![], false);
    assert!(outcome(&host, &path.join("mine.so")).starts_with("loaded"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let host = load(vec!["mine.so".into()], vec![], false);
    let line = outcome(&host, &path.join("mine.so"));
    assert!(
        line.contains("others than its owner may write to"),
        "{line}"
    );
}

fn open_faulty(hook: &str) -> Result<BackendClient, PluginError> {
    open_with(&json!({"panic_in": hook}))
}

fn open_with(options: &Value) -> Result<BackendClient, PluginError> {
    let context = OpenContext {
        options: options.as_object().unwrap().clone(),
        attached: true,
    };
    let module = common::plugin("fixture-faulty").module;
    BackendClient::open(module, "fixture-faulty", &context)
}

fn is_panic<T>(result: Result<T, PluginError>) {
    let Err(error) = result else {
        panic!("no panic came");
    };
    assert!(error.panicked);
    assert!(error.message.contains("as it was asked to"), "{error}");
}

fn launch_context() -> LaunchContext {
    LaunchContext {
        model: ModelSpec {
            id: "m".to_owned(),
            ..ModelSpec::default()
        },
        served_name: "m".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 1,
        seed: 0,
        work_dir: PathBuf::from("w"),
        max_concurrency: None,
    }
}

async fn ask_faulty(hook: &str, target: &Target) -> RequestRecord {
    let (client, spec) = (open_faulty(hook).unwrap(), common::text_request());
    let outcome = common::exchange_over(&mut None, target, &client, &spec, common::patient()).await;
    common::record(outcome)
}

#[tokio::test]
async fn a_panic_of_a_plugin_fails_its_call_and_nothing_else() {
    is_panic(open_faulty("open"));
    is_panic(
        open_faulty("launch")
            .unwrap()
            .launch_plan(&launch_context()),
    );
    let faulty = open_faulty("encode").unwrap();
    is_panic(faulty.encode(&common::text_request()));
    assert!(faulty.decoder(&common::text_request()).is_ok());

    let server = TestServer::always(good_answer());
    let record = ask_faulty("feed", &server.target()).await;
    assert_eq!(record.reason.as_deref(), Some("plugin_panicked"));
    assert!(record.message.unwrap().contains("as it was asked to"));

    let unmarked = answer("200 OK", "text/event-stream", "", &event("a"));
    let unmarked = TestServer::always(unmarked);
    let record = ask_faulty("finish", &unmarked.target()).await;
    assert_eq!(record.reason.as_deref(), Some("plugin_panicked"));

    let record = ask_faulty("drop", &server.target()).await;
    assert!(record.is_ok(), "{record:?}");
    assert_eq!(record.output_tokens, Some(2));
    let record = common::ask(&server.target(), common::patient()).await;
    assert!(record.is_ok(), "another plugin is untouched: {record:?}");
}

#[tokio::test]
async fn a_decoder_that_gives_a_million_events_fails_its_request() {
    let client = open_with(&json!({"mischief": "million_events"})).unwrap();
    let server = TestServer::always(good_answer());
    let (target, spec) = (server.target(), common::text_request());
    let outcome =
        common::exchange_over(&mut None, &target, &client, &spec, common::patient()).await;
    let record = common::record(outcome);
    assert_eq!(record.reason.as_deref(), Some("decoder_error"));
    let message = record.message.unwrap();
    // The million, and the one that the message holds.
    assert!(message.contains("gave 1000001 events, limit "), "{message}");
}

#[tokio::test]
async fn an_encode_that_hangs_is_given_up_at_the_limit() {
    let client = Arc::new(open_with(&json!({"mischief": "encode_hangs"})).unwrap());
    let server = TestServer::always(good_answer());
    let (limit, target) = (Duration::from_millis(200), server.target());
    let made = requests::wire_within(limit, &client, &target, &common::text_request()).await;
    let words = made.unwrap_err();
    let expected = "the plugin made no request within 0.2 s: its `encode` hangs";
    assert!(words.to_string().starts_with(expected), "{words}");
}
