//! Lists and levels in words.

use crate::config::Level;
use crate::facts::changed_shard::ChangedShard;

/// Shards that are named before the rest is counted.
const SHARDS_NAMED: usize = 4;

/// Some of the levels in words: `at every level`, `at concurrency 8`, `at
/// concurrency 1 and 8`, `from concurrency 2 on`, `at 2 to 8 requests/s`.
/// `chosen`: at least one of `all`, in its order.
#[must_use]
pub fn at_levels(all: &[Level], chosen: &[Level]) -> String {
    let places: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, level)| chosen.contains(level))
        .map(|(place, _)| place)
        .collect();
    let consecutive = places.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let values: Vec<String> = places
        .iter()
        .map(|place| all[*place].value_text())
        .collect();
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return "nowhere".to_owned();
    };
    if values.len() == all.len() && all.len() > 1 {
        return "at every level".to_owned();
    }
    let with_axis = |values: &str| match all[places[0]] {
        Level::Concurrency(_) => format!("concurrency {values}"),
        Level::RequestRate(_) => format!("{values} requests/s"),
        Level::TraceSpeed(_) => format!("trace speed {values}"),
    };
    if consecutive && values.len() > 1 && places.last() == Some(&(all.len() - 1)) {
        format!("from {} on", with_axis(first))
    } else if consecutive && values.len() > 2 {
        format!("at {}", with_axis(&format!("{first} to {last}")))
    } else {
        format!("at {}", with_axis(&listed(&values)))
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// `shard 1 (run.json) and shard 2 (run.json, host.jsonl)`, and of many the first ones.
pub(crate) fn changed_files(changed: &[ChangedShard]) -> String {
    let named = changed.iter().take(SHARDS_NAMED);
    let named = named.map(|of| format!("shard {} ({})", of.shard, of.files.join(", ")));
    let mut named: Vec<String> = named.collect();
    if let Some(more) = changed.len().checked_sub(SHARDS_NAMED).filter(|n| *n > 0) {
        named.push(format!("{more} more"));
    }
    listed(&named)
}

/// Makes the first letter a capital one.
pub(crate) fn capitalise(sentence: &mut str) {
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
}

/// Numbers that are written as words, from 0 on.
const NUMBERS: [&str; 13] = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// `two`, `twelve`, `13`.
pub(crate) fn in_words(n: usize) -> String {
    NUMBERS
        .get(n)
        .map_or_else(|| n.to_string(), |word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_named_as_a_person_would() {
        let all: Vec<Level> = [1, 2, 4, 8].map(Level::Concurrency).to_vec();
        for (chosen, text) in [
            (vec![0, 1, 2, 3], "at every level"),
            (vec![1], "at concurrency 2"),
            (vec![3], "at concurrency 8"),
            (vec![0, 1], "at concurrency 1 and 2"),
            (vec![0, 1, 2], "at concurrency 1 to 4"),
            (vec![1, 2, 3], "from concurrency 2 on"),
            (vec![0, 1, 3], "at concurrency 1, 2 and 8"),
        ] {
            let chosen: Vec<Level> = chosen.into_iter().map(|place: usize| all[place]).collect();
            assert_eq!(at_levels(&all, &chosen), text);
        }
        let one = [Level::RequestRate(crate::config::Rate(0.5))];
        assert_eq!(at_levels(&one, &one), "at 0.5 requests/s");
    }
}
