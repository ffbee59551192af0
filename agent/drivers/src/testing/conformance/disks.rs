//! Making, finding and listing disks.

use kompox_core::disk::{ClaimState, DiskState, Presence, by_age, tags};
use kompox_manifests::model::VolumeKind;

use super::{GIB, Lab, MANY, Outcome, check, fails, settle, spec};

pub(super) async fn an_empty_provider_lists_nothing(lab: &Lab) -> Outcome {
    check!(lab.list().await?.is_empty(), "there are disks");
    let snapshots = lab.driver.list_snapshots(&lab.scope).await.map_err(|error| error.to_string())?;
    check!(snapshots.is_empty(), "there are snapshots");
    let health = lab.driver.probe().await.map_err(|error| format!("probe: {error}"))?;
    check!(!health.place.is_empty(), "probe does not say what the disks live in");
    check!(lab.backend.disk_count() == 0, "probing or listing made something");
    Ok(())
}

pub(super) async fn a_disk_is_made_as_asked_for(lab: &Lab) -> Outcome {
    let wanted = spec("data", "first", "create");
    let disk = lab.make_in(&lab.scope, &wanted).await?;
    check!((disk.volume.as_str(), disk.name.as_str()) == ("data", "first"), "made {}/{}", disk.volume, disk.name);
    check!(disk.size >= GIB, "made with {} bytes", disk.size);
    check!(!disk.assigned, "it is assigned already");
    check!(disk.state == DiskState::Ready, "it is {:?}", disk.state);
    check!(disk.claim_state(&lab.scope.cluster_hash) == ClaimState::Ours, "its claim is {:?}", disk.claim);
    check!(disk.op_key.as_ref() == Some(&wanted.op_key), "its operation is {:?}", disk.op_key);
    check!(disk.source.as_ref() == Some(&wanted.source), "its source is {:?}", disk.source);
    check!(!disk.protected, "it is protected");
    check!(lab.scope.check_ownership(&disk.tags).is_ok(), "its tags are {:?}", disk.tags);
    for (key, value) in [(tags::VOLUME, "data"), (tags::DISK, "first"), (tags::ASSIGNED, "false")] {
        check!(disk.tags.get(key).map(String::as_str) == Some(value), "its tags are {:?}", disk.tags);
    }
    check!(lab.list().await? == [disk.clone()], "the list has something else");
    let found = lab.driver.get_disk(&lab.scope, &disk.handle).await;
    check!(found == Presence::Present(disk), "get_disk finds {found:?}");
    Ok(())
}

pub(super) async fn the_same_operation_makes_one_disk(lab: &Lab) -> Outcome {
    let first = lab.make("data", "first").await?;
    // As after a crash and a newer commit: the same operation under another name.
    let again = lab.make_in(&lab.scope, &spec("data", "second", "first")).await?;
    check!(again.handle == first.handle, "a retry made {} beside {}", again.handle, first.handle);
    // As another process.
    let restarted = lab.backend.driver();
    let retry = spec("data", "first", "first");
    let third = settle(|| restarted.ensure_disk(&lab.scope, &retry)).await.map_err(|error| error.to_string())?;
    check!(third.handle == first.handle, "another process made {}", third.handle);
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    // The key is bound to its volume.
    let mut elsewhere = spec("db", "first", "first");
    elsewhere.op_key = retry.op_key;
    let answer = lab.driver.ensure_disk(&lab.scope, &elsewhere).await;
    check!(answer.is_err(), "the operation of one volume gave its disk to another");
    Ok(())
}

pub(super) async fn a_taken_name_is_refused(lab: &Lab) -> Outcome {
    lab.make("data", "first").await?;
    let other = spec("data", "first", "another operation");
    fails("the same name", "conflict_name_taken", lab.driver.ensure_disk(&lab.scope, &other).await)?;
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    // The same name in another volume is another disk.
    lab.make("db", "first").await?;
    check!(lab.backend.disk_count() == 2, "there are {} disks", lab.backend.disk_count());
    Ok(())
}

pub(super) async fn what_makes_no_sense_is_refused(lab: &Lab) -> Outcome {
    let mut nothing = spec("data", "first", "create");
    nothing.size = 0;
    fails("size 0", "invalid", lab.driver.ensure_disk(&lab.scope, &nothing).await)?;
    for (volume, name) in [
        ("data", ""),
        ("data", ".."),
        ("data", "a/b"),
        ("data", "a.b"),
        ("data", "UPPER"),
        ("data", "a-name-of-25-characters-x"),
        ("..", "first"),
        ("", "first"),
        ("seventeen-letters", "first"),
    ] {
        let bad = spec(volume, name, "create");
        let answer = lab.driver.ensure_disk(&lab.scope, &bad).await;
        fails(&format!("volume `{volume}`, disk `{name}`"), "invalid", answer)?;
    }
    let mut files = spec("data", "first", "create");
    files.kind = VolumeKind::Files;
    if !lab.driver.capabilities().files {
        fails("type: files", "unsupported", lab.driver.ensure_disk(&lab.scope, &files).await)?;
    }
    check!(lab.backend.disk_count() == 0, "something was made");
    Ok(())
}

