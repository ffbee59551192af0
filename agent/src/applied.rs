//! What was applied last of an App, kept with it: a Secret of its Namespace, because a hash over Secrets
//! is in it. It is written when an App was brought to something new, read once a process, and deleted
//! with the last object of an App that left Git. The App's history and its files lie beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kompox_core::history::History;
use kompox_core::observed::LiveObject;
use kompox_core::plan::AppliedRecord;
use kompox_manifests::labels;
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::{Value, json};

use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError};
use crate::failure::Failure;
use crate::kept::{Kept, Packed};

/// Key of the record in the Secret.
const RECORD: &str = "record.json";
/// Key of the history in the Secret.
const HISTORY: &str = "history.json";
/// Key of what is known of the App's files in the Secret.
const TREE: &str = "tree.json";
/// Key of the App's files in the Secret.
const FILES: &str = "files.tar.gz";

/// A record with the version of the Secret that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// The record.
    pub(crate) record: AppliedRecord,
    /// What happened to the App.
    pub(crate) history: History,
    /// Whether the App's files lie beside it, or it is written down that they never will.
    pub(crate) keeps: bool,
    uid: String,
    version: String,
}

/// Reads the record of an App; `None` when there is none, or none that can be read: what is not known is
/// treated as such.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn load(cluster: &dyn ClusterApi, names: &Names) -> Result<Option<Stored>, Failure> {
    let found = cluster.get(&key(names)).await.map_err(|error| failed(names, &error))?;
    Ok(found.and_then(|live| stored(&live)))
}

/// What is to be written down of the files that an App is made of.
#[derive(Debug)]
pub(crate) enum Files {
    /// Nothing: they are there.
    Same,
    /// These.
    Kept(Packed),
    /// None, for good.
    Never,
    /// None for now; those of before are not what is applied any more.
    NotYet,
}

impl Files {
    /// The values of the Secret's keys; `null` takes one away.
    fn data(&self) -> Option<(Value, Value)> {
        match self {
            Self::Same => None,
            Self::Kept(Packed { tree, files }) => Some((json!(STANDARD.encode(tree)), json!(STANDARD.encode(files)))),
            Self::Never => Some((Value::Null, json!(""))),
            Self::NotYet => Some((Value::Null, Value::Null)),
        }
    }
}

/// Reads the record of an App with the files that it was made of; `None` when either is not there, or cannot be read.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn load_kept(
    cluster: &dyn ClusterApi,
    names: &Names,
) -> Result<Option<(AppliedRecord, Kept)>, ClusterError> {
    let Some(live) = cluster.get(&key(names)).await? else { return Ok(None) };
    let part = |name| STANDARD.decode(live.body.pointer("/data")?.get(name)?.as_str()?).ok();
    let found = || {
        let packed = Packed { tree: part(TREE)?, files: part(FILES)? };
        Some((stored(&live)?.record, Kept::unpack(&packed)?))
    };
    Ok(found())
}

/// Writes the record of an App with its history and its files.
///
/// # Errors
/// It cannot be written.
pub(crate) async fn save(
    cluster: &dyn ClusterApi,
    names: &Names,
    (record, history, files): (&AppliedRecord, &History, &Files),
    before: Option<&Stored>,
) -> Result<Stored, Failure> {
    let text = serde_json::to_string(record).unwrap_or_default();
    let mut data = json!({"data": {RECORD: STANDARD.encode(text), HISTORY: STANDARD.encode(history.to_json())}});
    if let Some((tree, files)) = files.data() {
        data["data"][TREE] = tree;
        data["data"][FILES] = files;
    }
    let key = key(names);
    let written = match before {
        None => create(cluster, &key, &data).await,
        Some(before) => match cluster.patch(&key, &before.version, &data).await {
            // Somebody has deleted or touched it since; what the agent knows is what holds.
            Err(ClusterError { cause: Cause::NotFound(_), .. }) => create(cluster, &key, &data).await,
            Err(ClusterError { cause: Cause::Changed, .. }) => replace(cluster, &key, &data).await,
            written => written,
        },
    };
    let live = written.map_err(|error| failed(names, &error))?;
    let keeps = keeps(&live);
    let (record, history) = (record.clone(), history.clone());
    Ok(Stored { record, history, keeps, uid: live.uid, version: live.resource_version })
}

/// Deletes the record of an App of which nothing is left.
///
/// # Errors
/// It cannot be deleted.
pub(crate) async fn forget(cluster: &dyn ClusterApi, names: &Names, stored: &Stored) -> Result<(), Failure> {
    let deleted = cluster.delete(&key(names), &stored.uid, &stored.version).await;
    deleted.map(drop).map_err(|error| failed(names, &error))
}

