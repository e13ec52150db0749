//! Which request on the wire is which record. A request has no id on the wire, so the
//! times and the text of the answer tell.
//!
//! The wall clock minus the run's is known to some milliseconds. Every pair of a record
//! and a request that could be it votes for the exact value, on which the true pairs
//! agree and the false ones do not. Then each record takes the request whose send, first
//! and last output lie nearest, and one with its own text before any other. Where the
//! capture lacks the request itself, the end of its answer stands for the send.

use std::cmp::Reverse;
use std::collections::HashSet;

/// One request, by its record or on the wire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Its last byte was sent; absent where the capture lacks that.
    pub sent_ns: Option<u64>,
    /// On the wire: its first byte was sent, where that is not the same.
    pub begun_ns: Option<u64>,
    /// First output event.
    pub first_ns: Option<u64>,
    /// Last output event.
    pub last_ns: Option<u64>,
    /// Gaps between output events, ms.
    pub gaps_ms: Vec<f32>,
    /// SHA-256 of the answer's text, its first 16 digits; absent without text.
    pub text: Option<u64>,
    /// By how much the first output event may have come earlier than it says, ms.
    pub early_ms: f64,
    /// It succeeded.
    pub is_ok: bool,
    /// All of it was seen.
    pub is_whole: bool,
}

impl Trace {
    /// Whether both have the same text, as far as is known.
    pub(super) fn same_text(&self, other: &Self) -> bool {
        self.text == other.text || !self.is_ok || !other.is_whole
    }

    /// Whether both have the same text and about the same durations.
    fn is_like(&self, other: &Self) -> bool {
        let lasted = |trace: &Self, to: Option<u64>| Some(to?.saturating_sub(trace.sent_ns?));
        let moments = [
            (lasted(self, self.first_ns), lasted(other, other.first_ns)),
            (lasted(self, self.last_ns), lasted(other, other.last_ns)),
        ];
        let are_alike = |(own, others): (Option<u64>, Option<u64>)| {
            own.zip(others)
                .is_some_and(|(own, others)| own.abs_diff(others) < LIKE_NS)
        };
        self.text == other.text && moments.into_iter().all(are_alike)
    }
}

/// Farthest that a send may lie from its place, ns. The client may lose its processor
/// between the hand-over of a request and the look at the clock.
const REACH_NS: u64 = 50_000_000;
/// Width of what counts as one value in the vote, ns.
const VOTE_NS: u64 = 100_000;
const VOTE_BINS: usize = (2 * REACH_NS / VOTE_NS) as usize + 1;
/// Votes of a pair whose text and durations are alike, where others have one.
const LIKE_VOTES: u64 = 4;
/// Durations that are alike differ by less, ns.
const LIKE_NS: u64 = 1_000_000;
/// Requests that are held against one record: those that lie nearest.
const CANDIDATES: usize = 8;
/// What another text, or a missing time, weighs against a request, ns.
const OTHER_TEXT_NS: u64 = 1_000_000_000;
const MISSING_TIME_NS: u64 = 20_000_000;
/// Values of the clocks' difference that are tried: a step of the wall clock makes
/// another.
const MAX_VALUES: usize = 4;

/// For each record its request on the wire, as an index. `offsets_ns`: what the wall
/// clock may be ahead of the run's.
pub(super) fn pair(records: &[Trace], wire: &[Trace], offsets_ns: &[i64]) -> Vec<Option<usize>> {
    let mut found = vec![None; records.len()];
    for moment in [|trace: &Trace| trace.sent_ns, |trace: &Trace| trace.last_ns] {
        let mut free: Vec<usize> = (0..wire.len()).collect();
        let taken: HashSet<usize> = found.iter().copied().flatten().collect();
        free.retain(|at| moment(&wire[*at]).is_some() && !taken.contains(at));
        free.sort_by_key(|at| moment(&wire[*at]));
        let mut pairing = Pairing {
            records,
            wire,
            moment,
            free,
            found,
        };
        pairing.pair(offsets_ns);
        found = pairing.found;
    }
    found
}

struct Pairing<'t> {
    records: &'t [Trace],
    wire: &'t [Trace],
    /// By which moment of theirs they are brought together.
    moment: fn(&Trace) -> Option<u64>,
    /// Requests that belong to no record yet, by that moment.
    free: Vec<usize>,
    found: Vec<Option<usize>>,
}

