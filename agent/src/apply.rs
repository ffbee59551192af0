//! Apply: carries out confirmed plans, stage by stage. It decides nothing; where a disk had to be
//! made first, the pure planner is asked again with the disk in hand.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kompox_core::observed::LiveObject;
use kompox_core::ownership;
use kompox_core::pause::Pause;
use kompox_core::plan::order::Stage;
use kompox_core::plan::{self, Action, Counts, Settings, Subject, What};
use kompox_manifests::labels;
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use serde_json::Value;
use tracing::info;

use crate::cluster::ClusterError;
use crate::cluster::error::Cause;
use crate::confirm::{self, Confirmed, PARALLEL};
use crate::context::{Agent, Planned};
use crate::deletion;
use crate::disks;
use crate::failure::Failure;
use crate::give_back;

/// How often a takeover is tried against controllers that write at the same moment.
const TAKEOVER_ATTEMPTS: usize = 4;

/// What was done for one App. Only this can be reported.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The plan as it was carried out.
    pub(crate) planned: Planned,
    /// What was really done, also when it stopped half-way.
    pub(crate) done: Counts,
    /// The objects among that which were created, changed or replaced.
    written: BTreeSet<ObjectKey>,
    /// Why it stopped, if it did; the next reconcile goes on from there.
    pub(crate) stopped: Option<Failure>,
    /// Everything is written, but something that is no longer asked for does not go.
    pub(crate) left: Option<Failure>,
}

impl Applied {
    /// The actions that created, changed or replaced an object.
    pub(crate) fn carried_out(&self) -> impl Iterator<Item = &Action> {
        let is_written = |action: &&Action| match action.what.subject() {
            Subject::Object(key) => self.written.contains(&key),
            Subject::Volume(_) | Subject::App => false,
        };
        self.planned.plan.actions.iter().filter(is_written)
    }
}

/// Applies one App's plan. A plan with something blocked or held writes nothing; else it stops at
/// the first stage in which something fails.
pub(crate) async fn apply(agent: &Agent, confirmed: Confirmed) -> Applied {
    let mut applied = Applied {
        planned: confirmed.into_planned(),
        done: Counts::default(),
        written: BTreeSet::new(),
        stopped: None,
        left: None,
    };
    if let Some(obstacle) = applied.planned.plan.obstacle() {
        applied.stopped = Some(Failure::of_obstacle(obstacle));
        return applied;
    }
    applied.stopped = write(agent, &mut applied).await.err();
    if applied.stopped.is_none() {
        // After everything else has succeeded; nothing else waits for it.
        applied.left = deletion::leftovers(agent, &applied.planned.plan.actions, &mut applied.done).await.err();
    }
    applied
}

async fn write(agent: &Agent, applied: &mut Applied) -> Result<(), Failure> {
    for stage in Stage::ALL {
        check_pause(agent, &applied.planned)?;
        match stage {
            Stage::Namespace => {
                let Some(namespace) = applied.planned.new_namespace().cloned() else {
                    write_stage(agent, applied, stage).await?;
                    continue;
                };
                // Two sources that list one new App must not both believe that it is theirs.
                let _turn = agent.births.turn(&namespace.key.name).await;
                let was_there = check_birth(agent, &namespace, &applied.planned.settings).await?;
                write_stage(agent, applied, stage).await?;
                if was_there {
                    let text = format!(
                        "{}: {} was there already; what is in it is looked at first",
                        namespace.origin, namespace.key
                    );
                    return Err(Failure::retry("changed", text));
                }
                confirm::try_in_place(agent, &applied.planned).await?;
            }
            Stage::Disks => settle_disks(agent, &mut applied.planned, &mut applied.done).await?,
            _ => write_stage(agent, applied, stage).await?,
        }
    }
    check_pause(agent, &applied.planned)
}

