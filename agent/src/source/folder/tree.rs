//! What lies in a folder, hashed as Git does. Links are never followed, neither here nor when a file is read later.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{ObjectType, Oid};
use kompox_manifests::source::{EntryKind, SourceTree, TreeEntry, TreeError};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, readlinkat, statat};

use super::Limits;

/// Folders inside folders that are looked into.
const MAX_DEPTH: usize = 64;
/// Files above this size, in bytes, are known by size and time alone: no manifest needs them, and hashing one would
/// take its size in memory.
const MAX_HASHED: u64 = 16 * 1024 * 1024;
/// Git's own folder; never part of the content.
const GIT: &str = ".git";

/// Why a folder could not be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A file or folder could not be read.
    Io(PathBuf, io::Error),
    /// There is more than the limits allow.
    TooLarge,
}

/// The content of a folder at one moment.
#[derive(Default)]
pub(super) struct Listing {
    root: PathBuf,
    id: Option<Oid>,
    /// By path; the root is the empty path.
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    kind: EntryKind,
    id: Oid,
    /// What tells that a file is the same as before, without reading it. `None` for other kinds.
    stamp: Option<Stamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Listing {
    /// Reads a folder. Files that have not changed since `before` keep their hash.
    pub(super) fn read(root: &Path, limits: Limits, before: &Self) -> Result<Self, Unreadable> {
        let folder = open_folder(root, "").map_err(|cause| Unreadable::Io(root.to_owned(), cause.into()))?;
        let mut walk = Walk { root, limits, before, entries: BTreeMap::new(), bytes: 0 };
        let id = walk.folder(folder, "", 0)?;
        // An empty folder has a hash as well, but no entry in its parent.
        let id = id.map_or_else(|| hash(root, ObjectType::Tree, &[]), Ok)?;
        Ok(Self { root: root.to_owned(), id: Some(id), entries: walk.entries })
    }

    /// The hash of the whole content.
    pub(super) fn id(&self) -> Oid {
        self.id.unwrap_or(Oid::ZERO_SHA1)
    }
}

struct Walk<'a> {
    root: &'a Path,
    limits: Limits,
    before: &'a Listing,
    entries: BTreeMap<String, Entry>,
    bytes: u64,
}

/// A line of a Git tree object.
struct Line {
    name: Vec<u8>,
    mode: &'static str,
    id: Oid,
}

impl Walk<'_> {
    /// Hashes a folder; `None` when nothing in it counts, for Git knows no empty folders.
    fn folder(&mut self, folder: OwnedFd, path: &str, depth: usize) -> Result<Option<Oid>, Unreadable> {
        let mut lines = Vec::new();
        let reader = Dir::read_from(&folder).map_err(|error| self.error(path, error))?;
        for found in reader {
            let found = found.map_err(|error| self.error(path, error))?;
            let name = OsStr::from_bytes(found.file_name().to_bytes());
            if name == "." || name == ".." || name == GIT {
                continue;
            }
            // Names that are no text cannot be named in a manifest either.
            let Some(text) = name.to_str() else { continue };
            let child = if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") };
            if let Some((mode, id)) = self.child(folder.as_fd(), text, &child, depth)? {
                lines.push(Line { name: text.as_bytes().to_vec(), mode, id });
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        // Git's order: folders as if their names ended with a slash.
        lines.sort_by_cached_key(|line| [&line.name[..], if line.mode == "40000" { b"/" } else { b"" }].concat());
        let mut object = Vec::new();
        for Line { name, mode, id } in &lines {
            object.extend_from_slice(mode.as_bytes());
            object.push(b' ');
            object.extend_from_slice(name);
            object.push(0);
            object.extend_from_slice(id.as_bytes());
        }
        hash(&self.root.join(path), ObjectType::Tree, &object).map(Some)
    }

    /// Mode and hash of a child; `None` when it does not count: an empty folder, a socket, or gone by now.
    fn child(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &str,
        path: &str,
        depth: usize,
    ) -> Result<Option<(&'static str, Oid)>, Unreadable> {
        if self.entries.len() >= self.limits.entries || depth >= MAX_DEPTH {
            return Err(Unreadable::TooLarge);
        }
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.error(path, error)),
        };
        let (kind, mode, id, stamp) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let child = openat(folder, name, flags, Mode::empty()).map_err(|error| self.error(path, error))?;
                let Some(id) = self.folder(child, path, depth + 1)? else { return Ok(None) };
                (EntryKind::Folder, "40000", id, None)
            }
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new()).map_err(|error| self.error(path, error))?;
                (EntryKind::Symlink, "120000", hash(&self.root.join(path), ObjectType::Blob, target.to_bytes())?, None)
            }
            FileType::RegularFile => {
                let stamp = stamp(&stat);
                self.bytes = self.bytes.saturating_add(stamp.size);
                if self.bytes > self.limits.bytes {
                    return Err(Unreadable::TooLarge);
                }
                let id = match self.before.entries.get(path) {
                    Some(entry) if entry.stamp == Some(stamp) && self.before.root == self.root => entry.id,
                    _ if stamp.size > MAX_HASHED => {
                        let Stamp { inode: _, size, modified, changed: _ } = stamp;
                        hash(&self.root.join(path), ObjectType::Blob, format!("{size} {modified:?}").as_bytes())?
                    }
                    _ => self.file(folder, name, path)?,
                };
                (EntryKind::File, if stat.st_mode & 0o100 == 0 { "100644" } else { "100755" }, id, Some(stamp))
            }
            _ => return Ok(None),
        };
        self.entries.insert(path.to_owned(), Entry { kind, id, stamp });
        Ok(Some((mode, id)))
    }

    fn file(&self, folder: BorrowedFd<'_>, name: &str, path: &str) -> Result<Oid, Unreadable> {
        let full = self.root.join(path);
        let file = open_file(folder, name).map_err(|error| self.error(path, error))?;
        let mut content = Vec::new();
        // A file that grows while it is read must not fill the memory.
        file.take(MAX_HASHED).read_to_end(&mut content).map_err(|error| Unreadable::Io(full.clone(), error))?;
        hash(&full, ObjectType::Blob, &content)
    }

    fn error(&self, path: &str, cause: rustix::io::Errno) -> Unreadable {
        Unreadable::Io(self.root.join(path), cause.into())
    }
}

