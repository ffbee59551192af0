use super::*;
use crate::source::MemoryTree;

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    MemoryTree::new(files.iter().copied())
}

/// Looks at a file, a missing one and a folder.
fn record(tree: &dyn SourceTree) -> Record {
    let recorded = RecordedTree::new(tree);
    let _ = recorded.read("app/a.yml", 100);
    let _ = recorded.read("app/missing.yml", 100);
    let _ = recorded.list("app");
    recorded.into_record()
}

const BEFORE: [(&str, &str); 3] = [("app/a.yml", "one"), ("app/b.yml", "two"), ("other/c.yml", "three")];

#[test]
fn it_holds_while_what_was_seen_is_the_same() {
    let before = record(&tree(&BEFORE));
    assert!(before.holds_in(&tree(&BEFORE)));
    // Neither read nor listed.
    assert!(before.holds_in(&tree(&[("app/a.yml", "one"), ("app/b.yml", "changed"), ("other/c.yml", "x")])));
    for changed in [
        &[("app/a.yml", "ONE"), ("app/b.yml", "two")][..],
        &[("app/a.yml", "one")],
        &[("app/a.yml", "one"), ("app/b.yml", "two"), ("app/missing.yml", "now there")],
        &[("app/a.yml", "one"), ("app/b.yml/x", "a folder now")],
        &[],
    ] {
        assert!(!before.holds_in(&tree(changed)), "{changed:?}");
    }
}

#[test]
fn what_was_looked_at_can_be_named() {
    let record = record(&tree(&BEFORE));
    assert_eq!(record.files().collect::<Vec<_>>(), [("app/a.yml", 100), ("app/missing.yml", 100)]);
    assert_eq!(record.folders().collect::<Vec<_>>(), ["app"]);
}

#[test]
fn the_digest_is_of_contents_and_paths() {
    let digest = |files: &[(&str, &str)]| record(&tree(files)).digest();
    assert_eq!(digest(&BEFORE), digest(&BEFORE));
    assert_eq!(digest(&BEFORE).len(), 64);
    assert_ne!(digest(&BEFORE), digest(&[("app/a.yml", "ONE"), ("app/b.yml", "two")]));
    assert_ne!(digest(&BEFORE), digest(&[("app/a.yml", "one")]));
    // An empty file is not a missing one.
    assert_ne!(digest(&[("app/missing.yml", "")]), digest(&[("app/b.yml", "")]));
}

/// A store whose files have identities, and that fails where it is told to.
struct Store {
    files: MemoryTree,
    identity: &'static str,
    fails: bool,
}

impl SourceTree for Store {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.files.list(folder)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        if self.fails { Err(TreeError::Store("damaged".into())) } else { self.files.read(path, limit) }
    }

    fn identity(&self, path: &str) -> Option<String> {
        self.files.read(path, u64::MAX).ok().map(|_| self.identity.to_owned())
    }
}

#[test]
fn identities_of_the_store_spare_the_reading() {
    let store = |identity, fails| Store { files: tree(&BEFORE), identity, fails };
    let before = record(&store("1", false));
    assert!(before.holds_in(&store("1", false)));
    assert!(!before.holds_in(&store("2", false)));
    // Another store knows other identities, or none: the content decides.
    assert!(before.holds_in(&tree(&BEFORE)));
    assert_eq!(before.digest(), record(&tree(&BEFORE)).digest());
}

/// A store that knows its folders, and none of whose files may be asked for.
struct Folders(&'static [(&'static str, &'static str)]);

impl SourceTree for Folders {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        panic!("{folder} is listed")
    }

    fn read(&self, path: &str, _limit: u64) -> Result<Arc<[u8]>, TreeError> {
        panic!("{path} is read")
    }

    fn identity(&self, path: &str) -> Option<String> {
        let found = self.0.iter().find(|(folder, _)| *folder == path);
        found.map(|(_, identity)| (*identity).to_owned())
    }
}

/// As [`Folders`], with files that can be read.
struct Both(Folders, MemoryTree);

impl SourceTree for Both {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        self.1.list(folder)
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        self.1.read(path, limit)
    }

    fn identity(&self, path: &str) -> Option<String> {
        self.0.identity(path)
    }
}

#[test]
fn a_folder_that_is_the_same_is_not_looked_into() {
    let before = record(&Both(Folders(&[("app", "1"), ("", "7")]), tree(&BEFORE)));
    assert!(before.holds_in(&Folders(&[("app", "1"), ("", "8")])));
    // Another folder may hold the same where it was looked.
    assert!(before.holds_in(&Both(Folders(&[("app", "2")]), tree(&BEFORE))));
    assert!(!before.holds_in(&Both(Folders(&[("app", "2")]), tree(&[("app/a.yml", "ONE"), ("app/b.yml", "two")]))));
}

#[test]
fn looks_at_several_folders_are_within_what_holds_them_all() {
    let folders = Folders(&[("apps", "1"), ("apps/a", "2"), ("apps/ab", "3"), ("", "4")]);
    let files = tree(&[("apps/a/x.yml", "one"), ("apps/ab/y.yml", "two")]);
    let both = Both(folders, files);
    let recorded = RecordedTree::new(&both);
    let _ = recorded.read("apps/a/x.yml", 100);
    let _ = recorded.read("apps/ab/y.yml", 100);
    let record = recorded.into_record();
    assert!(record.holds_in(&Folders(&[("apps", "1")])));
    assert_eq!(shared("", "apps"), "");
    assert_eq!(shared("apps/a", "apps/a"), "apps/a");
    assert_eq!(shared("apps/a/b", "apps/a"), "apps/a");
    assert_eq!(shared("apps", "app"), "");
}

#[test]
fn a_store_that_failed_has_said_nothing() {
    let store = |fails| Store { files: tree(&BEFORE), identity: "1", fails };
    let before = record(&store(true));
    assert!(!before.holds_in(&store(true)));
    assert!(!before.holds_in(&store(false)));
}