/// A person who pauses the App while it is being written to is obeyed at the next stage, and before anything is deleted.
fn check_pause(agent: &Agent, planned: &Planned) -> Result<(), Failure> {
    let name = Names::of(&planned.app.id).namespace;
    let namespace = agent.cache.object(&ObjectKey { kind: Kind::Namespace, namespace: None, name });
    match namespace.map(|namespace| Pause::of(&namespace, Timestamp::now())) {
        None | Some(Ok(None)) => Ok(()),
        Some(Ok(Some(pause))) => Err(Failure::retry("paused", format!("{}: {pause}", planned.app.at))),
        Some(Err(unreadable)) => Err(Failure::retry("paused", format!("{}: {unreadable}", planned.app.at))),
    }
}

/// A namespace that is to be created must not have become another source's since it was looked for: then the plan is
/// for another world. Gives whether it is there all the same: somebody has made it, or taken the label away by which
/// ours are watched.
async fn check_birth(agent: &Agent, object: &Object, settings: &Settings) -> Result<bool, Failure> {
    let found = agent.cluster.get(&object.key).await;
    let found = found.map_err(|error| Failure::of_object(&object.key, &object.origin, &error))?;
    let owner = found.as_ref().and_then(|live| live.annotation(labels::SOURCE));
    if owner.is_some_and(|owner| settings.belongs_to_another(owner)) {
        let text = format!("{}: {} has appeared in the meantime; looking again", object.origin, object.key);
        return Err(Failure::retry("changed", text));
    }
    Ok(found.is_some())
}

/// Makes and assigns disks, then plans the rest again now that their handles are known.
async fn settle_disks(agent: &Agent, planned: &mut Planned, done: &mut Counts) -> Result<(), Failure> {
    let nodes = planned.observed.nodes.clone();
    let mut settled = Vec::new();
    for action in &planned.plan.actions {
        let disk = match &action.what {
            What::CreateDisk(spec) => {
                agent.may_write()?;
                info!(volume = %spec.volume, disk = %spec.name, reason = %action.reason, "creating a NEW EMPTY DISK");
                let disk = disks::create(&planned.app, &nodes, spec).await?;
                done.disks_created += 1;
                disk
            }
            What::AssignDisk(disk) => {
                info!(volume = %disk.volume, disk = %disk.name, reason = %action.reason, "assigning a disk");
                disk.clone()
            }
            _ => continue,
        };
        agent.may_write()?;
        settled.push(disks::assign(&planned.app, &nodes, &disk).await?);
        if matches!(action.what, What::AssignDisk(_)) {
            done.disks_assigned += 1;
        }
    }
    if settled.is_empty() {
        return Ok(());
    }
    // The provider has others now than it said.
    agent.listings.forget(&planned.app.id);
    planned.observed.settle(settled);
    planned.plan = plan::plan(&planned.app, &planned.observed, &planned.settings);
    planned.plan.actions.retain(|action| !agent.refuted.drops(action));
    match planned.plan.obstacle() {
        Some(obstacle) => Err(Failure::of_obstacle(obstacle)),
        None => Ok(()),
    }
}

/// Writes one stage's objects, several at once; the stage is over when all are accepted.
async fn write_stage(agent: &Agent, applied: &mut Applied, stage: Stage) -> Result<(), Failure> {
    let Applied { planned, done, written, .. } = applied;
    let writes: Vec<_> = planned
        .plan
        .actions
        .iter()
        .filter(|action| action.what.stage() == stage)
        .filter(|action| {
            matches!(
                action.what,
                What::Create { .. } | What::Change { .. } | What::Replace { .. } | What::GiveBack { .. }
            )
        })
        .map(async |action| (action.what.subject(), write_one(agent, action, planned.app.reconcile.force).await))
        .collect();
    let mut results = stream::iter(writes).buffer_unordered(PARALLEL);
    let mut first_failure = None;
    while let Some((subject, result)) = results.next().await {
        if let (Subject::Object(key), Ok(_)) = (subject, &result) {
            written.insert(key);
        }
        match result {
            Ok(Written::Created) => done.created += 1,
            Ok(Written::Changed) => done.changed += 1,
            Ok(Written::Replaced) => done.replaced += 1,
            Err(failure) => first_failure = first_failure.or(Some(failure)),
        }
    }
    first_failure.map_or(Ok(()), Err)
}

