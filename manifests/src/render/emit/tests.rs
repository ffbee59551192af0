use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What a document says to readers of YAML 1.1 and of YAML 1.2, who must agree.
fn parse(text: &str) -> Value {
    let read = |strict: bool| -> Value {
        let options = serde_saphyr::options! { strict_booleans: strict, legacy_octal_numbers: !strict };
        serde_saphyr::from_str_with_options(text, options).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let value = read(false);
    assert_eq!(value, read(true), "{text}");
    value
}

#[test]
fn a_document_as_people_write_it() {
    let body = json!({
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [
                {"name": "web", "image": "nginx:1.27", "args": ["-g", "daemon off;"], "env": [{"name": "EMPTY", "value": ""}]},
                {"name": "db"},
            ]}},
            "nothing": {},
            "nested": [[1, 2], [], [["a"]]],
        },
        "data": {"nginx.conf": "server {\n  listen 80;\n\n}\n", "open": "a\nb"},
    });
    insta::assert_snapshot!(to_document(&body), @r#"
    apiVersion: apps/v1
    data:
      nginx.conf: |
        server {
          listen 80;

        }
      open: |-
        a
        b
    kind: Deployment
    spec:
      nested:
      - - 1
        - 2
      - []
      - - - a
      nothing: {}
      replicas: 1
      template:
        spec:
          containers:
          - args:
            - "-g"
            - daemon off;
            env:
            - name: EMPTY
              value: ""
            image: nginx:1.27
            name: web
          - name: db
    "#);
    assert_eq!(parse(&to_document(&body)), body);
}

/// Texts that some reader would take for something else.
#[rustfmt::skip]
const MISREAD: &[&str] = &[
    "", " ", "y", "N", "yes", "No", "on", "OFF", "true", "False", "null", "NULL", "~", "1", "01", "0o17", "0x1f",
    "0b1", "1_000", "-1", "+1", ".5", "1.5", "1e3", ".inf", "-.INF", ".NaN", "12:30:45", "2026-11-20", "=", "<<",
    "-", "- a", "? a", ": a", "a: b", "a:", "a #b", "#a", "&a", "*a", "!a", "|", ">", "'a'", "\"a\"", "%a", "@a",
    "`a`", "{a}", "[a]", " a", "a ", "a\tb", "---", "...", "a\rb", "a\u{85}b", "a\u{2028}b", "\u{feff}a", "a\u{0}b",
    "a\u{1f600}b", "a\u{7f}b", "a\\b",
];

#[test]
fn what_a_dialect_could_misread_is_quoted() {
    for &string in MISREAD {
        let text = inline(string);
        assert!(text.starts_with('"') && text.ends_with('"') && text.is_ascii(), "{string:?} became {text}");
        assert_eq!(parse(&text), json!(string));
    }
    for string in ["a", "nginx:1.27", "kompox.dev/app", "/data", "a-b_c", "daemon off;", "note", "yesterday", "nan"] {
        assert_eq!(inline(string), string);
    }
}

#[test]
fn literal_blocks_only_where_they_are_exact() {
    for string in ["a\nb", "a\nb\n", "a\n", "a\n\nb\n", "a\n  b\n", "# a\n--- b\n... c\n", "a: |\n  b\n"] {
        let text = to_document(&json!({"key": string}));
        assert!(text.starts_with("key: |"), "{text}");
        assert_eq!(parse(&text), json!({"key": string}));
    }
    for string in ["\n", "\na", " a\nb", "\ta\nb", "a\nb\n\n", "a\r\nb\n", "a \nb", "a\n\tb", "a\n \nb", "a\u{0}\nb"] {
        let text = to_document(&json!({"key": string}));
        assert!(text.starts_with("key: \""), "{text}");
        assert_eq!(parse(&text), json!({"key": string}));
    }
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9:/._ -]{0,12}",
        "[-+.0-9xobe_:]{1,8}",
        "[ \t\n\r#:'\"\\\\|>&*!%@`{},\\[\\]?a-]{0,12}",
        "[a-z \n]{0,20}",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        string().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(string(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_reads_back_as_itself(value in value()) {
        let text = to_document(&value);
        prop_assert_eq!(parse(&text), value, "{}", text);
    }

    #[test]
    fn keys_are_sorted_whatever_the_order(map in prop::collection::btree_map(string(), 0..9, 0..6)) {
        let forwards: Map<String, Value> = map.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let backwards: Map<String, Value> = map.iter().rev().map(|(key, value)| (key.clone(), json!(value))).collect();
        prop_assert_eq!(to_document(&Value::Object(forwards)), to_document(&Value::Object(backwards)));
    }
}
