//! The port through which a commit (or a working folder) is read. Nothing is ever checked out: an
//! implementation reads blobs from an object store or files from a folder, and follows no symlink.

mod recorded;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::recorded::{Record, RecordedTree};

/// Read-only view of one repository at one commit. Paths are relative to the repository's root,
/// separated by `/`, without `.` or `..` components and without a leading `/`; the root is `""`.
pub trait SourceTree: Send + Sync {
    /// The children of a folder, sorted by name.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] when the folder does not exist.
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError>;

    /// The bytes of a file. Symlinks, submodules and folders are errors, files above `limit` bytes too.
    ///
    /// # Errors
    /// See [`TreeError`].
    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError>;

    /// The identity of what a file, or a folder with all that is below it, holds in the store behind the tree, where it
    /// has one that is cheaper to tell than the content is to read. The same identity is the same content, in any tree
    /// of the store.
    fn identity(&self, _path: &str) -> Option<String> {
        None
    }
}

/// A child of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// File or folder name, without its parents.
    pub name: String,
    /// What the name stands for.
    pub kind: EntryKind,
}

/// What a path in the repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; never followed.
    Symlink,
    /// A submodule; never entered.
    Submodule,
}

/// Why a path could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No such file or folder.
    #[error("no such file in the repository")]
    NotFound,
    /// The path exists but is not a regular file.
    #[error("it is {}, not a regular file", match .0 { EntryKind::Folder => "a folder", EntryKind::Symlink => "a symbolic link", EntryKind::Submodule => "a submodule", EntryKind::File => "a file" })]
    NotAFile(EntryKind),
    /// The file has more bytes than the caller accepts.
    #[error("it has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Size of the file in bytes.
        size: u64,
        /// Largest accepted size in bytes.
        limit: u64,
    },
    /// The store behind the tree failed; the text is free of secrets.
    #[error("{0}")]
    Store(String),
}

impl TreeError {
    /// What to do about a file that cannot be read.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NotFound => "commit the file, or correct the path",
            Self::NotAFile(_) => "put the file itself there; links are not followed",
            Self::TooLarge { .. } => "make it smaller",
            Self::Store(_) => "try again; if it stays, look at the repository",
        }
    }
}

/// A tree in memory, for tests and for callers that already hold the files.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, Arc<[u8]>>,
}

impl MemoryTree {
    /// A tree of the given `(path, content)` pairs.
    pub fn new<P: Into<String>, C: AsRef<[u8]>>(files: impl IntoIterator<Item = (P, C)>) -> Self {
        let files = files.into_iter().map(|(path, content)| (path.into(), Arc::from(content.as_ref()))).collect();
        Self { files }
    }
}

impl SourceTree for MemoryTree {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut children: BTreeMap<&str, EntryKind> = BTreeMap::new();
        for path in self.files.keys() {
            let Some(rest) = path.strip_prefix(&prefix) else { continue };
            match rest.split_once('/') {
                Some((name, _)) => children.insert(name, EntryKind::Folder),
                None => children.insert(rest, EntryKind::File),
            };
        }
        if children.is_empty() && !folder.is_empty() {
            return Err(TreeError::NotFound);
        }
        Ok(children.into_iter().map(|(name, kind)| TreeEntry { name: name.to_owned(), kind }).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        let Some(content) = self.files.get(path) else {
            let folder = format!("{path}/");
            return Err(if self.files.keys().any(|file| file.starts_with(&folder)) {
                TreeError::NotAFile(EntryKind::Folder)
            } else {
                TreeError::NotFound
            });
        };
        let size = content.len() as u64;
        if size > limit {
            return Err(TreeError::TooLarge { size, limit });
        }
        Ok(Arc::clone(content))
    }
}
