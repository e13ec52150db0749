//! Lines of servers' logs, which plugins read for what a server says of itself.

/// The part of `line` after `start` and before the next `end`.
#[must_use]
pub fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_needs_both_of_its_ends() {
        let line = "n_slots = 4, n_ctx_slot = 2048";
        assert_eq!(between(line, "n_slots = ", ","), Some("4"));
        assert_eq!(between(line, "n_ctx_slot = ", ","), None);
        assert_eq!(between(line, "n_seqs = ", ","), None);
    }
}
