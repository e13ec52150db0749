//! What a server lists as its models. Gateways list patterns, or names that nobody
//! asks for, so that only a request shows whether a model is served.

use inferbench_model::facts::warning::WarningKind;

/// Models that a message names.
const NAMED: usize = 5;

/// The names that a server lists; at least one.
#[derive(Debug)]
pub(super) struct ModelList(Vec<String>);

impl ModelList {
    /// The list in OpenAI's form; `None` if `body` is none, or names nothing.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let json: serde_json::Value = inferbench_plugin_api::json::read(body).ok()?;
        let models = json.get("data")?.as_array()?.iter();
        let names = models.filter_map(|model| model.get("id")?.as_str());
        let names: Vec<String> = names.map(str::to_owned).collect();
        (!names.is_empty()).then_some(Self(names))
    }

    /// Whether it has the model by its name.
    pub(super) fn names(&self, model: &str) -> bool {
        self.0.iter().any(|name| name == model)
    }

    /// That the model was asked for without being named, if so.
    pub(super) fn note(&self, model: &str) -> Option<WarningKind> {
        (!self.names(model)).then(|| WarningKind::ModelNotListed {
            model: model.to_owned(),
            listed: self.0.iter().take(NAMED).cloned().collect(),
            more: self.0.len().saturating_sub(NAMED) as u64,
        })
    }

    /// `a, b`; `a, b, c, d, e and 7 more`.
    pub(super) fn text(&self) -> String {
        let named: Vec<&str> = self.0.iter().take(NAMED).map(String::as_str).collect();
        let named = named.join(", ");
        match self.0.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_lists_nothing_is_no_list() {
        for body in ["", "<html>", "[]", r#"{"data": null}"#, r#"{"data": []}"#] {
            assert!(ModelList::read(body.as_bytes()).is_none(), "{body}");
        }
        let odd = r#"{"data": [{"id": 7}, {"name": "x"}, {"id": "m"}]}"#;
        assert_eq!(ModelList::read(odd.as_bytes()).unwrap().text(), "m");
    }

    #[test]
    fn a_pattern_names_no_model_and_is_noted() {
        let list = ModelList::read(br#"{"data": [{"id": "*"}, {"id": "m"}]}"#).unwrap();
        assert_eq!(list.note("m"), None);
        assert_eq!(
            list.note("n"),
            Some(WarningKind::ModelNotListed {
                model: "n".to_owned(),
                listed: vec!["*".to_owned(), "m".to_owned()],
                more: 0,
            })
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let models: Vec<_> = (0..12)
            .map(|n| serde_json::json!({"id": n.to_string()}))
            .collect();
        let body = serde_json::json!({ "data": models }).to_string();
        let list = ModelList::read(body.as_bytes()).unwrap();
        assert_eq!(list.text(), "0, 1, 2, 3, 4 and 7 more");
    }
}
