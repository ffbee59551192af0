use kompox_core::disk::{AssignHints, Assigned, RepairReason, choose_assigned};

use super::*;
use crate::testing::conformance::{self, Backend, Env};

struct MemoryEnv {
    slowness: u32,
}

impl Env for MemoryEnv {
    fn fresh(&self) -> Box<dyn Backend> {
        let driver = MemoryDriver::new();
        driver.slow_down(self.slowness);
        Box::new(driver)
    }
}

impl Backend for MemoryDriver {
    fn driver(&self) -> Arc<dyn Driver> {
        Arc::new(self.clone())
    }

    fn disk_count(&self) -> usize {
        MemoryDriver::disk_count(self)
    }

    fn set_reachable(&self, reachable: bool) {
        self.outage((!reachable).then(|| DriverError::transient("no route to the provider")));
    }

    fn attach(&self, disk: &Disk) {
        assert!(self.tamper(&disk.handle, |disk| disk.attachment = Attachment::Attached(vec!["node-1".into()])));
    }

    fn protect(&self, disk: &Disk) {
        assert!(self.tamper(&disk.handle, |disk| disk.protected = true));
    }

    fn set_claim(&self, disk: &Disk, cluster_hash: Option<&str>) {
        assert!(self.tamper(&disk.handle, |disk| disk.claim = cluster_hash.map(str::to_owned)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_it_answers_at_once() {
    let failures = conformance::run(&MemoryEnv { slowness: 0 }).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_conforms_when_everything_takes_its_time() {
    let failures = conformance::run(&MemoryEnv { slowness: 3 }).await;
    assert!(failures.is_empty(), "{failures:#?}");
}

/// The suite can fail: drivers that break a rule are caught.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_suite_notices_broken_drivers() {
    /// A provider that forgets its claims, as a driver that ignores them would.
    struct Forgetful(MemoryDriver);
    impl Backend for Forgetful {
        fn driver(&self) -> Arc<dyn Driver> {
            Arc::new(self.0.clone())
        }
        fn disk_count(&self) -> usize {
            self.0.disk_count() + 1
        }
        fn set_reachable(&self, _: bool) {}
        fn attach(&self, _: &Disk) {}
        fn protect(&self, _: &Disk) {}
        fn set_claim(&self, _: &Disk, _: Option<&str>) {}
    }
    struct ForgetfulEnv;
    impl Env for ForgetfulEnv {
        fn fresh(&self) -> Box<dyn Backend> {
            Box::new(Forgetful(MemoryDriver::new()))
        }
    }
    let cases: Vec<&str> = conformance::run(&ForgetfulEnv).await.iter().map(|failure| failure.case).collect();
    for wanted in [
        "disks::the_same_operation_makes_one_disk",
        "disks::absent_is_proved_and_unknown_is_said",
        "assignment::only_claimed_disks_are_acted_on",
        "assignment::foreign_disks_are_taken_only_on_purpose",
        "deletion::what_is_needed_is_not_deleted",
    ] {
        assert!(cases.contains(&wanted), "{wanted} passes a broken driver; caught were {cases:?}");
    }
    assert!(!cases.contains(&"assignment::exactly_one_is_assigned"), "cases fail that have no reason to");
}

/// Where tags are written one by one, a kill leaves none assigned, never two, and asking again
/// mends it.
#[tokio::test]
async fn an_assignment_that_was_cut_short_is_mended() {
    let scope = DiskScope::of(&"/ws/w/prv/p/cls/c/app/a".parse().unwrap());
    for writes in 0..2 {
        let driver = MemoryDriver::new();
        let mut handles = Vec::new();
        for name in ["a", "b"] {
            let spec = DiskSpec {
                volume: "data".into(),
                name: name.into(),
                kind: VolumeKind::Disk,
                size: 1,
                zone: None,
                options: BTreeMap::new(),
                source: DiskSource::Empty,
                op_key: kompox_core::disk::OpKey::new("a/data", 1, name),
            };
            let Progress::Ready(disk) = driver.ensure_disk(&scope, &spec).await.unwrap() else { panic!("pending") };
            handles.push(disk.handle);
        }
        driver.set_assigned(&scope, "data", "a").await.unwrap();
        driver.stop_after_tags(Some(writes));
        assert!(driver.set_assigned(&scope, "data", "b").await.is_err());
        driver.stop_after_tags(None);

        let disks = driver.list_disks(&scope).await.unwrap();
        assert!(disks.iter().filter(|disk| disk.assigned).count() <= 1);
        let hints = AssignHints { bound_handle: Some(&handles[0]), op_key: None };
        match choose_assigned(&disks, "data", hints) {
            Assigned::One(disk) => assert_eq!((disk.name.as_str(), writes), ("a", 0)),
            Assigned::Repair { disk, because } => {
                assert_eq!((disk.name.as_str(), because, writes), ("a", RepairReason::Bound, 1));
            }
            other => panic!("{other:?}"),
        }
        driver.set_assigned(&scope, "data", "b").await.unwrap();
        let disks = driver.list_disks(&scope).await.unwrap();
        assert_eq!(disks.iter().filter(|disk| disk.assigned).map(|disk| disk.name.as_str()).collect::<Vec<_>>(), ["b"]);
    }
}
