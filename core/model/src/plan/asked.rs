//! What a config asks of a backend that this one cannot do, or does only in name.

use crate::config::{Config, Level, LoadConfig, PromptSource};

/// Levels at which more than one request is in flight, or may be.
#[must_use]
pub fn levels_with_several(load: &LoadConfig, most: Option<u32>) -> u64 {
    let is_several = |level: &Level| match level {
        Level::Concurrency(slots) => *slots > 1 && most.is_none_or(|most| *slots <= most),
        Level::RequestRate(_) | Level::TraceSpeed(_) => true,
    };
    load.levels()
        .iter()
        .filter(|level| is_several(level))
        .count() as u64
}

/// Whether prompts are random and answers have a forced length: what comes next is
/// then hard to guess.
#[must_use]
pub fn is_hard_to_guess(config: &Config) -> bool {
    let mut parts = config.workload.parts().into_iter();
    parts.any(|(_, part)| part.prompts == PromptSource::Synthetic && part.force_output)
}

/// How the flags begin that make servers decode speculatively.
const SPECULATIVE: [&str; 5] = [
    "--speculative",
    "--spec-",
    "--model-draft",
    "--draft-model",
    "--assistant-model",
];

/// Whether a server with this command decodes speculatively.
#[must_use]
pub fn is_speculative(command: &[String]) -> bool {
    command.iter().any(|word| {
        let is_flag = SPECULATIVE.iter().any(|flag| word.starts_with(flag));
        is_flag || word == "-md"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_above_one_in_flight_are_counted_up_to_the_backend_s_own_limit() {
        let load = |json: &str| -> LoadConfig { serde_json::from_str(json).unwrap() };
        let closed = load(r#"{"concurrency": [1, 4, 16], "requests": 8}"#);
        assert_eq!(levels_with_several(&closed, None), 2);
        assert_eq!(levels_with_several(&closed, Some(8)), 1);
        assert_eq!(levels_with_several(&closed, Some(1)), 0);
        let open = load(r#"{"request_rate": [1, 2], "requests": 8}"#);
        assert_eq!(levels_with_several(&open, Some(1)), 2);
    }

    #[test]
    fn a_command_that_speculates_is_known_by_its_flag() {
        let is = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            is_speculative(&words)
        };
        assert!(is("vllm serve m --speculative-config {}"));
        assert!(is(
            "python3 -m sglang.launch_server --speculative-algorithm EAGLE"
        ));
        assert!(is("llama-server -m a.gguf -md b.gguf"));
        assert!(!is("vllm serve m --served-model-name special"));
    }
}
