//! The conversations of a cell: what was said so far, and what is asked next. Lives on
//! the thread that makes requests.

use std::collections::{HashMap, HashSet, VecDeque};

use inferbench_model::config::Answers;
use inferbench_model::plan::prompt::{PrefixPiece, Prompt, TurnPrompt};
use serde_json::{Value, json};

use super::outcome::Answered;

/// A conversation under way.
struct Conversation {
    /// What was said, the last question included.
    said: Prompt,
    /// The turns to come.
    left: VecDeque<TurnPrompt>,
    /// Turn that was asked last, from 0.
    turn: u32,
    /// The recorded answer to it.
    recorded: Option<String>,
}

/// What is asked next in a conversation.
pub(super) struct NextTurn {
    /// The whole prompt.
    pub(super) prompt: Prompt,
    /// Turn, from 0.
    pub(super) turn: u32,
    /// Tokens of it that the request before had, or its answer, if that is known.
    pub(super) repeated_tokens: Option<u32>,
    /// Another one follows.
    pub(super) continues: bool,
}

/// All conversations of a cell.
#[derive(Default)]
pub struct Conversations {
    under_way: HashMap<u64, Conversation>,
    /// Pieces that prompts have begun with, each with its place.
    begun: HashSet<(usize, u64)>,
}

impl Conversations {
    /// Begins a conversation, and gives its first turn.
    pub(super) fn begin(&mut self, session: u64, turns: Vec<TurnPrompt>) -> Option<NextTurn> {
        let mut left = VecDeque::from(turns);
        let TurnPrompt { prompt, answer, .. } = left.pop_front()?;
        let continues = !left.is_empty();
        if continues {
            let conversation = Conversation {
                said: prompt.clone(),
                left,
                turn: 0,
                recorded: answer,
            };
            self.under_way.insert(session, conversation);
        }
        Some(NextTurn {
            repeated_tokens: self.repeated(&prompt.prefix),
            prompt,
            turn: 0,
            continues,
        })
    }

    /// Notes how a conversation begins that is held elsewhere.
    pub(super) fn pass_over(&mut self, turns: &[TurnPrompt]) {
        if let Some(first) = turns.first() {
            self.repeated(&first.prompt.prefix);
        }
    }

    /// Tokens that the prompt begins with as an earlier one did; `None` if its beginning
    /// is nothing that others have.
    fn repeated(&mut self, prefix: &[PrefixPiece]) -> Option<u32> {
        let places = || prefix.iter().enumerate();
        let known = places().take_while(|(at, piece)| self.begun.contains(&(*at, piece.name)));
        let tokens = known.map(|(_, piece)| piece.tokens).sum();
        self.begun
            .extend(places().map(|(at, piece)| (at, piece.name)));
        (!prefix.is_empty()).then_some(tokens)
    }

    /// The turn after an answer; `None` if the conversation is over, or its answer
    /// failed. `encode` gives the ids of a text.
    pub(super) fn follow(
        &mut self,
        answered: &Answered,
        answers: Answers,
        encode: &dyn Fn(&str) -> Option<Vec<u32>>,
    ) -> Option<NextTurn> {
        let mut conversation = self.under_way.remove(&answered.session)?;
        if !answered.is_ok {
            return None;
        }
        let next = conversation.left.pop_front()?;
        conversation.turn += 1;
        if next.is_whole {
            conversation.said = next.prompt;
            let asked = conversation.asked(None);
            self.go_on(answered.session, conversation);
            return Some(asked);
        }
        let recorded = conversation.recorded.take();
        let answer = match answers {
            Answers::Model => answered.text.clone(),
            Answers::Recorded => recorded.unwrap_or_default(),
        };
        let repeated = answered.input_tokens.zip(answered.output_tokens);
        let repeated_tokens = repeated.map(|(prompt, answer)| prompt + answer);
        say(&mut conversation.said, &answer, &next.prompt, encode);
        conversation.recorded = next.answer;
        let asked = conversation.asked(repeated_tokens);
        self.go_on(answered.session, conversation);
        Some(asked)
    }

    fn go_on(&mut self, session: u64, conversation: Conversation) {
        if !conversation.left.is_empty() {
            self.under_way.insert(session, conversation);
        }
    }
}

impl Conversation {
    /// What was said, as the turn that is asked now.
    fn asked(&self, repeated_tokens: Option<u32>) -> NextTurn {
        NextTurn {
            prompt: self.said.clone(),
            turn: self.turn,
            repeated_tokens,
            continues: !self.left.is_empty(),
        }
    }
}

