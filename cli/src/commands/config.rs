//! `config`: the configs to start from, for those who have the program alone.

use crate::exit::{CliError, Code};
use crate::say;

/// Every config: its name and its text.
const CONFIGS: [(&str, &str); 5] = [
    (
        "quickstart",
        include_str!("../../../configs/quickstart.yaml"),
    ),
    ("example", include_str!("../../../configs/example.yaml")),
    ("cpu", include_str!("../../../configs/cpu.yaml")),
    ("attach", include_str!("../../../configs/attach.yaml")),
    ("open-loop", include_str!("../../../configs/open-loop.yaml")),
];

/// Lists them, or prints the one of that name.
pub(super) fn config(name: Option<&str>) -> Result<Code, CliError> {
    let Some(name) = name else {
        for (name, text) in CONFIGS {
            println!("{name:<12} {}", purpose(text));
        }
        println!("to start from one: inferbench config quickstart > quickstart.yaml");
        return Ok(Code::Done);
    };
    let Some((_, text)) = CONFIGS.iter().find(|(known, _)| *known == name) else {
        let known = CONFIGS.map(|(name, _)| name).join(", ");
        return Err(CliError::Usage(format!(
            "no config is called `{name}`: there are {known}"
        )));
    };
    say::bytes(text.as_bytes());
    Ok(Code::Done)
}

/// The first sentence of its comment.
fn purpose(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#'));
    let words: Vec<&str> = lines.map(str::trim).collect();
    let words = words.join(" ");
    let mut ends = words.match_indices(['.', '?']).map(|(at, _)| at + 1);
    let end = ends.find(|&end| !words[end..].starts_with(|c: char| c != ' '));
    words[..end.unwrap_or(words.len())].to_owned()
}
