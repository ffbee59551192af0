use std::sync::Arc;

use proptest::prelude::*;

use super::build::{self, Limits};
use super::place::Places;
use super::scalar::resolve;
use super::*;

fn file(text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { path: "f.yml".into(), text: text.into() })
}

fn parsed(text: &str) -> Vec<Node> {
    parse(&file(text), text, Dialect::Compose).unwrap()
}

fn one(text: &str) -> Node {
    let mut documents = parsed(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0)
}

fn errors(text: &str) -> Vec<String> {
    let problems = parse(&file(text), text, Dialect::Compose).unwrap_err();
    problems.iter().map(|problem| format!("{} {problem}", problem.code)).collect()
}

/// The value in a short notation: `i3`, `f1.5`, `s…`, `true`, `null`.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => format!("i{value}"),
        Value::Float(value) => format!("f{}", format_float(*value)),
        Value::String(text) => format!("s{text}"),
        Value::Seq(_) | Value::Map(_) => "collection".into(),
    }
}

/// The text that a span marks.
fn marked(span: &Span) -> &str {
    &span.file.text[span.start..span.end]
}

/// Printed once by the Go libraries themselves: `sigs.k8s.io/yaml` 1.6.0 and `go.yaml.in/yaml/v4`
/// 4.0.0-rc.3; dates excepted (see the module's documentation).
const GOLDEN: &[(&str, &str, &str)] = &[
    // text, Kubernetes, Compose
    ("yes", "true", "syes"),
    ("on", "true", "son"),
    ("y", "true", "sy"),
    ("N", "false", "sN"),
    ("Off", "false", "sOff"),
    ("yEs", "syEs", "syEs"),
    ("TRUE", "true", "true"),
    ("False", "false", "false"),
    ("tRUE", "stRUE", "stRUE"),
    ("", "null", "null"),
    ("~", "null", "null"),
    ("Null", "null", "null"),
    ("nULL", "snULL", "snULL"),
    ("0", "i0", "i0"),
    ("-0", "i0", "f-0"),
    ("+5", "i5", "i5"),
    ("+-5", "s+-5", "s+-5"),
    ("0644", "i420", "i420"),
    ("0o644", "i420", "i420"),
    ("0O17", "i15", "i15"),
    ("-0644", "i-420", "i-420"),
    ("08", "f8", "f8"),
    ("0789", "f789", "f789"),
    ("1_000", "i1000", "i1000"),
    ("_1", "s_1", "s_1"),
    ("22:22", "s22:22", "s22:22"),
    ("0b11", "i3", "i3"),
    ("-0b11", "i-3", "i-3"),
    ("0x1F", "i31", "i31"),
    ("0xg", "s0xg", "s0xg"),
    ("0x", "s0x", "s0x"),
    ("9223372036854775807", "i9223372036854775807", "i9223372036854775807"),
    ("9223372036854775808", "i9223372036854775808", "i9223372036854775808"),
    ("-9223372036854775808", "i-9223372036854775808", "i-9223372036854775808"),
    ("-9223372036854775809", "f-9.223372036854776e+18", "f-9.223372036854776e+18"),
    ("18446744073709551616", "f1.8446744073709552e+19", "f1.8446744073709552e+19"),
    ("12345678901234567890123", "f1.2345678901234568e+22", "f1.2345678901234568e+22"),
    ("1.10", "f1.1", "f1.1"),
    ("1.", "f1", "f1"),
    (".5", "f0.5", "f0.5"),
    (".5e1", "f5", "f5"),
    (".", "s.", "s."),
    (".5_6", "f0.56", "f0.56"),
    (".5_", "s.5_", "s.5_"),
    ("1e3", "f1000", "f1000"),
    ("1e400", "s1e400", "s1e400"),
    ("1e-7", "f1e-07", "f1e-07"),
    ("1e", "s1e", "s1e"),
    ("1.2.3", "s1.2.3", "s1.2.3"),
    ("-", "s-", "s-"),
    (".inf", "f+Inf", "f+Inf"),
    ("-.INF", "f-Inf", "f-Inf"),
    (".NaN", "fNaN", "fNaN"),
    ("1Gi", "s1Gi", "s1Gi"),
    ("2026-11-20", "s2026-11-20", "s2026-11-20"),
    ("192.168.0.1", "s192.168.0.1", "s192.168.0.1"),
];

