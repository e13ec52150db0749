//! The rules find what they are there for, in code written here.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use inferbench_architecture_test::crates::{self, Package};
use inferbench_architecture_test::imports::{self, Import};
use inferbench_architecture_test::sources::Sources;
use inferbench_architecture_test::table::{Arrow, Crate, Room};
use inferbench_architecture_test::{circles, modules, page, rooms};

const ROOMS: &[Room] = &[
    Room {
        name: "os",
        job: "the kernel",
        uses: &[],
    },
    Room {
        name: "load",
        job: "requests",
        uses: &["os"],
    },
    Room {
        name: "telemetry",
        job: "samples",
        uses: &["os"],
    },
    Room {
        name: "run",
        job: "stages",
        uses: &["all below"],
    },
];

fn sources(files: &[(&str, &str)]) -> Sources {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    files.iter().map(owned).collect()
}

/// Imports of a crate that has the rooms above and these files besides.
fn imports(files: &[(&str, &str)]) -> Vec<Import> {
    let mut all = sources(&[
        (
            "lib.rs",
            "pub mod load; pub mod os; pub mod run; pub mod telemetry;",
        ),
        ("load/mod.rs", "pub mod feed;"),
        ("load/feed.rs", "pub struct Feed;"),
        ("os/mod.rs", "pub mod clock;"),
        ("os/clock.rs", "pub fn now() {}"),
        (
            "run/mod.rs",
            "pub mod session; pub use session::RunSession;",
        ),
        ("run/session.rs", "pub struct RunSession;"),
        ("telemetry/mod.rs", ""),
    ]);
    all.extend(sources(files));
    imports::find(&modules::load(&all, "lib.rs").unwrap())
}

fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    rooms::wrong_imports("core/engine", &imports(files), ROOMS)
}

#[test]
fn an_import_of_a_room_above_is_shown_with_file_and_line() {
    let faults = wrong(&[(
        "load/feed.rs",
        "use std::fs;\nuse crate::{os::clock, run::session::RunSession};",
    )]);
    assert_eq!(
        faults,
        [
            "core/engine/src/load/feed.rs:2 imports crate::run::session::RunSession (src/run/session.rs), a room above load"
        ]
    );
}

#[test]
fn an_import_of_a_room_below_is_fine() {
    let feed = ("load/feed.rs", "use crate::os::clock::now;");
    let stage = (
        "run/session.rs",
        "use crate::load::feed::Feed; use crate::telemetry;",
    );
    assert_eq!(wrong(&[feed, stage]), [""; 0]);
}

#[test]
fn a_name_that_a_module_passes_on_counts_for_the_file_that_defines_it() {
    let found = imports(&[("load/feed.rs", "use crate::run::RunSession;")]);
    let one = found.iter().find(|one| one.from == "load/feed.rs").unwrap();
    assert_eq!(one.to, "run/session.rs");
}

#[test]
fn a_name_that_is_passed_on_by_a_star_counts_for_the_file_that_defines_it() {
    let found = imports(&[
        ("run/mod.rs", "mod session; pub use session::*;"),
        ("load/feed.rs", "use crate::run::RunSession;"),
    ]);
    let one = found.iter().find(|one| one.from == "load/feed.rs").unwrap();
    assert_eq!(one.to, "run/session.rs");
}

#[test]
fn a_path_in_code_counts_without_a_use() {
    let code = "fn f() -> super::super::run::RunSession { todo!() }";
    assert_eq!(wrong(&[("load/feed.rs", code)]).len(), 1);
}

#[test]
fn a_path_through_an_imported_module_counts_for_the_module_that_it_ends_in() {
    let code = "use crate::run; fn f(_: run::session::RunSession) {}";
    let found = imports(&[("load/feed.rs", code)]);
    let files: Vec<&str> = found
        .iter()
        .filter(|one| one.from == "load/feed.rs")
        .map(|one| one.to.as_str())
        .collect();
    assert_eq!(files, ["run/mod.rs", "run/session.rs"]);
}

#[test]
fn a_path_in_the_arguments_of_a_macro_counts() {
    let code = "fn f() { let _ = format!(\"{:?}\", vec![crate::run::session::RunSession]); }";
    assert_eq!(wrong(&[("load/feed.rs", code)]).len(), 1);
}

#[test]
fn a_use_inside_of_a_function_counts() {
    let code = "fn f() { use crate::run::session; }";
    assert_eq!(wrong(&[("load/feed.rs", code)]).len(), 1);
}

#[test]
fn a_renamed_import_counts() {
    let code = "use crate::run::session::{RunSession as Session};";
    assert_eq!(wrong(&[("load/feed.rs", code)]).len(), 1);
}

#[test]
fn code_for_tests_may_look_from_above() {
    let code = "#[cfg(test)] mod tests { use crate::run::session::RunSession; }";
    assert_eq!(wrong(&[("load/feed.rs", code)]), [""; 0]);
}

#[test]
fn a_name_of_another_crate_is_no_import() {
    let code = "use run::session::RunSession; use std::os::fd::AsFd;";
    assert_eq!(wrong(&[("load/feed.rs", code)]), [""; 0]);
}

#[test]
fn a_scope_of_visibility_is_no_import() {
    let code = "pub(in crate::run) struct Feed;";
    assert_eq!(wrong(&[("load/feed.rs", code)]), [""; 0]);
}

#[test]
fn a_room_below_that_the_table_does_not_allow_is_shown() {
    let faults = wrong(&[("telemetry/mod.rs", "use crate::load::feed::Feed;")]);
    assert_eq!(
        faults,
        [
            "core/engine/src/telemetry/mod.rs:1 imports crate::load::feed::Feed (src/load/feed.rs), room load, which telemetry may not use"
        ]
    );
}

