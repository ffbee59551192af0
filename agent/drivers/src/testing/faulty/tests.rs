use kompox_core::disk::{DiskSource, OpKey};
use kompox_manifests::model::VolumeKind;

use super::*;
use crate::testing::MemoryDriver;

fn lab() -> (FaultyDriver, MemoryDriver, DiskScope, DiskSpec) {
    let memory = MemoryDriver::new();
    let driver = FaultyDriver::new(Arc::new(memory.clone()));
    let scope = DiskScope::of(&"/ws/w/prv/p/cls/c/app/a".parse().unwrap());
    let spec = DiskSpec {
        volume: "data".into(),
        name: "a".into(),
        kind: VolumeKind::Disk,
        size: 1,
        zone: None,
        options: BTreeMap::new(),
        source: DiskSource::Empty,
        op_key: OpKey::new("a/data", 1, "create"),
    };
    (driver, memory, scope, spec)
}

fn lost() -> DriverError {
    DriverError::transient("the connection broke")
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let (driver, memory, scope, spec) = lab();
    driver.fail(Operation::EnsureDisk, Fault::Refused(lost()));
    assert_eq!(driver.ensure_disk(&scope, &spec).await, Err(lost()));
    assert_eq!(memory.disk_count(), 0);
    assert!(driver.ensure_disk(&scope, &spec).await.is_ok());
    assert_eq!((memory.disk_count(), driver.calls(Operation::EnsureDisk)), (1, 2));
}

#[tokio::test]
async fn a_lost_reply_is_found_again_by_its_operation() {
    let (driver, memory, scope, mut spec) = lab();
    driver.fail(Operation::EnsureDisk, Fault::ReplyLost(lost()));
    assert_eq!(driver.ensure_disk(&scope, &spec).await, Err(lost()));
    assert_eq!(memory.disk_count(), 1);
    spec.name = "b".into();
    let Progress::Ready(disk) = driver.ensure_disk(&scope, &spec).await.unwrap() else { panic!("pending") };
    assert_eq!((disk.name.as_str(), memory.disk_count()), ("a", 1));
}

#[tokio::test]
async fn a_fault_while_looking_is_unknown_never_absent() {
    let (driver, _, scope, _) = lab();
    driver.fail(Operation::GetDisk, Fault::Refused(lost()));
    driver.fail(Operation::GetDisk, Fault::ReplyLost(lost()));
    for _ in 0..2 {
        let seen = driver.get_disk(&scope, "memory:1").await;
        assert_eq!(seen, Presence::Unknown("the connection broke".into()));
    }
    assert_eq!(driver.get_disk(&scope, "memory:1").await, Presence::Absent);
}

#[tokio::test]
async fn hangs_and_late_replies_take_their_time() {
    let (driver, memory, scope, spec) = lab();
    let moment = Duration::from_millis(30);
    driver.fail(Operation::EnsureDisk, Fault::Hangs);
    driver.fail(Operation::EnsureDisk, Fault::Late(moment * 20));
    assert!(tokio::time::timeout(moment, driver.ensure_disk(&scope, &spec)).await.is_err());
    assert_eq!(memory.disk_count(), 0);
    assert!(tokio::time::timeout(moment, driver.ensure_disk(&scope, &spec)).await.is_err());
    assert_eq!(memory.disk_count(), 1, "a late reply is that of a request that was carried out");
    assert!(tokio::time::timeout(moment, driver.ensure_disk(&scope, &spec)).await.is_ok());
}
