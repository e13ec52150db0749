//! Files of a crate that import each other in a circle.

use std::collections::BTreeMap;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::imports::Import;
use crate::table::Arrow;

/// Every circle, one text each: its files, then the imports among them.
///
/// Three kinds of import close no circle: a module that passes on a name of a
/// module below it, a module that calls a part of its own (`a/mod.rs` to
/// `a/b.rs`), and the arrows in `known`.
#[must_use]
pub fn find(folder: &str, imports: &[Import], known: &[Arrow]) -> Vec<String> {
    let counts = |one: &&Import| {
        let is_known = known.iter().any(|arrow| arrow.is(one));
        !one.is_reexport && !is_own_part(&one.from, &one.to) && !is_known
    };
    let used: Vec<&Import> = imports.iter().filter(counts).collect();
    let graph: DiGraphMap<&str, ()> =
        DiGraphMap::from_edges(used.iter().map(|one| (one.from.as_str(), one.to.as_str())));
    let mut circles = Vec::new();
    for mut files in tarjan_scc(&graph) {
        if files.len() > 1 {
            files.sort_unstable();
            circles.push(text(folder, &files, &used));
        }
    }
    circles.sort();
    circles
}

/// Arrows of the table that no import draws any more, one line each.
#[must_use]
pub fn unused_arrows(folder: &str, imports: &[Import], known: &[Arrow]) -> Vec<String> {
    let is_drawn = |arrow: &Arrow| imports.iter().any(|one| arrow.is(one));
    let unused = known.iter().filter(|arrow| !is_drawn(arrow));
    unused
        .map(|arrow| {
            let (from, to) = (arrow.from, arrow.to);
            format!("{folder}/src/{from} does not import {to}: take the arrow off the table")
        })
        .collect()
}

/// Whether `child` is a file right below the module whose file `front` is.
fn is_own_part(front: &str, child: &str) -> bool {
    let name = front.strip_suffix(".rs").unwrap_or(front);
    let folder = match name.rsplit_once('/') {
        Some((folder, "mod" | "main")) => folder,
        None if name == "lib" || name == "main" => "",
        _ => name,
    };
    let below = match folder {
        "" => Some(child),
        folder => child
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/')),
    };
    below.is_some_and(|rest| !rest.strip_suffix("/mod.rs").unwrap_or(rest).contains('/'))
}

fn text(folder: &str, files: &[&str], imports: &[&Import]) -> String {
    let mut arrows: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for one in imports {
        let (from, to) = (one.from.as_str(), one.to.as_str());
        if files.contains(&from) && files.contains(&to) {
            let arrow = format!("\n    {from}:{} imports {} ({to})", one.line, one.path);
            arrows.entry((from, to)).or_insert(arrow);
        }
    }
    let arrows: String = arrows.into_values().collect();
    let count = files.len();
    format!("{folder}/src: {count} files import each other in a circle{arrows}")
}
