//! Folders by convention: the program's own, the user's data, Hugging Face's
//! cache. Says where they should be; whether they are there is for the caller.

use std::path::{Path, PathBuf};

/// Folder of the running program.
#[must_use]
pub fn own_folder() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    Some(exe.canonicalize().unwrap_or(exe).parent()?.to_owned())
}

/// Folders of the plugins that are installed with a program in `own`: beside it, or where
/// packages have what a program in `bin` needs.
#[must_use]
pub fn installed_plugins(own: &Path) -> [PathBuf; 2] {
    let prefix = own.parent().unwrap_or(own);
    [own.join("plugins"), prefix.join("lib/inferbench/plugins")]
}

/// Folder for the user's data: `XDG_DATA_HOME`, else `~/.local/share`; `None` if
/// neither variable is set.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    data_folder_by(variable)
}

/// Folder in which Hugging Face's libraries keep models, absolute: `HF_HUB_CACHE`,
/// else `hub` in `HF_HOME`, which is `huggingface` in `XDG_CACHE_HOME`, which is
/// `~/.cache`. `None` if none of these variables and no `HOME` is set.
#[must_use]
pub fn hub_cache() -> Option<PathBuf> {
    std::path::absolute(hub_cache_by(variable)?).ok()
}

/// Folder for what can be found out again: `XDG_CACHE_HOME`, else `~/.cache`; `None` if
/// neither variable is set.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    cache_folder_by(&variable)
}

/// A variable that holds a path; an empty one counts as not set.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

fn data_folder_by(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))
}

fn hub_cache_by(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let cache = || cache_folder_by(&variable);
    let home = || variable("HF_HOME").or_else(|| Some(cache()?.join("huggingface")));
    variable("HF_HUB_CACHE").or_else(|| Some(home()?.join("hub")))
}

fn cache_folder_by(variable: &impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_cache_is_found_in_the_order_of_its_own_library() {
        let cases = [
            (("HOME", "/home/a"), "/home/a/.cache/huggingface/hub"),
            (("XDG_CACHE_HOME", "/x"), "/x/huggingface/hub"),
            (("HF_HOME", "/h"), "/h/hub"),
            (("HF_HUB_CACHE", "/c"), "/c"),
        ];
        let mut set = Vec::new();
        for (variable, folder) in cases {
            set.push(variable);
            let find = |wanted: &str| {
                let found = set.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| PathBuf::from(value))
            };
            assert_eq!(hub_cache_by(find), Some(PathBuf::from(folder)));
        }
        assert_eq!(hub_cache_by(|_| None), None);
    }
}
