//! Life without Git: the files that the newest commit was made of, kept in the cluster. The agent may be running
//! the very Git server that it pulls from; with the repository and the cache gone it goes on from here.
//!
//! Only what converting the commit looks at is kept, in a Secret of the agent's Namespace, because files may
//! hold secrets in plain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kompox_core::archive::{self, Files};
use kompox_core::observed::LiveObject;
use kompox_manifests::labels;
use kompox_manifests::object::{Kind, ObjectKey};
use kompox_manifests::source::{EntryKind, SourceTree, TreeEntry, TreeError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cluster::error::Cause;
use crate::cluster::{ClusterApi, ClusterError, SYSTEM_NAMESPACE};

/// Key in the Secret of what is known of the commit.
const COMMIT: &str = "commit.json";
/// Key in the Secret of its files.
const FILES: &str = "files.tar.gz";
/// Most bytes of both: the API server takes 1 MiB for a Secret, in base64 and with all around it.
const LIMIT: usize = 700 * 1024;

/// A commit with the files that it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its id.
    pub(crate) id: String,
    /// When it was made.
    pub(crate) time: Timestamp,
    /// Where it was fetched from, as in the record of the source.
    pub(crate) place: String,
    /// Its files.
    #[serde(flatten)]
    pub(crate) tree: KeptTree,
}

/// A commit as it lies in the cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The commit.
    pub(crate) kept: Kept,
    /// The version of its Secret, for the next [`save`].
    pub(crate) version: String,
}

/// Files and folders by their paths; what was not looked at is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptTree {
    folders: BTreeMap<String, Vec<(String, Child)>>,
    /// They lie beside this, packed.
    #[serde(skip)]
    files: Files,
}

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Child {
    File,
    Folder,
    Symlink,
    Submodule,
}

impl From<EntryKind> for Child {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::File => Self::File,
            EntryKind::Folder => Self::Folder,
            EntryKind::Symlink => Self::Symlink,
            EntryKind::Submodule => Self::Submodule,
        }
    }
}

impl From<Child> for EntryKind {
    fn from(child: Child) -> Self {
        match child {
            Child::File => Self::File,
            Child::Folder => Self::Folder,
            Child::Symlink => Self::Symlink,
            Child::Submodule => Self::Submodule,
        }
    }
}

impl SourceTree for KeptTree {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let children = self.folders.get(folder).ok_or(TreeError::NotFound)?;
        Ok(children.iter().map(|(name, kind)| TreeEntry { name: name.clone(), kind: (*kind).into() }).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        let content = self.files.get(path).ok_or(TreeError::NotFound)?;
        let size = content.len() as u64;
        if size > limit { Err(TreeError::TooLarge { size, limit }) } else { Ok(Arc::clone(content)) }
    }
}

/// A tree in front of another one that keeps everything that is looked at.
pub(crate) struct Keeper<'tree> {
    tree: &'tree dyn SourceTree,
    kept: Mutex<KeptTree>,
}

impl<'tree> Keeper<'tree> {
    /// A tree that was not looked at yet.
    pub(crate) fn new(tree: &'tree dyn SourceTree) -> Self {
        Self { tree, kept: Mutex::default() }
    }

    /// Everything that was looked at.
    pub(crate) fn into_kept(self) -> KeptTree {
        self.kept.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It tells no identities of contents: whoever compares must read, so that everything is seen.
impl SourceTree for Keeper<'_> {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let found = self.tree.list(folder)?;
        let children = found.iter().map(|entry| (entry.name.clone(), entry.kind.into())).collect();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).folders.insert(folder.to_owned(), children);
        Ok(found)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        let found = self.tree.read(path, limit)?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).files.insert(path.to_owned(), Arc::clone(&found));
        Ok(found)
    }
}

/// The commit that is kept of a source; `None` when there is none, or none that can be read.
///
/// # Errors
/// The cluster cannot be read.
pub(crate) async fn load(cluster: &dyn ClusterApi, source: &str) -> Result<Option<Stored>, ClusterError> {
    let live = cluster.get(&key(source)).await?;
    Ok(live.and_then(|live| Some(Stored { kept: unpack(&live)?, version: live.resource_version })))
}

/// Keeps a commit in the place of the one before; gives the version of its Secret. With `known`, the version that
/// was read or written last, nothing is read first.
///
/// # Errors
/// It cannot be written; [`Cause::TooLarge`] when it is too large to be kept at all.
pub(crate) async fn save(
    cluster: &dyn ClusterApi,
    source: &str,
    kept: &Kept,
    known: Option<&str>,
) -> Result<String, ClusterError> {
    let key = key(source);
    let files = archive::pack(&kept.tree.files).map_err(|error| {
        ClusterError::new(format!("save {key}"), Cause::Configuration(format!("it cannot be packed: {error}")))
    })?;
    let commit = serde_json::to_vec(kept).unwrap_or_default();
    let size = files.len() + commit.len();
    if size > LIMIT {
        return Err(ClusterError::new(format!("save {key}"), Cause::TooLarge { size, limit: LIMIT }));
    }
    let data = json!({COMMIT: STANDARD.encode(commit), FILES: STANDARD.encode(files)});
    let patch = json!({"data": data});
    if let Some(known) = known {
        match cluster.patch(&key, known, &patch).await {
            // Somebody has touched or deleted it since.
            Err(ClusterError { cause: Cause::Changed | Cause::NotFound(_), .. }) => {}
            written => return written.map(|live| live.resource_version),
        }
    }
    let Some(live) = cluster.get(&key).await? else {
        let body = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            // Not `kompox`: that label is of the Apps' objects.
            "metadata": {
                "name": key.name,
                "namespace": SYSTEM_NAMESPACE,
                "labels": {labels::MANAGED_BY: "kompox-agent"},
            },
            "type": "Opaque",
            "data": data,
        });
        return cluster.create(&key, &body).await.map(|live| live.resource_version);
    };
    cluster.patch(&key, &live.resource_version, &patch).await.map(|live| live.resource_version)
}

