//! The files of a commit, read from the object store. Nothing is checked out and no link is followed.

use std::sync::{Arc, Mutex, PoisonError};

use git2::{ErrorCode, ObjectType, Oid, Repository, Tree};
use kompox_manifests::source::{EntryKind, SourceTree, TreeEntry, TreeError};

use super::mirror::Damage;

/// One commit's tree. The library's handles may move between threads but not be shared, hence the lock.
pub(super) struct GitTree {
    repository: Mutex<Repository>,
    commit: Oid,
    root: Oid,
    damage: Damage,
}

impl GitTree {
    /// The files of a commit that is in the repository.
    pub(super) fn new(repository: Repository, commit: Oid, damage: Damage) -> Result<Self, git2::Error> {
        let root = repository.find_commit(commit)?.tree_id();
        Ok(Self { repository: Mutex::new(repository), commit, root, damage })
    }

    fn with<T>(&self, read: impl FnOnce(&Repository) -> Result<T, TreeError>) -> Result<T, TreeError> {
        // A panic of another reader leaves the handle whole: it is only read through.
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        read(&repository)
    }

    fn broken(&self, error: &git2::Error) -> TreeError {
        self.damage.report(self.commit);
        TreeError::Store(format!("the cached repository is damaged and will be fetched again: {}", error.message()))
    }

    /// The object at a path, and what it is.
    fn find(&self, repository: &Repository, path: &str) -> Result<(Oid, EntryKind), TreeError> {
        // The library panics on it, and no name in a tree has it.
        if path.contains('\0') {
            return Err(TreeError::NotFound);
        }
        let mut tree: Tree<'_> = repository.find_tree(self.root).map_err(|error| self.broken(&error))?;
        let mut found = (self.root, EntryKind::Folder);
        let mut components = path.split('/').filter(|_| !path.is_empty()).peekable();
        while let Some(component) = components.next() {
            let entry = tree.get_name_bytes(component.as_bytes()).ok_or(TreeError::NotFound)?;
            found = (entry.id(), kind(entry.filemode()));
            drop(entry);
            if components.peek().is_none() {
                break;
            }
            match found.1 {
                EntryKind::Folder => tree = repository.find_tree(found.0).map_err(|error| self.broken(&error))?,
                EntryKind::File => return Err(TreeError::NotFound),
                other => return Err(TreeError::NotAFile(other)),
            }
        }
        Ok(found)
    }
}

impl SourceTree for GitTree {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.with(|repository| {
            let (id, found) = self.find(repository, folder)?;
            if found != EntryKind::Folder {
                return Err(TreeError::NotFound);
            }
            let tree = repository.find_tree(id).map_err(|error| self.broken(&error))?;
            let entry = |entry: git2::TreeEntry<'_>| TreeEntry {
                name: String::from_utf8_lossy(entry.name_bytes()).into_owned(),
                kind: kind(entry.filemode()),
            };
            let mut entries: Vec<TreeEntry> = tree.iter().map(entry).collect();
            // Git sorts folders as if their names ended with a slash.
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(entries)
        })
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        self.with(|repository| {
            let (id, found) = self.find(repository, path)?;
            if found != EntryKind::File {
                return Err(TreeError::NotAFile(found));
            }
            let odb = repository.odb().map_err(|error| self.broken(&error))?;
            // The size is in the object's header: a file that is too large is never unpacked.
            let (size, object) = odb.read_header(id).map_err(|error| self.broken(&error))?;
            let size = size as u64;
            if size > limit {
                return Err(TreeError::TooLarge { size, limit });
            }
            let blob = odb.read(id).map_err(|error| self.broken(&error))?;
            if object != ObjectType::Blob {
                return Err(self.broken(&git2::Error::new(
                    ErrorCode::GenericError,
                    git2::ErrorClass::Object,
                    "an object is not the file that its folder says",
                )));
            }
            Ok(Arc::from(blob.data()))
        })
    }

    fn blob(&self, path: &str) -> Option<String> {
        let found = self.with(|repository| self.find(repository, path));
        found.ok().filter(|(_, kind)| *kind == EntryKind::File).map(|(id, _)| id.to_string())
    }
}

fn kind(mode: i32) -> EntryKind {
    match mode & 0o170_000 {
        0o040_000 => EntryKind::Folder,
        0o120_000 => EntryKind::Symlink,
        0o160_000 => EntryKind::Submodule,
        _ => EntryKind::File,
    }
}
