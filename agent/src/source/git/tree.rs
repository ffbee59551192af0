//! The files of a commit, read from the object store. Nothing is checked out and no link is followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use git2::{ErrorCode, ObjectType, Oid, Repository};
use kompox_manifests::source::{EntryKind, SourceTree, TreeEntry, TreeError};

use super::mirror::Damage;

/// Most names of folders that are remembered: some megabytes.
const MOST_NAMES: usize = 20_000;

/// One commit's tree. The library's handles may move between threads but not be shared, hence the lock.
pub(super) struct GitTree {
    store: Mutex<Store>,
    commit: Oid,
    damage: Damage,
}

/// Where the objects are, with the folders that were seen: the way to every file leads through the root, which the
/// library unpacks each time where it is large.
struct Store {
    repository: Repository,
    root: Oid,
    folders: HashMap<String, Arc<Folder>>,
    names: usize,
}

/// The children of a folder, sorted by the bytes of their names.
struct Folder(Vec<Child>);

/// Name, object and kind.
type Child = (Box<[u8]>, Oid, EntryKind);

impl Folder {
    fn child(&self, name: &[u8]) -> Option<(Oid, EntryKind)> {
        let found = self.0.binary_search_by(|(other, ..)| other.as_ref().cmp(name)).ok()?;
        self.0.get(found).map(|&(_, id, kind)| (id, kind))
    }
}

/// Why something is not found.
enum Missing {
    Told(TreeError),
    Broken(git2::Error),
}

impl From<git2::Error> for Missing {
    fn from(error: git2::Error) -> Self {
        Self::Broken(error)
    }
}

impl Store {
    /// The object at a path, and what it is.
    fn find(&mut self, path: &str) -> Result<(Oid, EntryKind), Missing> {
        if path.is_empty() {
            return Ok((self.root, EntryKind::Folder));
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder)?;
        folder.child(name.as_bytes()).ok_or(Missing::Told(TreeError::NotFound))
    }

    /// The children of a folder.
    fn folder(&mut self, path: &str) -> Result<Arc<Folder>, Missing> {
        let mut folder = self.children("", self.root)?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let mut start = 0;
        for end in ends.filter(|_| !path.is_empty()) {
            let id = match folder.child(&path.as_bytes()[start..end]) {
                Some((id, EntryKind::Folder)) => id,
                None | Some((_, EntryKind::File)) => return Err(Missing::Told(TreeError::NotFound)),
                Some((_, other)) => return Err(Missing::Told(TreeError::NotAFile(other))),
            };
            folder = self.children(&path[..end], id)?;
            start = end + 1;
        }
        Ok(folder)
    }

    /// The children of the folder at a path that is this object.
    fn children(&mut self, path: &str, id: Oid) -> Result<Arc<Folder>, Missing> {
        if let Some(known) = self.folders.get(path) {
            return Ok(Arc::clone(known));
        }
        let tree = self.repository.find_tree(id)?;
        let child = |entry: git2::TreeEntry<'_>| (Box::from(entry.name_bytes()), entry.id(), kind(entry.filemode()));
        let mut children: Vec<Child> = tree.iter().map(child).collect();
        // Git sorts folders as if their names ended with a slash.
        children.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let folder = Arc::new(Folder(children));
        if self.names + folder.0.len() <= MOST_NAMES {
            self.names += folder.0.len();
            self.folders.insert(path.to_owned(), Arc::clone(&folder));
        }
        Ok(folder)
    }
}

impl GitTree {
    /// The files of a commit that is in the repository.
    pub(super) fn new(repository: Repository, commit: Oid, damage: Damage) -> Result<Self, git2::Error> {
        let root = repository.find_commit(commit)?.tree_id();
        let store = Store { repository, root, folders: HashMap::new(), names: 0 };
        Ok(Self { store: Mutex::new(store), commit, damage })
    }

    fn with<T>(&self, read: impl FnOnce(&mut Store) -> Result<T, Missing>) -> Result<T, TreeError> {
        // A panic of another reader leaves it whole: what is remembered is added at once.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        read(&mut store).map_err(|missing| match missing {
            Missing::Told(error) => error,
            Missing::Broken(error) => self.broken(&error),
        })
    }

    fn broken(&self, error: &git2::Error) -> TreeError {
        self.damage.report(self.commit);
        TreeError::Store(format!("the cached repository is damaged and will be fetched again: {}", error.message()))
    }
}

impl SourceTree for GitTree {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let folder = self.with(|store| {
            let (_, found) = store.find(folder)?;
            if found != EntryKind::Folder {
                return Err(Missing::Told(TreeError::NotFound));
            }
            store.folder(folder)
        })?;
        let entry =
            |(name, _, kind): &Child| TreeEntry { name: String::from_utf8_lossy(name).into_owned(), kind: *kind };
        let mut entries: Vec<TreeEntry> = folder.0.iter().map(entry).collect();
        // Names that are no UTF-8 may have changed places.
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        self.with(|store| {
            let (id, found) = store.find(path)?;
            if found != EntryKind::File {
                return Err(Missing::Told(TreeError::NotAFile(found)));
            }
            let odb = store.repository.odb()?;
            // The size is in the object's header: a file that is too large is never unpacked.
            let (size, object) = odb.read_header(id)?;
            let size = size as u64;
            if size > limit {
                return Err(Missing::Told(TreeError::TooLarge { size, limit }));
            }
            let blob = odb.read(id)?;
            if object != ObjectType::Blob {
                let message = "an object is not the file that its folder says";
                return Err(git2::Error::new(ErrorCode::GenericError, git2::ErrorClass::Object, message).into());
            }
            Ok(Arc::from(blob.data()))
        })
    }

    fn blob(&self, path: &str) -> Option<String> {
        let found = self.with(|store| store.find(path));
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
