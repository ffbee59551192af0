use std::sync::Arc;

use super::*;
use crate::diagnostic::SourceFile;
use crate::yaml::{Dialect, parse};

fn node(text: &str) -> Node {
    let file = Arc::new(SourceFile { path: "compose.yml".to_owned(), text: text.to_owned() });
    parse(&file, text, Dialect::Compose).unwrap().remove(0)
}

/// Asserts what a service makes of another.
#[track_caller]
fn merges(base: &str, over: &str, expected: &str) {
    let findings = Findings::new();
    let merged = service(node(base), node(over), &findings).unwrap();
    assert_eq!(findings.into_vec(), []);
    assert!(same(&merged, &node(expected)), "expected {expected}\nfound {merged:#?}");
}

#[test]
fn mappings_merge_sequences_append_and_the_rest_is_replaced() {
    merges(
        "{image: a, tty: true, x-a: [1], x-b: {c: 1, d: 2}}",
        "{image: b, x-a: [1, 2], x-b: {d: 3}, init: true}",
        "{image: b, tty: true, x-a: [1, 1, 2], x-b: {c: 1, d: 3}, init: true}",
    );
    merges("{image: a, command: [a]}", "{image: , command: [b, c]}", "{image: a, command: [b, c]}");
    merges(
        "{entrypoint: a, healthcheck: {test: [CMD, a], retries: 3}}",
        "{entrypoint: [b], healthcheck: {test: b}}",
        "{entrypoint: [b], healthcheck: {test: b, retries: 3}}",
    );
}

#[test]
fn list_and_mapping_forms_meet() {
    merges("environment: [A=1, B=2, C]", "environment: {B: x, D: }", "environment: {A: '1', B: x, C: , D: }");
    merges("environment: {A: 1}", "environment: [A]", "environment: {A: }");
    merges(
        "depends_on: [a]",
        "depends_on: {b: {condition: service_healthy}}",
        "depends_on: {a: {condition: service_started}, b: {condition: service_healthy}}",
    );
    merges(
        "extra_hosts: {a: [1.1.1.1, 2.2.2.2]}",
        "extra_hosts: ['b=3.3.3.3']",
        "extra_hosts: ['a=1.1.1.1', 'a=2.2.2.2', 'b=3.3.3.3']",
    );
    merges("env_file: a.env", "env_file: [b.env, a.env]", "env_file: [b.env, a.env]");
    merges("build: .", "build: {args: [A=1]}", "build: {context: ., args: [A=1]}");
    merges("networks: [a]", "networks: {b: {aliases: [x]}}", "networks: {a: , b: {aliases: [x]}}");
}

#[test]
fn what_asks_for_the_same_is_there_once() {
    merges(
        "ports: ['80:80', '81:81/udp']",
        "ports: [{target: 80, published: '80', protocol: tcp}, '82:82']",
        "ports: [{target: 80, published: '80', protocol: tcp}, '81:81/udp', '82:82']",
    );
    merges(
        "volumes: ['a:/data/', 'b:/x']",
        "volumes: [{type: volume, source: c, target: /data}]",
        "volumes: [{type: volume, source: c, target: /data}, 'b:/x']",
    );
    merges("configs: [a, b]", "configs: [{source: c, target: /a}]", "configs: [{source: c, target: /a}, b]");
    merges("secrets: [a]", "secrets: [{source: b, target: a}, c]", "secrets: [{source: b, target: a}, c]");
    merges("cap_add: [A, B]", "cap_add: [B, C]", "cap_add: [A, B, C]");
}

#[test]
fn logging_options_belong_to_their_driver() {
    merges(
        "logging: {driver: a, options: {x: 1}}",
        "logging: {options: {y: 2}}",
        "logging: {driver: a, options: {x: 1, y: 2}}",
    );
    merges("logging: {driver: a, options: {x: 1}}", "logging: {driver: b}", "logging: {driver: b}");
}

#[test]
fn tags_take_away_and_replace() {
    merges(
        "{image: a, ports: ['80:80'], environment: {A: 1, B: 2}}",
        "{ports: !reset [], environment: {A: !reset null}}",
        "{image: a, environment: {B: 2}}",
    );
    merges("ports: ['80:80']", "ports: !override ['81:81']", "ports: ['81:81']");
    merges("environment: {A: 1}", "environment: !override {B: 2}", "environment: {B: 2}");
    merges("image: a", "{x-a: !reset 1, x-b: !override [1], x-c: {d: !reset 1}}", "{image: a, x-b: [1], x-c: {}}");
}

#[test]
fn forms_that_do_not_merge_are_an_error_at_the_later_one() {
    for (base, over) in
        [("ports: [80]", "ports: 80"), ("deploy: {}", "deploy: [a]"), ("environment: {}", "environment: 5")]
    {
        let findings = Findings::new();
        service(node(base), node(over), &findings);
        let found = findings.into_vec();
        assert_eq!(found.len(), 1, "{over}");
        assert!(found[0].message.contains("do not merge") && found[0].help.is_some(), "{found:?}");
    }
}
