//! Kills at every step. A kill before a step, after it, and in the middle of writing a file; then
//! another process does the same again.

use std::ffi::OsStr;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::files::Folder;
use super::*;
use crate::local::root::init_root_with;

/// When, at the fatal step, the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Before,
    HalfWritten,
    After,
}

/// A process that dies at a step. A dead process does nothing any more.
#[derive(Debug)]
pub(super) struct Crashing {
    fatal: usize,
    moment: Moment,
    steps: AtomicUsize,
}

impl Crashing {
    pub(super) fn after(steps: usize, moment: Moment) -> Self {
        Self { fatal: steps, moment, steps: AtomicUsize::new(0) }
    }

    fn step(&self, whole: impl FnOnce() -> io::Result<()>, half: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if step < self.fatal {
            return whole();
        }
        if step == self.fatal {
            match self.moment {
                Moment::Before => {}
                Moment::HalfWritten => half()?,
                Moment::After => whole()?,
            }
        }
        Err(io::Error::other("killed"))
    }
}

impl FileOps for Crashing {
    fn make_folder(&self, parent: &Folder, name: &str, mode: u32) -> io::Result<()> {
        self.step(|| RealFiles.make_folder(parent, name, mode), || Ok(()))
    }
    fn write_new(&self, parent: &Folder, name: &str, content: &[u8]) -> io::Result<()> {
        let half = &content[..content.len() / 2];
        self.step(|| RealFiles.write_new(parent, name, content), || RealFiles.write_new(parent, name, half))
    }
    fn sync(&self, folder: &Folder) -> io::Result<()> {
        self.step(|| RealFiles.sync(folder), || Ok(()))
    }
    fn rename(&self, from: &Folder, name: &OsStr, to: &Folder, new_name: &str) -> io::Result<()> {
        self.step(|| RealFiles.rename(from, name, to, new_name), || Ok(()))
    }
    fn link(&self, folder: &Folder, name: &str, new_name: &str) -> io::Result<()> {
        self.step(|| RealFiles.link(folder, name, new_name), || Ok(()))
    }
    fn remove_file(&self, parent: &Folder, name: &OsStr) -> io::Result<()> {
        self.step(|| RealFiles.remove_file(parent, name), || Ok(()))
    }
    fn remove_folder(&self, parent: &Folder, name: &OsStr) -> io::Result<()> {
        self.step(|| RealFiles.remove_folder(parent, name), || Ok(()))
    }
}

/// Calls `test` with every step and moment until it says that nothing was killed any more; returns
/// how many steps there were.
async fn at_every_step<F: Future<Output = bool>>(test: impl Fn(usize, Moment) -> F) -> usize {
    for step in 0..100 {
        let mut killed = false;
        for moment in [Moment::Before, Moment::HalfWritten, Moment::After] {
            killed |= test(step, moment).await;
        }
        if !killed {
            return step;
        }
    }
    panic!("it never ends");
}

async fn deploy(driver: &LocalDriver, name: &str) -> Result<()> {
    driver.ensure_disk(&scope(), &spec(name)).await?;
    driver.set_assigned(&scope(), "data", name).await
}

async fn assigned(driver: &LocalDriver) -> Vec<String> {
    let disks = driver.list_disks(&scope()).await.unwrap();
    disks.into_iter().filter(|disk| disk.assigned).map(|disk| disk.name).collect()
}

#[tokio::test]
async fn a_first_deploy_ends_with_one_disk_and_one_assigned() {
    let steps = at_every_step(|step, moment| async move {
        let lab = Lab::new();
        let first = deploy(&lab.driver_with(Box::new(Crashing::after(step, moment))), "a").await;
        // Whatever the kill left, the listing is whole.
        assert!(assigned(&lab.driver()).await.len() <= 1);

        // A newer commit came meanwhile: another name for the same operation.
        let mut retry = spec("a");
        retry.name = "b".into();
        let Progress::Ready(disk) = lab.driver().ensure_disk(&scope(), &retry).await.unwrap() else {
            panic!("pending");
        };
        lab.driver().set_assigned(&scope(), "data", &disk.name).await.unwrap();

        let disks = lab.driver().list_disks(&scope()).await.unwrap();
        assert_eq!(disks.len(), 1, "killed at {step} {moment:?}");
        assert!(disks[0].assigned && disks[0].state == kompox_core::disk::DiskState::Ready);
        assert_eq!(lab.disk_folders().len(), 1, "killed at {step} {moment:?}");
        assert_eq!(lab.leftovers(), Vec::<PathBuf>::new(), "killed at {step} {moment:?}");
        first.is_err()
    })
    .await;
    assert_eq!(steps, 13);
}

