use std::sync::Arc;

use super::*;
use crate::diagnostic::SourceFile;
use crate::yaml::parse;

fn node(text: &str) -> Node {
    let file = Arc::new(SourceFile { path: "f.yml".into(), text: text.into() });
    parse(&file, text, Dialect::Compose).unwrap().remove(0)
}

fn lines(findings: Findings) -> Vec<String> {
    let line = |finding: &Diagnostic| {
        let help = finding.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{} {finding}{help}", finding.code)
    };
    findings.into_vec().iter().map(line).collect()
}

#[test]
fn every_type_is_read() {
    let node = node(concat!(
        "string: x\ntext: 0444\nflag: yes\nport: 65535\ncount: 0x10\nlist: [a, 1]\n",
        "strings: [a, b]\ntexts: [a, 1, true]\nmap: {a: 1, b: , c: ~}\nsection: {inner: 1}\nword: off\nnothing:\n",
    ));
    let findings = Findings::new();
    let mut fields = Fields::of(&node, "root", &findings).unwrap();
    assert_eq!(fields.required_string("string").unwrap().value, "x");
    assert_eq!(fields.text("text").unwrap().value, "0444");
    assert!(fields.boolean("flag").unwrap().value);
    assert_eq!(fields.port("port").unwrap().value, 65_535);
    assert_eq!(fields.integer("count", 0, 16).unwrap().value, 16);
    assert_eq!(fields.list("list").len(), 2);
    let values = |values: Vec<Spanned<String>>| values.into_iter().map(|value| value.value).collect::<Vec<_>>();
    assert_eq!(values(fields.strings("strings")), ["a", "b"]);
    assert_eq!(values(fields.texts("texts")), ["a", "1", "true"]);
    assert_eq!(format!("{:?}", fields.text_map("map")), r#"{"a": "1", "b": "", "c": ""}"#);
    let mut section = fields.section("section", "section").unwrap();
    assert!(section.get("inner").is_some());
    section.finish();
    assert_eq!(fields.choice("word", &[("on", 1), ("off", 2)]).unwrap().value, 2);
    assert!(fields.get("nothing").is_none() && fields.entry("nothing").is_some());
    assert!(fields.string("absent").is_none() && fields.list("absent too").is_empty());
    fields.finish();
    assert_eq!(lines(findings), [] as [&str; 0]);
}

#[test]
fn every_wrong_type_is_reported_and_read_as_absent() {
    let node = node(concat!(
        "string: 1\ntext: []\nflag: 1\nport: 0\ncount: 17\nlist: {}\nstrings: [1, [], x]\nmap: {a: []}\n",
        "other: 1\nsection: []\nword: of\nquoted: '8'\nflags: 'yes'\n",
    ));
    let findings = Findings::new();
    let mut fields = Fields::of(&node, "root", &findings).unwrap();
    assert!(fields.string("string").is_none());
    assert!(fields.text("text").is_none());
    assert!(fields.boolean("flag").is_none());
    assert!(fields.port("port").is_none());
    assert!(fields.integer("count", 0, 16).is_none());
    assert!(fields.list("list").is_empty());
    assert_eq!(fields.strings("strings").len(), 1);
    assert!(fields.text_map("map").is_empty());
    assert!(fields.text_map("other").is_empty());
    assert!(fields.section("section", "section").is_none());
    assert!(fields.choice("word", &[("on", 1), ("off", 2)]).is_none());
    assert!(fields.port("quoted").is_none());
    assert!(fields.boolean("flags").is_none());
    assert!(fields.required("needed").is_none());
    fields.finish();
    assert_eq!(
        lines(findings),
        [
            "wrong-type f.yml:1:9: `string` must be a string, found an integer | put it in quotes: \"1\"",
            "wrong-type f.yml:2:7: `text` must be a string, found a list | write a string",
            "wrong-type f.yml:3:7: `flag` must be `true` or `false`, found an integer | write `true` or `false`",
            "out-of-range f.yml:4:7: `port` must be from 1 to 65535, found 0 | write a number from this range",
            "out-of-range f.yml:5:8: `count` must be from 0 to 16, found 17 | write a number from this range",
            "wrong-type f.yml:6:7: `list` must be a list, found a mapping | write a list",
            "wrong-type f.yml:7:11: `strings` must be a string, found an integer | put it in quotes: \"1\"",
            "wrong-type f.yml:7:14: `strings` must be a string, found a list | write a string",
            "wrong-type f.yml:8:10: `a` must be a string, number or boolean, found a list | write a string, number or boolean",
            "wrong-type f.yml:9:8: `other` must be a mapping, found an integer | write a mapping",
            "wrong-type f.yml:10:10: `section` must be a mapping, found a list | write a mapping",
            "unknown-value f.yml:11:7: `word` cannot be `of` | did you mean `off`?",
            "wrong-type f.yml:12:9: `quoted` must be an integer, found a string | write it without quotes: 8",
            "wrong-type f.yml:13:8: `flags` must be `true` or `false`, found a string | write `true` or `false`, without quotes",
            "missing-key f.yml:1:1: `root` needs `needed` | add `needed:`",
        ]
    );
}

#[test]
fn a_key_without_a_value_is_missing_where_it_stands() {
    let node = node("a: 1\nneeded:\n");
    let findings = Findings::new();
    let mut fields = Fields::of(&node, "root", &findings).unwrap();
    assert!(fields.required_string("needed").is_none());
    fields.entry("a");
    fields.finish();
    assert_eq!(lines(findings), ["missing-key f.yml:2:1: `root` needs `needed` | add `needed:`"]);
}

#[test]
fn what_is_not_there_has_no_keys() {
    let at = Span::file(&Arc::new(SourceFile { path: "f.yml".into(), text: String::new() }));
    let findings = Findings::new();
    let mut fields = Fields::absent(&at, "spec", &findings);
    assert!(fields.required("driver").is_none());
    assert!(findings.has_errors());
}

#[test]
fn suggestions_are_near_or_none() {
    let known = ["volumes", "ingress", "settings"];
    for (given, meant) in [
        ("volume", Some("volumes")),
        ("VOLUMES", Some("volumes")),
        ("ingres", Some("ingress")),
        ("sttings", Some("settings")),
        ("compose", None),
        ("", None),
    ] {
        assert_eq!(suggest(given, known), meant, "{given}");
    }
    assert_eq!(suggest(&"v".repeat(100_000), known), None);
    assert_eq!(suggest("x", []), None);
}

#[test]
fn words_are_enumerated() {
    assert_eq!(enumerate(&[]), "none");
    assert_eq!(enumerate(&["a"]), "`a`");
    assert_eq!(enumerate(&["a", "b", "c"]), "`a`, `b` and `c`");
}
