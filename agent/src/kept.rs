//! Life without Git: what an App was made of when it was applied last, kept beside the record of that. The agent may be
//! running the very Git server that it pulls from; with the repository and the cache gone it goes on from here.
//!
//! Files are kept, not objects: the same files give the same objects, also to a newer agent, and what SOPS has
//! encrypted stays encrypted. Only what converting the App looks at is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use kompox_core::archive::{self, Files};
use kompox_manifests::source::{EntryKind, Record, SourceTree, TreeEntry, TreeError};
use serde::{Deserialize, Serialize};

/// Most bytes of one App: the API server takes 1 MiB for a Secret, in base64 and with all around it.
const LIMIT: usize = 700 * 1024;

/// What an App is made of: a tree, and what was looked at in it.
#[derive(Clone)]
pub(crate) struct MadeOf {
    /// The tree.
    pub(crate) tree: Arc<dyn SourceTree>,
    /// What was looked at.
    pub(crate) record: Arc<Record>,
}

impl fmt::Debug for MadeOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.record.files().map(|(path, _)| path)).finish()
    }
}

/// A tree of only what an App is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    /// When the commit was made.
    pub(crate) time: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    folders: BTreeMap<String, Vec<(String, Child)>>,
    /// What was looked for as a file and is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<String, Child>,
    /// They lie beside this, packed.
    #[serde(skip)]
    files: Files,
}

/// What a path stands for.
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

/// What is kept, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// All but the files' contents, in JSON.
    pub(crate) tree: Vec<u8>,
    /// The files, as a gzipped tar.
    pub(crate) files: Vec<u8>,
}

/// Why nothing is kept.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotKept {
    /// It will never fit.
    #[error("its files take {0} bytes, packed, and {LIMIT} can be kept")]
    TooLarge(usize),
    /// No archive can hold it.
    #[error("its files cannot be packed: {0}")]
    Unpackable(String),
    /// It may be possible later.
    #[error("its files cannot be read: {0}")]
    Unreadable(String),
}

impl Kept {
    /// Reads what an App is made of. `time` is that of its commit.
    ///
    /// # Errors
    /// The store behind the tree fails, or holds something else by now.
    pub(crate) fn of(made_of: &MadeOf, time: Timestamp) -> Result<Self, NotKept> {
        let MadeOf { tree, record } = made_of;
        let mut kept = Self { time, folders: BTreeMap::new(), others: BTreeMap::new(), files: Files::new() };
        let failed = |path: &str, error: &TreeError| Err(NotKept::Unreadable(format!("{path}: {error}")));
        for folder in record.folders() {
            match tree.list(folder) {
                Ok(found) => {
                    let children = found.into_iter().map(|entry| (entry.name, entry.kind.into())).collect();
                    kept.folders.insert(folder.to_owned(), children);
                }
                Err(TreeError::NotFound) => {}
                Err(error) => return failed(folder, &error),
            }
        }
        for (path, limit) in record.files() {
            match tree.read(path, limit) {
                Ok(content) => drop(kept.files.insert(path.to_owned(), content)),
                Err(TreeError::NotFound) => {}
                Err(TreeError::NotAFile(kind)) => drop(kept.others.insert(path.to_owned(), kind.into())),
                Err(error) => return failed(path, &error),
            }
        }
        // A working tree may have changed since.
        if record.holds_in(&kept) { Ok(kept) } else { Err(NotKept::Unreadable("they have changed".to_owned())) }
    }

    /// In the form that is stored.
    ///
    /// # Errors
    /// It is too large, or a path cannot be one of an archive.
    pub(crate) fn pack(&self) -> Result<Packed, NotKept> {
        let files = archive::pack(&self.files).map_err(|error| NotKept::Unpackable(error.to_string()))?;
        let tree = serde_json::to_vec(self).unwrap_or_default();
        let size = files.len() + tree.len();
        if size > LIMIT { Err(NotKept::TooLarge(size)) } else { Ok(Packed { tree, files }) }
    }

    /// Reads the stored form; `None` when it is none.
    pub(crate) fn unpack(packed: &Packed) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&packed.tree).ok()?;
        Some(Self { files: archive::unpack(&packed.files).ok()?, ..kept })
    }
}

