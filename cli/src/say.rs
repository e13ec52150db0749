//! Prints to standard output and standard error. What was said by others is shown and
//! never obeyed: control characters are written out, and of what this program styles a
//! terminal gets colours and weights alone.
//!
//! The program must stop its servers whatever becomes of its output, so that nothing here
//! fails: whether all of it could be written is asked at the end.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use inferbench_model::text::visible::{visible, visible_styled};

/// Why something could not be written to standard output, the first time.
static OUT_FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

pub(crate) fn out(words: Arguments<'_>) {
    let mut to = io::stdout().lock();
    let written = line(&mut to, words, io::stdout().is_terminal());
    note(written);
}

pub(crate) fn err(words: Arguments<'_>) {
    let mut to = io::stderr().lock();
    drop(line(&mut to, words, io::stderr().is_terminal()));
}

/// Writes bytes to standard output as they are: a result for other programs.
pub(crate) fn bytes(result: &[u8]) {
    note(io::stdout().lock().write_all(result));
}

/// Notes how writing to standard output went.
pub(crate) fn note(written: io::Result<()>) {
    if let (Err(error), Ok(mut failed)) = (written, OUT_FAILED.lock()) {
        failed.get_or_insert(error);
    }
}

/// Why not all of standard output was written. A reader that has gone away wants no
/// more, which is no error.
pub(crate) fn out_failed() -> Option<io::Error> {
    note(io::stdout().lock().flush());
    let failed = OUT_FAILED.lock().ok()?.take();
    failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

fn line(to: &mut impl Write, words: Arguments<'_>, is_terminal: bool) -> io::Result<()> {
    let words = words.to_string();
    let shown = match is_terminal {
        true => visible_styled(&words),
        false => visible(&words),
    };
    writeln!(to, "{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_styles_and_nothing_else_that_it_would_obey() {
        let printed = |is_terminal| {
            let mut to = Vec::new();
            let said = format_args!("\u{1b}[1mbold\u{1b}[0m\u{1b}]0;title\u{7}");
            line(&mut to, said, is_terminal).unwrap();
            String::from_utf8(to).unwrap()
        };
        let title = "[U+001B]]0;title[U+0007]\n";
        assert_eq!(printed(true), format!("\u{1b}[1mbold\u{1b}[0m{title}"));
        assert_eq!(printed(false), format!("[U+001B][1mbold[U+001B][0m{title}"));
    }
}