fn unpack(live: &LiveObject) -> Option<Kept> {
    let data = live.body.pointer("/data")?;
    let part = |name| STANDARD.decode(data.get(name)?.as_str()?).ok();
    let mut kept: Kept = serde_json::from_slice(&part(COMMIT)?).ok()?;
    kept.tree.files = archive::unpack(&part(FILES)?).ok()?;
    Some(kept)
}

fn key(source: &str) -> ObjectKey {
    let name = format!("kompox-source-{source}.kept");
    ObjectKey { kind: Kind::Secret, namespace: Some(SYSTEM_NAMESPACE.to_owned()), name }
}

#[cfg(test)]
mod tests {
    use kompox_manifests::source::MemoryTree;

    use super::*;
    use crate::cluster::faulty::Faulty;
    use crate::cluster::memory::Memory;

    #[tokio::test]
    async fn what_was_looked_at_is_found_again_and_nothing_else() {
        let tree =
            MemoryTree::new([("a/kompoxops.yml", "version: v1\n"), ("a/bytes", "\u{0}x"), ("b/big", "elsewhere")]);
        let keeper = Keeper::new(&tree);
        keeper.list("").unwrap();
        keeper.list("a").unwrap();
        keeper.read("a/kompoxops.yml", 100).unwrap();
        keeper.read("a/bytes", 100).unwrap();
        assert_eq!(keeper.read("a/missing", 100), Err(TreeError::NotFound));
        let time = "2026-01-02T03:04:05Z".parse().unwrap();
        let kept = Kept { id: "1".repeat(40), time, place: "main of x".into(), tree: keeper.into_kept() };

        let cluster = Memory::default();
        assert_eq!(load(&cluster, "apps").await.unwrap(), None);
        save(&cluster, "apps", &kept, None).await.unwrap();
        let newer = Kept { id: "2".repeat(40), ..kept };
        let version = save(&cluster, "apps", &newer, None).await.unwrap();
        let Stored { kept: found, version: loaded } = load(&cluster, "apps").await.unwrap().unwrap();
        assert_eq!((&found, loaded), (&newer, version));
        for folder in ["", "a", "b", "nowhere"] {
            let expected = if folder == "b" { Err(TreeError::NotFound) } else { tree.list(folder) };
            assert_eq!(found.tree.list(folder), expected, "{folder}");
        }
        assert_eq!(found.tree.read("a/bytes", 100), tree.read("a/bytes", 100));
        assert_eq!(found.tree.read("a/bytes", 1), tree.read("a/bytes", 1), "the limit holds");
        assert_eq!(found.tree.read("b/big", 100), Err(TreeError::NotFound));
    }

    #[tokio::test]
    async fn what_is_damaged_is_not_there_and_what_is_too_large_is_refused() {
        let cluster = Memory::default();
        cluster.store(&key("apps"), &json!({"data": {COMMIT: "bm8gSlNPTg==", FILES: "bm8gZ3ppcA=="}}));
        assert_eq!(load(&cluster, "apps").await.unwrap(), None);
        let mut dice = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            dice.to_be_bytes()[0]
        })
        .take(2 * LIMIT)
        .collect();
        let tree = KeptTree { files: [("noise".into(), noise.into())].into(), ..KeptTree::default() };
        let kept = Kept { id: String::new(), time: Timestamp::UNIX_EPOCH, place: String::new(), tree };
        let error = save(&cluster, "apps", &kept, None).await.unwrap_err();
        assert!(matches!(error.cause, Cause::TooLarge { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_known_version_is_written_without_reading_whatever_others_did_to_it() {
        let cluster = Faulty::new(Memory::default());
        let (time, place) = (Timestamp::UNIX_EPOCH, String::new());
        let kept = |id: &str| Kept { id: id.to_owned(), time, place: place.clone(), tree: KeptTree::default() };
        let first = save(&cluster, "apps", &kept("1"), None).await.unwrap();
        let reads = || cluster.calls().iter().filter(|call| call.starts_with("get")).count();
        let before = reads();
        let second = save(&cluster, "apps", &kept("2"), Some(&first)).await.unwrap();
        assert_eq!(reads(), before, "{:?}", cluster.calls());

        assert_ne!(first, second);
        save(&cluster, "apps", &kept("3"), Some(&first)).await.unwrap();
        assert_eq!(load(&cluster, "apps").await.unwrap().unwrap().kept.id, "3", "somebody has touched it");
        cluster.inner.delete_now(&key("apps"));
        save(&cluster, "apps", &kept("4"), Some(&second)).await.unwrap();
        assert_eq!(load(&cluster, "apps").await.unwrap().unwrap().kept.id, "4", "somebody has deleted it");
    }
}
