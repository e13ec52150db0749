//! What is kept of conversations: figures by turn.

use crate::facts::record::RequestRecord;

/// Turns that have a row of their own; later ones share the last.
pub(crate) const TURNS_APART: usize = 32;

/// The requests of a cell by their turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Vec<Turn>);

/// Requests of one turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    pub(crate) requests: u64,
    pub(crate) ttft_ms: Vec<f64>,
    pub(crate) e2e_latency_ms: Vec<f64>,
    /// Those that met their limits, and those that have any.
    pub(crate) met: (u64, u64),
    /// Sent after their pause, ms.
    pub(crate) lag_ms: Vec<f64>,
    /// Prompt tokens, as the server counted them, and how many requests have them.
    pub(crate) input: (u64, u64),
    /// Prompt tokens and those from the prefix cache, over requests that have both.
    pub(crate) cached: (u64, u64),
    /// Prompt tokens and those that an earlier request had, over requests that have both.
    pub(crate) repeated: (u64, u64),
}

impl Turns {
    /// Takes in a record that counts.
    pub(crate) fn add(&mut self, record: &RequestRecord, meets: Option<bool>) {
        let Some(turn) = record.turn else {
            return;
        };
        let place = (turn as usize).min(TURNS_APART - 1);
        if self.0.len() <= place {
            self.0.resize_with(place + 1, Turn::default);
        }
        self.0[place].add(record);
        if let Some(meets) = meets {
            add(&mut self.0[place].met, (u64::from(meets), 1));
        }
    }

    /// Whether some turn came after another.
    pub(crate) fn go_on(&self) -> bool {
        self.0.len() > 1
    }

    /// Those of several cells together.
    pub(crate) fn together<'a>(cells: impl IntoIterator<Item = &'a Self>) -> Vec<Turn> {
        let mut all: Vec<Turn> = Vec::new();
        for cell in cells {
            if all.len() < cell.0.len() {
                all.resize_with(cell.0.len(), Turn::default);
            }
            for (turn, own) in all.iter_mut().zip(&cell.0) {
                turn.take_in(own);
            }
        }
        all
    }
}

impl Turn {
    fn add(&mut self, record: &RequestRecord) {
        self.requests += 1;
        self.ttft_ms.extend(record.ttft_ms);
        self.e2e_latency_ms.extend(record.e2e_latency_ms);
        self.lag_ms.extend(record.turn_lag_ms);
        if let Some(input) = record.input_tokens {
            add(&mut self.input, (u64::from(input), 1));
            let input = u64::from(input);
            if let Some(cached) = record.cached_tokens {
                add(&mut self.cached, (input, cached.into()));
            }
            if let Some(repeated) = record.repeated_tokens {
                add(&mut self.repeated, (input, u64::from(repeated).min(input)));
            }
        }
    }

    fn take_in(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ttft_ms.extend(&other.ttft_ms);
        self.e2e_latency_ms.extend(&other.e2e_latency_ms);
        self.lag_ms.extend(&other.lag_ms);
        add(&mut self.input, other.input);
        add(&mut self.met, other.met);
        add(&mut self.cached, other.cached);
        add(&mut self.repeated, other.repeated);
    }
}

fn add(sum: &mut (u64, u64), more: (u64, u64)) {
    *sum = (sum.0 + more.0, sum.1 + more.1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::charted::tests::answer;

    fn record(turn: u32, input: u32, cached: Option<u32>, repeated: Option<u32>) -> RequestRecord {
        RequestRecord {
            turn: Some(turn),
            input_tokens: Some(input),
            cached_tokens: cached,
            repeated_tokens: repeated,
            ..answer(&[5])
        }
    }

    #[test]
    fn requests_are_summed_by_their_turn() {
        let mut turns = Turns::default();
        turns.add(&answer(&[5]), None);
        assert_eq!(Turns::together([&turns]).len(), 0, "no conversation");
        turns.add(&record(0, 100, Some(0), None), Some(true));
        turns.add(&record(1, 150, Some(96), Some(110)), Some(true));
        turns.add(&record(1, 250, None, Some(300)), Some(false));
        assert!(turns.go_on());
        let both = Turns::together([&turns, &turns]);
        assert_eq!(both.len(), 2);
        assert_eq!((both[1].requests, both[1].input), (4, (800, 4)));
        assert_eq!(both[1].cached, (300, 192));
        assert_eq!(both[1].met, (2, 4));
        // What is repeated is at most the prompt.
        assert_eq!(both[1].repeated, (800, 720));
        assert_eq!(both[0].ttft_ms, [10.0, 10.0]);
    }

    #[test]
    fn late_turns_share_a_row() {
        let mut turns = Turns::default();
        turns.add(&record(31, 1, None, None), None);
        turns.add(&record(500, 1, None, None), None);
        let all = Turns::together([&turns]);
        assert_eq!((all.len(), all[31].requests), (32, 2));
    }
}