#[test]
fn plain_scalars_follow_the_golden_table() {
    for (text, kubernetes, compose) in GOLDEN {
        assert_eq!(short(&resolve(text, Dialect::Kubernetes)), *kubernetes, "{text} for Kubernetes");
        assert_eq!(short(&resolve(text, Dialect::Compose)), *compose, "{text} for Compose");
    }
}

#[test]
fn floats_print_as_go_prints_them() {
    let cases = [
        (1_000_000.5, "1.0000005e+06"),
        (123_456_789.0, "1.23456789e+08"),
        (999_999.0, "999999"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (1e100, "1e+100"),
        (-0.0, "-0"),
    ];
    for (value, text) in cases {
        assert_eq!(format_float(value), text);
    }
}

#[test]
fn positions_are_lines_and_character_columns() {
    let node = one("é: [a, \"b c\"]\nmap:\n  größe: !reset\n  list:\n    - x: 1\n");
    let items = node.get("é").unwrap().as_seq().unwrap();
    assert_eq!((items[1].span.to_string().as_str(), marked(&items[1].span)), ("f.yml:1:8", "\"b c\""));
    let inner = node.get("map").unwrap();
    let entry = inner.as_map().unwrap().entry("größe").unwrap();
    assert_eq!((entry.key.span.to_string().as_str(), marked(&entry.key.span)), ("f.yml:3:3", "größe"));
    let tag = entry.value.tag.as_ref().unwrap();
    assert_eq!((tag.value.as_str(), tag.at.to_string().as_str(), marked(&tag.at)), ("!reset", "f.yml:3:10", "!reset"));
    let first = &inner.get("list").unwrap().as_seq().unwrap()[0];
    assert_eq!((first.span.to_string().as_str(), marked(&first.span)), ("f.yml:5:7", "x"));
}

#[test]
fn documents_are_counted_with_the_empty_ones() {
    let documents = parsed("# head\n---\n---\na: 1\n...\n---\nb\n");
    assert_eq!(documents.iter().map(Node::kind).collect::<Vec<_>>(), ["nothing", "a mapping", "a string"]);
    assert_eq!(documents[2].span.to_string(), "f.yml:7:1");
    assert_eq!(parsed("# nothing but a comment\n").len(), 0);
}

#[test]
fn scalars_keep_what_was_written() {
    let node = one("a: 0444\nb: 1.10\nc:\nd: ~\ne: \"x\"\nf: TRUE\ng: [1]\n");
    let written = |key: &str| node.get(key).unwrap().written();
    let resolved = |key: &str| node.get(key).unwrap().resolved();
    let both = |key: &str| (written(key).unwrap(), resolved(key).unwrap());
    assert_eq!(both("a"), ("0444".into(), "292".into()));
    assert_eq!(both("b"), ("1.10".into(), "1.1".into()));
    assert_eq!(both("c"), (String::new(), String::new()));
    assert_eq!(both("d"), (String::new(), String::new()));
    assert_eq!(both("e"), ("x".into(), "x".into()));
    assert_eq!(both("f"), ("TRUE".into(), "true".into()));
    assert_eq!((written("g"), resolved("g")), (None, None));
}

#[test]
fn another_dialect_types_the_same_tree_anew() {
    let text = "y: yes\nquoted: \"yes\"\nnested: [on, 0644, !!str no]\n";
    let node = parse(&file(text), text, Dialect::Kubernetes).unwrap().remove(0);
    assert_eq!(node.get("true").unwrap().value, Value::Bool(true));
    assert_eq!(node.get("quoted").unwrap().as_str(), Some("yes"));
    let compose = node.in_dialect(Dialect::Compose);
    assert_eq!(compose.get("y").unwrap().as_str(), Some("yes"));
    let nested: Vec<String> =
        compose.get("nested").unwrap().as_seq().unwrap().iter().map(|item| short(&item.value)).collect();
    assert_eq!(nested, ["son", "i420", "sno"]);
    assert_eq!(compose.in_dialect(Dialect::Kubernetes).get("true").unwrap().value, Value::Bool(true));
}

#[test]
fn anchors_and_merge_keys_are_expanded() {
    let node = one(concat!(
        "x: &x {a: 1, b: 2}\n",
        "y: &y {b: 3, c: 4}\n",
        "one: {<<: *x, a: 9}\n",
        "list: {<<: [*y, *x], d: 5}\n",
        "inline:\n  <<: {a: 7}\n",
        "quoted: {\"<<\": 1}\n",
    ));
    let values = |key: &str| {
        let map = node.get(key).unwrap().as_map().unwrap();
        let mut values: Vec<String> = map.iter().map(|e| format!("{}={}", e.key.text, short(&e.value.value))).collect();
        values.sort();
        values.join(" ")
    };
    assert_eq!(values("one"), "a=i9 b=i2");
    assert_eq!(values("list"), "a=i1 b=i3 c=i4 d=i5");
    assert_eq!(values("inline"), "a=i7");
    assert_eq!(values("quoted"), "<<=i1");
    // What came in by alias stands where its anchor is.
    assert_eq!(node.get("one").unwrap().get("b").unwrap().span.to_string(), "f.yml:1:17");
}

#[test]
fn every_problem_of_a_file_is_reported_with_its_place() {
    assert_eq!(
        errors("a: 1\nb: {x: 1, x: 2}\na: 3\n? [1]\n: 2\n~: 1\nc: *nowhere\nd: {<<: 1}\ne: !!int x\nf: !!map []\n"),
        [
            "duplicate-key f.yml:2:11: `x` stands here a second time; the first is on line 2, column 5",
            "duplicate-key f.yml:3:1: `a` stands here a second time; the first is on line 1, column 1",
            "yaml-key f.yml:4:3: a key must be text, found a list",
            "yaml-key f.yml:6:1: a key must be text, found nothing",
            "yaml-alias f.yml:7:4: `*nowhere` refers to no anchor above it in this document",
            "yaml-merge f.yml:8:9: `<<` merges a mapping or a list of mappings, found an integer",
            "yaml-tag f.yml:9:4: `!!int` does not fit this value, a string",
            "yaml-tag f.yml:10:4: `!!map` does not fit here",
        ]
    );
    assert_eq!(errors("a: {<<: {}, <<: {}}\n"), ["duplicate-key f.yml:1:13: `<<` stands here a second time"]);
    assert_eq!(errors("a: &x [*x]\n"), ["yaml-alias f.yml:1:8: this alias lies inside the value that it refers to"]);
    assert_eq!(errors("a: b: c\n").len(), 1);
    assert!(errors("a: b: c\n")[0].starts_with("yaml-syntax f.yml:1:5: this is not valid YAML: "));
    assert!(errors("a:\n\tb: 2\n")[0].starts_with("yaml-syntax f.yml:2:"));
}

#[test]
fn limits_hold_against_bombs() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let refs = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    assert!(errors(&bomb)[0].contains("yaml-limit f.yml:5:"), "{:?}", errors(&bomb));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 40].join(","));
    assert!(errors(&long)[0].contains("bytes of text, aliases expanded"));
    assert!(errors(&"[".repeat(20_000))[0].starts_with("yaml-"));
    assert!(errors(&"{b: ".repeat(100))[0].starts_with("yaml-limit f.yml:1:"));
    let deep = format!("{}x{}", "[".repeat(64), "]".repeat(64));
    assert_eq!(parsed(&deep).len(), 1);
    let limits = Limits { nodes: 4, ..Limits::DEFAULT };
    let places = |text: &str| Places::direct(&file(text));
    assert!(build::documents("[1, 2, 3]", &places(""), Dialect::Compose, limits).is_ok());
    assert!(build::documents("[1, 2, 3, 4]", &places(""), Dialect::Compose, limits).is_err());
}

