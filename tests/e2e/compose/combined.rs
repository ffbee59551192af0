//! Files with many mapped keys at once: samples of single keys laid over each other at random, with values that nobody
//! thought of among them. What the agent refuses is left out again, so that every file is one that it takes.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use super::ours::{self, Outcome};
use super::sample::FILES;

/// Services that the keys go to.
const SERVICES: &[&str] = &["web", "db", "cache", "other"];
/// Texts that are read wrongly more often than others.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a b",
    "Ünïcode",
    "-dash",
    "dash-",
    "A_B.c",
    ".",
    "..",
    "a..b",
    "*",
    "0",
    "00",
    "-1",
    "1.5",
    "0.0001",
    "1e3",
    "0x10",
    "0777",
    "99999999999999999999",
    "true",
    "no",
    "null",
    "~",
    "a:b",
    "a=b",
    "a=b=c",
    "a,b",
    "/",
    "/x/",
    "//x",
    "/x/../y",
    "./rel",
    "../up",
    "a/b",
    "$$x",
    "$$(X)",
    "line\nbreak",
    "tab\t",
    "quote\"'",
    "#",
    "%",
    "10s",
    "1h30m",
    "90m",
    "1ms",
    "0s",
    "64m",
    "1g",
    "1b",
    "250m",
    "1000:1000",
    "0:0",
    "4294967295",
    "10.0.0.1",
    "::1",
    "fe80::1",
    "Example.COM",
    "a.example.com",
    "linux/arm64",
    "linux/arm/v7",
    "always",
    "missing",
    "rslave",
    "SIGQUIT",
    "\u{7f}",
    "\u{e9}",
    "🐳",
    "kubernetes.io/arch",
    "example.com/x",
    "sh -c 'echo \"x\"'",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123456789.b123",
];
const NUMBERS: &[f64] =
    &[0.0, 1.0, -1.0, 2.0, 0.5, 0.001, 0.0001, 1.25, 80.0, 1023.0, 65_535.0, 65_536.0, 2_147_483_648.0, 4e9, 1e15];

/// A key of ours with a file that has it, and where its value is.
pub(super) struct Part {
    /// The key's path in the schema.
    pub(super) path: String,
    /// A file that the agent takes.
    pub(super) file: Value,
    /// Its value, as a JSON pointer.
    pub(super) pointer: String,
}

/// Keys that the official schema does not know.
pub(super) fn own() -> Vec<Part> {
    let values = [
        ("", json!({"liveness": true})),
        ("/resources", json!({"cpu": 1})),
        ("/resources/cpu", json!("250m")),
        ("/resources/memory", json!("64Mi")),
        ("/limits", json!({"cpu": 2})),
        ("/limits/cpu", json!(1)),
        ("/limits/memory", json!("1Gi")),
        ("/liveness", json!(true)),
    ];
    let part = |(below, value): (&str, Value)| {
        let value = below.rsplit('/').filter(|key| !key.is_empty()).fold(value, |value, key| json!({ key: value }));
        let file = json!({"services": {"web": {"image": "i", "healthcheck": {"test": "check"}, "x-kompox": value}}});
        Part {
            path: format!("services.*.x-kompox{}", below.replace('/', ".")),
            file,
            pointer: format!("/services/web/x-kompox{below}"),
        }
    };
    values.into_iter().map(part).collect()
}

/// A file that the agent takes, with the entry around it.
pub(super) struct Combined {
    pub(super) entry: Value,
    pub(super) compose: Value,
    pub(super) outcome: Outcome,
}

/// The file of a round: the same for the same number and parts. The part of that number is in it.
pub(super) fn file(parts: &[Part], round: u64) -> Combined {
    let mut dice = StdRng::seed_from_u64(round);
    let first = usize::try_from(round).unwrap_or_default() % parts.len();
    let mut compose = json!({"services": {}});
    lay_over(&mut compose, parts[first].file.clone());
    let mut entry = entry(&mut dice);
    let mut outcome = ours::read_in(&entry.to_string(), &compose.to_string(), FILES);
    if outcome.app.is_none() {
        // It publishes a port that this file has not.
        entry["app"]["ingress"] = Value::Null;
        outcome = ours::read_in(&entry.to_string(), &compose.to_string(), FILES);
    }
    for _ in 0..dice.random_range(5..40) {
        let Some(part) = parts.choose(&mut dice) else { break };
        let mut candidate = compose.clone();
        lay_over(&mut candidate, varied(part, &mut dice));
        let read = ours::read_in(&entry.to_string(), &candidate.to_string(), FILES);
        if read.app.is_some() {
            (compose, outcome) = (candidate, read);
        }
    }
    Combined { entry, compose, outcome }
}

