//! `concurrency: auto` and `request_rate: auto`: a search for where the curve bends, written
//! in one word.

use crate::yaml::{KeyNode, Kind, Node, PathStep, YamlError};

/// What may be `auto`.
const KEYS: [&str; 2] = ["concurrency", "request_rate"];

/// Puts a search for the bend in the place of a level that is `auto`.
///
/// # Errors
/// If there is a search already.
pub(super) fn expand(tree: &mut Node) -> Result<(), YamlError> {
    let root = tree.clone();
    let path = |key: &str| ["load", key].map(|key| PathStep::Key(key.to_owned()));
    let is_auto =
        |node: &Node| matches!(&node.kind, Kind::Scalar { text, .. } if &**text == "auto");
    let Some(key) = KEYS
        .into_iter()
        .find(|key| root.get(&path(key)).is_some_and(is_auto))
    else {
        return Ok(());
    };
    if root.get(&path("search")).is_some() {
        let fact = "is auto, but `load.search` is set too: it says how levels are found";
        return Err(root.error_at(&path(key), fact, None));
    }
    let Kind::Mapping(sections) = &mut tree.kind else {
        return Ok(());
    };
    let load = sections.iter_mut().find(|(own, _)| &*own.text == "load");
    let Some((
        _,
        Node {
            kind: Kind::Mapping(entries),
            ..
        },
    )) = load
    else {
        return Ok(());
    };
    if let Some(place) = entries.iter().position(|(own, _)| &*own.text == key) {
        let (at, node) = entries[place].clone();
        entries[place] = search(&at, &node, key);
    }
    Ok(())
}

/// `search: { over: KEY, find: bend }` in the place of a key and its value.
fn search(at: &KeyNode, node: &Node, key: &str) -> (KeyNode, Node) {
    let having = |kind: Kind| {
        let mut made = node.clone();
        made.kind = kind;
        made
    };
    let text = |text: &str| {
        having(Kind::Scalar {
            text: text.into(),
            plain: true,
        })
    };
    let named = |name: &str| KeyNode {
        text: name.into(),
        ..at.clone()
    };
    let entries = vec![(named("over"), text(key)), (named("find"), text("bend"))];
    let search = having(Kind::Mapping(entries));
    (named("search"), search)
}

#[cfg(test)]
mod tests {
    use crate::config::{Find, SearchOver, load};

    fn loaded(levels: &str) -> Result<crate::config::Config, String> {
        let text = format!(
            "name: a\nmodel: {{id: m}}\nbackends: [{{plugin: sim}}]\nload: {{{levels}, requests: 100}}\n"
        );
        let loaded = load("a.yaml", &text, &|_| None);
        loaded
            .map(|loaded| loaded.config)
            .map_err(|errors| errors[0].to_string())
    }

    #[test]
    fn auto_is_a_search_for_the_bend() {
        for (levels, over) in [
            ("concurrency: auto", SearchOver::Concurrency),
            ("request_rate: auto", SearchOver::RequestRate),
        ] {
            let search = loaded(levels).unwrap().load.search.unwrap();
            assert_eq!((search.over, search.find), (over, Find::Bend));
            let written = serde_json::to_value(&search).unwrap();
            assert!(written.get("slo").is_none(), "{written}");
        }
    }

    #[test]
    fn auto_beside_other_levels_is_refused() {
        let error = loaded("concurrency: auto, search: {over: concurrency}").unwrap_err();
        assert!(error.contains("`load.concurrency` is auto, but `load.search` is set too"));
        let error = loaded("concurrency: auto, request_rate: [1]").unwrap_err();
        assert!(
            error.contains("has both `request_rate` and `search`"),
            "{error}"
        );
    }
}
