//! What a server's token counts inside a stream mean: most count all tokens so
//! far, some count what their own message holds, some repeat one total.

/// The counts that came with output, as they come.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenCounts {
    /// The count of each output event, as the server gave it.
    of_events: Vec<Option<u32>>,
    /// Over all messages, those without output too.
    last: Option<u32>,
    largest: u32,
    /// The last count in any usage.
    reported: Option<u32>,
    sum: u64,
    rises: u32,
    falls: u32,
    /// Arrival of the last output event with a count.
    last_ns: u64,
    /// Different arrivals of such events.
    arrivals: u32,
}

/// What they are counts of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// All tokens so far.
    SoFar,
    /// The tokens of their own message.
    OwnMessage,
    /// Nothing that can be told: they do not rise while output comes, and are too
    /// large to be those of single messages.
    Unclear,
}

impl TokenCounts {
    /// A count that came without output.
    pub(super) fn note(&mut self, count: Option<u32>) {
        let Some(count) = counted(count) else { return };
        match self.last {
            Some(last) if count > last => self.rises += 1,
            Some(last) if count < last => self.falls += 1,
            _ => {}
        }
        self.last = Some(count);
        self.largest = self.largest.max(count);
        self.sum += u64::from(count);
    }

    /// A count in a usage, which may have come with output or not.
    pub(super) fn note_reported(&mut self, count: Option<u32>) {
        self.reported = counted(count).or(self.reported);
    }

    /// The count of an output event that arrived at `t_ns`; `None` if it has none.
    pub(super) fn note_event(&mut self, t_ns: u64, count: Option<u32>) {
        let count = counted(count);
        if count.is_some() && (self.arrivals == 0 || t_ns != self.last_ns) {
            self.arrivals += 1;
            self.last_ns = t_ns;
        }
        self.note(count);
        self.of_events.push(count);
    }

    /// Takes the last output event back.
    pub(super) fn pop_event(&mut self) {
        self.of_events.pop();
    }

    fn meaning(&self) -> Meaning {
        if self.arrivals < 2 || (self.rises > 0 && self.falls < 2) {
            return Meaning::SoFar;
        }
        // Every event holds a token, so a count of all so far is no smaller than the
        // number of events.
        let too_small = (self.largest as usize) < self.of_events.len();
        match too_small || self.falls >= 2 {
            true => Meaning::OwnMessage,
            false => Meaning::Unclear,
        }
    }

    /// Tokens of the answer; `reported` is the largest count in any usage.
    pub(super) fn total(&self, reported: Option<u32>) -> Option<u32> {
        // A count of the whole may stand beside those of the messages.
        let beyond = reported.filter(|reported| *reported > self.largest);
        match self.meaning() {
            Meaning::SoFar => self.last_total().or(reported),
            Meaning::OwnMessage => beyond.or(u32::try_from(self.sum).ok()),
            Meaning::Unclear => beyond,
        }
    }

    /// The last total, where not every event has a count: a server may begin with a
    /// guess. Every event holds a token, so that it is no smaller than their number.
    fn last_total(&self) -> Option<u32> {
        let events = &self.of_events;
        let is_total = |last: &u32| *last as usize >= events.len();
        let counts_all = events.iter().all(Option::is_some);
        self.reported.filter(is_total).filter(|_| !counts_all)
    }

    /// Tokens that came with messages without output after the last output event, or
    /// between events where messages count their own; `None` if that is not known.
    pub(super) fn without_output(&self) -> Option<u32> {
        let in_events: u64 = self.per_event()?.iter().map(|n| u64::from(*n)).sum();
        let in_all = match self.meaning() {
            Meaning::SoFar => u64::from(self.largest),
            Meaning::OwnMessage => self.sum,
            Meaning::Unclear => return None,
        };
        u32::try_from(in_all.saturating_sub(in_events)).ok()
    }

