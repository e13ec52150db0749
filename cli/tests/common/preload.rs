//! Small libraries that stand in for functions of the system in whatever loads them first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that this C code is, built in `folder`.
pub(crate) fn built(folder: &Path, code: &str) -> PathBuf {
    let (file, library) = (folder.join("in_place.c"), folder.join("in_place.so"));
    fs::write(&file, code).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file);
    assert!(cc.arg("-ldl").status().unwrap().success());
    library
}
