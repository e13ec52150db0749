//! The plugin that the book shows, built outside the workspace, loads. Ignored
//! by default: it runs cargo.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[allow(dead_code)]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: &str = include_str!("../../docs/src/plugins/writing.md");

/// The first block of that language in the page.
fn block(language: &str) -> &'static str {
    let start = PAGE.split_once(&format!("```{language}\n")).unwrap().1;
    start.split_once("\n```").unwrap().0
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap().to_owned()
}

#[test]
#[ignore = "needs cargo and the crates that the workspace uses: it builds a crate of its own"]
fn the_plugin_of_the_book_builds_outside_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let api = root().join("core/plugin-api");
    let manifest = block("toml").replace("../inferbench/core/plugin-api", api.to_str().unwrap());
    assert!(manifest.contains(api.to_str().unwrap()));
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.path().join("src/lib.rs"), block("rust")).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let target = root().join("target/outside");
    let built = Command::new(env!("CARGO"))
        .args(["test", "--quiet"])
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .unwrap();
    assert!(built.success());
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .current_dir(folder.path())
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .unwrap();
    assert!(built.success());
    let library = target.join("debug/libinferbench_acme.so");
    let mut show = common::inferbench();
    show.arg("--plugin")
        .arg(&library)
        .args(["plugins", "show", "acme"]);
    let said = common::said(&mut show);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("max_batch"), "{}", said.out);
}
