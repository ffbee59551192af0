//! What was applied last of an App, kept with it: a Secret of its Namespace, because a hash over Secrets
//! is in it. It is written when an App was brought to something new, read once a process, and deleted
//! with the last object of an App that left Git. The App's history and its files lie beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kompox_core::history::History;
use kompox_core::observed::LiveObject;
use kompox_core::ownership;
use kompox_core::plan::AppliedRecord;
use kompox_manifests::labels;
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::{Value, json};

use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError};
use crate::failure::Failure;
use crate::kept::Packed;

/// Key of the record in the Secret.
const RECORD: &str = "record.json";
/// Key of the history in the Secret.
const HISTORY: &str = "history.json";
/// Key of the digest of what the App's files say about it in the Secret.
const FILES_OF: &str = "files-of";
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
    /// Digest of what the files that lie beside it say about the App, or would where they can never be kept.
    pub(crate) keeps: Option<String>,
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
    /// These, with the digest of what they say about the App.
    Kept(String, Packed),
    /// None, for good.
    Never(String),
    /// None for now; those of before are not what is applied any more.
    NotYet,
}

impl Files {
    /// The values of the Secret's keys; `null` takes one away.
    fn data(&self) -> Option<[(&'static str, Value); 3]> {
        let (of, packed) = match self {
            Self::Same => return None,
            Self::Kept(of, packed) => (Some(of), Some(packed)),
            Self::Never(of) => (Some(of), None),
            Self::NotYet => (None, None),
        };
        let value = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |bytes| json!(STANDARD.encode(bytes)));
        Some([
            (FILES_OF, value(of.map(String::as_bytes))),
            (TREE, value(packed.map(|packed| packed.tree.as_slice()))),
            (FILES, value(packed.map(|packed| packed.files.as_slice()))),
        ])
    }
}

/// What lies in the cluster of an App, for going on from it without anything else.
pub(crate) struct Remembered {
    /// What was applied last.
    pub(crate) record: AppliedRecord,
    /// Digest of what the files say about the App: of what was applied, or of what was asked for when it was suspended.
    pub(crate) inputs: String,
    /// The files.
    pub(crate) files: Packed,
    /// When the agent has written it.
    pub(crate) written: Option<Timestamp>,
}

/// Reads everything that is remembered of an App; `None` when something of it is not there, or cannot be read.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn load_all(cluster: &dyn ClusterApi, names: &Names) -> Result<Option<Remembered>, ClusterError> {
    let Some(live) = cluster.get(&key(names)).await? else { return Ok(None) };
    let found = || {
        let Stored { record, keeps, .. } = stored(&live)?;
        let files = Packed { tree: part(&live, TREE)?, files: part(&live, FILES)? };
        Some(Remembered { record, inputs: keeps?, files, written: ownership::last_write(&live) })
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
    for (name, value) in files.data().into_iter().flatten() {
        data["data"][name] = value;
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

/// Takes the files of an App away whose objects are going to be deleted: it does not come back without Git.
///
/// # Errors
/// It cannot be written.
pub(crate) async fn leave(cluster: &dyn ClusterApi, names: &Names, stored: &Stored) -> Result<Stored, Failure> {
    save(cluster, names, (&stored.record, &stored.history, &Files::NotYet), Some(stored)).await
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
    let record = serde_json::from_str(&text(live, RECORD)?).ok()?;
    let history = History::read(&text(live, HISTORY).unwrap_or_default());
    Some(Stored { record, history, keeps: keeps(live), uid: live.uid.clone(), version: live.resource_version.clone() })
}

fn keeps(live: &LiveObject) -> Option<String> {
    text(live, FILES_OF)
}

fn text(live: &LiveObject, name: &str) -> Option<String> {
    String::from_utf8(part(live, name)?).ok()
}

/// What lies under a key of the Secret.
fn part(live: &LiveObject, name: &str) -> Option<Vec<u8>> {
    STANDARD.decode(live.body.get("data")?.get(name)?.as_str()?).ok()
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
    async fn files_are_found_with_what_they_are_of_until_the_app_leaves() {
        let cluster = Memory::default();
        let record = AppliedRecord::default();
        let history = History::default();
        let packed = Packed { tree: b"{}".to_vec(), files: b"tar".to_vec() };
        let files = Files::Kept("i1".into(), packed.clone());
        let first = save(&cluster, &names(), (&record, &history, &files), None).await.unwrap();
        let same = save(&cluster, &names(), (&record, &history, &Files::Same), Some(&first)).await.unwrap();
        assert_eq!(same.keeps.as_deref(), Some("i1"));
        let found = load_all(&cluster, &names()).await.unwrap().unwrap();
        assert_eq!((found.inputs.as_str(), &found.files), ("i1", &packed));
        let never = Files::Never("i2".into());
        let never = save(&cluster, &names(), (&record, &history, &never), Some(&same)).await.unwrap();
        assert_eq!(never.keeps.as_deref(), Some("i2"), "it is not tried again");
        assert!(load_all(&cluster, &names()).await.unwrap().is_none());
        let again = save(&cluster, &names(), (&record, &history, &files), Some(&never)).await.unwrap();
        let left = leave(&cluster, &names(), &again).await.unwrap();
        assert_eq!(left.keeps, None);
        assert!(load_all(&cluster, &names()).await.unwrap().is_none());
        assert_eq!(load(&cluster, &names()).await.unwrap().unwrap().record, record);
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