/// An App around the file, with some of what its objects are made of.
fn entry(dice: &mut StdRng) -> Value {
    let mut app = json!({
        "name": "shop",
        "compose": "file:compose.yml",
        "volumes": [{"name": "default", "size": "1Gi"}, {"name": "db", "size": "1.5Gi"}],
    });
    let choices = [
        ("ingress", json!({"rules": [{"name": "http", "port": 80, "hosts": ["a.example.org", "b.example.org"]}]})),
        ("deployment", json!({"pool": "blue", "zone": "1"})),
        ("deployment", json!({"pools": ["blue", "green"], "zones": ["1", "2"]})),
        (
            "networkPolicy",
            json!({"ingressRules": [
                {"from": [{"namespaceSelector": {}}], "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]},
                {"from": [{"namespaceSelector": {"matchLabels": {"a.b/c": "d"}, "matchExpressions": [
                    {"key": "team", "operator": "In", "values": ["x", "y"]}, {"key": "z", "operator": "Exists"}]}}]},
            ]}),
        ),
    ];
    for (key, value) in choices {
        if dice.random_bool(0.4) {
            app[key] = value;
        }
    }
    json!({
        "version": "v1",
        "workspace": {"name": "acme"},
        "provider": {"name": "home", "driver": "local"},
        "cluster": {"name": "one", "ingress": {"domain": "apps.example.com", "certResolver": "le"}},
        "app": app,
    })
}

/// The part's file, for another service and, half of the time, with another value.
fn varied(part: &Part, dice: &mut StdRng) -> Value {
    let mut file = part.file.clone();
    if dice.random_bool(0.5)
        && let Some(value) = file.pointer_mut(&part.pointer)
    {
        spoil(value, dice);
    }
    let to = SERVICES.choose(dice).copied().unwrap_or_default();
    if let Some(services) = file.get_mut("services").and_then(Value::as_object_mut)
        && !services.contains_key(to)
        && let Some(service) = services.remove("web")
    {
        services.insert(to.to_owned(), service);
    }
    file
}

/// Puts something else in the place of one scalar, or one more entry into a mapping.
fn spoil(value: &mut Value, dice: &mut StdRng) {
    let text = |dice: &mut StdRng| TEXTS.choose(dice).copied().unwrap_or_default();
    match value {
        Value::Object(map) if map.is_empty() || dice.random_bool(0.3) => {
            map.insert(text(dice).to_owned(), json!(text(dice)));
        }
        Value::Object(map) => {
            let chosen = dice.random_range(0..map.len());
            if let Some(value) = map.values_mut().nth(chosen) {
                spoil(value, dice);
            }
        }
        Value::Array(items) if items.is_empty() || dice.random_bool(0.3) => items.push(json!(text(dice))),
        Value::Array(items) => {
            let chosen = dice.random_range(0..items.len());
            if let Some(value) = items.get_mut(chosen) {
                spoil(value, dice);
            }
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(_) => *value = number(dice),
        Value::String(_) | Value::Null if dice.random_bool(0.2) => *value = number(dice),
        Value::String(_) | Value::Null => *value = json!(text(dice)),
    }
}

fn number(dice: &mut StdRng) -> Value {
    let number = NUMBERS.choose(dice).copied().unwrap_or_default();
    // Integers are written as such.
    let text = number.to_string();
    text.parse::<i64>().map_or_else(|_| json!(number), Value::from)
}

/// Mappings are joined, lists put behind each other; what is of another form takes the place of what was there.
fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(below), Value::Array(above)) => {
            for item in above {
                if !below.contains(&item) {
                    below.push(item);
                }
            }
        }
        (below, above) => *below = above,
    }
}

/// The known keys of a file.
pub(super) fn used(file: &Value, known: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    collect(file, "", known, &mut used);
    used
}

fn collect(value: &Value, path: &str, known: &BTreeSet<&str>, used: &mut BTreeSet<String>) {
    let below = |map: &Map<String, Value>, used: &mut BTreeSet<String>| {
        for (key, value) in map {
            let named = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let free = format!("{path}.*");
            if known.contains(named.as_str()) {
                used.insert(named.clone());
                collect(value, &named, known, used);
            } else {
                collect(value, &free, known, used);
            }
        }
    };
    match value {
        Value::Object(map) => below(map, used),
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}[]"), known, used)),
        _ => {}
    }
}
