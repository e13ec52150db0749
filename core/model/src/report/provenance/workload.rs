//! The workload in words: what was asked, of which kinds.

use super::fact::{Fact, fact};
use crate::config::{Config, Length, PrefixCache, Sampling, WorkloadConfig};

/// What a run asked, in a few facts; of a mixture one for each class.
pub(super) fn facts(config: &Config) -> Vec<Fact> {
    let workload = &config.workload;
    let mut facts = Vec::new();
    if workload.is_mixture() {
        for class in &workload.classes {
            if let Some(own) = class.workload.as_deref() {
                let model = class.model.as_ref().map(|model| format!("model {model}"));
                let parts = [
                    Some(format!("weight {}", class.weight)),
                    Some(asked(own)),
                    model,
                ];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                let name = format!("Class {}", class.name);
                facts.push(fact(&name, Some(parts.join("; "))));
            }
        }
    } else {
        facts.push(fact("Prompts", Some(prompts(workload))));
        facts.push(fact("Next token", Some(sampling(workload.sampling))));
        facts.extend(turns(workload).map(|turns| fact("Conversations", Some(turns))));
        let images = workload.images.as_ref();
        facts.extend(images.map(|images| fact("Images in each request", Some(images.words()))));
    }
    let warmup = format!("{} requests per level", config.load.warmup_requests);
    facts.push(fact("Warm-up", Some(warmup)));
    let cache = match workload.prefix_cache {
        PrefixCache::Reset => "emptied before each level, where the backend can",
        PrefixCache::Keep => "kept: it holds what earlier levels left in it",
    };
    facts.push(fact("Prefix cache", Some(cache.to_owned())));
    facts
}

/// All that the requests of a class ask, in one line.
fn asked(workload: &WorkloadConfig) -> String {
    let images = workload.images.as_ref();
    let parts = [
        Some(prompts(workload)),
        Some(sampling(workload.sampling)),
        turns(workload),
        images.map(|images| format!("with images: {}", images.words())),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("; ")
}

fn prompts(workload: &WorkloadConfig) -> String {
    let forced = match workload.force_output {
        true => "forced",
        false => "free",
    };
    let lengths = match &workload.lengths {
        _ if !workload.prompts.draws_lengths() => "lengths as its rows say".to_owned(),
        Some(table) => format!("lengths from {}", table.file),
        None => format!(
            "{} prompt tokens; {} output tokens",
            length(workload.input_tokens),
            length(workload.output_tokens),
        ),
    };
    let mut words = format!("{}; {lengths}, {forced}", source(workload));
    if workload.shared_prefix_tokens > 0 {
        let (shared, groups) = (workload.shared_prefix_tokens, workload.prefix_groups);
        words.push_str(&match groups {
            1 => format!("; the first {shared} tokens are the same in all"),
            _ => format!("; {groups} groups share their first {shared} tokens each"),
        });
    }
    words
}

/// A length as the config has it.
fn length(length: Length) -> String {
    match serde_json::to_value(length) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// Conversations in words; `None` for single requests.
fn turns(workload: &WorkloadConfig) -> Option<String> {
    (workload.turns != Length::Fixed(1)).then(|| format!("{} turns each", length(workload.turns)))
}

/// Where prompts come from: the source, and its file.
fn source(workload: &WorkloadConfig) -> String {
    let name = workload.prompts.name();
    match &workload.file {
        Some(file) => format!("{name} from {file}"),
        None => name.to_owned(),
    }
}

/// How the next token is picked.
fn sampling(sampling: Sampling) -> String {
    let random = match sampling {
        Sampling::Server => return "as each server does by default".to_owned(),
        Sampling::Greedy => return "greedy, the likeliest token".to_owned(),
        Sampling::Random(random) => random,
    };
    let top_p = random.top_p.map(|p| format!(", top_p {p}"));
    let seed = random.seed.unwrap_or(0);
    format!(
        "temperature {}{}, seed {seed}",
        random.temperature,
        top_p.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RandomSampling;

    #[test]
    fn the_way_a_token_is_picked_is_put_into_words() {
        let random = |top_p, seed| {
            Sampling::Random(RandomSampling {
                temperature: 0.7,
                top_p,
                seed,
            })
        };
        for (picked, words) in [
            (Sampling::Greedy, "greedy, the likeliest token"),
            (Sampling::Server, "as each server does by default"),
            (
                random(Some(0.9), Some(5)),
                "temperature 0.7, top_p 0.9, seed 5",
            ),
            (random(None, None), "temperature 0.7, seed 0"),
        ] {
            assert_eq!(sampling(picked), words);
        }
    }

    fn parsed(workload: &str) -> Config {
        let text = format!(
            r#"{{"name": "t", "model": {{"id": "m"}}, "backends": [],
                "workload": {workload}, "load": {{"concurrency": [1], "requests": 1}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn prompts_of_a_file_are_named_by_it_and_have_no_lengths_of_the_config() {
        let words = |workload: &str| prompts(&parsed(workload).workload);
        assert_eq!(
            words(r#"{"prompts": "jsonl", "file": "a.jsonl", "force_output": false}"#),
            "jsonl from a.jsonl; lengths as its rows say, free"
        );
        assert_eq!(
            words(r#"{"lengths": {"file": "l.csv"}}"#),
            "synthetic; lengths from l.csv, forced"
        );
        assert_eq!(
            words(r#"{"input_tokens": 9, "shared_prefix_tokens": 4, "prefix_groups": 2}"#),
            "synthetic; 9 prompt tokens; 128 output tokens, forced; 2 groups share their first 4 tokens each"
        );
    }

    #[test]
    fn a_mixture_has_a_fact_for_each_class_and_one_says_what_becomes_of_the_cache() {
        let config = parsed(
            r#"{"prefix_cache": "keep", "classes": [
                {"name": "chat", "weight": 3, "model": "lora", "workload": {"input_tokens": 5, "turns": 2}}]}"#,
        );
        let facts = facts(&config);
        let texts: Vec<_> = facts
            .iter()
            .map(|fact| (fact.name.as_str(), fact.text.as_deref().unwrap()))
            .collect();
        let chat = "weight 3; synthetic; 5 prompt tokens; 128 output tokens, forced; greedy, the likeliest token; 2 turns each; model lora";
        assert_eq!(texts[0], ("Class chat", chat));
        assert_eq!(texts[2].0, "Prefix cache");
        assert!(texts[2].1.starts_with("kept"));
    }
}
