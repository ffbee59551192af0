//! Which disk each volume is bound to, and what must happen first. The rule behind every branch:
//! "not found" never leads to a fresh empty disk for a volume that may have had one.

use std::collections::BTreeSet;

use kompox_manifests::model::{App, Volume, VolumeKind};
use kompox_manifests::object::Kind;
use kompox_manifests::slots::VolumeBinding;

use super::{Action, Bindings, NewDisks, Settings, Subject, What};
use crate::disk::{DiskSpec, OpKey};
use crate::observed::{ObservedApp, ObservedDisk, ObservedVolume};

/// The outcome for all volumes of an App.
#[derive(Default)]
pub(super) struct Decided {
    /// The disk of every volume that is neither blocked nor held.
    pub(super) bindings: Bindings,
    /// Volumes whose binding is a placeholder until their disk is made or assigned.
    pub(super) unsettled: BTreeSet<String>,
}

/// Decides every volume, adding the disk actions to `actions`.
pub(super) fn decide(
    app: &App,
    observed: &ObservedApp,
    settings: &Settings,
    actions: &mut Vec<Action>,
) -> Decided {
    let mut decided = Decided::default();
    for volume in &app.volumes {
        match decide_one(app, volume, observed, settings) {
            Decision::Bound(binding) => {
                decided.bindings.insert(volume.name.clone(), binding);
            }
            Decision::First { what, reason, binding } => {
                decided.bindings.insert(volume.name.clone(), binding);
                decided.unsettled.insert(volume.name.clone());
                actions.push(Action { what: *what, reason, origin: Some(volume.at.clone()) });
            }
            Decision::Stop { what, reason } => {
                actions.push(Action { what: *what, reason, origin: Some(volume.at.clone()) });
            }
        }
    }
    decided
}

enum Decision {
    /// The disk is there and assigned.
    Bound(VolumeBinding),
    /// Something happens to a disk before the volume can be mounted.
    First { what: Box<What>, reason: String, binding: VolumeBinding },
    /// A person must act.
    Stop { what: Box<What>, reason: String },
}

impl Decision {
    fn blocked(volume: &Volume, reason: String, remedy: String) -> Self {
        let subject = Subject::Volume(volume.name.clone());
        Self::Stop { what: Box::new(What::Blocked { subject, remedy }), reason }
    }

    fn held(volume: &Volume, reason: String, remedy: String) -> Self {
        let subject = Subject::Volume(volume.name.clone());
        Self::Stop { what: Box::new(What::Held { subject, remedy }), reason }
    }
}

fn decide_one(app: &App, volume: &Volume, observed: &ObservedApp, settings: &Settings) -> Decision {
    if volume.kind == VolumeKind::Files {
        return Decision::blocked(
            volume,
            "volumes of `type: files` are not supported by any driver yet".to_owned(),
            "use `type: disk`, or mount the shared file system by other means".to_owned(),
        );
    }
    let (disks, prospect) = match observed.volumes.get(&volume.name) {
        Some(ObservedVolume::Known { disks, prospect }) => (disks, prospect),
        // The provider is silent: what is mounted stays mounted, and nothing new is made.
        Some(ObservedVolume::Unknown { bound: Some(binding), .. }) => return Decision::Bound(binding.clone()),
        Some(ObservedVolume::Unknown { reason, bound: None }) => {
            return Decision::blocked(
                volume,
                format!("the provider cannot be asked for its disks: {reason}"),
                "make the provider reachable; nothing is created on a guess".to_owned(),
            );
        }
        None => {
            return Decision::blocked(
                volume,
                "its disks were not looked at".to_owned(),
                "this is a defect of the agent: report it".to_owned(),
            );
        }
    };
    let assigned: Vec<&ObservedDisk> = disks.iter().filter(|disk| disk.disk.assigned).collect();
    match assigned.as_slice() {
        [one] => Decision::Bound(one.binding.clone()),
        [] if disks.is_empty() => first_disk(app, volume, prospect, observed, settings),
        [] => unassigned(app, volume, disks),
        several => Decision::blocked(
            volume,
            format!("{} disks are assigned to it: {}", several.len(), names(several)),
            "assign exactly one of them at the provider (tag `kompox-disk-assigned`)".to_owned(),
        ),
    }
}

