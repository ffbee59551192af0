//! Preparing roots.

use super::*;

#[test]
fn preparing_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/root").display().to_string();
    let first = init_root(&root, "n1").unwrap();
    assert!(first.written);
    assert_eq!((first.marker.id.len(), first.marker.node.as_str()), (32, "n1"));
    let again = init_root(&format!("{root}//"), "n1").unwrap();
    assert_eq!(again, Prepared { marker: first.marker, written: false });
}

#[test]
fn a_root_of_another_node_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display().to_string();
    init_root(&root, "n1").unwrap();
    let error = init_root(&root, "n2").unwrap_err();
    assert_eq!(error.label(), "conflict_not_ours");
    assert!(error.message.contains("is prepared for node `n1`, not `n2`"), "{error}");
    assert!(!init_root(&root, "n1").unwrap().written, "the refusal changed something");
}

#[test]
fn two_roots_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let init = |name: &str| init_root(&dir.path().join(name).display().to_string(), "n1").unwrap().marker.id;
    assert_ne!(init("a"), init("b"));
}

#[test]
fn what_cannot_be_a_root_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(init_root("relative", "n1").unwrap_err().label(), "invalid");
    assert_eq!(init_root("/", "n1").unwrap_err().label(), "invalid");
    assert_eq!(init_root("/a/../b", "n1").unwrap_err().label(), "invalid");
    assert_eq!(init_root(&dir.path().display().to_string(), "no node").unwrap_err().label(), "invalid");
    assert!(init_root(&file.display().to_string(), "n1").is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "something was made");
}

#[test]
fn a_folder_that_is_a_link_inside_the_root_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(dir.path(), root.join("disks")).unwrap();
    let error = init_root(&root.display().to_string(), "n1").unwrap_err();
    assert_eq!(error.label(), "conflict_damaged");
    assert!(!root.join(".kompox-root").exists(), "it is marked all the same");
}

#[tokio::test]
async fn a_root_behind_a_link_is_the_configured_path() {
    let lab = Lab::new();
    let link = lab.base.join("link");
    std::os::unix::fs::symlink(lab.root(), &link).unwrap();
    let mounts = lab.mounts().display().to_string();
    let driver = LocalDriver::with(&link.display().to_string(), NODE, Box::new(RealFiles), &mounts).unwrap();
    let disk = make(&driver, "a").await;
    assert!(disk.handle.starts_with(&format!("local://{NODE}{}/disks/", link.display())), "{}", disk.handle);
    // The kernel knows the folder by its real path.
    let real = disk.handle.replace("/link/", "/root/");
    Backend::attach(&lab, &Disk { handle: real, ..disk.clone() });
    let error = driver.delete_disk(&scope(), &disk.handle).await.unwrap_err();
    assert_eq!(error.label(), "conflict_attached");
}

#[tokio::test]
async fn probe_says_which_root_it_is() {
    let lab = Lab::new();
    let id = init_root(&lab.root(), NODE).unwrap().marker.id;
    let health = lab.driver().probe().await.unwrap();
    assert_eq!(health.place, format!("root {id} of node {NODE}"));
    assert!(health.notes[0].contains("sizes of disks are not enforced"), "{:?}", health.notes);
}