impl SourceTree for Kept {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let children = self.folders.get(folder).ok_or(TreeError::NotFound)?;
        Ok(children.iter().map(|(name, kind)| TreeEntry { name: name.clone(), kind: (*kind).into() }).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        if let Some(other) = self.others.get(path) {
            return Err(TreeError::NotAFile((*other).into()));
        }
        let content = self.files.get(path).ok_or(TreeError::NotFound)?;
        let size = content.len() as u64;
        if size > limit { Err(TreeError::TooLarge { size, limit }) } else { Ok(Arc::clone(content)) }
    }
}

#[cfg(test)]
mod tests {
    use kompox_manifests::source::{MemoryTree, RecordedTree};

    use super::*;

    const TIME: Timestamp = Timestamp::UNIX_EPOCH;

    fn made_of(tree: MemoryTree, look: impl FnOnce(&RecordedTree<'_>)) -> MadeOf {
        let record = {
            let recorded = RecordedTree::new(&tree);
            look(&recorded);
            recorded.into_record()
        };
        MadeOf { tree: Arc::new(tree), record: Arc::new(record) }
    }

    #[test]
    fn what_was_looked_at_is_found_again_and_nothing_else() {
        let files = [("a/kompoxops.yml", "version: v1\n"), ("a/bytes", "\u{0}x"), ("b/big", "elsewhere")];
        let made_of = made_of(MemoryTree::new(files), |tree| {
            tree.list("a").unwrap();
            tree.list("nowhere").unwrap_err();
            tree.read("a/kompoxops.yml", 100).unwrap();
            tree.read("a/bytes", 100).unwrap();
            tree.read("a/missing", 100).unwrap_err();
            tree.read("b", 100).unwrap_err();
        });
        let kept = Kept::of(&made_of, TIME).unwrap();
        let found = Kept::unpack(&kept.pack().unwrap()).unwrap();
        assert_eq!(found, kept);
        assert!(made_of.record.holds_in(&found), "every look gives the same answer");
        assert_eq!(found.list("b"), Err(TreeError::NotFound));
        assert_eq!(found.read("b/big", 100), Err(TreeError::NotFound));
        assert_eq!(found.read("a/bytes", 1), made_of.tree.read("a/bytes", 1), "the limit holds");
    }

    #[test]
    fn what_is_damaged_is_not_there_and_what_is_too_large_is_refused() {
        let damaged = Packed { tree: b"no JSON".to_vec(), files: b"no archive".to_vec() };
        assert_eq!(Kept::unpack(&damaged), None);
        let mut dice = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            dice.to_be_bytes()[0]
        })
        .take(2 * LIMIT)
        .collect();
        let made_of = made_of(MemoryTree::new([("noise", noise)]), |tree| drop(tree.read("noise", u64::MAX)));
        let error = Kept::of(&made_of, TIME).unwrap().pack().unwrap_err();
        assert!(matches!(error, NotKept::TooLarge(_)), "{error}");
    }

    #[test]
    fn a_store_that_fails_or_has_changed_keeps_nothing() {
        struct Broken;
        impl SourceTree for Broken {
            fn list(&self, _folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
                Err(TreeError::Store("damaged".to_owned()))
            }
            fn read(&self, _path: &str, _limit: u64) -> Result<Arc<[u8]>, TreeError> {
                Err(TreeError::Store("damaged".to_owned()))
            }
        }
        for look in [|tree: &RecordedTree<'_>| drop(tree.read("a", 9)), |tree: &RecordedTree<'_>| drop(tree.list(""))] {
            let sound = made_of(MemoryTree::new([("a", "x")]), look);
            let changed = MadeOf { tree: Arc::new(MemoryTree::new([("a", "y"), ("b", "")])), ..sound.clone() };
            assert!(matches!(Kept::of(&changed, TIME), Err(NotKept::Unreadable(_))));
            let broken = MadeOf { tree: Arc::new(Broken), ..sound };
            assert!(matches!(Kept::of(&broken, TIME), Err(NotKept::Unreadable(_))));
        }
    }
}
