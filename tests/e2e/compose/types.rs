//! Values of every kind for every key: what the official schema refuses is an error at its place, and what it takes is
//! no error of type.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use kompox_manifests::diagnostic::{Diagnostic, Severity};
use kompox_tests::parts::{self, Part};
use serde_json::{Value, json};

use super::ours;
use super::reference::Reference;
use super::sample::{self, FILES};
use super::schema::Schema;

/// One value at one place.
struct Trial {
    path: String,
    document: Value,
    pointer: String,
}

/// Where ours differs on purpose: the end of the path, and why.
const DIFFERENCES: [(&str, &str); 4] = [
    (
        "s.*.external",
        "the schema takes any key there, of which the reference reads `name` only: none is dropped in silence",
    ),
    (".gpus", "the schema forbids other keys beside the list and not in its items: none is dropped in silence"),
    (".pull_policy", "a text is read where it is used, and jobs and `pre_start` are refused as a whole"),
    (".triggers", "jobs are refused as a whole, whatever starts them"),
];

/// Codes that say that a value or a key is none of the schema's.
const TYPE_CODES: [&str; 3] = ["wrong-type", "unknown-key", "repeated"];

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_kind_are_judged_as_the_official_schema_does() -> Result<()> {
    if parts::skip_without(&[Part::Compose]) {
        return Ok(());
    }
    let reference = Reference::find().await?;
    let schema = Schema::read(reference.schema().await?)?;
    let mut trials = Vec::new();
    for path in schema.keys.keys() {
        let sample = sample::sample(&schema, path, path)?;
        for candidate in candidates() {
            let mut document = sample.with.clone();
            *document.pointer_mut(&sample.pointer).context("the value is not where it was put")? = candidate;
            trials.push(Trial { path: path.clone(), document, pointer: sample.pointer.clone() });
        }
    }
    judge(&reference, trials).await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_official_schema_does_not_know_are_errors_at_every_level() -> Result<()> {
    if parts::skip_without(&[Part::Compose]) {
        return Ok(());
    }
    let reference = Reference::find().await?;
    let schema = Schema::read(reference.schema().await?)?;
    let mut trials = Vec::new();
    for level in schema.closed.keys() {
        // Some key of the mapping brings the mapping.
        let inside = |path: &&String| path.rsplit_once('.').map_or("", |(outer, _)| outer) == level;
        let path = schema.keys.keys().find(inside).with_context(|| format!("{level} is empty"))?;
        let sample = sample::sample(&schema, path, path)?;
        let outer = sample.pointer.rsplit_once('/').map_or("", |(outer, _)| outer);
        for key in ["qqqq", "x-qqqq"] {
            let mut document = sample.with.clone();
            let map = document.pointer_mut(outer).and_then(Value::as_object_mut).context("no mapping")?;
            map.insert(key.to_owned(), json!("q"));
            let pointer = format!("{outer}/{key}");
            trials.push(Trial { path: format!("{level}.{key}"), document, pointer });
        }
    }
    ensure!(trials.len() > 100, "only {} trials", trials.len());
    judge(&reference, trials).await
}

fn candidates() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(7),
        json!(-7),
        json!(1.5),
        json!("text"),
        json!("true"),
        json!([]),
        json!(["text"]),
        json!([7]),
        json!([null]),
        json!([["text"]]),
        json!([{"qqqq": "text"}]),
        json!({}),
        json!({"a": "text"}),
        json!({"a": 7}),
        json!({"a": null}),
        json!({"a": ["text"]}),
        json!({"a": {"qqqq": "text"}}),
    ]
}

async fn judge(reference: &Reference, trials: Vec<Trial>) -> Result<()> {
    let documents: Vec<Value> = trials.iter().map(|trial| trial.document.clone()).collect();
    let verdicts = reference.validate(&documents).await?;
    let mut wrong = BTreeMap::new();
    let mut differences = BTreeSet::new();
    for (trial, verdict) in trials.iter().zip(verdicts) {
        let (text, start, end) = written(trial)?;
        let found = ours::read(&text, FILES).diagnostics;
        let value = trial.document.pointer(&trial.pointer).cloned().unwrap_or_default();
        let here = |found: &&Diagnostic| {
            found.at.file.path == "compose.yml"
                && found.at.line == 1
                && (start..=end).contains(&(found.at.column as usize))
        };
        let problem = match verdict.error {
            Some(error) => {
                let caught = found.iter().any(|found| found.severity == Severity::Error && here(&found));
                (!caught).then(|| format!("refused ({error}), and no error stands there"))
            }
            None => {
                let wronged = found.iter().find(|found| TYPE_CODES.contains(&found.code) && here(found));
                wronged.map(|wronged| format!("fine, and an error: {wronged}"))
            }
        };
        let known = DIFFERENCES.iter().find(|(end, _)| trial.path.ends_with(end));
        if let (Some(_), Some((end, _))) = (&problem, known) {
            differences.insert(*end);
        } else if let Some(problem) = problem {
            wrong.insert(format!("{}: {value}", trial.path), format!("{problem}; found {found:?}"));
        }
    }
    let lines: Vec<String> = wrong.iter().map(|(what, problem)| format!("{what}: {problem}")).collect();
    let stale = |(end, _): &&(&str, &str)| !differences.contains(end);
    let stale: Vec<_> = DIFFERENCES.iter().filter(|_| !differences.is_empty()).filter(stale).collect();
    ensure!(stale.is_empty(), "no longer true: {stale:?}");
    ensure!(wrong.is_empty(), "{} of {} values:\n{}", wrong.len(), trials.len(), lines.join("\n"));
    Ok(())
}

/// The file on one line, and the columns of the key and of the end of its value.
fn written(trial: &Trial) -> Result<(String, usize, usize)> {
    const MARK: &str = "\"@@here@@\"";
    let mut document = trial.document.clone();
    let slot = document.pointer_mut(&trial.pointer).context("the value is not where it was put")?;
    let value = std::mem::replace(slot, json!("@@here@@")).to_string();
    let text = document.to_string();
    let at = text.find(MARK).context("the value is not in the text")?;
    let key = trial.pointer.rsplit('/').next().unwrap_or_default();
    // `"key":` in front of the value.
    let start = at.saturating_sub(key.len() + 3);
    Ok((text.replace(MARK, &value), start + 1, at + value.len() + 1))
}
