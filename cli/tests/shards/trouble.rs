//! What can be wrong with the folder where shards meet, and with the clock that they begin by.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Shards;
use crate::common::{Said, preload};

/// A file system that is full, read-only or slow, below any folder called `meet`.
const MEETING: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static char ours[65536];
static int is(const char *trouble) {
    const char *said = getenv("TROUBLE");
    return said && !strcmp(said, trouble);
}
static int meets(const char *path) { return strstr(path, "/meet") != NULL; }
static void wait_if_slow(const char *path) {
    if (meets(path) && is("slow")) sleep(5);
}
int open64(const char *path, int flags, ...) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    wait_if_slow(path);
    if (meets(path) && (flags & O_CREAT) && is("read-only")) { errno = EROFS; return -1; }
    int file = real(path, flags, mode);
    if (file >= 0 && file < 65536) ours[file] = meets(path);
    return file;
}
int mkdir(const char *path, mode_t mode) {
    int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "mkdir");
    if (meets(path) && is("read-only")) { errno = EROFS; return -1; }
    return real(path, mode);
}
ssize_t write(int file, const void *bytes, size_t count) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (file >= 0 && file < 65536 && ours[file] && is("full")) { errno = ENOSPC; return -1; }
    return real(file, bytes, count);
}
"#;

/// Starts a shard of two; what it says is piped.
fn started(run: &Shards, index: u32, set: &[(&str, PathBuf)]) -> Child {
    let mut command = run.command(index, 2);
    command.arg("--rendezvous").arg(run.path("meet"));
    command.envs(set.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn ended(child: Child) -> Said {
    Said::from(child.wait_with_output().unwrap())
}

#[test]
fn a_folder_that_is_full_or_read_only_is_named_before_anything_is_sent() {
    for (trouble, words) in [
        ("full", "No space left on device"),
        ("read-only", "Read-only file system"),
    ] {
        let run = Shards::new("{ request_rate: [100], requests: 40 }");
        let library = preload::built(&run.path("."), MEETING);
        let set = [("LD_PRELOAD", library), ("TROUBLE", trouble.into())];
        let said = ended(started(&run, 1, &set));
        assert_eq!(said.code, Some(75), "{trouble}: {}", said.err);
        let place = "cannot be used to meet the other shards";
        assert!(said.err.contains(place), "{trouble}: {}", said.err);
        assert!(said.err.contains(words), "{trouble}: {}", said.err);
        assert!(!run.path("shards/1").exists(), "{trouble}");
        // Nothing is left that would be taken for a shard.
        assert!(!run.path("meet/shard-1").exists(), "{trouble}");
    }
}

#[test]
fn a_folder_that_takes_seconds_for_everything_makes_its_shard_refuse() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    let library = preload::built(&run.path("."), MEETING);
    let set = [("LD_PRELOAD", library), ("TROUBLE", "slow".into())];
    let (one, two) = (started(&run, 0, &[]), started(&run, 1, &set));
    // The one that saw the start in time has done its part.
    assert_eq!(ended(one).code, Some(0));
    let late = ended(two);
    assert_eq!(late.code, Some(75), "{}", late.err);
    let words = "after the start time, nothing was sent";
    assert!(late.err.contains(words), "{}", late.err);
    let merged = run.merge(&[run.path("shards/0"), run.path("shards/1")], &[]);
    assert_eq!(merged.code, Some(3), "{}", merged.err);
    assert!(merged.err.contains("shard 1: "), "{}", merged.err);
    assert!(merged.err.contains(words), "{}", merged.err);
}

#[test]
fn a_wall_clock_that_is_set_while_a_shard_waits_begins_nothing() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    let library = preload::built(&run.path("."), preload::WALL_CLOCK);
    let by = run.path("shift");
    fs::write(&by, "0").unwrap();
    let set = [("LD_PRELOAD", library), ("WALL_SHIFT_FILE", by.clone())];
    let first = started(&run, 0, &set);
    let waits = Instant::now();
    while !run.path("meet/cell-0-ready-0").exists() {
        assert!(waits.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::write(&by, "3600").unwrap();
    let second = ended(started(&run, 1, &[]));
    let first = ended(first);
    for (said, words) in [
        (&first, "the wall clock of this machine was set by 3600"),
        (&second, "further ahead than it can"),
    ] {
        assert_eq!(said.code, Some(75), "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
    }
    for index in [0, 1] {
        let records = run.shard_folder(index).join("requests.jsonl");
        assert_eq!(fs::read_to_string(records).unwrap(), "");
    }
}

#[test]
fn a_shard_whose_results_cannot_be_written_tells_the_others_at_once() {
    let run = Shards::new("{ request_rate: [100], requests: 40 }");
    // Where its folder should be, there is a file.
    fs::create_dir(run.path("shards")).unwrap();
    fs::write(run.path("shards/1"), "").unwrap();
    let began = Instant::now();
    let (one, two) = (started(&run, 0, &[]), started(&run, 1, &[]));
    let (one, two) = (ended(one), ended(two));
    assert_eq!(two.code, Some(2), "{}", two.err);
    assert_eq!(one.code, Some(75), "{}", one.err);
    assert!(one.err.contains("shard 1 has given up"), "{}", one.err);
    // The limit is ten minutes.
    assert!(began.elapsed() < Duration::from_secs(60));
}
