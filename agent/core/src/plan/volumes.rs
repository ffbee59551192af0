//! Which disk each volume is bound to, and what must happen first. The rule behind every branch:
//! "not found" never leads to a fresh empty disk for a volume that may have had one.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::labels;
use kompox_manifests::model::{App, Volume, VolumeKind};
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, ObjectKey};
use kompox_manifests::slots::VolumeBinding;
use serde_json::Value;

use super::{Action, Bindings, Hold, HoldCause, NewDisks, Settings, Subject, What};
use crate::disk::{
    AssignHints, Assigned, ClaimState, Disk, DiskSpec, DiskState, EarlierLife, OpKey, RepairReason, Trace, VolumePast,
    choose_assigned, earlier_life,
};
use crate::observed::ObservedApp;

/// The outcome for all volumes of an App.
#[derive(Default)]
pub(super) struct Decided {
    /// The disk of every volume that is neither blocked nor held.
    pub(super) bindings: Bindings,
    /// Volumes whose binding is a placeholder until their disk is made.
    pub(super) unsettled: BTreeSet<String>,
}

/// Decides every volume, adding the disk actions to `actions`.
pub(super) fn decide(app: &App, observed: &ObservedApp, settings: &Settings, actions: &mut Vec<Action>) -> Decided {
    let mut decided = Decided::default();
    for volume in &app.volumes {
        let Decision { action, binding, settled } = decide_one(app, volume, observed, settings);
        if let Some(binding) = binding {
            decided.bindings.insert(volume.name.clone(), binding);
        }
        if !settled {
            decided.unsettled.insert(volume.name.clone());
        }
        actions.extend(action.map(|(what, reason)| Action { what, reason, origin: Some(volume.at.clone()) }));
    }
    decided
}

/// The disks that volumes were on before those that they are bound to. What a PersistentVolume says of itself stays;
/// one that is made now says what its volume is on at the moment: what the Pod mounts, for claims of earlier disks may
/// be bound still.
pub(super) fn previous_handles(app: &App, bindings: &Bindings, observed: &ObservedApp) -> BTreeMap<String, String> {
    let names = Names::of(&app.id);
    let mounted = mounted_claims(observed);
    let current = |volume: &String| {
        let bound = observed.bound.get(volume).map(|binding| &binding.handle);
        let is_mounted = |handle: &&String| mounted.contains(names.volume(volume, handle).as_str());
        bound.into_iter().chain(observed.bindings.keys()).find(is_mounted).or(bound).cloned()
    };
    let previous = |volume: &String, binding: &VolumeBinding| {
        let name = names.volume(volume, &binding.handle);
        let key = ObjectKey { kind: Kind::PersistentVolume, namespace: None, name };
        match observed.objects.get(&key) {
            Some(live) => live.annotation(labels::PREVIOUS_HANDLE).map(str::to_owned),
            None => current(volume),
        }
        .filter(|handle| *handle != binding.handle)
    };
    bindings.iter().filter_map(|(volume, binding)| Some((volume.clone(), previous(volume, binding)?))).collect()
}

/// The claims that the App's Pod mounts.
fn mounted_claims(observed: &ObservedApp) -> BTreeSet<&str> {
    let deployments = observed.objects.values().filter(|live| live.key.kind == Kind::Deployment);
    let volumes = deployments.filter_map(|live| live.body.pointer("/spec/template/spec/volumes")?.as_array()).flatten();
    volumes.filter_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str()).collect()
}

/// What is to be done for one volume, and the disk that it is bound to then.
struct Decision {
    action: Option<(What, String)>,
    binding: Option<VolumeBinding>,
    settled: bool,
}

impl Decision {
    fn bound(binding: VolumeBinding) -> Self {
        Self { action: None, binding: Some(binding), settled: true }
    }

    fn blocked(volume: &Volume, reason: String, remedy: &str) -> Self {
        let subject = Subject::Volume(volume.name.clone());
        let what = What::Blocked { subject, remedy: remedy.to_owned() };
        Self { action: Some((what, reason)), binding: None, settled: true }
    }

    fn held(volume: &Volume, hold: Hold) -> Self {
        let Action { what, reason, origin: _ } = hold.action(Subject::Volume(volume.name.clone()), None);
        Self { action: Some((what, reason)), binding: None, settled: true }
    }
}

