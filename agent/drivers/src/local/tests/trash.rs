//! Removing what Pods leave behind.

use std::os::unix::ffi::OsStrExt;

use super::super::root::{Access, Root};
use super::super::trash::{Removed, sweep};
use super::*;

#[tokio::test]
async fn odd_contents_are_removed_and_links_not_followed() {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    let data = lab.disk_path("data", "a").join("data");
    let outside = lab.base.join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere", data.join("dangling")).unwrap();
    std::fs::write(data.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "x").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, data.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    for number in 0..3000 {
        std::fs::write(data.join(format!("file-{number}")), "").unwrap();
    }
    assert_eq!(driver.delete_disk(&scope(), &disk.handle).await, Ok(Progress::Ready(())));
    assert_eq!(std::fs::read(outside.join("precious")).unwrap(), b"x");
    assert_eq!(lab.leftovers(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn any_depth_is_removed() {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    // Longer than a path may be, so it is made one step at a time.
    let mut folder = std::fs::File::open(lab.disk_path("data", "a").join("data")).unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&folder, "d", rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        folder = rustix::fs::openat(&folder, "d", flags, rustix::fs::Mode::empty()).unwrap().into();
    }
    drop(folder);
    let mut turns = 0;
    while driver.delete_disk(&scope(), &disk.handle).await.unwrap() != Progress::Ready(()) {
        turns += 1;
        assert!(turns < 100, "it never ends");
    }
    assert_eq!(lab.leftovers(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_takes_long_is_done_in_pieces() {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    std::fs::write(lab.disk_path("data", "a").join("data/file"), "x").unwrap();
    let trash = lab.path("disks/.trash/shop.data.a.0");
    std::fs::rename(lab.disk_path("data", "a"), &trash).unwrap();
    let root = Root::open(&lab.root(), NODE, Access::Exclusive).unwrap();
    assert_eq!(sweep(&RealFiles, &root, "", Duration::ZERO), Ok(Removed::Partly));
    assert!(trash.exists());
    // Other disks' trash is not this call's business.
    assert_eq!(sweep(&RealFiles, &root, "shop.data.b.", Duration::from_secs(9)), Ok(Removed::All));
    assert!(trash.exists());
    drop(root);
    assert_eq!(driver.get_disk(&scope(), &disk.handle).await, Presence::Absent);
    make(&driver, "b").await;
    assert_eq!(lab.leftovers(), Vec::<PathBuf>::new(), "the next change does not clean up");
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_pending_until_nothing_is_left() {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    let left = format!("disks/.trash/shop-{}.data.a.0", scope().app_id_hash);
    std::fs::rename(lab.disk_path("data", "a"), lab.path(&left)).unwrap();
    assert_eq!(driver.delete_disk(&scope(), &disk.handle).await, Ok(Progress::Ready(())));
    assert_eq!(lab.leftovers(), Vec::<PathBuf>::new());
}
