//! Every link of the texts leads somewhere, to a heading too; every page of the book is
//! in its contents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::common::repository;
use super::texts;

/// Texts beside those of the book.
const OTHERS: [&str; 3] = ["ARCHITECTURE.md", "CHANGELOG.md", "benches/README.md"];

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the links of a text lead.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let outside_code: Vec<&str> = prose.split('`').step_by(2).collect();
    let found = outside_code
        .iter()
        .flat_map(|part| part.split("](").skip(1));
    let found = found.filter_map(|rest| rest.split(')').next());
    // A link whose words are code alone begins behind a backtick.
    found.map(str::to_owned).collect()
}

/// The anchors that a page's headings get.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let mut found = BTreeSet::new();
    for heading in headings {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let slug: String = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut name = slug.clone();
        let mut n = 0;
        while !found.insert(name.clone()) {
            n += 1;
            name = format!("{slug}-{n}");
        }
    }
    found
}

/// What is wrong with a link in the text of `file`; `None` if nothing is.
fn fault(file: &Path, text: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => file.to_owned(),
        path => file.parent().unwrap().join(path),
    };
    if !target.exists() {
        return Some(format!("{link}: no such file"));
    }
    if anchor.is_empty() || target.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let other = match path {
        "" => text.to_owned(),
        _ => std::fs::read_to_string(&target).unwrap(),
    };
    (!anchors(&other).contains(anchor)).then(|| format!("{link}: no such heading"))
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_of_it() {
    let others = OTHERS.map(|name| repository().join(name));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    let mut links = 0;
    let mut faults = Vec::new();
    for (file, text) in texts().into_iter().chain(others.map(read)) {
        for link in targets(&text) {
            links += 1;
            let found = fault(&file, &text, &link);
            faults.extend(found.map(|fault| format!("{}: {fault}", file.display())));
        }
    }
    assert_eq!(faults, [""; 0]);
    assert!(links > 150, "{links} links are too few to be all");
}

#[test]
fn every_page_is_in_the_contents_of_the_book() {
    let root = repository().join("docs/src");
    let contents = std::fs::read_to_string(root.join("SUMMARY.md")).unwrap();
    for (file, _) in texts() {
        let Ok(page) = file.strip_prefix(&root) else {
            continue;
        };
        let page = page.to_str().unwrap();
        let is_listed = contents.contains(&format!("]({page})"));
        assert!(is_listed || page == "SUMMARY.md", "SUMMARY.md lacks {page}");
    }
}

#[test]
fn a_dead_link_and_a_dead_anchor_are_found() {
    let here = repository().join("README.md");
    let text = "# Any Title: `x`\n\n[a](nowhere.md) [b](#any-title-x) [c](#none)\n";
    let faults: Vec<_> = targets(text)
        .iter()
        .filter_map(|link| fault(&here, text, link))
        .collect();
    assert_eq!(
        faults,
        ["nowhere.md: no such file", "#none: no such heading"]
    );
}