fn decide_one(app: &App, volume: &Volume, observed: &ObservedApp, settings: &Settings) -> Decision {
    if volume.kind == VolumeKind::Files {
        return Decision::blocked(
            volume,
            "volumes of `type: files` are not supported by any driver yet".to_owned(),
            "use `type: disk`, or mount the shared file system by other means",
        );
    }
    let bound = observed.bound.get(&volume.name);
    let disks = match &observed.disks {
        Ok(disks) => disks,
        // The provider is silent: what is mounted stays mounted, and nothing new is made.
        Err(reason) => {
            return bound.cloned().map_or_else(
                || {
                    let remedy = "make the provider reachable; nothing is created on a guess";
                    Decision::blocked(volume, format!("the provider cannot be asked for its disks: {reason}"), remedy)
                },
                Decision::bound,
            );
        }
    };
    let op = first_disk_op(app, volume);
    let hints = AssignHints { bound_handle: bound.map(|binding| binding.handle.as_str()), op_key: Some(&op) };
    let chosen = choose_assigned(disks, &volume.name, hints);
    if let Assigned::One(disk) | Assigned::Repair { disk, .. } = chosen
        && let Some(unusable) = unusable(app, volume, disk)
    {
        return unusable;
    }
    match chosen {
        Assigned::One(disk) => known(volume, observed, disk).map_or_else(|blocked| *blocked, Decision::bound),
        Assigned::Repair { disk, because } => assign(volume, observed, disk, because),
        Assigned::Undecided(candidates) => {
            let names: Vec<&str> = candidates.iter().map(|disk| disk.name.as_str()).collect();
            let reason = format!("nothing says which of its disks is the current one: {}", names.join(", "));
            Decision::blocked(volume, reason, "set the tag `kompox-disk-assigned=true` on exactly one of them")
        }
        Assigned::NoDisk => first_disk(app, volume, op, observed, settings),
    }
}

/// A disk that another cluster claims, or that the provider has given up, is never mounted.
fn unusable(app: &App, volume: &Volume, disk: &Disk) -> Option<Decision> {
    if let ClaimState::Foreign(cluster) = disk.claim_state(&Names::of(&app.id).hashes.cluster) {
        let reason =
            format!("disk {} is claimed by another cluster ({cluster}), which may be writing to it", disk.name);
        let remedy = "remove the App there first; two clusters must never mount one disk";
        return Some(Decision::blocked(volume, reason, remedy));
    }
    if let DiskState::Failed(why) = &disk.state {
        let reason = format!("the provider says that disk {} has failed: {why}", disk.name);
        return Some(Decision::blocked(
            volume,
            reason,
            "mend the disk at the provider; nothing else is mounted instead",
        ));
    }
    None
}

/// How a disk appears in Kubernetes.
fn known(volume: &Volume, observed: &ObservedApp, disk: &Disk) -> Result<VolumeBinding, Box<Decision>> {
    observed.bindings.get(&disk.handle).cloned().ok_or_else(|| {
        let reason = format!("disk {} cannot be mounted by this driver", disk.name);
        Box::new(Decision::blocked(volume, reason, "see the agent's log for the driver's words"))
    })
}

/// A disk exists but its tags are half-written: a run was cut short. Assigning it again mends them.
fn assign(volume: &Volume, observed: &ObservedApp, disk: &Disk, because: RepairReason) -> Decision {
    let binding = match known(volume, observed, disk) {
        Ok(binding) => binding,
        Err(blocked) => return *blocked,
    };
    let reason = match because {
        RepairReason::Bound => "the volume's claim is bound to it, but its tags do not say so",
        RepairReason::SameOperation => "a run that was cut short made it for this volume",
    };
    Decision {
        action: Some((What::AssignDisk(disk.clone()), reason.to_owned())),
        binding: Some(binding),
        settled: true,
    }
}

/// No disk at all: a new empty one, unless anything speaks of an earlier life.
fn first_disk(app: &App, volume: &Volume, op: OpKey, observed: &ObservedApp, settings: &Settings) -> Decision {
    if let Some(source) = &volume.source {
        let reason = format!("its first disk shall be made from `{}`", source.value);
        let remedy = "this version makes empty disks only; leave `source` out, or put the disk there by hand";
        return Decision::blocked(volume, reason, remedy);
    }
    let past = VolumePast {
        disks: observed.disks.clone(),
        snapshots: observed.snapshots.clone(),
        persistent_volumes: Ok(persistent_volumes(app, volume, observed)),
        disk_objects: Ok(Vec::new()),
        deployed: Ok(mounted_by(volume, observed)),
    };
    match earlier_life(&past, &volume.name, &op, &Names::of(&app.id).hashes.cluster) {
        EarlierLife::None => create_or_hold(app, volume, op, observed, settings),
        EarlierLife::HalfMade(disk) => assign(volume, observed, &disk, RepairReason::SameOperation),
        EarlierLife::Traces(traces) => Decision::blocked(
            volume,
            format!("its disk is gone, but it had one: {}", in_words(&traces)),
            "bring the disk back at the provider, or delete these traces to start with an empty disk",
        ),
        EarlierLife::Unknown(reasons) => Decision::blocked(
            volume,
            format!("nobody can say whether it had a disk: {}", reasons.join("; ")),
            "make these readable; nothing is created on a guess",
        ),
    }
}