    /// Tokens of each output event; `None` if the server does not tell.
    pub(super) fn per_event(&self) -> Option<Vec<u32>> {
        let counts: Option<Vec<u32>> = self.of_events.iter().copied().collect();
        let counts = counts.filter(|counts| !counts.is_empty())?;
        match self.meaning() {
            Meaning::SoFar => Some(differences(&counts)),
            Meaning::OwnMessage => Some(counts),
            Meaning::Unclear => None,
        }
    }
}

/// Some servers send 0 until they know.
fn counted(count: Option<u32>) -> Option<u32> {
    count.filter(|count| *count > 0)
}

/// What each count adds to the largest before it: a count that goes back was
/// reported before, and must not count twice.
fn differences(counts: &[u32]) -> Vec<u32> {
    let mut before = 0;
    let added = counts.iter().map(|count| {
        let added = count.saturating_sub(before);
        before = before.max(*count);
        added
    });
    added.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of these counts, each at a moment of its own.
    fn counts(of_events: &[u32]) -> TokenCounts {
        let mut counts = TokenCounts::default();
        for (t_ns, count) in (1..).zip(of_events) {
            counts.note_event(t_ns, Some(*count));
        }
        counts
    }

    #[test]
    fn counts_that_rise_are_of_all_so_far() {
        let running = counts(&[1, 4, 4, 6]);
        assert_eq!(running.total(Some(7)), Some(7));
        assert_eq!(running.per_event(), Some(vec![1, 3, 0, 2]));
    }

    #[test]
    fn counts_that_never_rise_are_of_their_own_message() {
        let own = counts(&[1, 1, 1]);
        assert_eq!(own.total(Some(1)), Some(3));
        assert_eq!(own.per_event(), Some(vec![1, 1, 1]));
        let uneven = counts(&[2, 1, 3, 1]);
        assert_eq!(uneven.total(Some(3)), Some(7));
        assert_eq!(uneven.total(Some(9)), Some(9), "a total came too");
    }

    #[test]
    fn one_total_in_every_message_tells_nothing_of_the_events() {
        let total = counts(&[16, 16, 16]);
        assert_eq!((total.total(Some(16)), total.per_event()), (None, None));
        assert_eq!(total.total(Some(17)), Some(17));
    }

    #[test]
    fn the_last_total_counts_where_the_first_was_a_guess() {
        let mut guessed = TokenCounts::default();
        guessed.note_event(1, Some(60));
        guessed.note_event(2, None);
        for total in [60, 16] {
            guessed.note_reported(Some(total));
        }
        assert_eq!(guessed.total(Some(60)), Some(16));
        // Two events are no single token.
        guessed.note_reported(Some(1));
        assert_eq!(guessed.total(Some(60)), Some(60));
    }

    #[test]
    fn a_whole_answer_with_reasoning_and_text_has_one_count() {
        let mut whole = TokenCounts::default();
        whole.note_event(5, Some(16));
        whole.note_event(5, Some(16));
        assert_eq!(whole.total(Some(16)), Some(16));
        assert_eq!(whole.per_event(), Some(vec![16, 0]));
    }

    #[test]
    fn a_count_of_0_while_output_comes_is_none() {
        let mut zeros = counts(&[0, 0, 0]);
        zeros.note(Some(16));
        assert_eq!(zeros.total(Some(16)), Some(16));
        assert_eq!((zeros.per_event(), zeros.without_output()), (None, None));
    }

    #[test]
    fn tokens_after_the_last_output_are_known() {
        let mut running = counts(&[1, 2, 3]);
        assert_eq!(running.without_output(), Some(0));
        running.note(Some(9));
        assert_eq!(running.without_output(), Some(6));
        assert_eq!(counts(&[16, 16, 16]).without_output(), None);
    }

    #[test]
    fn messages_without_output_count_too() {
        let mut own = counts(&[1, 1]);
        own.note(Some(1));
        assert_eq!(own.total(Some(1)), Some(3));
    }
}