impl Pairing<'_> {
    fn pair(&mut self, offsets_ns: &[i64]) {
        for _ in 0..MAX_VALUES {
            let voted = self.vote(offsets_ns);
            let has_paired = voted.is_some_and(|offset_ns| self.assign(offset_ns));
            if !has_paired {
                return;
            }
        }
    }

    /// Records without a request, and where their moment lies on the wall clock.
    fn unpaired(&self, offset_ns: i64) -> impl Iterator<Item = (usize, u64)> + '_ {
        let open = (0..self.records.len()).filter(|at| self.found[*at].is_none());
        open.filter_map(move |at| {
            let moment_ns = (self.moment)(&self.records[at])?;
            Some((at, moment_ns.saturating_add_signed(offset_ns)))
        })
    }

    /// The moment of a free request; all of them have one.
    fn moment_ns(&self, wire: usize) -> u64 {
        (self.moment)(&self.wire[wire]).unwrap_or(0)
    }

    /// Free requests whose moment lies within reach of `at_ns`.
    fn near(&self, at_ns: u64) -> &[usize] {
        let (from_ns, to_ns) = (
            at_ns.saturating_sub(REACH_NS),
            at_ns.saturating_add(REACH_NS),
        );
        let from = self
            .free
            .partition_point(|at| self.moment_ns(*at) < from_ns);
        let near = &self.free[from..];
        let to = near.partition_point(|at| self.moment_ns(*at) <= to_ns);
        &near[..to]
    }

    /// The difference of the clocks for which most pairs speak; of several the one that is
    /// nearest to what is known.
    fn vote(&self, offsets_ns: &[i64]) -> Option<i64> {
        let mut best: Option<(u64, Reverse<u64>, i64)> = None;
        for offset_ns in offsets_ns {
            for (count, off_ns) in self.votes(*offset_ns) {
                let vote = (count, Reverse(off_ns.unsigned_abs()), offset_ns + off_ns);
                best = best.max(Some(vote));
            }
        }
        best.map(|(_, _, offset_ns)| offset_ns)
    }

    /// How many votes there are for each distance from an offset, ns.
    fn votes(&self, offset_ns: i64) -> impl Iterator<Item = (u64, i64)> {
        // Of each bin: the votes, and the sum of their distances.
        let mut bins = vec![(0_u64, 0_i64); VOTE_BINS + 1];
        for (at, at_ns) in self.unpaired(offset_ns) {
            for wire in self.near(at_ns) {
                let off_ns = self.moment_ns(*wire).wrapping_sub(at_ns).cast_signed();
                let bin = off_ns.saturating_add_unsigned(REACH_NS) as u64 / VOTE_NS;
                let votes = match self.records[at].is_like(&self.wire[*wire]) {
                    true => LIKE_VOTES,
                    false => 1,
                };
                if let Some(bin) = bins.get_mut(bin as usize) {
                    let sum = off_ns.saturating_mul(votes.cast_signed());
                    *bin = (bin.0 + votes, bin.1.saturating_add(sum));
                }
            }
        }
        let two = (0..VOTE_BINS).map(move |at| (bins[at], bins[at + 1]));
        let sums = two.map(|(one, next)| (one.0 + next.0, one.1.saturating_add(next.1)));
        sums.filter(|(count, _)| *count > 0)
            .map(|(count, sum)| (count, sum / count.cast_signed()))
    }

    /// Gives each record the nearest free request; whether any got one.
    fn assign(&mut self, offset_ns: i64) -> bool {
        let mut candidates: Vec<(u64, usize, usize)> = Vec::new();
        for (at, at_ns) in self.unpaired(offset_ns) {
            let record = &self.records[at];
            let near = self.near(at_ns).iter();
            let weighed =
                near.map(|wire| (weight(record, &self.wire[*wire], offset_ns), at, *wire));
            let mut weighed: Vec<_> = weighed.collect();
            weighed.sort_unstable();
            candidates.extend(weighed.into_iter().take(CANDIDATES));
        }
        candidates.sort_unstable();
        let mut taken: HashSet<usize> = HashSet::new();
        for (_, record, wire) in candidates {
            if self.found[record].is_none() && taken.insert(wire) {
                self.found[record] = Some(wire);
            }
        }
        self.free.retain(|wire| !taken.contains(wire));
        !taken.is_empty()
    }
}

