//! A working tree as the command line reads it: file by file, only what is asked for, so that a
//! repository may hold build output of any size beside its entries.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kompox_manifests::source::{EntryKind, SourceTree, TreeEntry, TreeError};

/// The files below a folder. No symbolic link is followed.
#[derive(Clone, Debug)]
pub(crate) struct WorkingTree {
    root: PathBuf,
}

impl WorkingTree {
    /// The tree below `root`, which must be absolute.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The place of a path, when every folder on the way is a folder and no link.
    fn resolve(&self, path: &str) -> Result<PathBuf, TreeError> {
        let mut place = self.root.clone();
        let mut components = path.split('/').filter(|component| !component.is_empty()).peekable();
        while let Some(component) = components.next() {
            if matches!(component, "." | "..") {
                return Err(TreeError::NotFound);
            }
            place.push(component);
            if components.peek().is_some() && kind(&place)? != EntryKind::Folder {
                return Err(TreeError::NotFound);
            }
        }
        Ok(place)
    }
}

impl SourceTree for WorkingTree {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let place = self.resolve(folder)?;
        if kind(&place)? != EntryKind::Folder {
            return Err(TreeError::NotFound);
        }
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&place).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A name that is not UTF-8 cannot be named in any file either.
            let Ok(name) = entry.file_name().into_string() else { continue };
            match kind(&entry.path()) {
                Ok(kind) => entries.push(TreeEntry { name, kind }),
                // Gone between the two calls, or a socket or device.
                Err(TreeError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        let place = self.resolve(path)?;
        match kind(&place)? {
            EntryKind::File => {}
            other => return Err(TreeError::NotAFile(other)),
        }
        let file = std::fs::File::open(&place).map_err(failed)?;
        let mut content = Vec::new();
        // One byte more than allowed tells a file that is too large, also one that grows meanwhile.
        file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(failed)?;
        let size = content.len() as u64;
        if size > limit {
            let size = std::fs::metadata(&place).map_or(size, |metadata| metadata.len());
            return Err(TreeError::TooLarge { size, limit });
        }
        Ok(content.into())
    }
}

fn kind(place: &Path) -> Result<EntryKind, TreeError> {
    let metadata = std::fs::symlink_metadata(place).map_err(failed)?;
    if metadata.is_symlink() {
        Ok(EntryKind::Symlink)
    } else if metadata.is_dir() {
        Ok(EntryKind::Folder)
    } else if metadata.is_file() {
        Ok(EntryKind::File)
    } else {
        Err(TreeError::NotFound)
    }
}

fn failed(error: std::io::Error) -> TreeError {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => TreeError::NotFound,
        _ => TreeError::Store(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, WorkingTree) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b.yml"), "text").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("a/b.yml", folder.path().join("c.yml")).unwrap();
        let tree = WorkingTree::new(folder.path().to_owned());
        (folder, tree)
    }

    #[test]
    fn files_are_read_and_folders_listed_in_order() {
        let (_folder, tree) = tree();
        let names: Vec<(String, EntryKind)> =
            tree.list("").unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
        let wanted = [("a", EntryKind::Folder), ("c.yml", EntryKind::Symlink), ("link", EntryKind::Symlink)];
        assert_eq!(names, wanted.map(|(name, kind)| (name.to_owned(), kind)));
        assert_eq!(tree.read("a/b.yml", 4).unwrap().as_ref(), b"text");
    }

    #[test]
    fn links_and_paths_that_lead_out_are_refused() {
        let (_folder, tree) = tree();
        assert_eq!(tree.read("c.yml", 100), Err(TreeError::NotAFile(EntryKind::Symlink)));
        assert_eq!(tree.read("link/passwd", 100_000), Err(TreeError::NotFound));
        assert_eq!(tree.list("link"), Err(TreeError::NotFound));
        assert_eq!(tree.read("../etc/passwd", 100_000), Err(TreeError::NotFound));
        assert_eq!(tree.read("a/../a/b.yml", 100), Err(TreeError::NotFound));
    }

    #[test]
    fn what_is_too_large_or_missing_says_so() {
        let (_folder, tree) = tree();
        assert_eq!(tree.read("a/b.yml", 3), Err(TreeError::TooLarge { size: 4, limit: 3 }));
        assert_eq!(tree.read("a", 3), Err(TreeError::NotAFile(EntryKind::Folder)));
        assert_eq!(tree.read("none", 3), Err(TreeError::NotFound));
    }
}
