//! Whatever a text holds, it loads or is refused, and means the same as elsewhere.

use super::*;

fn no_nul(text: &str) -> bool {
    !text.contains('\0')
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "(0x|0o|0b|\\+)?[0-9.e_]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z ]{1,6}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_text_loads_or_is_refused(text in any::<String>().prop_filter("nul", |t| no_nul(t))) {
        let _ = load::<Value>(&text);
        let _ = load::<Bench>(&text);
    }

    #[test]
    fn any_yaml_like_text_loads_or_is_refused(
        text in "([a-c:\\-\\[\\]{},&*!|>'\"#%?~<$ \t\r\n0]|: |- |\n  |<<: |\\*a|&a |!!str |---\n|\\.\\.\\.\n|model: |load: |\\$\\{|x-){0,40}"
    ) {
        let _ = load::<Value>(&text);
        let _ = load::<Bench>(&text);
        let _ = load::<Kind>(&text);
        let _ = yaml::parse("b.yaml", &text, &env).map(|node| node.to_json());
    }

    #[test]
    fn what_serde_yaml_writes_reads_as_the_same_json(value in json_value()) {
        let text = serde_yaml::to_string(&value).unwrap().replace("${", "$${");
        prop_assert_eq!(&json_of(&text), &value, "{}", &text);
        prop_assert_eq!(&load::<Value>(&text).unwrap(), &value, "{}", &text);
    }
}