#[tokio::test]
async fn a_switch_has_one_assigned_disk_at_every_moment() {
    let steps = at_every_step(|step, moment| async move {
        let lab = Lab::new();
        deploy(&lab.driver(), "a").await.unwrap();
        let first = deploy(&lab.driver_with(Box::new(Crashing::after(step, moment))), "b").await;
        let between = assigned(&lab.driver()).await;
        assert!(between == ["a"] || between == ["b"], "killed at {step} {moment:?}: {between:?}");

        deploy(&lab.driver(), "b").await.unwrap();
        assert_eq!(assigned(&lab.driver()).await, ["b"], "killed at {step} {moment:?}");
        assert_eq!(lab.disk_folders().len(), 2, "killed at {step} {moment:?}");
        assert_eq!(lab.leftovers(), Vec::<PathBuf>::new(), "killed at {step} {moment:?}");
        first.is_err()
    })
    .await;
    assert_eq!(steps, 9);
}

#[tokio::test]
async fn a_deleted_disk_is_there_whole_or_gone() {
    let steps = at_every_step(|step, moment| async move {
        let lab = Lab::new();
        deploy(&lab.driver(), "keep").await.unwrap();
        let disk = make(&lab.driver(), "a").await;
        let data = lab.disk_path("data", "a").join("data");
        std::fs::create_dir(data.join("folder")).unwrap();
        std::fs::write(data.join("folder/file"), "x").unwrap();
        let killed = lab.driver_with(Box::new(Crashing::after(step, moment)));
        let first = killed.delete_disk(&scope(), &disk.handle).await;

        match lab.driver().get_disk(&scope(), &disk.handle).await {
            Presence::Present(found) => {
                assert_eq!(found, disk);
                assert_eq!(std::fs::read(data.join("folder/file")).unwrap(), b"x", "killed at {step} {moment:?}");
            }
            Presence::Absent => assert!(!data.exists()),
            Presence::Unknown(reason) => panic!("{reason}"),
        }
        let again = lab.driver().delete_disk(&scope(), &disk.handle).await;
        assert_eq!(again, Ok(Progress::Ready(())), "killed at {step} {moment:?}");
        assert_eq!(assigned(&lab.driver()).await, ["keep"]);
        assert_eq!(lab.disk_folders().len(), 1);
        assert_eq!(lab.leftovers(), Vec::<PathBuf>::new(), "killed at {step} {moment:?}");
        first.is_err()
    })
    .await;
    assert_eq!(steps, 8);
}

#[tokio::test]
async fn a_claim_is_the_old_one_or_the_new_one() {
    let other = DiskScope::of(&"/ws/ws/prv/prv/cls/cls2/app/shop".parse().unwrap());
    let steps = at_every_step(|step, moment| {
        let other = other.clone();
        async move {
            let lab = Lab::new();
            let disk = make(&lab.driver(), "a").await;
            let killed = lab.driver_with(Box::new(Crashing::after(step, moment)));
            let first = killed.claim_disk(&other, &disk.handle, true).await;
            let between = lab.driver().list_disks(&scope()).await.unwrap()[0].claim.clone().unwrap();
            assert!([&scope().cluster_hash, &other.cluster_hash].contains(&&between), "{between}");
            let claimed = lab.driver().claim_disk(&other, &disk.handle, true).await.unwrap();
            assert_eq!(claimed.claim, Some(other.cluster_hash.clone()));
            assert_eq!((claimed.created, claimed.op_key), (disk.created, disk.op_key));
            lab.driver().set_assigned(&other, "data", "a").await.unwrap();
            assert_eq!(lab.leftovers(), Vec::<PathBuf>::new(), "killed at {step} {moment:?}");
            first.is_err()
        }
    })
    .await;
    assert_eq!(steps, 3);
}

