//! Conversations: how many turns each has, and what comes between two of them. All of it
//! follows from the seed and the conversation's own number.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::WorkloadConfig;
use crate::plan::length_table::LengthTable;
use crate::plan::prompt::{
    Prompt, PromptError, PromptKey, Vocabulary, draw_lengths, random_words, synthetic,
};
use crate::plan::seed;

/// Turns of a conversation whose length is drawn; 1 is a single request.
#[must_use]
pub fn turns(workload: &WorkloadConfig, key: PromptKey) -> u32 {
    workload
        .turns
        .draw(&mut rng(workload, key, seed::TURNS, 0))
        .max(1)
}

/// The pause before a turn, ns, and whether it is a tool's, not a person's.
#[must_use]
pub fn pause_ns(workload: &WorkloadConfig, key: PromptKey, turn: u32) -> (u64, bool) {
    let mut rng = rng(workload, key, seed::PAUSES, turn);
    let tools = workload.tool_calls.as_ref();
    match tools.filter(|tools| rng.random_bool(tools.share.clamp(0.0, 1.0))) {
        Some(tools) => (tools.pause.draw_ns(&mut rng), true),
        None => {
            let think = workload.think_time.as_ref();
            (think.map_or(0, |pause| pause.draw_ns(&mut rng)), false)
        }
    }
}

/// What is new in a turn of a synthetic conversation; the first is a whole prompt.
///
/// # Errors
/// As [`synthetic`].
pub fn synthetic_turn(
    workload: &WorkloadConfig,
    table: Option<&LengthTable>,
    vocabulary: &dyn Vocabulary,
    key: PromptKey,
    turn: u32,
) -> Result<Prompt, PromptError> {
    if turn == 0 {
        return synthetic(workload, table, vocabulary, key);
    }
    let mut rng = rng(workload, key, seed::TURNS, turn);
    let (drawn, output_tokens) = draw_lengths(workload, table, &mut rng);
    let own = workload.turn_input_tokens;
    let input_tokens = own.map_or(drawn, |length| length.draw(&mut rng));
    let (ids, text) = random_words(vocabulary, &mut rng, Vec::new(), input_tokens)?;
    Ok(Prompt {
        token_ids: Some(ids),
        text,
        input_tokens: Some(input_tokens),
        output_tokens,
        ..Prompt::default()
    })
}

fn rng(workload: &WorkloadConfig, key: PromptKey, purpose: u64, turn: u32) -> ChaCha8Rng {
    let place = [u64::from(key.block), key.level as u64, key.index];
    let path = [purpose, place[0], place[1], place[2], u64::from(turn)];
    ChaCha8Rng::seed_from_u64(seed::derive(workload.seed, &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::prompt::IdRange;

    fn workload(json: &str) -> WorkloadConfig {
        serde_json::from_str(json).unwrap()
    }

    fn key(index: u64) -> PromptKey {
        PromptKey {
            block: 0,
            level: 0,
            index,
        }
    }

    #[test]
    fn turns_are_drawn_for_each_conversation_by_itself() {
        let workload = workload(r#"{"turns": {"uniform": [2, 5]}}"#);
        let drawn: Vec<u32> = (0..200).map(|i| turns(&workload, key(i))).collect();
        assert_eq!(drawn.iter().min(), Some(&2));
        assert_eq!(drawn.iter().max(), Some(&5));
        assert_eq!(turns(&workload, key(7)), drawn[7]);
    }

    #[test]
    fn a_share_of_the_pauses_is_a_tools() {
        let workload =
            workload(r#"{"think_time": "2s", "tool_calls": {"share": 0.25, "pause": "100ms"}}"#);
        let pauses: Vec<_> = (0..4000).map(|i| pause_ns(&workload, key(i), 1)).collect();
        let of_tools = pauses.iter().filter(|(_, is_tool)| *is_tool).count();
        // 1,000 expected, with a standard deviation of 27.
        assert!((890..1110).contains(&of_tools), "{of_tools}");
        assert!(
            pauses
                .iter()
                .all(|pause| { [(2_000_000_000, false), (100_000_000, true)].contains(pause) })
        );
        assert_eq!(
            pause_ns(&super::tests::workload("{}"), key(0), 1),
            (0, false)
        );
    }

    #[test]
    fn each_turn_has_words_of_its_own_and_its_own_length() {
        let workload = workload(r#"{"input_tokens": 40, "turn_input_tokens": 8}"#);
        let range = IdRange::new(0, 50_000);
        let ids = |index, turn| {
            let prompt = synthetic_turn(&workload, None, &range, key(index), turn).unwrap();
            prompt.token_ids.unwrap()
        };
        assert_eq!((ids(0, 0).len(), ids(0, 1).len()), (40, 8));
        assert_ne!(ids(0, 1), ids(0, 2));
        assert_ne!(ids(0, 1), ids(1, 1));
    }

    #[test]
    fn later_turns_have_lengths_of_the_table_too() {
        let csv = "input_tokens,output_tokens\n6,3\n";
        let table = LengthTable::from_csv(csv, false).unwrap();
        let range = IdRange::new(0, 50_000);
        let turn = |workload: &WorkloadConfig| {
            let made = synthetic_turn(workload, Some(&table), &range, key(0), 1).unwrap();
            (made.input_tokens, made.output_tokens)
        };
        assert_eq!(turn(&workload("{}")), (Some(6), 3));
        assert_eq!(turn(&workload(r#"{"turn_input_tokens": 4}"#)), (Some(4), 3));
    }
}