pub(super) async fn lists_are_newest_first(lab: &Lab) -> Outcome {
    for (volume, name) in [("data", "b"), ("db", "c"), ("data", "a"), ("data", "d")] {
        lab.make(volume, name).await?;
    }
    let disks = lab.list().await?;
    check!(disks.len() == 4, "the list has {} disks", disks.len());
    check!(disks.is_sorted_by(|left, right| by_age(left, right).is_le()), "the list is not sorted: {disks:#?}");
    check!(disks[0].created >= disks[3].created, "the oldest comes first");
    Ok(())
}

pub(super) async fn apps_do_not_see_each_other(lab: &Lab) -> Outcome {
    let theirs = lab.make_in(&lab.other_app, &spec("data", "first", "theirs")).await?;
    check!(lab.list().await?.is_empty(), "another App's disk is listed");
    let seen = lab.driver.get_disk(&lab.scope, &theirs.handle).await;
    check!(matches!(seen, Presence::Unknown(_)), "another App's disk is {seen:?}");
    let deleted = lab.driver.delete_disk(&lab.scope, &theirs.handle).await;
    fails("deleting another App's disk", "conflict_not_ours", deleted)?;
    let claimed = lab.driver.claim_disk(&lab.scope, &theirs.handle, true).await;
    fails("claiming another App's disk", "conflict_not_ours", claimed)?;
    let ours = lab.make("data", "first").await?;
    check!(ours.handle != theirs.handle, "two Apps share a disk");
    check!(lab.backend.disk_count() == 2, "there are {} disks", lab.backend.disk_count());
    Ok(())
}

pub(super) async fn many_at_once_make_one_disk(lab: &Lab) -> Outcome {
    let mut workers = Vec::new();
    for number in 0..MANY {
        let (driver, scope) = (lab.backend.driver(), lab.scope.clone());
        let wanted = spec("data", &format!("name-{number}"), "create");
        workers.push(tokio::spawn(async move { settle(|| driver.ensure_disk(&scope, &wanted)).await }));
    }
    let mut handles = std::collections::BTreeSet::new();
    for worker in workers {
        let made = worker.await.map_err(|error| error.to_string())?;
        handles.insert(made.map_err(|error| error.to_string())?.handle);
    }
    check!(handles.len() == 1, "one operation made {handles:?}");
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    Ok(())
}

pub(super) async fn absent_is_proved_and_unknown_is_said(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "first").await?;
    lab.backend.set_reachable(false);
    let seen = lab.driver.get_disk(&lab.scope, &disk.handle).await;
    check!(matches!(&seen, Presence::Unknown(reason) if !reason.is_empty()), "unreachable, it is {seen:?}");
    check!(lab.driver.list_disks(&lab.scope).await.is_err(), "unreachable, disks are listed");
    check!(lab.driver.list_snapshots(&lab.scope).await.is_err(), "unreachable, snapshots are listed");
    check!(lab.driver.probe().await.is_err(), "unreachable, probe is content");
    let other = spec("data", "second", "second");
    check!(lab.driver.ensure_disk(&lab.scope, &other).await.is_err(), "unreachable, a disk is made");
    check!(lab.driver.set_assigned(&lab.scope, "data", "first").await.is_err(), "unreachable, a disk is assigned");
    check!(lab.driver.delete_disk(&lab.scope, &disk.handle).await.is_err(), "unreachable, a disk is deleted");

    lab.backend.set_reachable(true);
    let seen = lab.driver.get_disk(&lab.scope, &disk.handle).await;
    check!(seen == Presence::Present(disk.clone()), "reachable again, it is {seen:?}");
    settle(|| lab.driver.delete_disk(&lab.scope, &disk.handle)).await.map_err(|error| error.to_string())?;
    let seen = lab.driver.get_disk(&lab.scope, &disk.handle).await;
    check!(seen == Presence::Absent, "deleted, it is {seen:?}");
    Ok(())
}

pub(super) async fn disks_only_grow(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "first").await?;
    let shrunk = lab.driver.resize_disk(&lab.scope, &disk.handle, disk.size - 1).await;
    fails("a smaller size", "invalid", shrunk)?;
    let same = settle(|| lab.driver.resize_disk(&lab.scope, &disk.handle, disk.size)).await;
    check!(same.as_ref() == Ok(&disk), "the same size gives {same:?}");
    let larger = settle(|| lab.driver.resize_disk(&lab.scope, &disk.handle, 2 * GIB + 1)).await;
    if lab.driver.capabilities().sizes {
        let size = larger.map_err(|error| error.to_string())?.size;
        check!(size > 2 * GIB, "it has {size} bytes");
    } else {
        fails("a larger size", "unsupported", larger)?;
        check!(lab.list().await? == [disk], "the disk has changed");
    }
    Ok(())
}

pub(super) async fn handles_have_one_form(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "first").await?;
    let normal = lab.driver.normalize_handle(&disk.handle);
    check!(normal.as_ref() == Ok(&disk.handle), "the handle {} is normalised to {normal:?}", disk.handle);
    for bad in ["", "no handle at all", "../../etc"] {
        fails(&format!("the handle `{bad}`"), "invalid", lab.driver.normalize_handle(bad))?;
        let seen = lab.driver.get_disk(&lab.scope, bad).await;
        check!(!matches!(seen, Presence::Present(_)), "the handle `{bad}` finds {seen:?}");
    }
    lab.driver.volume_class(&disk).map_err(|error| format!("volume_class: {error}"))?;
    Ok(())
}
