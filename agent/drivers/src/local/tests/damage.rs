//! Roots and disks that are not as they should be: never taken for absent, never adopted.

use super::*;

/// Every look says that it cannot say, in these words.
async fn nothing_can_be_said(driver: &LocalDriver, handle: &str, label: &str, words: &str) {
    let error = driver.list_disks(&scope()).await.unwrap_err();
    assert_eq!(error.label(), label, "{error}");
    assert!(error.message.contains(words), "{error}");
    let seen = driver.get_disk(&scope(), handle).await;
    assert!(matches!(&seen, Presence::Unknown(reason) if reason.contains(words)), "{seen:?}");
    assert!(driver.ensure_disk(&scope(), &spec("new")).await.is_err(), "a disk is made all the same");
    assert!(driver.set_assigned(&scope(), "data", "a").await.is_err(), "a disk is assigned all the same");
    assert!(driver.delete_disk(&scope(), handle).await.is_err(), "a disk is deleted all the same");
}

async fn with_a_disk() -> (Lab, LocalDriver, String) {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    (lab, driver, disk.handle)
}

#[tokio::test]
async fn a_root_that_is_not_mounted() {
    let (lab, driver, handle) = with_a_disk().await;
    std::fs::rename(lab.root(), lab.base.join("elsewhere")).unwrap();
    nothing_can_be_said(&driver, &handle, "unsupported", "is missing, so nothing can be said").await;
    std::fs::create_dir(lab.root()).unwrap();
    nothing_can_be_said(&driver, &handle, "unsupported", "has no marker file .kompox-root").await;
    let error = driver.probe().await.unwrap_err();
    assert!(error.message.contains("disk init-root"), "{error}");
    assert_eq!(std::fs::read_dir(lab.root()).unwrap().count(), 0, "something was made in it");
}

#[tokio::test]
async fn a_root_of_another_node() {
    let (lab, _, handle) = with_a_disk().await;
    let driver = LocalDriver::new(&lab.root(), "node-2").unwrap();
    nothing_can_be_said(&driver, &handle, "unsupported", "is the root of node `node-1`").await;
}

#[tokio::test]
async fn a_damaged_marker() {
    let (lab, driver, handle) = with_a_disk().await;
    let marker = lab.path(".kompox-root");
    for (content, words) in [("", "cannot be read"), ("{}", "cannot be read"), (r#"{"format": 9}"#, "has format 9")] {
        std::fs::write(&marker, content).unwrap();
        nothing_can_be_said(&driver, &handle, "conflict_damaged", words).await;
    }
    std::fs::remove_file(&marker).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &marker).unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "symbolic links are not followed").await;
}

#[tokio::test]
async fn folders_that_are_missing_or_links() {
    let (lab, driver, handle) = with_a_disk().await;
    let (disks, elsewhere) = (lab.path("disks"), lab.base.join("elsewhere"));
    std::fs::rename(&disks, &elsewhere).unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "is missing although the root is marked").await;
    std::os::unix::fs::symlink(&elsewhere, &disks).unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "symbolic links are not followed").await;
}

#[tokio::test]
async fn a_disk_whose_tags_are_damaged() {
    let (lab, driver, handle) = with_a_disk().await;
    let file = lab.disk_path("data", "a").join("disk.json");
    let good = std::fs::read_to_string(&file).unwrap();
    for (content, words) in [
        (String::new(), "cannot be read"),
        (good[..good.len() / 2].to_owned(), "cannot be read"),
        (good.replace("\"format\": 1", "\"format\": 2"), "has format 2"),
        (good.replace("\"kompox-disk-name\": \"a\"", "\"kompox-disk-name\": \"b\""), "copied or renamed by hand"),
        (good.replace("\"kompox-app-name\": \"shop\"", "\"kompox-app-name\": \"shed\""), "`kompox-app-name` is `shed`"),
        (good.replace("\"managed-by\": \"kompox\"", "\"managed-by\": \"me\""), "`managed-by` is `me`"),
        ("x".repeat(300 * 1024), "too large to be ours"),
    ] {
        std::fs::write(&file, content).unwrap();
        nothing_can_be_said(&driver, &handle, "conflict_damaged", words).await;
    }
    std::fs::remove_file(&file).unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "it has no disk.json").await;
    let outside = lab.base.join("outside.json");
    std::fs::write(&outside, good).unwrap();
    std::os::unix::fs::symlink(&outside, &file).unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "symbolic links are not followed").await;
    std::fs::remove_file(&file).unwrap();
    // A pipe must not make us wait.
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU).unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "no regular file").await;
}