/// How much speaks against a request being that of the record.
fn weight(record: &Trace, wire: &Trace, offset_ns: i64) -> u64 {
    let apart =
        |run_ns: u64, wire_ns: u64| run_ns.saturating_add_signed(offset_ns).abs_diff(wire_ns);
    let apart_if_known = |run_ns: Option<u64>, wire_ns: Option<u64>| match (run_ns, wire_ns) {
        (Some(run_ns), Some(wire_ns)) => apart(run_ns, wire_ns),
        (None, None) => 0,
        _ => MISSING_TIME_NS,
    };
    let text_ns = if record.same_text(wire) {
        0
    } else {
        OTHER_TEXT_NS
    };
    apart_if_known(record.sent_ns, wire.sent_ns)
        .saturating_add(apart_if_known(record.first_ns, wire.first_ns))
        .saturating_add(apart_if_known(record.last_ns, wire.last_ns))
        .saturating_add(text_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const EPOCH: i64 = 1_700_000_000_000_000_000;

    /// A request by its send, in us, and the milliseconds until its output.
    fn trace(sent_us: u64, first_ms: u64, last_ms: u64, text: u64) -> Trace {
        let sent_ns = sent_us * 1000;
        Trace {
            sent_ns: Some(sent_ns),
            first_ns: Some(sent_ns + first_ms * MS),
            last_ns: Some(sent_ns + last_ms * MS),
            text: Some(text),
            is_ok: true,
            is_whole: true,
            ..Trace::default()
        }
    }

    /// The same on a clock that is ahead by `offset_ns`.
    fn on_wire(trace: &Trace, offset_ns: i64) -> Trace {
        let moved = |ns: Option<u64>| ns.map(|ns| ns.saturating_add_signed(offset_ns));
        Trace {
            sent_ns: moved(trace.sent_ns),
            first_ns: moved(trace.first_ns),
            last_ns: moved(trace.last_ns),
            ..trace.clone()
        }
    }

    /// Requests every 2 ms, with lengths that repeat after 7.
    fn load() -> Vec<Trace> {
        let all = 0..200_u64;
        all.map(|n| trace(n * 2000, 5 + n % 7, 20 + n % 5, 1))
            .collect()
    }

    #[test]
    fn requests_are_found_though_the_clocks_are_known_to_milliseconds_only() {
        let records = load();
        for off_ms in [-15, -1, 0, 3, 15] {
            let offset_ns = EPOCH + off_ms * 1_000_000;
            let wire: Vec<Trace> = records.iter().map(|one| on_wire(one, offset_ns)).collect();
            let found = pair(&records, &wire, &[EPOCH]);
            let wanted: Vec<_> = (0..records.len()).map(Some).collect();
            assert_eq!(found, wanted, "{off_ms}");
        }
    }

    #[test]
    fn a_step_of_the_wall_clock_within_the_load_loses_nothing() {
        let records = load();
        let steps = |at: usize| {
            if at < 120 {
                EPOCH
            } else {
                EPOCH + 7_000_000_000
            }
        };
        let wire = records.iter().enumerate();
        let wire: Vec<Trace> = wire.map(|(at, one)| on_wire(one, steps(at))).collect();
        let found = pair(&records, &wire, &[EPOCH, EPOCH + 7_000_000_000]);
        assert_eq!(found, (0..records.len()).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn of_two_at_one_moment_the_text_tells() {
        let records = [trace(0, 5, 20, 1), trace(3, 5, 20, 2)];
        let wire = [on_wire(&records[1], EPOCH), on_wire(&records[0], EPOCH)];
        assert_eq!(pair(&records, &wire, &[EPOCH]), [Some(1), Some(0)]);
    }

    #[test]
    fn a_request_that_is_not_on_the_wire_takes_no_other() {
        let records = load();
        let wire: Vec<Trace> = records.iter().map(|one| on_wire(one, EPOCH)).collect();
        let found = pair(&records, &wire[1..], &[EPOCH]);
        assert_eq!(found[0], None);
        assert_eq!(
            found[1..],
            (0..records.len() - 1).map(Some).collect::<Vec<_>>()
        );
    }

    #[test]
    fn an_answer_without_its_request_is_found_by_its_end() {
        let records = load();
        let mut wire: Vec<Trace> = records.iter().map(|one| on_wire(one, EPOCH)).collect();
        wire[50].sent_ns = None;
        wire[50].is_whole = false;
        let found = pair(&records, &wire, &[EPOCH]);
        assert_eq!(found, (0..records.len()).map(Some).collect::<Vec<_>>());
    }
}
