//! `plugins new`: creates the project of a new plugin.

use std::fs;
use std::io;
use std::path::Path;

use inferbench_plugin_api::abi::API_MAJOR;

use crate::args::Flavour;
use crate::exit::{Code, NewPluginError};

/// Version of the plugin API that a project depends on, unless it has a path to it.
const API_VERSION: &str = "1.0";
const API_PACKAGE: &str = "inferbench-plugin-api";
/// Folder of the conformance suite, beside that of the plugin API.
const TESTKIT: &str = "testkit";
/// Longest name, characters.
const LONGEST_NAME: usize = 40;

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../../../templates/plugin/", $file))
    };
}

/// Files of every project: path and template.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", template!("Cargo.toml.in")),
    ("tests/conformance.rs", template!("conformance.rs.in")),
    ("prompts.jsonl", template!("prompts.jsonl")),
    ("README.md", template!("README.md.in")),
    (".gitignore", "/target\n/results\n"),
];

const OPENAI_FILES: [(&str, &str); 4] = [
    ("src/lib.rs", template!("openai/lib.rs.in")),
    ("run.yaml", template!("openai/run.yaml.in")),
    ("exchanges/hello.json", template!("openai/hello.json")),
    ("exchanges/hello.sse", template!("openai/hello.sse")),
];

const NATIVE_FILES: [(&str, &str); 5] = [
    ("src/lib.rs", template!("native/lib.rs.in")),
    ("src/bin/stand-in.rs", template!("native/stand_in.rs.in")),
    ("run.yaml", template!("native/run.yaml.in")),
    ("exchanges/hello.json", template!("native/hello.json")),
    ("exchanges/hello.ndjson", template!("native/hello.ndjson")),
];

impl Flavour {
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Openai => &OPENAI_FILES,
            Self::Native => &NATIVE_FILES,
        }
    }

    /// Fields of the templates that all projects share.
    fn fields(self) -> [(&'static str, &'static str); 3] {
        let (adapt, stand_in, hello) = match self {
            Self::Openai => (
                template!("openai/adapt.md"),
                "InferBench's simulator stands in",
                "hello.sse",
            ),
            Self::Native => (
                template!("native/adapt.md"),
                "`src/bin/stand-in.rs` stands in",
                "hello.ndjson",
            ),
        };
        [
            ("@ADAPT@", adapt),
            ("@STANDIN@", stand_in),
            ("@HELLO@", hello),
        ]
    }
}

/// Creates the project and prints the next steps.
pub(super) fn new(
    name: &str,
    flavour: Flavour,
    path: Option<&Path>,
    api_path: Option<&Path>,
) -> Result<Code, NewPluginError> {
    check_name(name)?;
    let api = api_path.map(check_api).transpose()?;
    let folder = path.map_or_else(|| format!("inferbench-{name}").into(), Path::to_owned);
    write(&folder, name, flavour, api.as_deref())?;
    let library = format!("target/release/libinferbench_{}.so", name.replace('-', "_"));
    println!("wrote {}", folder.display());
    println!("next:");
    println!("  cd {}", folder.display());
    println!("  cargo test && cargo build --release");
    println!("  inferbench plugins check {library} --exchanges exchanges");
    println!("  inferbench run run.yaml --plugin {library}");
    if api.is_none() {
        println!("the project depends on {API_PACKAGE} {API_VERSION} from the registry;");
        println!(
            "to build against InferBench's source instead, use --api-path .../core/plugin-api"
        );
    }
    Ok(Code::Done)
}

fn check_name(name: &str) -> Result<(), NewPluginError> {
    let wrong = |fact| {
        Err(NewPluginError::Name {
            name: name.to_owned(),
            fact,
        })
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.chars().any(|c| !plain(c)) {
        return wrong("may only contain a-z, 0-9, `-` and `_`");
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return wrong("must start with a letter");
    }
    if name.len() > LONGEST_NAME {
        return wrong("must have at most 40 characters");
    }
    Ok(())
}

/// The absolute path of the plugin API's folder.
fn check_api(path: &Path) -> Result<String, NewPluginError> {
    let wrong = |fact: String| NewPluginError::Api {
        path: path.to_owned(),
        fact,
    };
    let manifest = fs::read_to_string(path.join("Cargo.toml"))
        .map_err(|error| wrong(format!("Cargo.toml cannot be read: {error}")))?;
    let value = |key: &str| {
        manifest.lines().find_map(|line| {
            let (left, right) = line.split_once('=')?;
            (left.trim() == key).then(|| right.trim().trim_matches('"').to_owned())
        })
    };
    match value("name") {
        Some(name) if name == API_PACKAGE => {}
        Some(name) => return Err(wrong(format!("is the package `{name}`, not {API_PACKAGE}"))),
        None => return Err(wrong("Cargo.toml has no package name".to_owned())),
    }
    let version = value("version").unwrap_or_default();
    if version.split('.').next() != Some(API_MAJOR.to_string().as_str()) {
        let fact = format!("is {API_PACKAGE} {version}, this build loads version {API_MAJOR}");
        return Err(wrong(fact));
    }
    let path = path
        .canonicalize()
        .map_err(|error| wrong(error.to_string()))?;
    if !path.with_file_name(TESTKIT).join("Cargo.toml").is_file() {
        return Err(wrong(format!("no folder `{TESTKIT}` beside it")));
    }
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| wrong("must be UTF-8, as Cargo.toml is".to_owned()))
}

fn write(
    folder: &Path,
    name: &str,
    flavour: Flavour,
    api: Option<&str>,
) -> Result<(), NewPluginError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| NewPluginError::Write { path, source }
    };
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    // `create_dir` fails on an existing folder, so nothing is overwritten.
    fs::create_dir(folder).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => NewPluginError::Exists {
            folder: folder.to_owned(),
        },
        _ => at(folder)(source),
    })?;
    for (file, template) in FILES.iter().chain(flavour.files()) {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        let fields = flavour.fields().into_iter();
        let template = fields.fold((*template).to_owned(), |text, (field, value)| {
            text.replace(field, value)
        });
        fs::write(&path, filled(&template, name, api)).map_err(at(&path))?;
    }
    Ok(())
}

fn filled(template: &str, name: &str, api: Option<&str>) -> String {
    let dependency = |path: Option<&str>| match path {
        // A TOML string in quotes has the escapes of JSON.
        Some(path) => format!("{{ path = {} }}", serde_json::Value::from(path)),
        None => format!("\"{API_VERSION}\""),
    };
    let testkit = api.map(|path| Path::new(path).with_file_name(TESTKIT));
    let testkit = testkit.as_deref().and_then(Path::to_str);
    template
        .replace("@API@", &dependency(api))
        .replace("@TESTKIT@", &dependency(testkit))
        .replace("@CRATE@", &format!("inferbench_{}", name.replace('-', "_")))
        .replace("@NAME@", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_config_or_cargo_could_not_have_are_refused() {
        for name in [
            "",
            "Acme",
            "a b",
            "ä",
            "../x",
            "9lives",
            "-x",
            &"x".repeat(41),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for name in ["acme", "my-server_2", "self"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_path_with_quotes_stays_one_string() {
        let text = filled("api = @API@", "x", Some("/a \"b\"\\c"));
        assert_eq!(text, r#"api = { path = "/a \"b\"\\c" }"#);
    }
}
