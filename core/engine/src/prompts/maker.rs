//! Makes the prompt of every request of a run, of whichever class of traffic it is.

use inferbench_model::config::{ClassConfig, Length, PromptSource, WorkloadConfig};
use inferbench_model::facts::exchange::hex;
use inferbench_model::plan::mixture::{Mixture, class_workload};
use inferbench_model::plan::prompt::{Prompt, PromptError, PromptKey, TurnPrompt};
use inferbench_model::plan::seed;
use sha2::{Digest, Sha256};

use super::error::PromptFileError;
use super::part::{PartMaker, SharedVocabulary};
use super::scan::{Scan, ScanLimit};

/// Makes the prompt of every request of a run.
pub struct PromptMaker {
    /// Each with the path of its workload in the config.
    parts: Vec<(String, PartMaker)>,
    /// Which part a request is made by, if there is more than one.
    mixture: Option<Mixture>,
    classes: Vec<ClassConfig>,
}

/// What a request is made from.
#[derive(Clone, Copy)]
pub struct Origin<'m> {
    /// The workload that it belongs to.
    pub workload: &'m WorkloadConfig,
    /// Its key among the requests of that workload.
    pub key: PromptKey,
    part: usize,
}

impl PromptMaker {
    /// Synthetic prompts from a vocabulary.
    #[must_use]
    pub fn synthetic(workload: WorkloadConfig, vocabulary: SharedVocabulary) -> Self {
        let part = PartMaker::synthetic(workload, vocabulary);
        Self {
            parts: vec![("workload".to_owned(), part)],
            mixture: None,
            classes: Vec::new(),
        }
    }