#[tokio::test]
async fn strangers_among_the_disks() {
    let (lab, driver, _) = with_a_disk().await;
    let stranger = lab.disk_path("data", "b");
    let error = |words: &'static str| {
        let driver = driver.clone();
        async move {
            let error = driver.list_disks(&scope()).await.unwrap_err();
            assert_eq!(error.label(), "conflict_damaged", "{error}");
            assert!(error.message.contains(words), "{error}");
        }
    };
    std::fs::create_dir(&stranger).unwrap();
    error("it has no disk.json").await;
    std::fs::remove_dir(&stranger).unwrap();
    std::fs::write(&stranger, "").unwrap();
    error("only folders of disks belong here").await;
    std::fs::remove_file(&stranger).unwrap();
    std::os::unix::fs::symlink(lab.disk_path("data", "a"), &stranger).unwrap();
    error("links are not followed").await;
    std::fs::remove_file(&stranger).unwrap();
    let odd = lab.disk_path("data", "Not_A_Name");
    std::fs::create_dir(&odd).unwrap();
    error("is no disk name").await;
    std::fs::remove_dir(&odd).unwrap();
    let copy = lab.disk_path("data", "copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(lab.disk_path("data", "a").join("disk.json"), copy.join("disk.json")).unwrap();
    error("copied or renamed by hand").await;
    std::fs::remove_dir_all(&copy).unwrap();
    assert_eq!(driver.list_disks(&scope()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_disk_without_its_data_cannot_be_used() {
    let (lab, driver, handle) = with_a_disk().await;
    let data = lab.disk_path("data", "a").join("data");
    std::fs::remove_dir(&data).unwrap();
    let disk = driver.get_disk(&scope(), &handle).await.present().unwrap();
    let reason = format!("{} is missing", data.display());
    assert_eq!(disk.state, kompox_core::disk::DiskState::Failed(reason.clone()));
    for error in [
        driver.ensure_disk(&scope(), &spec("a")).await.map(drop).unwrap_err(),
        driver.set_assigned(&scope(), "data", "a").await.unwrap_err(),
    ] {
        assert_eq!(error.label(), "conflict_damaged");
        assert!(error.message.contains(&reason), "{error}");
    }
    std::os::unix::fs::symlink("/etc", &data).unwrap();
    assert!(driver.list_disks(&scope()).await.is_err(), "a link is taken for the data");
}

#[tokio::test]
async fn a_damaged_assignment() {
    let (lab, driver, handle) = with_a_disk().await;
    driver.set_assigned(&scope(), "data", "a").await.unwrap();
    let file = lab.disk_path("data", "assigned.json");
    std::fs::write(&file, "{").unwrap();
    nothing_can_be_said(&driver, &handle, "conflict_damaged", "assigned.json cannot be read").await;
}

#[tokio::test]
async fn one_apps_damage_leaves_the_others_alone() {
    let (lab, driver, _) = with_a_disk().await;
    std::fs::write(lab.disk_path("data", "a").join("disk.json"), "").unwrap();
    let other = DiskScope::of(&"/ws/ws/prv/prv/cls/cls1/app/wiki".parse().unwrap());
    assert!(driver.ensure_disk(&other, &spec("a")).await.is_ok());
    assert_eq!(driver.list_disks(&other).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_scope_that_would_leave_the_root() {
    let lab = Lab::new();
    let driver = lab.driver();
    for (app, hash) in [("..", "abc"), ("a/b", "abc"), ("shop", "../x"), ("shop", ""), ("", "abc")] {
        let bad = DiskScope { app: app.into(), app_id_hash: hash.into(), ..scope() };
        assert_eq!(driver.list_disks(&bad).await.unwrap_err().label(), "invalid", "{app} {hash}");
        assert_eq!(driver.ensure_disk(&bad, &spec("a")).await.unwrap_err().label(), "invalid", "{app} {hash}");
    }
    assert!(lab.disk_folders().is_empty());
}