#[tokio::test]
async fn a_root_is_marked_once() {
    let steps = at_every_step(|step, moment| async move {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root").display().to_string();
        let first = init_root_with(&Crashing::after(step, moment), &root, NODE);
        let between = std::fs::read(format!("{root}/.kompox-root")).ok();
        let again = init_root(&root, NODE).unwrap();
        assert_eq!(again.written, between.is_none(), "killed at {step} {moment:?}");
        if let Some(between) = between {
            assert_eq!(std::fs::read(format!("{root}/.kompox-root")).unwrap(), between);
        }
        let mut names: Vec<_> =
            std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [".kompox-root", "disks", "snapshots"], "killed at {step} {moment:?}");
        let driver = LocalDriver::new(&root, NODE).unwrap();
        deploy(&driver, "a").await.unwrap();
        first.is_err()
    })
    .await;
    assert_eq!(steps, 12);
}

/// Notes every step.
#[derive(Clone, Debug, Default)]
struct Recording(Arc<Mutex<Vec<String>>>);

impl Recording {
    fn note(&self, what: &str, folder: &Folder, name: impl AsRef<OsStr>) {
        let hash = scope().app_id_hash;
        let place = folder.path().rsplit_once("/root").unwrap().1.replace(&hash, "HASH");
        let op = spec("a").op_key.to_string();
        let line =
            format!("{what} {place}/{}", name.as_ref().to_string_lossy()).replace(&op, "OP").replace(&hash, "HASH");
        self.0.lock().unwrap().push(line);
    }
}

impl FileOps for Recording {
    fn make_folder(&self, parent: &Folder, name: &str, mode: u32) -> io::Result<()> {
        self.note("make", parent, name);
        RealFiles.make_folder(parent, name, mode)
    }
    fn write_new(&self, parent: &Folder, name: &str, content: &[u8]) -> io::Result<()> {
        self.note("write", parent, name);
        RealFiles.write_new(parent, name, content)
    }
    fn sync(&self, folder: &Folder) -> io::Result<()> {
        self.note("sync", folder, "");
        RealFiles.sync(folder)
    }
    fn rename(&self, from: &Folder, name: &OsStr, to: &Folder, new_name: &str) -> io::Result<()> {
        self.note("from", from, name);
        self.note("move", to, new_name);
        RealFiles.rename(from, name, to, new_name)
    }
    fn link(&self, folder: &Folder, name: &str, new_name: &str) -> io::Result<()> {
        self.note("link", folder, new_name);
        RealFiles.link(folder, name, new_name)
    }
    fn remove_file(&self, parent: &Folder, name: &OsStr) -> io::Result<()> {
        self.note("remove", parent, name);
        RealFiles.remove_file(parent, name)
    }
    fn remove_folder(&self, parent: &Folder, name: &OsStr) -> io::Result<()> {
        self.note("remove", parent, name);
        RealFiles.remove_folder(parent, name)
    }
}

/// A power cut keeps only what was synced: content before the name that shows it, each name before
/// what builds on it.
#[tokio::test]
async fn everything_is_durable_before_it_shows() {
    let lab = Lab::new();
    let recording = Recording::default();
    deploy(&lab.driver_with(Box::new(recording.clone())), "a").await.unwrap();
    let steps = recording.0.lock().unwrap().clone();
    assert_eq!(
        steps,
        [
            "make /disks/.staging/OP",
            "make /disks/.staging/OP/data",
            "write /disks/.staging/OP/disk.json",
            "sync /disks/.staging/OP/",
            "make /disks/shop-HASH",
            "sync /disks/",
            "make /disks/shop-HASH/data",
            "sync /disks/shop-HASH/",
            "from /disks/.staging/OP",
            "move /disks/shop-HASH/data/a",
            "sync /disks/shop-HASH/data/",
            "write /disks/.staging/assigned.json",
            "from /disks/.staging/assigned.json",
            "move /disks/shop-HASH/data/assigned.json",
            "sync /disks/shop-HASH/data/",
        ]
    );
}
