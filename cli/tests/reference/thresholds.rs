//! The page of thresholds is made of the constants that decide, with their reasons.

use super::check;
use super::fields::{book_words, source};

/// Sources whose constants decide something, with what.
const SOURCES: [(&str, &[&str]); 5] = [
    ("Self-check", &["core/model/src/facts/self_check/limits.rs"]),
    ("Enough samples", &["core/model/src/plan/sample_size.rs"]),
    (
        "Verdict",
        &[
            "core/model/src/report/verdict/pairwise.rs",
            "core/model/src/report/verdict/chunking.rs",
            "core/model/src/stats/inference.rs",
            "core/model/src/cell/steady_state.rs",
        ],
    ),
    (
        "Same work",
        &[
            "core/model/src/report/fairness/mod.rs",
            "core/model/src/report/provenance/cache_audit.rs",
        ],
    ),
    (
        "Doctor",
        &[
            "core/model/src/doctor/gpu.rs",
            "core/model/src/doctor/limits.rs",
            "core/model/src/doctor/machine.rs",
            "core/model/src/doctor/clocks.rs",
        ],
    ),
];

/// A number of the source as readers see it; `None` if it is none.
fn number(value: &str) -> Option<String> {
    let value = value.replace('_', "");
    if value == "1 << 30" {
        return Some("1 GiB".to_owned());
    }
    let is_number = value.parse::<f64>().is_ok();
    is_number.then(|| value.trim_end_matches(".0").to_owned())
}

/// A row for each constant of a source that is a number.
fn rows(text: &str) -> String {
    let mut rows = String::new();
    let mut meaning = Vec::new();
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("/// ") {
            meaning.push(words);
            continue;
        }
        let constant = line.split_once("const ").filter(|_| !line.starts_with(' '));
        let constant = constant.and_then(|(_, rest)| rest.split_once(" = "));
        if let Some((head, value)) = constant
            && let Some(value) = number(value.trim_end_matches(';'))
        {
            let name = head.split(':').next().unwrap();
            assert!(!meaning.is_empty(), "{name} has no words");
            let meaning = book_words(&meaning.join(" "));
            rows.push_str(&format!("| `{name}` | {value} | {meaning} |\n"));
        }
        meaning.clear();
    }
    rows
}

fn reference() -> String {
    let mut page = String::from(
        "# Thresholds\n\n\
         Every number that decides whether a cell is trusted, a level gets a verdict, the work was the \
         same, or a machine is fit, with its reason. Made from the program's own constants. What breaking \
         one means: [Self-check](../concepts/self-check.md), [Comparison](../concepts/comparison.md), \
         [Fairness](../concepts/fairness.md), [Doctor](../guides/doctor.md).\n",
    );
    for (heading, sources) in SOURCES {
        page.push_str(&format!(
            "\n## {heading}\n\n| Name | Value | What it is |\n|---|---|---|\n"
        ));
        sources
            .iter()
            .for_each(|path| page.push_str(&rows(&source(path))));
    }
    page
}

#[test]
fn the_page_of_thresholds_is_that_of_the_constants() {
    check("thresholds.md", &reference());
}

#[test]
fn only_constants_that_are_numbers_have_a_row() {
    let text = "/// A share.\npub const A: f64 = 0.5;\n/// A word.\nconst B: &str = \"x\";\n\
                fn f() {\n    const C: u64 = 3;\n}\n/// Memory.\npub const D: u64 = 1 << 30;\n";
    assert_eq!(
        rows(text),
        "| `A` | 0.5 | A share. |\n| `D` | 1 GiB | Memory. |\n"
    );
}
