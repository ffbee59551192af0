use std::path::{Path, PathBuf};
use std::sync::Arc;

use kompox_core::disk::{Disk, DiskScope, DiskSource, DiskSpec, OpKey, Presence, tags};
use kompox_manifests::model::VolumeKind;
use tempfile::TempDir;

use super::files::{FileOps, RealFiles};
use super::record::{self, DiskRecord};
use super::*;
use crate::testing::conformance::{self, Backend, Env};

mod crash;
mod damage;
mod differential;
mod roots;
mod trash;

const NODE: &str = "node-1";

/// A prepared root in a folder of its own.
struct Lab {
    _dir: TempDir,
    base: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The kernel's table has paths without symbolic links.
        let base = dir.path().canonicalize().unwrap();
        let lab = Self { _dir: dir, base };
        init_root(&lab.root(), NODE).unwrap();
        let table = "1 0 253:1 / / rw - ext4 /dev/vda rw\n";
        std::fs::write(lab.mounts(), table).unwrap();
        lab
    }

    fn root(&self) -> String {
        format!("{}/root", self.base.display())
    }

    fn mounts(&self) -> PathBuf {
        self.base.join("mountinfo")
    }

    fn driver(&self) -> LocalDriver {
        self.driver_with(Box::new(RealFiles))
    }

    fn driver_with(&self, files: Box<dyn FileOps>) -> LocalDriver {
        LocalDriver::with(&self.root(), NODE, files, &self.mounts().display().to_string()).unwrap()
    }

    fn path(&self, below: &str) -> PathBuf {
        Path::new(&self.root()).join(below)
    }

    /// Where a disk of the App is.
    fn disk_path(&self, volume: &str, name: &str) -> PathBuf {
        self.path(&format!("disks/shop-{}/{volume}/{name}", scope().app_id_hash))
    }

    /// Folders of disks, whoever owns them.
    fn disk_folders(&self) -> Vec<PathBuf> {
        let visible = |path: &PathBuf| path.is_dir() && !path.file_name().unwrap().to_string_lossy().starts_with('.');
        let below = |path: PathBuf| {
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(visible).collect::<Vec<_>>()
        };
        below(self.path("disks")).into_iter().flat_map(below).flat_map(below).collect()
    }

    /// What is left in the staging folder and the trash.
    fn leftovers(&self) -> Vec<PathBuf> {
        [".staging", ".trash"]
            .into_iter()
            .flat_map(|name| std::fs::read_dir(self.path("disks").join(name)).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

fn scope() -> DiskScope {
    DiskScope::of(&"/ws/ws/prv/prv/cls/cls1/app/shop".parse().unwrap())
}

fn spec(name: &str) -> DiskSpec {
    DiskSpec {
        volume: "data".into(),
        name: name.into(),
        kind: VolumeKind::Disk,
        size: 1 << 30,
        zone: None,
        options: std::collections::BTreeMap::new(),
        source: DiskSource::Empty,
        op_key: OpKey::new("shop/data", 1, name),
    }
}

async fn make(driver: &LocalDriver, name: &str) -> Disk {
    match driver.ensure_disk(&scope(), &spec(name)).await.unwrap() {
        Progress::Ready(disk) => disk,
        Progress::Pending(pending) => panic!("{pending:?}"),
    }
}

/// Changes a disk's tags behind the driver's back.
fn retag(handle: &str, change: impl FnOnce(&mut std::collections::BTreeMap<String, String>)) {
    let handle: LocalHandle = handle.parse().unwrap();
    let file = Path::new(handle.path()).parent().unwrap().join("disk.json");
    let mut record: DiskRecord = record::parse(&std::fs::read(&file).unwrap(), "").unwrap();
    change(&mut record.tags);
    std::fs::write(&file, record::write(&record).unwrap()).unwrap();
}

struct LocalEnv;

impl Env for LocalEnv {
    fn fresh(&self) -> Box<dyn Backend> {
        Box::new(Lab::new())
    }
}

impl Backend for Lab {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(Lab::driver(self))
    }

    fn disk_count(&self) -> usize {
        self.disk_folders().len()
    }

    fn set_reachable(&self, reachable: bool) {
        let (marker, hidden) = (self.path(".kompox-root"), self.path(".hidden"));
        let (from, to) = if reachable { (hidden, marker) } else { (marker, hidden) };
        std::fs::rename(from, to).unwrap();
    }

    fn attach(&self, disk: &Disk) {
        let handle: LocalHandle = disk.handle.parse().unwrap();
        let mut table = std::fs::read_to_string(self.mounts()).unwrap();
        table.push_str(&format!("2 1 253:1 {} /pods/{} rw - ext4 /dev/vda rw\n", handle.path(), disk.name));
        std::fs::write(self.mounts(), table).unwrap();
    }

    fn protect(&self, disk: &Disk) {
        retag(&disk.handle, |all| drop(all.insert(tags::KEEP.into(), "true".into())));
    }

    fn set_claim(&self, disk: &Disk, cluster_hash: Option<&str>) {
        retag(&disk.handle, |all| match cluster_hash {
            Some(hash) => drop(all.insert(tags::CLUSTER.into(), hash.into())),
            None => drop(all.remove(tags::CLUSTER)),
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms() {
    let failures = conformance::run(&LocalEnv).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn a_disk_is_a_private_folder_with_open_data() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    let disk = make(&lab.driver(), "a").await;
    let folder = lab.disk_path("data", "a");
    assert_eq!(disk.handle, format!("local://{NODE}{}/data", folder.display()));
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("data")), 0o777);
    assert_eq!(mode(&lab.path("disks")), 0o700);
    assert_eq!(std::fs::read_dir(folder.join("data")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_disk_appears_as_a_local_volume_of_its_node() {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    let class = driver.volume_class(&disk).unwrap();
    assert_eq!(class, crate::class::volume_class("local", &Default::default(), &disk.handle, None).unwrap());
    assert_eq!(class.node_affinity, [("kubernetes.io/hostname".to_owned(), vec![NODE.to_owned()])]);
}

#[tokio::test]
async fn options_of_other_providers_are_noted_and_unknown_ones_refused() {
    let lab = Lab::new();
    let driver = lab.driver();
    let mut wanted = spec("a");
    wanted.options.insert("sku".into(), "PremiumV2_LRS".into());
    let Progress::Ready(disk) = driver.ensure_disk(&scope(), &wanted).await.unwrap() else { panic!("pending") };
    assert_eq!(disk.options, wanted.options);
    wanted.options.insert("skew".into(), "1".into());
    let error = driver.ensure_disk(&scope(), &wanted).await.unwrap_err();
    assert_eq!(error.label(), "invalid");
    assert!(error.message.contains("no driver has an option `skew`"), "{error}");
}

#[tokio::test]
async fn copies_say_what_they_wait_for() {
    let lab = Lab::new();
    for (source, label, words) in [
        ("disk:old", "unsupported", "needs the application to be stopped (quiesce)"),
        ("snapshot:nightly", "unsupported", "needs the application to be stopped (quiesce)"),
        ("snapshot:latest", "unsupported", "quiesce"),
        ("existing:local://n/x", "unsupported", "cannot take over an existing folder"),
        ("/some/path", "invalid", "none of `disk:NAME`"),
    ] {
        let mut wanted = spec("a");
        wanted.source = source.parse().unwrap();
        let error = lab.driver().ensure_disk(&scope(), &wanted).await.unwrap_err();
        assert_eq!(error.label(), label, "{source}: {error}");
        assert!(error.message.contains(words), "{source}: {error}");
    }
    assert!(lab.disk_folders().is_empty());
}

#[tokio::test]
async fn what_a_later_version_keeps_as_snapshots_is_not_taken_for_nothing() {
    let lab = Lab::new();
    let driver = lab.driver();
    assert_eq!(driver.list_snapshots(&scope()).await.unwrap(), []);
    let folder = lab.path(&format!("snapshots/shop-{}", scope().app_id_hash));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let error = driver.list_snapshots(&scope()).await.unwrap_err();
    assert!(error.message.contains("snapshots that this version cannot read"), "{error}");
}

#[tokio::test]
async fn an_assigned_disk_that_went_missing_is_not_assigned() {
    let lab = Lab::new();
    let driver = lab.driver();
    make(&driver, "a").await;
    make(&driver, "b").await;
    driver.set_assigned(&scope(), "data", "a").await.unwrap();
    std::fs::remove_dir_all(lab.disk_path("data", "a")).unwrap();
    let disks = driver.list_disks(&scope()).await.unwrap();
    assert_eq!(disks.iter().map(|disk| (disk.name.as_str(), disk.assigned)).collect::<Vec<_>>(), [("b", false)]);
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changes() {
    let lab = Lab::new();
    let disk = make(&lab.driver(), "a").await;
    lab.driver().set_assigned(&scope(), "data", "a").await.unwrap();
    // Fails at the first change.
    let quiet = lab.driver_with(Box::new(crash::Crashing::after(0, crash::Moment::Before)));
    assert!(matches!(quiet.ensure_disk(&scope(), &spec("a")).await, Ok(Progress::Ready(found)) if found.assigned));
    quiet.set_assigned(&scope(), "data", "a").await.unwrap();
    quiet.claim_disk(&scope(), &disk.handle, false).await.unwrap();
    quiet.probe().await.unwrap();
    assert_eq!(quiet.list_disks(&scope()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn handles_of_elsewhere_are_unknown() {
    let lab = Lab::new();
    let driver = lab.driver();
    let disk = make(&driver, "a").await;
    let root = lab.root();
    for (handle, words) in [
        (disk.handle.replace(NODE, "node-2"), "is on node `node-2`"),
        ("local://node-1/elsewhere/data".to_owned(), "is no disk of app `shop`"),
        (format!("local://{NODE}{root}"), "is no disk of app `shop`"),
        (disk.handle.replace("/data/a/data", "/data/a"), "is no disk of app `shop`"),
        (disk.handle.replace("/data/a/data", "/data/.trash/data"), "is no disk of app `shop`"),
    ] {
        let seen = driver.get_disk(&scope(), &handle).await;
        assert!(matches!(&seen, Presence::Unknown(reason) if reason.contains(words)), "{handle}: {seen:?}");
        let error = driver.delete_disk(&scope(), &handle).await.unwrap_err();
        assert_eq!(error.label(), "conflict_not_ours", "{handle}");
    }
}

#[tokio::test]
async fn a_lock_that_nobody_gives_back_is_said() {
    let lab = Lab::new();
    let marker = std::fs::File::open(lab.path(".kompox-root")).unwrap();
    rustix::fs::flock(&marker, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let error = lab.driver().list_disks(&scope()).await.unwrap_err();
    assert_eq!((error.label(), error.next()), ("conflict_busy", kompox_core::next::Next::Wait));
    drop(marker);
    assert_eq!(lab.driver().list_disks(&scope()).await.unwrap(), []);
}

#[tokio::test]
async fn a_real_bind_mount_is_seen() {
    let lab = Lab::new();
    let driver = LocalDriver::new(&lab.root(), NODE).unwrap();
    let disk = make(&driver, "a").await;
    let (data, point) = (lab.disk_path("data", "a").join("data"), lab.base.join("pod"));
    std::fs::create_dir(&point).unwrap();
    let mounted = std::process::Command::new("mount").arg("--bind").args([&data, &point]).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine does not let us mount");
        return;
    }
    let refused = driver.delete_disk(&scope(), &disk.handle).await;
    let seen = driver.get_disk(&scope(), &disk.handle).await;
    let unmounted = std::process::Command::new("umount").arg(&point).status().unwrap();
    assert!(unmounted.success());
    assert_eq!(refused.unwrap_err().label(), "conflict_attached");
    let attachment = seen.present().unwrap().attachment;
    assert_eq!(attachment, kompox_core::disk::Attachment::Attached(vec![point.display().to_string()]));
    assert_eq!(driver.delete_disk(&scope(), &disk.handle).await.unwrap(), Progress::Ready(()));
}
