use super::*;
use crate::source::{MemoryTree, TreeEntry};

fn search(files: &[&str], path: &str) -> (Found, Vec<String>) {
    let tree = MemoryTree::new(files.iter().map(|path| (*path, "")));
    search_in(&tree, path)
}

fn search_in(tree: &dyn SourceTree, path: &str) -> (Found, Vec<String>) {
    let findings = Findings::new();
    let found = find(tree, path, &findings);
    let lines = findings.into_vec().iter().map(|finding| format!("{} {finding}", finding.code)).collect();
    (found, lines)
}

fn paths(entries: &[EntryFile]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[test]
fn entries_are_found_at_every_depth_and_sorted() {
    let files = [
        "web/kompoxops.yml",
        "a/b/c/kompoxapp.yml",
        "kompoxapp.yml",
        "web/compose.yml",
        "apps/kompoxapp.yaml",
        "node_modules/x/kompoxapp.yml",
        "a/.git/kompoxapp.yml",
        "dist/kompoxops.yml",
    ];
    let (found, lines) = search(&files, ".");
    assert_eq!(paths(&found.entries), ["a/b/c/kompoxapp.yml", "kompoxapp.yml", "web/kompoxops.yml"]);
    assert_eq!((found.entries[1].folder.as_str(), found.entries[1].form), ("", Form::Kom));
    assert_eq!((found.entries[2].folder.as_str(), found.entries[2].form), ("web", Form::Single));
    assert!(found.complete);
    assert_eq!(lines, [] as [&str; 0]);
    assert_eq!(paths(&search(&files, "./a//b/").0.entries), ["a/b/c/kompoxapp.yml"]);
}

#[test]
fn both_files_in_one_folder_are_an_error() {
    let (found, lines) = search(&["a/kompoxops.yml", "a/kompoxapp.yml", "b/kompoxops.yml"], "");
    assert_eq!(paths(&found.entries), ["b/kompoxops.yml"]);
    assert_eq!(paths(&found.ambiguous), ["a/kompoxapp.yml", "a/kompoxops.yml"]);
    assert_eq!(lines, ["entry-both a/kompoxops.yml:1:1: one folder holds both kompoxapp.yml and kompoxops.yml"]);
}

#[test]
fn a_path_that_is_nowhere_is_an_error() {
    for path in ["/etc", "../x", "a/../../x", "a\\b"] {
        let (found, lines) = search(&["kompoxops.yml"], path);
        assert!(!found.complete && lines[0].starts_with("entry-path "), "{path}: {lines:?}");
    }
    let (found, lines) = search(&["kompoxops.yml"], "apps");
    assert!(!found.complete);
    assert_eq!(lines, ["entry-path apps:1:1: no such folder in the repository"]);
}

#[test]
fn no_entry_is_worth_a_warning() {
    let (found, lines) = search(&["README.md"], "");
    assert!(found.complete);
    assert_eq!(lines, ["no-entry .:1:1: neither a kompoxapp.yml nor a kompoxops.yml is here or in a folder below"]);
}

/// A tree whose folders and kinds are made up as they are asked for.
struct Strange(fn(&str) -> Result<Vec<TreeEntry>, TreeError>);

impl SourceTree for Strange {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        (self.0)(folder)
    }

    fn read(&self, _: &str, _: u64) -> Result<Arc<[u8]>, TreeError> {
        Err(TreeError::NotFound)
    }
}

fn child(name: &str, kind: EntryKind) -> TreeEntry {
    TreeEntry { name: name.to_owned(), kind }
}

#[test]
fn links_are_no_entries_and_never_followed() {
    let tree = Strange(|folder| match folder {
        "" => Ok(vec![
            child("kompoxapp.yml", EntryKind::Symlink),
            child("link", EntryKind::Symlink),
            child("module", EntryKind::Submodule),
        ]),
        _ => panic!("entered {folder}"),
    });
    let (found, lines) = search_in(&tree, "");
    assert!(found.entries.is_empty() && !found.complete);
    assert_eq!(
        lines,
        ["entry-file kompoxapp.yml:1:1: an entry must be a regular file; it is a symbolic link, not a regular file"]
    );
}

#[test]
fn a_store_that_fails_makes_the_search_incomplete() {
    let tree = Strange(|folder| match folder {
        "" => Ok(vec![child("a", EntryKind::Folder), child("kompoxops.yml", EntryKind::File)]),
        _ => Err(TreeError::Store("object missing".into())),
    });
    let (found, lines) = search_in(&tree, "");
    assert_eq!(paths(&found.entries), ["kompoxops.yml"]);
    assert!(!found.complete);
    assert_eq!(lines, ["entry-path a:1:1: the folder cannot be read: object missing"]);
}

#[test]
fn endless_folders_end() {
    let (found, lines) = search_in(&Strange(|_| Ok(vec![child("deeper", EntryKind::Folder)])), "");
    assert!(!found.complete);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("entry-limit deeper/"), "{lines:?}");
    let wide = Strange(|folder| {
        let names = if folder.is_empty() { 400 } else { usize::from(!folder.contains('/')) * 400 };
        let mut children: Vec<TreeEntry> = (0..names).map(|n| child(&format!("d{n}"), EntryKind::Folder)).collect();
        children.push(child("kompoxops.yml", EntryKind::File));
        Ok(children)
    });
    let (found, lines) = search_in(&wide, "");
    assert_eq!((found.entries.len(), found.complete, lines.len()), (MAX_ENTRIES, false, 1));
}

#[test]
fn paths_are_normalized() {
    for (given, path) in [(".", ""), ("", ""), ("./a/", "a"), ("a/./b/../c", "a/c"), ("a/..", "")] {
        assert_eq!(normalize(given).as_deref(), Some(path), "{given}");
    }
    for given in ["..", "a/../..", "/a", "a\\b", "a\0"] {
        assert_eq!(normalize(given), None, "{given}");
    }
}
