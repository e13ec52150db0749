//! The page in a real browser.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "common/browser.rs"]
mod browser;
#[path = "../../core/model/tests/fixture/mod.rs"]
mod fixture;

use std::path::PathBuf;

use browser::{Scripts, ask, console, requests, with_page};
use inferbench::render::render_html;
use inferbench_model::report::Report;

/// The page of a report in a folder of its own.
fn written(report: &Report) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let mut file = std::fs::File::create(&path).unwrap();
    render_html(report).unwrap().write_to(&mut file).unwrap();
    (folder, path)
}

#[test]
fn the_page_asks_for_nothing_but_itself_and_its_console_is_silent() {
    let (_folder, path) = written(&fixture::two_backends().report());
    let own = format!("file://{}", path.display());
    with_page(&path, Scripts::On, |client| {
        Box::pin(async move {
            assert_eq!(requests(&client).await, [own]);
            assert_eq!(console(&client).await, Vec::<String>::new());
            let drawn = ask(&client, "document.querySelectorAll('.main-svg').length").await;
            assert!(drawn.as_u64().unwrap() > 0);
        })
    });
}