async fn create(cluster: &dyn ClusterApi, key: &ObjectKey, data: &Value) -> Result<LiveObject, ClusterError> {
    match cluster.create(key, &body(key, data)).await {
        // One that could not be read.
        Err(ClusterError { cause: Cause::AlreadyExists, .. }) => replace(cluster, key, data).await,
        written => written,
    }
}

async fn replace(cluster: &dyn ClusterApi, key: &ObjectKey, data: &Value) -> Result<LiveObject, ClusterError> {
    let changed = || ClusterError::new(format!("save {key}"), Cause::Changed);
    let live = cluster.get(key).await?.ok_or_else(changed)?;
    cluster.patch(key, &live.resource_version, data).await
}

fn stored(live: &LiveObject) -> Option<Stored> {
    let data = live.body.pointer("/data")?;
    let text = |name| String::from_utf8(STANDARD.decode(data.get(name)?.as_str()?).ok()?).ok();
    let record = serde_json::from_str(&text(RECORD)?).ok()?;
    let history = History::read(&text(HISTORY).unwrap_or_default());
    Some(Stored { record, history, keeps: keeps(live), uid: live.uid.clone(), version: live.resource_version.clone() })
}

fn keeps(live: &LiveObject) -> bool {
    live.body.get("data").is_some_and(|data| data.get(FILES).is_some())
}

fn body(key: &ObjectKey, data: &Value) -> Value {
    let mut body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        // Not `kompox`: that label is of the Apps' objects, which are pruned.
        "metadata": {"name": key.name, "namespace": key.namespace, "labels": {labels::MANAGED_BY: "kompox-agent"}},
        "type": "Opaque",
    });
    let data = data["data"].as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    body["data"] = data.map(|(name, value)| (name.clone(), value.clone())).collect();
    body
}

fn key(names: &Names) -> ObjectKey {
    ObjectKey {
        kind: Kind::Secret,
        namespace: Some(names.namespace.clone()),
        name: format!("{}--last-applied", names.app),
    }
}

fn failed(names: &Names, error: &ClusterError) -> Failure {
    Failure::of_cluster(&format!("{}: what was applied last", names.app), error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::memory::Memory;

    fn names() -> Names {
        Names::of(&"/ws/w1/prv/p1/cls/c1/app/shop".parse().unwrap())
    }

    #[tokio::test]
    async fn a_record_is_found_again_and_goes_only_as_it_was_seen() {
        let cluster = Memory::default();
        assert!(load(&cluster, &names()).await.unwrap().is_none());
        let first = AppliedRecord { inputs: "i1".into(), ..AppliedRecord::default() };
        save(&cluster, &names(), (&first, &History::default(), &Files::Same), None).await.unwrap();
        let found = load(&cluster, &names()).await.unwrap().unwrap();
        assert_eq!(found.record, first);
        let second = AppliedRecord { inputs: "i2".into(), ..first };
        let saved = save(&cluster, &names(), (&second, &History::default(), &Files::Same), Some(&found)).await.unwrap();
        assert_eq!(saved.record, second);
        assert!(forget(&cluster, &names(), &found).await.is_err(), "it has changed since");
        forget(&cluster, &names(), &saved).await.unwrap();
        assert!(load(&cluster, &names()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_record_that_somebody_deleted_or_touched_is_written_again() {
        let cluster = Memory::default();
        let record = AppliedRecord::default();
        let first = save(&cluster, &names(), (&record, &History::default(), &Files::Same), None).await.unwrap();
        forget(&cluster, &names(), &first).await.unwrap();
        let second =
            save(&cluster, &names(), (&record, &History::default(), &Files::Same), Some(&first)).await.unwrap();
        save(&cluster, &names(), (&record, &History::default(), &Files::Same), Some(&second)).await.unwrap();
        save(&cluster, &names(), (&record, &History::default(), &Files::Same), Some(&second)).await.unwrap();
        assert!(load(&cluster, &names()).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_unknown_and_is_written_over() {
        let cluster = Memory::default();
        cluster.store(&key(&names()), &json!({"data": {RECORD: "bm8ganNvbg=="}}));
        assert!(load(&cluster, &names()).await.unwrap().is_none());
        save(&cluster, &names(), (&AppliedRecord::default(), &History::default(), &Files::Same), None).await.unwrap();
    }
}