#[test]
fn large_maps_are_indexed() {
    let text: String = (0..40_000).map(|number| format!("k{number}: v\n")).collect();
    let mut node = one(&text);
    let Value::Map(map) = &mut node.value else { panic!() };
    assert_eq!(map.get("k39999").unwrap().as_str(), Some("v"));
    assert_eq!(map.remove("k0").unwrap().key.text, "k0");
    assert_eq!((map.get("k0"), map.entry("k1").unwrap().key.span.line), (None, 2));
    map.retain(|entry| entry.key.text == "k7");
    map.insert(Key::new("new", Span::file(&file(""))), Node::string("x", Span::file(&file(""))));
    assert_eq!(map.iter().map(|entry| entry.key.text.as_str()).collect::<Vec<_>>(), ["k7", "new"]);
}

#[test]
fn embedded_literal_blocks_keep_their_places() {
    for newline in ["\n", "\r\n"] {
        let text = "app:\n  compose: |\n\n    services:\n      wéb:\n\n        image: [a, b]\n  name: x\n"
            .replace('\n', newline);
        let node = one(&text);
        let inner = parse_embedded(node.get("app").unwrap().get("compose").unwrap(), Dialect::Compose).unwrap();
        let image = inner[0].get("services").unwrap().get("wéb").unwrap().get("image").unwrap();
        let second = &image.as_seq().unwrap()[1];
        assert_eq!((second.span.to_string().as_str(), marked(&second.span)), ("f.yml:7:20", "b"));
    }
}