/// No disk at all: a new empty one, unless anything speaks of an earlier life.
fn first_disk(
    app: &App,
    volume: &Volume,
    prospect: &VolumeBinding,
    observed: &ObservedApp,
    settings: &Settings,
) -> Decision {
    if let Some(source) = &volume.source {
        return Decision::blocked(
            volume,
            format!("its first disk shall come from `{}`", source.value),
            "making disks from snapshots or other disks is not supported by this version; leave `source` out to start \
             with an empty disk"
                .to_owned(),
        );
    }
    let traces = earlier_life(volume, observed);
    if !traces.is_empty() {
        return Decision::blocked(
            volume,
            format!("it had a disk before ({}), but the provider has none now", traces.join(", ")),
            "bring the disk back at the provider, or delete these objects to start with an empty disk".to_owned(),
        );
    }
    if let Some(other) = &settings.rebuild {
        return Decision::held(
            volume,
            format!("this looks like a rebuilt cluster: {other} still has disks, but this volume has none"),
            "look for its disk at the provider first".to_owned(),
        );
    }
    if settings.new_disks == NewDisks::Hold {
        return Decision::held(
            volume,
            "a new empty disk is needed, and `newDisks: hold` is set".to_owned(),
            "set `newDisks: allow` in the agent's configuration".to_owned(),
        );
    }
    let spec = DiskSpec::first(volume, first_op(app, volume), settings.commit_time);
    Decision::First {
        what: Box::new(What::CreateDisk(spec)),
        reason: "no disk, snapshot, PersistentVolume or Pod of an earlier life was found".to_owned(),
        binding: prospect.clone(),
    }
}

/// Disks but none assigned: ours to finish if a run of ours was cut short between making and
/// assigning; else a person chooses.
fn unassigned(app: &App, volume: &Volume, disks: &[ObservedDisk]) -> Decision {
    let op = first_op(app, volume);
    match disks {
        [only] if only.disk.op_key.as_ref() == Some(&op) => Decision::First {
            what: Box::new(What::AssignDisk(only.disk.clone())),
            reason: "it was made for this volume by a run that was cut short".to_owned(),
            binding: only.binding.clone(),
        },
        _ => Decision::blocked(
            volume,
            format!("none of its disks is assigned: {}", names(&disks.iter().collect::<Vec<_>>())),
            "assign one of them at the provider (tag `kompox-disk-assigned`)".to_owned(),
        ),
    }
}

/// The operation that makes a volume's first disk; the same on every run, so that a retry finds
/// the disk that an interrupted run made.
fn first_op(app: &App, volume: &Volume) -> OpKey {
    OpKey::new(&format!("{}/{}", app.id, volume.name), 1, "first-disk")
}

/// What in the cluster says that the volume has been mounted before.
fn earlier_life(volume: &Volume, observed: &ObservedApp) -> Vec<String> {
    let mut traces = Vec::new();
    for (key, live) in &observed.objects {
        let mentions = match key.kind {
            // k4x-<spHASH>-<volume>-<idHASH>-<volHASH>: the hashes hold no dash.
            Kind::PersistentVolume | Kind::PersistentVolumeClaim => volume_of(&key.name) == Some(&volume.name),
            Kind::Deployment => live
                .body
                .pointer("/spec/template/spec/volumes")
                .and_then(serde_json::Value::as_array)
                .into_iter()
                .flatten()
                .any(|mounted| {
                    mounted.get("persistentVolumeClaim").is_some()
                        && mounted.get("name").and_then(serde_json::Value::as_str) == Some(&volume.name)
                }),
            _ => false,
        };
        if mentions {
            traces.push(key.to_string());
        }
    }
    traces
}

/// The volume's name in the name of a PersistentVolume or claim of ours.
fn volume_of(name: &str) -> Option<&str> {
    let (_, rest) = name.strip_prefix("k4x-")?.split_once('-')?;
    let (rest, _) = rest.rsplit_once('-')?;
    Some(rest.rsplit_once('-')?.0)
}

fn names(disks: &[&ObservedDisk]) -> String {
    disks.iter().map(|disk| disk.disk.name.as_str()).collect::<Vec<_>>().join(", ")
}
