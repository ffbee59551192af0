//! A PersistentVolume whose claim was deleted. Kubernetes keeps the disk and calls the volume `Released`, but
//! binds it to no claim again, because it may hold another claim's data. This one's data is the App's own.

use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::Value;

use super::What;
use crate::observed::{LiveObject, ObservedApp};

/// The claim that a volume was bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerClaim {
    /// The claim; one of the same name may exist again.
    pub key: ObjectKey,
    /// Its UID, which no other claim ever has.
    pub uid: String,
}

impl FormerClaim {
    /// The claim that a volume says it was bound to; `None` when it is free for the next claim of that name.
    #[must_use]
    pub fn of(volume: &LiveObject) -> Option<Self> {
        let reference = volume.body.pointer("/spec/claimRef")?;
        let text = |name: &str| reference.get(name).and_then(Value::as_str).map(str::to_owned);
        let key =
            ObjectKey { kind: Kind::PersistentVolumeClaim, namespace: Some(text("namespace")?), name: text("name")? };
        Some(Self { key, uid: text("uid")? })
    }
}

/// Gives a volume of the App's current disk back to the App's claim. That the claim is gone and the disk on no
/// node is proved once more when it is confirmed, and when it is carried out.
pub(super) fn give_back(names: &Names, live: &LiveObject, observed: &ObservedApp) -> Option<(What, String)> {
    let phase = live.body.pointer("/status/phase").and_then(Value::as_str);
    if live.key.kind != Kind::PersistentVolume || phase != Some("Released") {
        return None;
    }
    let claim = FormerClaim::of(live)?;
    let is_ours = claim.key.namespace.as_ref() == Some(&names.namespace) && claim.key.name == live.key.name;
    if !is_ours || observed.objects.get(&claim.key).is_some_and(|found| found.uid == claim.uid) {
        return None;
    }
    let reason = "its claim was deleted and the disk kept; it is bound again, with the same data".to_owned();
    Some((What::GiveBack { live: live.clone(), claim }, reason))
}