enum Written {
    Created,
    Changed,
    Replaced,
}

async fn write_one(agent: &Agent, action: &Action, force: bool) -> Result<Written, Failure> {
    let failed = |object: &Object, error: ClusterError| Failure::of_object(&object.key, &object.origin, &error);
    match &action.what {
        What::Create { object, .. } => {
            info!(object = %object.key, reason = %action.reason, "creating");
            let written = agent.cluster.apply(object, force).await.map_err(|error| failed(object, error))?;
            agent.cache.put(&written);
            Ok(Written::Created)
        }
        What::Change { object, live, takeover, .. } => {
            info!(object = %object.key, reason = %action.reason, "changing");
            if let Some(managed_fields) = takeover {
                take_over(agent, object, live, managed_fields).await?;
            }
            let written = agent.cluster.apply(object, force).await.map_err(|error| failed(object, error))?;
            agent.cache.put(&written);
            Ok(Written::Changed)
        }
        What::Replace { object, live, .. } => {
            info!(object = %object.key, reason = %action.reason, "replacing");
            deletion::make_way(agent, live, object).await?;
            let written = agent.cluster.apply(object, force).await.map_err(|error| failed(object, error))?;
            agent.cache.put(&written);
            Ok(Written::Replaced)
        }
        What::GiveBack { live, .. } => {
            info!(object = %live.key, reason = %action.reason, "giving back");
            give_back::carry_out(agent, action).await?;
            Ok(Written::Changed)
        }
        What::CreateDisk(_)
        | What::AssignDisk(_)
        | What::Delete(_)
        | What::Keep(_)
        | What::Drifted { .. }
        | What::Left { .. }
        | What::Awaited { .. }
        | What::Blocked { .. }
        | What::Held { .. } => Ok(Written::Changed),
    }
}

/// Makes the fields that people edited ours, so that the apply that follows reverts them. A
/// controller that writes its status at the same moment only means to look again.
async fn take_over(agent: &Agent, object: &Object, live: &LiveObject, managed_fields: &[Value]) -> Result<(), Failure> {
    let failed = |error: ClusterError| Failure::of_object(&live.key, &object.origin, &error);
    let (mut version, mut managed_fields) = (live.resource_version.clone(), managed_fields.to_vec());
    for _ in 1..TAKEOVER_ATTEMPTS {
        match agent.cluster.patch_managed_fields(&live.key, &version, &managed_fields).await {
            Ok(taken) => {
                agent.cache.put(&taken);
                return Ok(());
            }
            Err(ClusterError { cause: Cause::Changed, .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        let Some(live) = changed(agent, &live.key, &version).await else {
            return Err(failed(ClusterError::new(format!("take over {}", live.key), Cause::Changed)));
        };
        let Some(takeover) = ownership::takeover(&live, &object.body, &agent.people) else { return Ok(()) };
        (version, managed_fields) = (live.resource_version, takeover.managed_fields);
    }
    let taken = agent.cluster.patch_managed_fields(&live.key, &version, &managed_fields).await.map_err(failed)?;
    agent.cache.put(&taken);
    Ok(())
}

/// Another version of an object than this one, as soon as the watch brings it; `None` when it does not, or
/// the object is gone.
async fn changed(agent: &Agent, key: &ObjectKey, than: &str) -> Option<LiveObject> {
    for _ in 0..20 {
        match agent.cache.object(key)? {
            live if live.resource_version == than => tokio::time::sleep(Duration::from_millis(50)).await,
            live => return Some(live),
        }
    }
    None
}
