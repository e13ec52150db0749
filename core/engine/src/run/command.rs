//! The command line of this process, secrets masked, so that a run can be repeated.

use std::path::Path;

use crate::secrets::Secrets;
use crate::worker::given_arguments;

/// What this process was started with, secrets masked, the program by its bare
/// name.
pub(super) fn line(secrets: &Secrets) -> Vec<String> {
    let given = given_arguments().map(|word| word.to_string_lossy().into_owned());
    let mut words: Vec<String> = given.map(|word| secrets.masked(&word)).collect();
    if let Some(program) = words.first_mut() {
        let name = Path::new(program.as_str()).file_name();
        *program = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    }
    words
}