fn hash(path: &Path, kind: ObjectType, content: &[u8]) -> Result<Oid, Unreadable> {
    Oid::hash_object(kind, content)
        .map_err(|error| Unreadable::Io(path.to_owned(), io::Error::other(error.message().to_owned())))
}

fn stamp(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// Opens a regular file. `NONBLOCK`, because a pipe in its place would block for ever.
fn open_file(folder: BorrowedFd<'_>, name: &str) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty()).map(File::from)
}

impl SourceTree for Listing {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        if !folder.is_empty() {
            match self.entries.get(folder) {
                Some(Entry { kind: EntryKind::Folder, .. }) => {}
                _ => return Err(TreeError::NotFound),
            }
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let children = below.filter_map(|(path, entry)| {
            let name = path.strip_prefix(&prefix)?;
            (!name.contains('/')).then(|| TreeEntry { name: name.to_owned(), kind: entry.kind })
        });
        Ok(children.collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        if path.is_empty() {
            return Err(TreeError::NotAFile(EntryKind::Folder));
        }
        let entry = self.entries.get(path).ok_or_else(|| self.behind_link(path))?;
        let Entry { kind: EntryKind::File, id, stamp: Some(stamp) } = entry else {
            return Err(TreeError::NotAFile(entry.kind));
        };
        if stamp.size > limit {
            return Err(TreeError::TooLarge { size: stamp.size, limit });
        }
        let changed = || TreeError::Store("it changed while it was read; the next poll reads it again".to_owned());
        let content = read_now(&self.root, path, limit).map_err(|_| changed())?;
        // What is read must be what the revision stands for.
        match Oid::hash_object(ObjectType::Blob, &content) {
            Ok(now) if now == *id => Ok(Arc::from(content)),
            _ => Err(changed()),
        }
    }

    fn identity(&self, path: &str) -> Option<String> {
        let Entry { kind: _, id, stamp } = self.entries.get(path)?;
        // Only a file has a stamp. The hash of a larger file is not one of its content.
        stamp.filter(|stamp| stamp.size <= MAX_HASHED).map(|_| id.to_string())
    }
}

impl Listing {
    /// Why a path that is not listed cannot be read.
    fn behind_link(&self, path: &str) -> TreeError {
        let mut parents = path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| &path[..at]);
        match parents.find_map(|parent| self.entries.get(parent).filter(|entry| entry.kind == EntryKind::Symlink)) {
            Some(link) => TreeError::NotAFile(link.kind),
            None => TreeError::NotFound,
        }
    }
}

/// Opens a folder below another one without following any link on the way. The root itself may be a link: that is
/// the operator's word, not the content's.
fn open_folder(root: &Path, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(rustix::fs::CWD, root, flags, Mode::empty())?;
    for component in path.split('/').filter(|component| !component.is_empty()) {
        folder = openat(&folder, component, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(folder)
}

/// The bytes that a file has now, at most one more than `limit`.
fn read_now(root: &Path, path: &str, limit: u64) -> io::Result<Vec<u8>> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = open_folder(root, folder)?;
    let mut content = Vec::new();
    open_file(folder.as_fd(), name)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    Ok(content)
}
