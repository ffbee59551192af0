//! Deleting disks, and refusing to.

use kompox_core::disk::Presence;

use super::{Lab, Outcome, check, fails, settle, spec};

pub(super) async fn an_unassigned_disk_is_deleted_once_and_again(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "a").await?;
    lab.make("data", "b").await?;
    lab.assign("data", "b").await?;
    for _ in 0..2 {
        let gone = settle(|| lab.driver.delete_disk(&lab.scope, &disk.handle)).await;
        gone.map_err(|error| format!("delete_disk: {error}"))?;
        let seen = lab.driver.get_disk(&lab.scope, &disk.handle).await;
        check!(seen == Presence::Absent, "deleted, it is {seen:?}");
    }
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    check!(lab.assigned("data").await? == ["b"], "the assignment has changed");
    Ok(())
}

pub(super) async fn what_is_needed_is_not_deleted(lab: &Lab) -> Outcome {
    let assigned = lab.make("data", "assigned").await?;
    lab.assign("data", "assigned").await?;
    let attached = lab.make("data", "attached").await?;
    lab.backend.attach(&attached);
    let protected = lab.make("data", "protected").await?;
    lab.backend.protect(&protected);
    for (disk, label) in [(assigned, "conflict_assigned"), (attached, "conflict_attached"), (protected, "protected")] {
        let answer = lab.driver.delete_disk(&lab.scope, &disk.handle).await;
        fails(&format!("deleting the disk `{}`", disk.name), label, answer)?;
    }
    let names: Vec<String> = lab.list().await?.into_iter().map(|disk| disk.name).collect();
    check!(names == ["protected", "attached", "assigned"], "what is left is {names:?}");
    let protected = lab.list().await?.into_iter().find(|disk| disk.name == "protected");
    check!(protected.is_some_and(|disk| disk.protected), "protection is not shown");
    Ok(())
}

pub(super) async fn a_deleted_name_can_be_used_again(lab: &Lab) -> Outcome {
    let old = lab.make("data", "a").await?;
    settle(|| lab.driver.delete_disk(&lab.scope, &old.handle)).await.map_err(|error| error.to_string())?;
    let new = lab.make_in(&lab.scope, &spec("data", "a", "another operation")).await?;
    check!(!new.assigned, "the new disk inherits the old one's assignment");
    check!(lab.list().await? == [new], "the list has something else");
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    Ok(())
}
