//! Moves the times of a record onto another machine's clock, and leaves every other byte
//! as it is.

/// Fields of a record that are moments of its machine's clock, as they stand in a line.
/// In a string a quote has a backslash before it, so none of them can be inside one.
const MOMENTS: [&[u8]; 6] = [
    b"\"scheduled_ns\":",
    b"\"sent_ns\":",
    b"\"first_output_ns\":",
    b"\"first_content_ns\":",
    b"\"last_output_ns\":",
    b"\"end_ns\":",
];

/// Puts the line with `shift_ns` added to each of its moments into `moved`. `None` if a
/// moment would lie before the clock's beginning or beyond its end.
pub(super) fn shift_into(moved: &mut Vec<u8>, line: &[u8], shift_ns: i64) -> Option<()> {
    moved.clear();
    let mut copied = 0;
    for place in memchr::memmem::find_iter(line, b"_ns\":") {
        let value = place + b"_ns\":".len();
        let is_moment = MOMENTS.iter().any(|name| line[..value].ends_with(name));
        if !is_moment {
            continue;
        }
        let digits = line[value..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let end = value + digits.count();
        if end == value {
            // It is null.
            continue;
        }
        let number: u64 = std::str::from_utf8(&line[value..end]).ok()?.parse().ok()?;
        let number = number.checked_add_signed(shift_ns)?;
        moved.extend_from_slice(&line[copied..value]);
        moved.extend_from_slice(number.to_string().as_bytes());
        copied = end;
    }
    moved.extend_from_slice(&line[copied..]);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shifted(line: &[u8], shift_ns: i64) -> Option<Vec<u8>> {
        let mut moved = b"what was before".to_vec();
        shift_into(&mut moved, line, shift_ns).map(|()| moved)
    }

    #[test]
    fn moments_move_and_nothing_else_does() {
        let line = br#"{"index":7,"message":"\"sent_ns\":5, read_ns","scheduled_ns":null,"sent_ns":100,"read_delay_ms":0.1,"end_ns":250,"itl_ms":[0.30000000000000004]}"#;
        let moved = shifted(line, -30).unwrap();
        let expected = br#"{"index":7,"message":"\"sent_ns\":5, read_ns","scheduled_ns":null,"sent_ns":70,"read_delay_ms":0.1,"end_ns":220,"itl_ms":[0.30000000000000004]}"#;
        assert_eq!(
            String::from_utf8(moved).unwrap(),
            String::from_utf8(expected.to_vec()).unwrap()
        );
        assert_eq!(shifted(line, 0).unwrap(), line);
    }

    #[test]
    fn a_moment_before_the_clocks_beginning_is_refused() {
        assert_eq!(shifted(br#"{"end_ns":250}"#, -251), None);
        assert_eq!(shifted(br#"{"end_ns":18446744073709551615}"#, 1), None);
    }
}
