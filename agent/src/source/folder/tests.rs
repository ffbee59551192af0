use std::os::unix::fs::{PermissionsExt, symlink};

use kompox_core::next::Next;
use kompox_manifests::source::{EntryKind, TreeError};

use super::super::testing::git;
use super::*;

fn source(path: &Path) -> FolderSource {
    FolderSource::new(path.to_owned(), Limits::default())
}

fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

async fn id(source: &FolderSource) -> String {
    source.fetch(None).await.unwrap().snapshot.revision.id.to_string()
}

#[tokio::test]
async fn the_revision_is_the_hash_that_git_gives_the_content() {
    let folder = written(&[("a/b.yml", "x: 1\n"), ("a.yml", ""), ("a-b/c", "c"), ("run.sh", "#!/bin/sh\n")]);
    std::fs::set_permissions(folder.path().join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("a/b.yml", folder.path().join("link")).unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    git(folder.path(), &["init", "-q"]);
    git(folder.path(), &["add", "-A"]);
    let tree = git(folder.path(), &["write-tree"]);
    assert_eq!(id(&source(folder.path())).await, tree);
    let empty = written(&[]);
    assert_eq!(id(&source(empty.path())).await, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
}

#[tokio::test]
async fn a_change_gives_a_new_revision_and_going_back_the_old_one() {
    let folder = written(&[("compose.yml", "one")]);
    let source = source(folder.path());
    let first = source.fetch(None).await.unwrap();
    assert_eq!(first.change, Change::First);
    let first = first.snapshot.revision.id;
    assert_eq!(source.fetch(Some(&first)).await.unwrap().change, Change::Unchanged);
    // The same length, within the same second.
    std::fs::write(folder.path().join("compose.yml"), "two").unwrap();
    let second = source.fetch(Some(&first)).await.unwrap();
    assert_eq!(second.change, Change::Forward);
    assert_ne!(second.snapshot.revision.id, first);
    assert_eq!(&*second.snapshot.tree.read("compose.yml", 3).unwrap(), b"two");
    assert!(source.open(&first).await.unwrap().is_none());
    std::fs::write(folder.path().join("compose.yml"), "one").unwrap();
    assert!(source.open(&first).await.unwrap().is_some());
}

#[tokio::test]
async fn links_are_neither_followed_nor_read() {
    let folder = written(&[("apps/compose.yml", "x")]);
    symlink("/etc", folder.path().join("etc")).unwrap();
    symlink("apps/compose.yml", folder.path().join("file")).unwrap();
    let tree = source(folder.path()).fetch(None).await.unwrap().snapshot.tree;
    let entries: Vec<(String, EntryKind)> =
        tree.list("").unwrap().into_iter().map(|entry| (entry.name, entry.kind)).collect();
    let expected = [("apps", EntryKind::Folder), ("etc", EntryKind::Symlink), ("file", EntryKind::Symlink)]
        .map(|(n, k)| (n.to_owned(), k));
    assert_eq!(entries, expected);
    assert_eq!(tree.read("file", 10), Err(TreeError::NotAFile(EntryKind::Symlink)));
    assert_eq!(tree.read("etc/passwd", 10), Err(TreeError::NotAFile(EntryKind::Symlink)));
    assert_eq!(tree.read("apps", 10), Err(TreeError::NotAFile(EntryKind::Folder)));
    assert_eq!(tree.read("", 10), Err(TreeError::NotAFile(EntryKind::Folder)));
    assert_eq!(tree.list("etc"), Err(TreeError::NotFound));
    assert_eq!(tree.list("apps/compose.yml"), Err(TreeError::NotFound));
    for path in ["../x", "apps/../apps/compose.yml", "/etc/passwd", "apps//compose.yml", "no", "a\0b"] {
        assert_eq!(tree.read(path, 10), Err(TreeError::NotFound), "{path:?}");
    }
    assert_eq!(tree.read("apps/compose.yml", 0), Err(TreeError::TooLarge { size: 1, limit: 0 }));
}

#[tokio::test]
async fn a_file_that_becomes_a_link_after_the_fetch_is_not_followed() {
    let folder = written(&[("apps/compose.yml", "x"), ("apps/other.yml", "x")]);
    let tree = source(folder.path()).fetch(None).await.unwrap().snapshot.tree;
    std::fs::remove_file(folder.path().join("apps/compose.yml")).unwrap();
    symlink("/etc/hostname", folder.path().join("apps/compose.yml")).unwrap();
    std::fs::write(folder.path().join("apps/other.yml"), "y").unwrap();
    for path in ["apps/compose.yml", "apps/other.yml"] {
        let error = tree.read(path, 100).unwrap_err();
        let expected = "it changed while it was read; the next poll reads it again";
        assert_eq!(error, TreeError::Store(expected.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn pipes_and_odd_names_do_not_stop_the_rest() {
    use std::os::unix::ffi::OsStrExt;
    let folder = written(&[("compose.yml", "x")]);
    let before = id(&source(folder.path())).await;
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"\xff.yml")), "y").unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    std::fs::write(folder.path().join(".git/index"), "y").unwrap();
    assert_eq!(id(&source(folder.path())).await, before);
}

#[tokio::test]
async fn too_much_is_refused_and_a_missing_folder_named() {
    let folder = written(&[("a", "12345"), ("b", "12345"), ("c", "")]);
    for limits in [Limits { entries: 2, bytes: 100 }, Limits { entries: 10, bytes: 9 }] {
        let fault = FolderSource::new(folder.path().to_owned(), limits).fetch(None).await.err().unwrap();
        assert_eq!((fault.next, fault.code), (Next::Stalled, "too-large"));
    }
    let missing = folder.path().join("missing");
    let fault = source(&missing).fetch(None).await.err().unwrap();
    assert_eq!((fault.next, fault.code), (Next::Stalled, "folder"));
    assert!(fault.message.contains(missing.to_str().unwrap()), "{fault}");
}

#[tokio::test]
async fn large_files_count_without_being_read() {
    let folder = written(&[]);
    let path = folder.path().join("video");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(500 << 20).unwrap();
    let before = id(&source(folder.path())).await;
    file.set_len(501 << 20).unwrap();
    assert_ne!(id(&source(folder.path())).await, before);
}

#[tokio::test]
async fn a_change_is_noticed_and_reading_is_none() {
    let folder = written(&[("apps/compose.yml", "one")]);
    let source = source(folder.path());
    source.fetch(None).await.unwrap();
    // Reading, and Git's own bookkeeping, are no changes.
    source.fetch(None).await.unwrap().snapshot.tree.read("apps/compose.yml", 10).unwrap();
    let idle = tokio::time::timeout(Duration::from_millis(700), source.changed()).await;
    assert!(idle.is_err(), "reading counts as a change");
    std::fs::write(folder.path().join("apps/compose.yml"), "two").unwrap();
    tokio::time::timeout(Duration::from_secs(5), source.changed()).await.expect("the change is noticed");
    // Also in a folder that did not exist at first, and also before anybody waits.
    std::fs::create_dir(folder.path().join("new")).unwrap();
    tokio::time::timeout(Duration::from_secs(5), source.changed()).await.expect("the folder is noticed");
    std::fs::write(folder.path().join("new/compose.yml"), "x").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::timeout(Duration::from_secs(5), source.changed()).await.expect("the new file is noticed");
}

#[tokio::test]
async fn a_change_is_not_lost_by_a_caller_that_stops_waiting() {
    let folder = written(&[("compose.yml", "one")]);
    let source = source(folder.path());
    source.fetch(None).await.unwrap();
    std::fs::write(folder.path().join("compose.yml"), "two").unwrap();
    // In the middle of the burst: noticed, but not over yet.
    let stopped = tokio::time::timeout(QUIET / 2, source.changed()).await;
    assert!(stopped.is_err());
    tokio::time::timeout(Duration::from_secs(5), source.changed()).await.expect("the change is still known");
}
