//! Every key of the official schema has a row in the tables, and every key does something.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use kompox_manifests::compose::reference;
use kompox_tests::parts::{self, Part};

use super::ours;
use super::reference::Reference;
use super::sample::{self, FILES};
use super::schema::Schema;

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_know_the_keys_of_the_official_schema_and_no_others() -> Result<()> {
    if parts::skip_without(&[Part::Compose]) {
        return Ok(());
    }
    let schema = Schema::read(Reference::find().await?.schema().await?)?;
    let official: BTreeSet<String> = schema.keys.into_keys().collect();
    ensure!(official.len() > 600, "only {} keys were found in the schema", official.len());
    let own = |path: &String| !path.split('.').any(|part| part.starts_with("x-"));
    let ours: BTreeSet<String> = reference::keys().into_iter().map(|key| key.path).filter(own).collect();
    let missing: Vec<_> = official.difference(&ours).collect();
    let stale: Vec<_> = ours.difference(&official).collect();
    ensure!(missing.is_empty(), "these keys have no row: {missing:#?}");
    ensure!(stale.is_empty(), "these rows are stale, the schema has no such keys: {stale:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_changes_the_objects_or_what_is_said() -> Result<()> {
    if parts::skip_without(&[Part::Compose]) {
        return Ok(());
    }
    let reference = Reference::find().await?;
    let schema = Schema::read(reference.schema().await?)?;
    let fates: BTreeMap<String, &str> = reference::keys().into_iter().map(|key| (key.path, key.handling)).collect();
    let mut samples = BTreeMap::new();
    for path in schema.keys.keys() {
        samples.insert(path, sample::sample(&schema, path, whole(&fates, path))?);
    }
    let documents: Vec<_> = samples.values().map(|sample| sample.with.clone()).collect();
    let mut wrong = Vec::new();
    for ((path, sample), verdict) in samples.iter().zip(reference.validate(&documents).await?) {
        if let Some(error) = verdict.error {
            wrong.push(format!("{path}: the sample is not valid: {error}: {}", sample.with));
            continue;
        }
        let with = ours::read(&sample.with.to_string(), FILES).told();
        let without = ours::read(&sample.without.to_string(), FILES).told();
        if with == without {
            wrong.push(format!("{path}: nothing changes: {} {:?}", sample.with, with.1));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} keys:\n{}", wrong.len(), samples.len(), wrong.join("\n"));
    Ok(())
}

/// The key that tells of another one: the outermost above it that is reported as a whole, else the one that it is a
/// detail of.
pub(super) fn whole<'p>(fates: &BTreeMap<String, &str>, path: &'p str) -> &'p str {
    let above: Vec<&str> =
        path.match_indices('.').map(|(at, _)| path[..at].trim_end_matches("[]")).chain([path]).collect();
    let fate = |path: &str| fates.get(path).copied().unwrap_or("mapped");
    if let Some(reported) = above.iter().find(|path| !matches!(fate(path), "mapped" | "detail")) {
        return reported;
    }
    let detail = above.iter().position(|path| fate(path) == "detail");
    detail.and_then(|at| above.get(at.checked_sub(1)?)).unwrap_or(&path)
}