    /// Opens what the workload names. `limit` says how many rows of a file are looked at.
    ///
    /// # Errors
    /// The path of the part of the workload that cannot be opened, and why.
    pub fn open(
        workload: &WorkloadConfig,
        vocabulary: Option<SharedVocabulary>,
        limit: ScanLimit,
    ) -> Result<Self, (String, PromptFileError)> {
        let parts = workload.parts().into_iter().enumerate();
        let parts = parts.map(|(class, (path, part))| {
            let seeded = class_workload(workload, class);
            let part = seeded.as_ref().unwrap_or(part);
            match PartMaker::open(part, vocabulary.clone(), limit) {
                Ok(maker) => Ok((path, maker)),
                Err(error) => Err((path, error)),
            }
        });
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
            mixture: Mixture::from_workload(workload),
            classes: workload.classes.clone(),
        })
    }

    /// What was seen in each file of rows, with the path of its workload in the config.
    pub fn scans(&self) -> impl Iterator<Item = (&str, &WorkloadConfig, &Scan)> {
        let parts = self.parts.iter();
        parts.filter_map(|(path, part)| Some((path.as_str(), part.workload(), part.scan()?)))
    }

    /// Whether prompts, or the images before them, are those of a list, and not made
    /// without end.
    #[must_use]
    pub fn come_from_a_list(&self) -> bool {
        let has_files = |part: &PartMaker| {
            let images = part.workload().images.as_ref();
            images.is_some_and(|images| images.files.is_some())
        };
        self.scans().next().is_some() || self.parts.iter().any(|(_, part)| has_files(part))
    }

    /// Whether some requests are conversations.
    #[must_use]
    pub fn have_turns(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|(_, part)| part.workload().turns != Length::Fixed(1))
    }

    /// Ids of a text; `None` if there is no tokenizer.
    #[must_use]
    pub fn encode(&self, text: &str) -> Option<Vec<u32>> {
        self.parts.first()?.1.encode(text)
    }

    /// Longest prompt and answer, tokens, as far as they are known.
    #[must_use]
    pub fn longest(&self) -> (Option<u32>, Option<u32>) {
        let each = self.parts.iter().map(|(_, part)| part.longest());
        each.fold((None, None), |(input, output), (i, o)| {
            (input.max(i), output.max(o))
        })
    }

    /// Whether prompts begin as others do, by the config or by a trace.
    #[must_use]
    pub fn share_beginnings(&self) -> bool {
        let mut workloads = self.parts.iter().map(|(_, part)| part.workload());
        workloads.any(|workload| {
            workload.shared_prefix_tokens > 0 || workload.prompts == PromptSource::Trace
        })
    }

    /// What the request with this key is made from.
    #[must_use]
    pub fn origin(&self, key: PromptKey) -> Origin<'_> {
        let (part, key) = match &self.mixture {
            None => (0, key),
            Some(mixture) => {
                let place = mixture.place(key);
                let index = place.index;
                (place.class, PromptKey { index, ..key })
            }
        };
        Origin {
            workload: self.parts[part].1.workload(),
            key,
            part,
        }
    }

    /// The prompt of one request, with its images; of a conversation its first turn.
    ///
    /// # Errors
    /// If none of the asked length can be made, or the file cannot be read any more.
    pub fn make(&self, key: PromptKey) -> Result<Prompt, PromptError> {
        let origin = self.origin(key);
        let mut prompt = self.parts[origin.part].1.make(origin.key)?;
        self.classify(&mut prompt, origin);
        Ok(prompt)
    }

    /// A new prompt with this key, of the class and the lengths of the request `alike`,
    /// so that times of the two can be compared.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn make_alike(&self, key: PromptKey, alike: PromptKey) -> Result<Prompt, PromptError> {
        let origin = self.origin(alike);
        let mut prompt = self.parts[origin.part].1.make_alike(key, origin.key)?;
        self.classify(&mut prompt, origin);
        Ok(prompt)
    }

    /// What is said in each turn of a conversation; a single request is one of one turn.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub fn conversation(&self, key: PromptKey) -> Result<Vec<TurnPrompt>, PromptError> {
        let origin = self.origin(key);
        let mut turns = self.parts[origin.part].1.conversation(origin.key)?;
        for turn in &mut turns {
            self.classify(&mut turn.prompt, origin);
        }
        Ok(turns)
    }

    /// Adds what the class of a prompt says of its request.
    fn classify(&self, prompt: &mut Prompt, origin: Origin<'_>) {
        if self.mixture.is_some() {
            // Each class numbers its beginnings by itself.
            for piece in &mut prompt.prefix {
                piece.name = seed::derive(piece.name, &[seed::CLASS, origin.part as u64]);
            }
        }
        let extras = &mut prompt.extras;
        let class = match (&self.mixture, &extras.class) {
            (Some(_), _) => self.classes.get(origin.part),
            (None, Some(name)) => self.classes.iter().find(|class| class.name == *name),
            (None, None) => None,
        };
        let Some(class) = class else {
            return;
        };
        extras.class = Some(class.name.clone());
        if extras.model.is_none() {
            extras.model.clone_from(&class.model);
        }
        for (field, value) in &class.extra_body {
            // What a row says itself holds.
            let entry = extras.body.entry(field.clone());
            entry.or_insert_with(|| value.clone());
        }
    }

    /// SHA-256 over the first `n` prompts of the first level of block 0, hex:
    /// equal for equal workloads.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn fingerprint(&self, n: u64) -> Result<String, PromptError> {
        let mut hash = Sha256::new();
        for index in 0..n {
            let origin = self.origin(PromptKey {
                block: 0,
                level: 0,
                index,
            });
            self.parts[origin.part].1.add_words(origin.key, &mut hash)?;
        }
        self.parts
            .iter()
            .for_each(|(_, part)| part.add_images(&mut hash));
        Ok(hex(&hash.finalize()))
    }
}

