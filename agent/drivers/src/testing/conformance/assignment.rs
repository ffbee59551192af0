//! Which disk is the current one, and whose disks are acted on.

use super::{Lab, MANY, Outcome, check, fails, spec};

pub(super) async fn exactly_one_is_assigned(lab: &Lab) -> Outcome {
    for name in ["a", "b", "c"] {
        lab.make("data", name).await?;
    }
    check!(lab.assigned("data").await?.is_empty(), "a new disk is assigned");
    for name in ["b", "b", "a", "c", "a"] {
        lab.assign("data", name).await?;
        let assigned = lab.assigned("data").await?;
        check!(assigned == [name], "after assigning {name}, {assigned:?} are assigned");
    }
    Ok(())
}

pub(super) async fn an_unknown_disk_changes_nothing(lab: &Lab) -> Outcome {
    lab.make("data", "a").await?;
    lab.assign("data", "a").await?;
    for (volume, name) in [("data", "b"), ("db", "a"), ("data", ".."), ("..", "a")] {
        let answer = lab.driver.set_assigned(&lab.scope, volume, name).await;
        fails(&format!("assigning {volume}/{name}"), "not_found", answer)?;
    }
    let assigned = lab.assigned("data").await?;
    check!(assigned == ["a"], "{assigned:?} are assigned");
    Ok(())
}

pub(super) async fn many_at_once_leave_one_assigned(lab: &Lab) -> Outcome {
    let names: Vec<String> = (0..MANY).map(|number| format!("d{number}")).collect();
    for name in &names {
        lab.make("data", name).await?;
    }
    let mut workers = Vec::new();
    for name in names {
        let (driver, scope) = (lab.backend.driver(), lab.scope.clone());
        workers.push(tokio::spawn(async move { driver.set_assigned(&scope, "data", &name).await }));
    }
    for worker in workers {
        worker.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    let assigned = lab.assigned("data").await?;
    check!(assigned.len() == 1, "{assigned:?} are assigned");
    Ok(())
}

pub(super) async fn volumes_are_apart(lab: &Lab) -> Outcome {
    lab.make("data", "a").await?;
    lab.make("db", "a").await?;
    lab.make_in(&lab.other_app, &spec("data", "a", "theirs")).await?;
    lab.assign("data", "a").await?;
    check!(lab.assigned("db").await?.is_empty(), "assigning in one volume changes another");
    lab.assign("db", "a").await?;
    check!(lab.assigned("data").await? == ["a"], "assigning in one volume changes another");
    let theirs = lab.driver.list_disks(&lab.other_app).await.map_err(|error| error.to_string())?;
    check!(theirs.iter().all(|disk| !disk.assigned), "assigning in one App changes another");
    Ok(())
}

pub(super) async fn only_claimed_disks_are_acted_on(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "a").await?;
    // The same App in another cluster sees the disk, and whose it is.
    let seen = lab.driver.list_disks(&lab.other_cluster).await.map_err(|error| error.to_string())?;
    check!(seen == [disk.clone()], "the other cluster sees {seen:?}");
    let (driver, other) = (&lab.driver, &lab.other_cluster);
    fails("assigning a foreign disk", "conflict_claimed", driver.set_assigned(other, "data", "a").await)?;
    fails("deleting a foreign disk", "conflict_claimed", driver.delete_disk(other, &disk.handle).await)?;
    let retry = driver.ensure_disk(other, &spec("data", "a", "a")).await;
    fails("finding a foreign disk by its operation", "conflict_claimed", retry)?;
    lab.backend.set_claim(&disk, None);
    fails("assigning an unclaimed disk", "conflict_claimed", driver.set_assigned(&lab.scope, "data", "a").await)?;
    fails("deleting an unclaimed disk", "conflict_claimed", driver.delete_disk(&lab.scope, &disk.handle).await)?;
    check!(lab.backend.disk_count() == 1, "there are {} disks", lab.backend.disk_count());
    Ok(())
}

pub(super) async fn unclaimed_disks_can_be_claimed(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "a").await?;
    lab.backend.set_claim(&disk, None);
    let claimed = lab.driver.claim_disk(&lab.scope, &disk.handle, false).await;
    let claimed = claimed.map_err(|error| format!("claiming: {error}"))?;
    check!(claimed.claim.as_ref() == Some(&lab.scope.cluster_hash), "the claim is {:?}", claimed.claim);
    check!(lab.list().await? == [claimed], "the list says something else");
    lab.assign("data", "a").await?;
    let again = lab.driver.claim_disk(&lab.scope, &disk.handle, false).await;
    check!(again.is_ok_and(|disk| disk.assigned), "claiming again fails or changes the disk");
    Ok(())
}

pub(super) async fn foreign_disks_are_taken_only_on_purpose(lab: &Lab) -> Outcome {
    let disk = lab.make("data", "a").await?;
    let other = &lab.other_cluster;
    let asked = lab.driver.claim_disk(other, &disk.handle, false).await;
    fails("claiming a foreign disk", "conflict_claimed", asked)?;
    let taken = lab.driver.claim_disk(other, &disk.handle, true).await.map_err(|error| format!("taking: {error}"))?;
    check!(taken.claim.as_ref() == Some(&other.cluster_hash), "the claim is {:?}", taken.claim);
    lab.backend.attach(&disk);
    let back = lab.driver.claim_disk(&lab.scope, &disk.handle, true).await;
    fails("taking an attached disk", "conflict_attached", back)?;
    Ok(())
}