/// Adds an answer and the next question to what was said, in every form that it has.
fn say(
    said: &mut Prompt,
    answer: &str,
    question: &Prompt,
    encode: &dyn Fn(&str) -> Option<Vec<u32>>,
) {
    let mut messages = said.messages.take().unwrap_or_else(|| {
        let text = said.text.clone().unwrap_or_default();
        vec![json!({"role": "user", "content": text})]
    });
    messages.push(json!({"role": "assistant", "content": answer}));
    match (&question.messages, &question.text) {
        (Some(more), _) => messages.extend(more.iter().cloned()),
        (None, text) => messages.push(json!({
            "role": "user",
            "content": text.as_deref().map_or(Value::Null, Value::from),
        })),
    }
    said.token_ids = said.token_ids.take().and_then(|mut ids| {
        // An empty answer has no ids, with a tokenizer or without.
        let answer = match answer {
            "" => Vec::new(),
            answer => encode(answer)?,
        };
        ids.extend(answer);
        ids.extend(question.token_ids.as_ref()?);
        Some(ids)
    });
    said.text = said.text.take().and_then(|mut text| {
        text.push_str(answer);
        text.push_str(question.text.as_deref()?);
        Some(text)
    });
    said.messages = Some(messages);
    said.input_tokens = said.token_ids.as_ref().map(|ids| ids.len() as u32);
    said.output_tokens = question.output_tokens;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(text: &str, ids: &[u32], answer: &str) -> TurnPrompt {
        TurnPrompt {
            prompt: Prompt {
                token_ids: Some(ids.to_vec()),
                text: Some(text.to_owned()),
                input_tokens: Some(ids.len() as u32),
                output_tokens: 9,
                ..Prompt::default()
            },
            is_whole: false,
            answer: Some(answer.to_owned()),
        }
    }

    fn answered(text: &str) -> Answered {
        Answered {
            session: 4,
            text: text.to_owned(),
            is_ok: true,
            input_tokens: Some(2),
            output_tokens: Some(3),
        }
    }

    fn encode(text: &str) -> Option<Vec<u32>> {
        Some(text.bytes().map(u32::from).collect())
    }

    fn begun() -> Conversations {
        let mut conversations = Conversations::default();
        let turns = vec![
            turn("a b", &[1, 2], "old"),
            turn(" c", &[3], "older"),
            turn(" d", &[4], ""),
        ];
        let first = conversations.begin(4, turns).unwrap();
        assert_eq!((first.turn, first.continues), (0, true));
        conversations
    }

    #[test]
    fn a_turn_that_was_recorded_whole_is_sent_as_it_was() {
        let mut conversations = Conversations::default();
        let whole = TurnPrompt {
            is_whole: true,
            ..turn("all of it", &[7, 8], "")
        };
        let turns = vec![turn("a b", &[1, 2], "old"), whole];
        conversations.begin(4, turns).unwrap();
        let next = conversations.follow(&answered(" AB"), Answers::Model, &encode);
        let next = next.unwrap();
        assert_eq!(next.prompt.text.as_deref(), Some("all of it"));
        assert_eq!(next.prompt.token_ids, Some(vec![7, 8]));
        assert_eq!(
            (next.turn, next.repeated_tokens, next.continues),
            (1, None, false)
        );
        assert!(
            conversations
                .follow(&answered(""), Answers::Model, &encode)
                .is_none()
        );
    }

    #[test]
    fn each_turn_carries_what_the_model_answered() {
        let mut conversations = begun();
        let next = conversations.follow(&answered(" AB"), Answers::Model, &encode);
        let next = next.unwrap();
        assert_eq!(
            (next.turn, next.repeated_tokens, next.continues),
            (1, Some(5), true)
        );
        assert_eq!(next.prompt.text.as_deref(), Some("a b AB c"));
        let ids = vec![1, 2, 32, 65, 66, 3];
        assert_eq!(
            (next.prompt.input_tokens, next.prompt.token_ids),
            (Some(6), Some(ids))
        );
        let messages = json!([
            {"role": "user", "content": "a b"},
            {"role": "assistant", "content": " AB"},
            {"role": "user", "content": " c"},
        ]);
        assert_eq!(Value::Array(next.prompt.messages.unwrap()), messages);
        let last = conversations
            .follow(&answered("x"), Answers::Model, &encode)
            .unwrap();
        assert_eq!(last.prompt.text.as_deref(), Some("a b AB cx d"));
        assert!(!last.continues);
        assert!(
            conversations
                .follow(&answered("x"), Answers::Model, &encode)
                .is_none()
        );
    }

    #[test]
    fn recorded_answers_are_the_same_whatever_the_model_says() {
        let mut conversations = begun();
        let next = conversations.follow(&answered("new"), Answers::Recorded, &encode);
        assert_eq!(next.unwrap().prompt.text.as_deref(), Some("a bold c"));
        let last = conversations.follow(&answered("new"), Answers::Recorded, &encode);
        assert_eq!(
            last.unwrap().prompt.text.as_deref(),
            Some("a bold colder d")
        );
    }

    #[test]
    fn a_failed_answer_ends_its_conversation() {
        let mut conversations = begun();
        let failed = Answered {
            is_ok: false,
            ..answered("")
        };
        assert!(
            conversations
                .follow(&failed, Answers::Model, &encode)
                .is_none()
        );
        assert!(conversations.under_way.is_empty());
    }

    #[test]
    fn without_a_tokenizer_ids_are_lost_and_text_is_kept() {
        let mut conversations = begun();
        let next = conversations.follow(&answered("x"), Answers::Model, &|_| None);
        let prompt = next.unwrap().prompt;
        assert_eq!((prompt.token_ids, prompt.input_tokens), (None, None));
        assert_eq!(prompt.text.as_deref(), Some("a bx c"));
    }

    #[test]
    fn what_begins_alike_counts_from_the_second_time() {
        let mut conversations = Conversations::default();
        let mut repeated = |names: &[u64]| {
            let pieces = names.iter().map(|name| PrefixPiece {
                name: *name,
                tokens: 10,
            });
            conversations.repeated(&pieces.collect::<Vec<_>>())
        };
        assert_eq!(repeated(&[]), None);
        assert_eq!(repeated(&[1, 2]), Some(0));
        assert_eq!(repeated(&[1, 3]), Some(10));
        assert_eq!(repeated(&[1, 2, 4]), Some(20));
        assert_eq!(repeated(&[2, 1]), Some(0));
    }
}