#[test]
fn files_that_import_each_other_are_a_circle_and_their_imports_are_shown() {
    let found = imports(&[
        ("os/mod.rs", "pub mod clock; pub mod ticker;"),
        (
            "os/clock.rs",
            "use super::ticker::Ticker; pub struct Clock;",
        ),
        (
            "os/ticker.rs",
            "use super::clock::Clock; pub struct Ticker;",
        ),
    ]);
    assert_eq!(
        circles::find("core/engine", &found, &[]),
        [
            "core/engine/src: 2 files import each other in a circle\n    os/clock.rs:1 imports super::ticker::Ticker (os/ticker.rs)\n    os/ticker.rs:1 imports super::clock::Clock (os/clock.rs)"
        ]
    );
    let known = Arrow {
        from: "os/clock.rs",
        to: "os/ticker.rs",
        why: "a test",
    };
    assert_eq!(circles::find("core/engine", &found, &[known]), [""; 0]);
}

#[test]
fn a_module_that_calls_its_parts_or_passes_on_their_names_closes_no_circle() {
    let found = imports(&[
        (
            "run/mod.rs",
            "mod session; pub use session::Session; pub struct Shared; fn f() { session::start() }",
        ),
        (
            "run/session.rs",
            "use super::Shared; pub struct Session; pub fn start() {}",
        ),
    ]);
    assert_eq!(circles::find("core/engine", &found, &[]), [""; 0]);
}

#[test]
fn an_allowed_arrow_that_no_import_draws_is_shown() {
    let known = Arrow {
        from: "os/clock.rs",
        to: "os/ticker.rs",
        why: "a test",
    };
    let faults = circles::unused_arrows("core/engine", &imports(&[]), &[known]);
    assert_eq!(faults.len(), 1);
}

#[test]
fn a_file_outside_of_the_rooms_and_a_room_without_files_are_shown() {
    let files = sources(&[
        ("lib.rs", ""),
        ("os/clock.rs", ""),
        ("load.rs", ""),
        ("utils.rs", ""),
    ]);
    assert_eq!(
        rooms::differences("core/engine", &files, ROOMS),
        [
            "core/engine/src/utils.rs stands in no room",
            "core/engine/src has no room `telemetry`",
            "core/engine/src has no room `run`",
        ]
    );
}

#[test]
fn of_a_room_that_holds_rooms_only_mod_rs_is_its_own() {
    let inner = |name| Room {
        name,
        job: "",
        uses: &[],
    };
    let rooms = [inner("report/figures"), inner("report")];
    let files = sources(&[
        ("report/figures/row.rs", ""),
        ("report/mod.rs", ""),
        ("report/misc.rs", ""),
    ]);
    assert_eq!(
        rooms::differences("core/model", &files, &rooms),
        ["core/model/src/report/misc.rs stands in no room"]
    );
}

#[test]
fn a_table_whose_room_uses_a_later_one_is_wrong() {
    let reversed: Vec<Room> = ROOMS.iter().rev().copied().collect();
    assert_eq!(rooms::wrong_table("core/engine", ROOMS), [""; 0]);
    assert_eq!(rooms::wrong_table("core/engine", &reversed).len(), 2);
}

fn entry(folder: &'static str, may_use: &'static [&'static str]) -> Crate {
    Crate {
        folder,
        job: "",
        may_use,
        tests_may_use: &["core/testkit"],
        rooms: &[],
        arrows: &[],
    }
}

fn package(folder: &str, uses: &[&str], tests_use: &[&str]) -> Package {
    let owned = |list: &[&str]| list.iter().map(|&one| one.to_owned()).collect();
    Package {
        folder: folder.to_owned(),
        uses: owned(uses),
        tests_use: owned(tests_use),
        roots: Vec::new(),
    }
}

#[test]
fn a_plugin_that_depends_on_the_engine_is_shown() {
    let table = [
        entry("core/plugin-api", &[]),
        entry("core/engine", &["core/plugin-api"]),
        entry("plugins/*", &["core/plugin-api"]),
    ];
    let packages = [
        package("core/plugin-api", &[], &["core/testkit"]),
        package("core/engine", &["core/plugin-api"], &[]),
        package(
            "plugins/vllm",
            &["core/plugin-api", "core/engine"],
            &["plugins/sim"],
        ),
        package("plugins/sim", &["core/plugin-api"], &["core/testkit"]),
    ];
    assert_eq!(
        crates::faults(&packages, &table),
        [
            "plugins/vllm depends on core/engine, which it may not use",
            "tests of plugins/vllm depend on plugins/sim, which they may not use",
        ]
    );
}

#[test]
fn a_crate_that_the_table_lacks_and_one_that_is_gone_are_shown() {
    let faults = crates::faults(&[package("core/new", &[], &[])], &[entry("core/old", &[])]);
    assert_eq!(
        faults,
        [
            "core/new is a crate that the table does not list",
            "no crate `core/old`"
        ]
    );
}

#[test]
fn a_table_in_a_page_is_replaced_between_its_comments() {
    let text = "a\n<!-- table: crates -->\n\nold\n\n<!-- end of table -->\nb\n";
    let shown = page::with_table(text, "crates", "new\n").unwrap();
    assert_eq!(
        shown,
        "a\n<!-- table: crates -->\n\nnew\n\n<!-- end of table -->\nb\n"
    );
    assert!(page::with_table("a", "crates", "new").is_err());
}
