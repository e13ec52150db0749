//! Which plugins a command loads.

use std::fs;
use std::path::Path;

use crate::common::{inferbench, repository, said};

/// Plugins' libraries that the dynamic loader opened for a command, and whether it
/// succeeded.
fn opened(arguments: &[&str], cache: &Path) -> (Vec<String>, bool) {
    let mut command = inferbench();
    command
        .args(arguments)
        .env("XDG_CACHE_HOME", cache)
        .env("LD_DEBUG", "files");
    let said = said(&mut command);
    let begins = |line: &&str| line.contains("generating link map");
    let names = said.err.lines().filter(begins).filter_map(|line| {
        let file = line.split("file=").nth(1)?.split(' ').next()?;
        let name = Path::new(file).file_name()?.to_str()?;
        name.starts_with("libinferbench_").then(|| name.to_owned())
    });
    (names.collect(), said.code == Some(0))
}

#[test]
fn only_the_plugins_that_a_config_names_are_loaded() {
    let cache = tempfile::tempdir().unwrap();
    let config = repository().join("configs/quickstart.yaml");
    let validate = ["validate", config.to_str().unwrap()];
    // Nothing is known of them yet.
    let (all, was_valid) = opened(&validate, cache.path());
    assert!(was_valid && all.len() > 1, "{all:?}");
    let sim_alone = (vec!["libinferbench_sim.so".to_owned()], true);
    assert_eq!(opened(&validate, cache.path()), sim_alone);
    // Where the notes name others, or nobody, all are looked at.
    for text in ["nobody\n", "", "si"] {
        for note in fs::read_dir(cache.path().join("inferbench/plugins")).unwrap() {
            fs::write(note.unwrap().path(), text).unwrap();
        }
        let (found, was_valid) = opened(&validate, cache.path());
        assert!(was_valid && found.len() == all.len(), "{text:?}: {found:?}");
        assert_eq!(opened(&validate, cache.path()), sim_alone, "{text:?}");
    }
    let (listed, _) = opened(&["plugins"], cache.path());
    assert_eq!(listed.len(), all.len(), "{listed:?}");
}
