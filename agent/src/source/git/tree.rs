//! The files of a commit, read from the object store. Nothing is checked out and no link is followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ErrorCode, ObjectType, Oid, Repository};
use kompox_manifests::source::{EntryKind, SourceTree, TreeEntry, TreeError};

use super::mirror::Damage;

/// Most names of folders that are remembered of one commit: some megabytes.
const MOST_NAMES: usize = 20_000;

/// One commit's tree. The library's handles may move between threads but not be shared, hence the lock.
pub(super) struct GitTree {
    store: Mutex<Store>,
    commit: Oid,
    damage: Damage,
}

/// Where the objects are.
struct Store {
    repository: Repository,
    root: Oid,
    folders: Arc<Folders>,
}

/// The folders that were unpacked, by their object: the way to every file leads through the root, and most folders are
/// the same in the next commit.
#[derive(Default)]
pub(super) struct Folders(Mutex<Seen>);

/// What was seen of the tree that was read last, and of the one before it; that of older ones is forgotten.
#[derive(Default)]
struct Seen {
    last: OfTree,
    before: OfTree,
}

#[derive(Default)]
struct OfTree {
    root: Option<Oid>,
    folders: HashMap<Oid, Arc<Folder>>,
    names: usize,
}

/// The children of a folder, sorted by the bytes of their names.
struct Folder(Vec<Child>);

/// Name, object and kind.
type Child = (Box<[u8]>, Oid, EntryKind);

impl Folders {
    /// A folder of the tree with this root, if it was seen.
    fn get(&self, root: Oid, id: Oid) -> Option<Arc<Folder>> {
        let mut seen = self.seen(root);
        if let Some(known) = seen.last.folders.get(&id) {
            return Some(Arc::clone(known));
        }
        let known = Arc::clone(seen.before.folders.get(&id)?);
        seen.last.add(id, &known);
        Some(known)
    }

    fn add(&self, root: Oid, id: Oid, folder: &Arc<Folder>) {
        self.seen(root).last.add(id, folder);
    }

    /// What is known once the tree with this root is the one that was read last.
    fn seen(&self, root: Oid) -> MutexGuard<'_, Seen> {
        // A panic of another reader leaves it whole: what is remembered is added at once.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.last.root != Some(root) {
            let Seen { last, before } = &mut *seen;
            std::mem::swap(last, before);
            if last.root != Some(root) {
                *last = OfTree { root: Some(root), ..OfTree::default() };
            }
        }
        seen
    }
}

impl OfTree {
    fn add(&mut self, id: Oid, folder: &Arc<Folder>) {
        if self.names + folder.0.len() <= MOST_NAMES && self.folders.insert(id, Arc::clone(folder)).is_none() {
            self.names += folder.0.len();
        }
    }
}

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
    fn find(&self, path: &str) -> Result<(Oid, EntryKind), Missing> {
        if path.is_empty() {
            return Ok((self.root, EntryKind::Folder));
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder)?;
        folder.child(name.as_bytes()).ok_or(Missing::Told(TreeError::NotFound))
    }

    /// The children of a folder.
    fn folder(&self, path: &str) -> Result<Arc<Folder>, Missing> {
        let mut folder = self.children(self.root)?;
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let mut start = 0;
        for end in ends.filter(|_| !path.is_empty()) {
            let id = match folder.child(&path.as_bytes()[start..end]) {
                Some((id, EntryKind::Folder)) => id,
                None | Some((_, EntryKind::File)) => return Err(Missing::Told(TreeError::NotFound)),
                Some((_, other)) => return Err(Missing::Told(TreeError::NotAFile(other))),
            };
            folder = self.children(id)?;
            start = end + 1;
        }
        Ok(folder)
    }

    /// The children of the folder that is this object.
    fn children(&self, id: Oid) -> Result<Arc<Folder>, Missing> {
        if let Some(known) = self.folders.get(self.root, id) {
            return Ok(known);
        }
        let tree = self.repository.find_tree(id)?;
        let child = |entry: git2::TreeEntry<'_>| (Box::from(entry.name_bytes()), entry.id(), kind(entry.filemode()));
        let mut children: Vec<Child> = tree.iter().map(child).collect();
        // Git sorts folders as if their names ended with a slash.
        children.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let folder = Arc::new(Folder(children));
        self.folders.add(self.root, id, &folder);
        Ok(folder)
    }
}

impl GitTree {
    /// The files of a commit that is in the repository; `folders` are those that other commits' trees have seen.
    pub(super) fn new(
        repository: Repository,
        commit: Oid,
        folders: Arc<Folders>,
        damage: Damage,
    ) -> Result<Self, git2::Error> {
        let root = repository.find_commit(commit)?.tree_id();
        let store = Store { repository, root, folders };
        Ok(Self { store: Mutex::new(store), commit, damage })
    }

    fn with<T>(&self, read: impl FnOnce(&Store) -> Result<T, Missing>) -> Result<T, TreeError> {
        // A panic of another reader leaves it whole: reading changes nothing of it.
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        read(&store).map_err(|missing| match missing {
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

    fn identity(&self, path: &str) -> Option<String> {
        let found = self.with(|store| store.find(path));
        found.ok().filter(|(_, kind)| matches!(kind, EntryKind::File | EntryKind::Folder)).map(|(id, _)| id.to_string())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).unwrap()
    }

    fn folder(names: &[&str]) -> Arc<Folder> {
        Arc::new(Folder(names.iter().map(|name| (Box::from(name.as_bytes()), id(0), EntryKind::File)).collect()))
    }

    /// Which of the folders 10 to 13 are known to the tree with a root.
    fn known(folders: &Folders, root: u8) -> Vec<u8> {
        (10..14).filter(|number| folders.get(id(root), id(*number)).is_some()).collect()
    }

    #[test]
    fn what_the_next_commit_has_too_is_kept_and_the_rest_forgotten() {
        let folders = Folders::default();
        folders.add(id(1), id(10), &folder(&["a"]));
        folders.add(id(1), id(11), &folder(&["b"]));
        folders.add(id(2), id(12), &folder(&["c"]));
        assert!(folders.get(id(2), id(10)).is_some(), "the tree before has it");
        folders.add(id(3), id(13), &folder(&["d"]));
        // Neither of the two trees that were read last has asked for 11.
        assert_eq!(known(&folders, 3), [10, 12, 13]);
    }

    #[test]
    fn two_trees_that_are_read_in_turns_keep_what_they_know() {
        let folders = Folders::default();
        for turn in 0..3 {
            for root in [1, 2] {
                assert_eq!(folders.get(id(root), id(10 + root)).is_some(), turn > 0, "turn {turn} of {root}");
                folders.add(id(root), id(10 + root), &folder(&["a"]));
            }
        }
    }

    #[test]
    fn names_are_remembered_up_to_a_limit() {
        let folders = Folders::default();
        let names: Vec<String> = (0..MOST_NAMES).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        folders.add(id(1), id(10), &folder(&names[1..]));
        folders.add(id(1), id(11), &folder(&["a", "b"]));
        folders.add(id(1), id(12), &folder(&["c"]));
        assert_eq!(known(&folders, 1), [10, 12]);
    }
}
