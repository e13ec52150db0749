//! Small libraries that stand in for functions of the system in whatever loads them first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Moves the wall clock of every process that loads it by the seconds in a file.
pub(crate) const WALL_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *at) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(which, at);
    if (which == CLOCK_REALTIME) {
        long seconds = 0;
        FILE *file = fopen(getenv("WALL_SHIFT_FILE"), "r");
        if (file && fscanf(file, "%ld", &seconds) == 1) at->tv_sec += seconds;
        if (file) fclose(file);
    }
    return done;
}
"#;

/// The library that this C code is, built in `folder`.
pub(crate) fn built(folder: &Path, code: &str) -> PathBuf {
    let (file, library) = (folder.join("in_place.c"), folder.join("in_place.so"));
    fs::write(&file, code).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file);
    assert!(cc.arg("-ldl").status().unwrap().success());
    library
}
