//! Snapshots, where the driver has them.

use std::collections::BTreeMap;

use kompox_core::disk::{DiskSource, OpKey, Presence, SnapshotSpec, snapshots_by_age, tags};

use super::{GIB, Lab, Outcome, check, fails, settle, spec};
use crate::driver::SnapshotCopy;

pub(super) async fn they_work_or_say_that_they_do_not(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "a").await?;
    let wanted = snapshot(&disk.handle, "nightly-1");
    if lab.driver.capabilities().snapshots {
        return life(lab, &wanted).await;
    }
    let copy = SnapshotCopy { name: "copy".into(), target: None, op_key: OpKey::new("shop/data", 1, "copy") };
    let (driver, scope) = (&lab.driver, &lab.scope);
    fails("taking a snapshot", "unsupported", driver.ensure_snapshot(scope, &wanted).await)?;
    fails("copying a snapshot", "unsupported", driver.copy_snapshot(scope, "x", &copy).await)?;
    fails("deleting a snapshot", "unsupported", driver.delete_snapshot(scope, "x").await)?;
    let mut restored = spec("data", "b", "restore");
    restored.source = DiskSource::Snapshot("nightly-1".parse().map_err(|_| "a bad name".to_owned())?);
    fails("restoring a snapshot", "unsupported", driver.ensure_disk(scope, &restored).await)?;
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    Ok(())
}

async fn life(lab: &Lab, wanted: &SnapshotSpec) -> Outcome {
    let (driver, scope) = (&lab.driver, &lab.scope);
    let take = |spec: SnapshotSpec| async move {
        settle(|| driver.ensure_snapshot(scope, &spec)).await.map_err(|error| format!("ensure_snapshot: {error}"))
    };
    let first = take(wanted.clone()).await?;
    check!(first.size >= GIB, "it has {} bytes", first.size);
    check!(first.tags.get("kompox-policy").map(String::as_str) == Some("nightly"), "its tags are {:?}", first.tags);
    check!(first.tags.get(tags::SNAPSHOT).map(String::as_str) == Some("nightly-1"), "its tags are {:?}", first.tags);
    let again = take(wanted.clone()).await?;
    check!(again.handle == first.handle, "a retry took {}", again.handle);
    let mut taken = wanted.clone();
    taken.op_key = OpKey::new("shop/data", 2, "snapshot");
    fails("a taken name", "conflict_name_taken", driver.ensure_snapshot(scope, &taken).await)?;
    take(snapshot(&wanted.disk, "nightly-2")).await?;

    let all = driver.list_snapshots(scope).await.map_err(|error| error.to_string())?;
    check!(all.len() == 2, "there are {} snapshots", all.len());
    check!(all.is_sorted_by(|left, right| snapshots_by_age(left, right).is_le()), "the list is not sorted");
    let theirs = driver.list_snapshots(&lab.other_app).await.map_err(|error| error.to_string())?;
    check!(theirs.is_empty(), "another App sees them");
    let seen = driver.get_snapshot(&lab.other_app, &first.handle).await;
    check!(matches!(seen, Presence::Unknown(_)), "for another App it is {seen:?}");
    let foreign = driver.delete_snapshot(&lab.other_cluster, &first.handle).await;
    fails("deleting a foreign snapshot", "conflict_claimed", foreign)?;

    let mut restored = spec("data", "b", "restore");
    restored.source = DiskSource::Snapshot("nightly-1".parse().map_err(|_| "a bad name".to_owned())?);
    let disk = lab.make_in(scope, &restored).await?;
    check!(disk.source.as_ref() == Some(&restored.source), "its source is {:?}", disk.source);
    check!(disk.size >= first.size, "it has {} bytes", disk.size);
    restored.source = DiskSource::Snapshot("missing".parse().map_err(|_| "a bad name".to_owned())?);
    restored.op_key = OpKey::new("shop/data", 2, "restore");
    restored.name = "c".into();
    fails("restoring what is not there", "not_found", driver.ensure_disk(scope, &restored).await)?;

    settle(|| driver.delete_snapshot(scope, &first.handle)).await.map_err(|error| error.to_string())?;
    let seen = driver.get_snapshot(scope, &first.handle).await;
    check!(seen == Presence::Absent, "deleted, it is {seen:?}");
    Ok(())
}

fn snapshot(disk: &str, name: &str) -> SnapshotSpec {
    SnapshotSpec {
        volume: "data".into(),
        name: name.into(),
        disk: disk.into(),
        tags: BTreeMap::from([("kompox-policy".to_owned(), "nightly".to_owned())]),
        op_key: OpKey::new("shop/data", 1, name),
    }
}