/// A volume that never had a disk: it gets one, unless something says that a person should look first.
fn create_or_hold(app: &App, volume: &Volume, op: OpKey, observed: &ObservedApp, settings: &Settings) -> Decision {
    if let Some(hold) = new_disk_hold(app, volume, settings)
        && !hold.is_accepted(&settings.accepted)
    {
        return Decision::held(volume, hold);
    }
    let Some(prospect) = observed.prospects.get(&volume.name).cloned() else {
        let reason = "the driver cannot make disks for it".to_owned();
        return Decision::blocked(volume, reason, "see the agent's log for the driver's words");
    };
    let spec = DiskSpec::first(volume, op, settings.commit_time.as_second());
    let reason = "no disk, snapshot, PersistentVolume or Deployment speaks of an earlier life".to_owned();
    Decision { action: Some((What::CreateDisk(spec), reason)), binding: Some(prospect), settled: false }
}

/// What a person should look at before a volume gets a new empty disk.
///
/// A word is good for one disk, though the commit that says it may be the newest one for ever. So its digest is made of
/// everything that the person could see: why it is asked for, which other Apps have their disks, in which installation
/// of the agent, and which word made the disk that the volume had before.
#[must_use]
pub fn new_disk_hold(app: &App, volume: &Volume, settings: &Settings) -> Option<Hold> {
    let (why, reason, remedy) = if !settings.rebuild.is_empty() {
        let reason = format!(
            "this looks like a rebuilt cluster: other apps of the source still have disks ({}), this volume has none",
            settings.rebuild.join(", ")
        );
        let remedy = "look for its disk at the provider; to start empty, apply it by hand: kompox-agent apply FOLDER";
        ("rebuilt", reason, remedy)
    } else if settings.new_disks == NewDisks::Hold {
        let reason = "a new empty disk is needed, and `newDisks: hold` is set".to_owned();
        ("configured", reason, "set `newDisks: allow` in the agent's configuration")
    } else {
        return None;
    };
    let spent = settings.spent.get(&volume.name).map(ToString::to_string).unwrap_or_default();
    let mut facts = vec![app.id.to_string(), volume.name.clone(), why.to_owned(), settings.installation.clone(), spent];
    facts.extend(settings.rebuild.iter().cloned());
    Some(Hold { cause: HoldCause::NewDisk, facts, reason, remedy: remedy.to_owned() })
}

/// The operation that makes a volume's first disk; the same on every run, so that a retry finds
/// the disk that an interrupted run made.
fn first_disk_op(app: &App, volume: &Volume) -> OpKey {
    OpKey::new(&format!("{}/vol/{}", app.id, volume.name), 1, "first-disk")
}

/// PersistentVolumes of the volume, whichever disk they stand for.
fn persistent_volumes(app: &App, volume: &Volume, observed: &ObservedApp) -> Vec<String> {
    let any = Names::of(&app.id).volume(&volume.name, "");
    let Some((prefix, _)) = any.rsplit_once('-') else { return Vec::new() };
    let of_volume = |name: &str| name.rsplit_once('-').is_some_and(|(start, _)| start == prefix);
    observed
        .objects
        .keys()
        .filter(|key| matches!(key.kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim))
        .filter(|key| of_volume(&key.name))
        .map(|key| key.name.clone())
        .collect()
}

/// The Deployment that mounts the volume by a claim, when one does.
fn mounted_by(volume: &Volume, observed: &ObservedApp) -> Option<String> {
    let mounts = |body: &Value| {
        let volumes = body.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
        volumes.into_iter().flatten().any(|mounted| {
            mounted.get("persistentVolumeClaim").is_some()
                && mounted.get("name").and_then(Value::as_str) == Some(&volume.name)
        })
    };
    let mut deployments = observed.objects.values().filter(|live| live.key.kind == Kind::Deployment);
    deployments.find(|live| mounts(&live.body)).map(|live| format!("of {}", live.key))
}

fn in_words(evidence: &[Trace]) -> String {
    evidence.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