#[test]
fn embedded_problems_point_into_the_outer_file() {
    let text = "compose: |2\n    a: 1\n    a: 2\n";
    let problems = parse_embedded(one(text).get("compose").unwrap(), Dialect::Compose).unwrap_err();
    assert_eq!(problems[0].to_string(), "f.yml:3:5: `a` stands here a second time; the first is on line 2, column 5");
    let folded = "compose: >\n  a: 1\n\n  a: 2\n";
    let problems = parse_embedded(one(folded).get("compose").unwrap(), Dialect::Compose).unwrap_err();
    assert_eq!(problems[0].at.to_string(), "f.yml:2:3");
    let problems = parse_embedded(&one("[1]"), Dialect::Compose).unwrap_err();
    assert_eq!(problems[0].to_string(), "f.yml:1:1: expected YAML in a string, found a list");
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let refuse = |bytes: &[u8]| decode("f.yml", bytes, true).unwrap_err().to_string();
    assert_eq!(refuse(b"a: 1\nb: \xff\n"), "f.yml:2:4: the file is not UTF-8 text: this byte begins no character");
    assert_eq!(refuse("\u{feff}a: 1".as_bytes()), "f.yml:1:1: the file begins with a byte order mark");
    assert_eq!(refuse("é\0".as_bytes()), "f.yml:1:2: the file holds a NUL character");
    let (file, text) = decode("f.yml", b"a: 1", false).unwrap();
    assert_eq!((file.text.as_str(), text.as_str()), ("", "a: 1"));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok((file, text)) = decode("f.yml", &bytes, true) {
            let _ = parse(&file, &text, Dialect::Compose);
        }
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(text in "([a-c&*!<>|{}\\[\\],:?\"'%@`#~\\- \n\t0é]|<<: |\\*a|&a |!!str |\\|\n  ){0,60}") {
        let file = file(&text);
        for dialect in [Dialect::Compose, Dialect::Kubernetes] {
            let Ok(documents) = parse(&file, &text, dialect) else { continue };
            for document in documents {
                let other = document.in_dialect(Dialect::Compose);
                visit(&other, &mut |node| {
                    prop_assert!(file.text.get(node.span.start..node.span.end).is_some());
                    let _ = parse_embedded(node, dialect);
                    Ok(())
                })?;
            }
        }
    }
}

fn visit(node: &Node, check: &mut impl FnMut(&Node) -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    check(node)?;
    match &node.value {
        Value::Seq(items) => items.iter().try_for_each(|item| visit(item, check)),
        Value::Map(map) => map.iter().try_for_each(|entry| visit(&entry.value, check)),
        _ => Ok(()),
    }
}