impl std::fmt::Debug for PromptMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths = self.parts.iter().map(|(path, _)| path);
        f.debug_list().entries(paths).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use inferbench_model::plan::prompt::IdRange;
    use serde_json::json;

    use super::*;

    fn maker(workload: serde_json::Value) -> PromptMaker {
        let workload: WorkloadConfig = serde_json::from_value(workload).unwrap();
        let limit = ScanLimit {
            rows: 100,
            time: Duration::from_secs(10),
        };
        let ids = Arc::new(IdRange::new(0, 1000));
        PromptMaker::open(&workload, Some(ids), limit).unwrap()
    }

    fn prompts(maker: &PromptMaker, n: u64) -> Vec<Prompt> {
        let key = |index| PromptKey {
            block: 0,
            level: 0,
            index,
        };
        (0..n)
            .map(|index| maker.make(key(index)).unwrap())
            .collect()
    }

    #[test]
    fn each_class_of_a_mixture_has_its_lengths_model_and_body() {
        let class = |name, weight, tokens| {
            json!({"name": name, "weight": weight, "model": format!("{name}-lora"),
                "extra_body": {"priority": weight},
                "workload": {"input_tokens": tokens, "output_tokens": 4, "shared_prefix_tokens": 8}})
        };
        let mixed = maker(json!({"classes": [class("a", 3, 20), class("b", 1, 30)]}));
        let made = prompts(&mixed, 64);
        let mut counts = BTreeMap::new();
        let mut beginnings = BTreeMap::new();
        for prompt in &made {
            let class = prompt.extras.class.clone().unwrap();
            let is_a = class == "a";
            let expected = if is_a { (20, 3) } else { (30, 1) };
            let ids = prompt.token_ids.as_ref().unwrap();
            assert_eq!(
                (ids.len(), prompt.extras.body["priority"].as_u64()),
                (expected.0, Some(expected.1))
            );
            assert_eq!(prompt.extras.model, Some(format!("{class}-lora")));
            *counts.entry(class.clone()).or_insert(0) += 1;
            let begins = (ids[..8].to_vec(), prompt.prefix[0].name);
            assert_eq!(
                beginnings.entry(class).or_insert_with(|| begins.clone()),
                &begins
            );
        }
        assert_eq!(counts.into_values().collect::<Vec<_>>(), [48, 16]);
        // Each class has a prefix of its own, by tokens and by name.
        let [a, b] = ["a", "b"].map(|class| beginnings[class].clone());
        assert!(a.0 != b.0 && a.1 != b.1);
        assert_eq!(prompts(&mixed, 64), made);
    }

    #[test]
    fn prompts_that_are_alike_have_the_class_and_the_lengths_of_one_and_other_words() {
        let class = |name, lo: u32| {
            json!({"name": name, "workload": {
                "input_tokens": {"uniform": [lo, lo + 50]},
                "output_tokens": {"uniform": [1, 50]}}})
        };
        let mixed = maker(json!({"classes": [class("a", 10), class("b", 100)]}));
        let key = |index| PromptKey {
            block: 0,
            level: 0,
            index,
        };
        let first = mixed.make(key(0)).unwrap();
        let made: Vec<Prompt> = (0..20)
            .map(|index| mixed.make_alike(key(index), key(0)).unwrap())
            .collect();
        for prompt in &made {
            assert_eq!(prompt.extras.class, first.extras.class);
            assert_eq!(
                (prompt.input_tokens, prompt.output_tokens),
                (first.input_tokens, first.output_tokens)
            );
        }
        assert!(made[1..].iter().all(|p| p.token_ids != made[0].token_ids));
    }

    #[test]
    fn rows_that_name_their_class_get_what_it_says_unless_they_say_it_themselves() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let rows = [
            json!({"prompt": [1, 2], "class": "a", "output_tokens": 2}),
            json!({"prompt": [3], "class": "a", "model": "own", "extra_body": {"x": 2}}),
            json!({"prompt": [4], "class": "unknown"}),
            json!({"prompt": [5]}),
        ];
        std::fs::write(file.path(), rows.map(|row| row.to_string()).join("\n")).unwrap();
        let listed = maker(json!({"prompts": "jsonl", "file": file.path(),
            "classes": [{"name": "a", "model": "lora", "extra_body": {"x": 1, "y": 1}}]}));
        let said: Vec<_> = prompts(&listed, 4)
            .into_iter()
            .map(|prompt| {
                (
                    prompt.extras.class,
                    prompt.extras.model,
                    json!(prompt.extras.body),
                )
            })
            .collect();
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            (some("a"), some("lora"), json!({"x": 1, "y": 1})),
            (some("a"), some("own"), json!({"x": 2, "y": 1})),
            (some("unknown"), None, json!({})),
            (None, None, json!({})),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn rows_of_one_session_are_one_conversation() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let row = |id: u32, session: Option<&str>| json!({"prompt": [id], "session": session});
        let rows = [
            row(1, Some("s")),
            row(2, Some("s")),
            row(3, None),
            row(4, Some("t")),
        ];
        std::fs::write(file.path(), rows.map(|row| row.to_string()).join("\n")).unwrap();
        let conversations = |turns: u32| -> Vec<Vec<u32>> {
            let workload = json!({"prompts": "jsonl", "file": file.path(), "turns": turns});
            let listed = maker(workload);
            let each = (0..5).map(|index| {
                let key = PromptKey {
                    block: 0,
                    level: 0,
                    index,
                };
                let turns = listed.conversation(key).unwrap().into_iter();
                turns
                    .map(|turn| turn.prompt.token_ids.unwrap()[0])
                    .collect()
            });
            each.collect()
        };
        assert_eq!(
            conversations(9),
            [vec![1, 2], vec![3], vec![4], vec![1, 2], vec![3]]
        );
        assert_eq!(
            conversations(1),
            [vec![1], vec![2], vec![3], vec![4], vec![1]]
        );
    }
}
