use std::sync::Arc;

use proptest::prelude::*;

use super::template::{Problem, Template};
use super::*;
use crate::diagnostic::SourceFile;
use crate::yaml::{Dialect, parse};

fn variables() -> Variables {
    [("SET", "value"), ("EMPTY", ""), ("_x1", "low"), ("DOLLAR", "$SET ${SET}")]
        .map(|(name, value)| (name.to_owned(), Variable { value: value.to_owned(), secret: false }))
        .into()
}

fn fill(text: &str) -> Result<(String, Vec<String>), Problem> {
    let mut unset = BTreeMap::new();
    let filled = Template::parse(text)?.fill(&variables(), &mut unset)?;
    Ok((filled.text, unset.into_keys().collect()))
}

#[track_caller]
fn assert_fills(text: &str, expected: &str) {
    assert_eq!(fill(text), Ok((expected.to_owned(), Vec::new())), "{text}");
}

#[test]
fn names_stand_for_their_values() {
    assert_fills("$SET", "value");
    assert_fills("a${SET}b", "avalueb");
    assert_fills("$SET-$_x1", "value-low");
    assert_fills("${EMPTY}", "");
    assert_fills("ä$SET→", "ävalue→");
    assert_fills("no variables", "no variables");
}

#[test]
fn operators_with_and_without_colon() {
    for (text, expected) in [
        ("${SET:-d}", "value"),
        ("${EMPTY:-d}", "d"),
        ("${NO:-d}", "d"),
        ("${SET-d}", "value"),
        ("${EMPTY-d}", ""),
        ("${NO-d}", "d"),
        ("${SET:+r}", "r"),
        ("${EMPTY:+r}", ""),
        ("${NO:+r}", ""),
        ("${SET+r}", "r"),
        ("${EMPTY+r}", "r"),
        ("${NO+r}", ""),
        ("${SET:?e}", "value"),
        ("${SET?e}", "value"),
        ("${EMPTY?e}", ""),
        ("${NO:-}", ""),
        ("${NO-}", ""),
        ("${NO:--}", "-"),
        ("${NO:-:-}", ":-"),
        ("${NO-?}", "?"),
        ("${NO:-http://x:1/?a=b}", "http://x:1/?a=b"),
        ("${NO:-{}}", "{}"),
    ] {
        assert_fills(text, expected);
    }
}

#[test]
fn operands_nest() {
    assert_fills("${NO:-${EMPTY:-${SET}}}", "value");
    assert_fills("${NO:-a${SET}b$_x1}", "avalueblow");
    assert_fills("${SET:+<${SET}>}", "<value>");
    assert_fills("${NO:-$$SET}", "$SET");
    // What is not needed is not evaluated.
    assert_fills("${SET:-${NO:?missing}}", "value");
}

#[test]
fn two_dollars_are_one_and_values_are_final() {
    assert_fills("$$SET $$$SET $$$$", "$SET $value $$");
    assert_fills("$DOLLAR", "$SET ${SET}");
    assert_fills("^/(.*)$ /$1 $(date) $é $- $", "^/(.*)$ /$1 $(date) $é $- $");
}

#[test]
fn an_unset_name_is_nothing_and_reported() {
    assert_eq!(fill("a$NO-${NO_TOO}b"), Ok(("a-b".to_owned(), vec!["NO".to_owned(), "NO_TOO".to_owned()])));
    assert_eq!(fill("${NO:-$OTHER}"), Ok((String::new(), vec!["OTHER".to_owned()])));
}

#[test]
fn required_names_say_why() {
    let message = |text: &str| fill(text).unwrap_err().message;
    assert_eq!(message("${NO:?}"), "the variable `NO` is required and not set");
    assert_eq!(message("${NO?set it}"), "the variable `NO` is required and not set: set it");
    assert_eq!(message("${EMPTY:?ask $SET}"), "the variable `EMPTY` is required and empty: ask $SET");
}

#[test]
fn what_is_no_variable_is_an_error() {
    for text in ["${", "${}", "${1}", "${SET", "${SET:-x", "${SET!}", "${SET:x}", "${ SET}", "${SET:}"] {
        assert!(fill(text).is_err(), "{text} was accepted");
    }
    let deep = "${A:-".repeat(100_000);
    assert!(fill(&deep).unwrap_err().message.contains("nested"));
}

#[test]
fn problems_point_at_the_variable() {
    let found = |text: &str| {
        let file = Arc::new(SourceFile { path: "c".to_owned(), text: text.to_owned() });
        let mut root = parse(&file, text, Dialect::Compose).unwrap().remove(0);
        let findings = Findings::new();
        interpolate(&mut root, &variables(), &findings);
        let found = findings.into_vec().remove(0);
        (found.at.line, found.at.column, text[found.at.start..found.at.end].to_owned())
    };
    assert_eq!(found("a: x $$ $SET ${NO}y"), (1, 14, "${NO}".to_owned()));
    assert_eq!(found("a: \"é\\t$NO.\""), (1, 8, "$NO".to_owned()));
    assert_eq!(found("a: |\n  first\n  é ${NO-$SET ${X:?}}\n"), (3, 15, "${X:?}".to_owned()));
    assert_eq!(found("a: ${EMPTY:?no}"), (1, 4, "${EMPTY:?no}".to_owned()));
    // Where the file does not say it in the same signs, the whole value is marked.
    assert_eq!(found("a: \"\\x24NO\""), (1, 4, "\"\\x24NO\"".to_owned()));
}

#[test]
fn a_tree_keeps_its_keys_and_its_places() {
    let text = "a: $SET\n$SET:\n  - x ${NO}\n  - 5\n  - ${NO}\nb: ${}\n";
    let file = Arc::new(SourceFile { path: "compose.yml".to_owned(), text: text.to_owned() });
    let mut root = parse(&file, text, Dialect::Compose).unwrap().remove(0);
    let findings = Findings::new();
    interpolate(&mut root, &variables(), &findings);
    assert_eq!(root.get("a").unwrap().as_str(), Some("value"));
    assert_eq!(root.get("a").unwrap().span.line, 1);
    let list = root.get("$SET").unwrap().as_seq().unwrap();
    assert_eq!(list[0].as_str(), Some("x "));
    assert_eq!(list[1].value, Value::Int(5));
    let found: Vec<String> = findings.into_vec().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "compose.yml:6:4: `${` begins a variable, but a variable name must follow",
            "compose.yml:3:7: the variable `NO` is not set and stands for nothing here",
        ]
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "[$a-zA-Z_{}:?+ -]{0,24}|.*") {
        let _ = fill(&text);
    }

    #[test]
    fn escaped_text_is_kept(text in ".*") {
        prop_assert_eq!(fill(&text.replace('$', "$$")), Ok((text, Vec::new())));
    }
}
