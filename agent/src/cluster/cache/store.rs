//! The objects that are kept, by App. A newer version always wins, whichever way it came: by a watch or
//! as the answer to a write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kompox_manifests::labels;
use kompox_manifests::object::{Kind, ObjectKey};
use serde::Deserialize;

use super::{Sighting, Topic};

/// Deletions that are remembered, so that a late answer to a write does not bring an object back.
const MOST_GRAVES: usize = 4096;

/// Where an object is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot {
    pub(super) topic: Topic,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl Slot {
    pub(super) fn of(topic: Topic, sighting: &Sighting) -> Self {
        Self { topic, namespace: sighting.namespace.clone(), name: sighting.name.clone() }
    }

    pub(super) fn object(key: &ObjectKey) -> Self {
        Self { topic: Topic::Owned(key.kind), namespace: key.namespace.clone(), name: key.name.clone() }
    }
}

/// What is kept of an object.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) uid: String,
    pub(super) version: String,
    instance: Option<Arc<str>>,
    pub(super) body: Arc<[u8]>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Store {
    entries: BTreeMap<Slot, Entry>,
    instances: HashMap<Arc<str>, Members>,
    /// App and source that Namespaces are marked with.
    owners: BTreeMap<String, Owner>,
    /// Counts changes of these.
    owners_revision: u64,
    /// Versions at which objects were deleted.
    graves: HashMap<Slot, String>,
    /// Counts changes; the number of an App's last one is its revision.
    clock: u64,
}

#[derive(Default)]
struct Members {
    slots: BTreeSet<Slot>,
    revision: u64,
}

#[derive(PartialEq, Eq)]
struct Owner {
    app: String,
    source: String,
}

impl Store {
    /// Takes a whole list of `version`; gives the Apps of which something changed.
    pub(super) fn replace(&mut self, topic: Topic, seen: Vec<Sighting>, version: &str) -> BTreeSet<Arc<str>> {
        let listed: BTreeSet<Slot> = seen.iter().map(|sighting| Slot::of(topic, sighting)).collect();
        // What was written after the list was made is not in it and there all the same.
        let missing: Vec<Slot> = self
            .entries
            .iter()
            .filter(|(slot, entry)| slot.topic == topic && !listed.contains(slot) && !is_newer(&entry.version, version))
            .map(|(slot, _)| slot.clone())
            .collect();
        let mut changed: BTreeSet<Arc<str>> = missing.iter().filter_map(|slot| self.gone(slot, version)).collect();
        changed.extend(seen.into_iter().flat_map(|sighting| self.seen(topic, sighting)));
        changed
    }

    /// Takes an object; gives the Apps that it concerns: none when this version, or a newer one, is known.
    pub(super) fn seen(&mut self, topic: Topic, sighting: Sighting) -> BTreeSet<Arc<str>> {
        let slot = Slot::of(topic, &sighting);
        let Sighting { name, uid, version, instance, body, .. } = sighting;
        let is_old = self.entries.get(&slot).is_some_and(|known| !is_newer(&version, &known.version))
            || self.graves.get(&slot).is_some_and(|grave| !is_newer(&version, grave));
        if is_old {
            return BTreeSet::new();
        }
        self.graves.remove(&slot);
        if topic == Topic::Owned(Kind::Namespace) {
            self.own(name, owner(&body));
        }
        let instance = instance.map(Arc::<str>::from);
        let entry = Entry { uid, version, instance: instance.clone(), body: body.into() };
        let before = self.entries.insert(slot.clone(), entry).and_then(|entry| entry.instance);
        if let Some(left) = before.as_ref().filter(|before| Some(*before) != instance.as_ref())
            && let Some(members) = self.instances.get_mut(left)
        {
            members.slots.remove(&slot);
        }
        if let Some(instance) = &instance {
            self.instances.entry(Arc::clone(instance)).or_default().slots.insert(slot);
        }
        let concerned: BTreeSet<Arc<str>> = before.into_iter().chain(instance).collect();
        concerned.iter().for_each(|instance| self.touch(instance));
        concerned
    }

    /// Forgets an object that was deleted at `version`; gives the App that it was of. A newer one of the
    /// same name stays.
    pub(super) fn gone(&mut self, slot: &Slot, version: &str) -> Option<Arc<str>> {
        if self.graves.len() >= MOST_GRAVES {
            // The answers that these were to guard against have come long ago.
            self.graves.clear();
        }
        if self.entries.get(slot).is_some_and(|entry| is_newer(&entry.version, version)) {
            return None;
        }
        self.graves.insert(slot.clone(), version.to_owned());
        if slot.topic == Topic::Owned(Kind::Namespace) {
            self.own(slot.name.clone(), None);
        }
        let instance = self.entries.remove(slot)?.instance?;
        if let Some(members) = self.instances.get_mut(&instance) {
            members.slots.remove(slot);
        }
        self.touch(&instance);
        Some(instance)
    }

    /// Notes how a Namespace is marked.
    fn own(&mut self, namespace: String, owner: Option<Owner>) {
        if self.owners.get(&namespace) == owner.as_ref() {
            return;
        }
        self.owners_revision += 1;
        match owner {
            Some(owner) => drop(self.owners.insert(namespace, owner)),
            None => drop(self.owners.remove(&namespace)),
        }
    }

    fn touch(&mut self, instance: &Arc<str>) {
        self.clock += 1;
        let members = self.instances.entry(Arc::clone(instance)).or_default();
        members.revision = self.clock;
        // Nothing is left of the App, and it will never be looked at again under a lower number.
        if members.slots.is_empty() {
            self.instances.remove(instance);
        }
    }

    /// The number of an App's last change; 0 when there is nothing of it.
    pub(super) fn revision(&self, instance: &str) -> u64 {
        self.instances.get(instance).map_or(0, |members| members.revision)
    }

    pub(super) fn get(&self, slot: &Slot) -> Option<Entry> {
        self.entries.get(slot).cloned()
    }

    /// Everything of an App.
    pub(super) fn of_instance(&self, instance: &str) -> Vec<(Slot, Entry)> {
        let Some(members) = self.instances.get(instance) else { return Vec::new() };
        members.slots.iter().filter_map(|slot| Some((slot.clone(), self.entries.get(slot)?.clone()))).collect()
    }

    /// Everything of all Apps.
    pub(super) fn everything(&self) -> Vec<(Slot, Entry)> {
        self.entries.iter().map(|(slot, entry)| (slot.clone(), entry.clone())).collect()
    }

    /// Everything of one topic.
    pub(super) fn of_topic(&self, topic: Topic) -> Vec<(Slot, Entry)> {
        let of_topic = self.entries.iter().filter(|(slot, _)| slot.topic == topic);
        of_topic.map(|(slot, entry)| (slot.clone(), entry.clone())).collect()
    }

    /// The number of the last change of which Apps Namespaces are marked with.
    pub(super) fn owners_revision(&self) -> u64 {
        self.owners_revision
    }

    pub(super) fn knows_source(&self, source: &str) -> bool {
        self.owners.values().any(|owner| owner.source == source)
    }

    pub(super) fn apps_of_source(&self, source: &str) -> impl Iterator<Item = &str> {
        self.owners.values().filter(move |owner| owner.source == source).map(|owner| owner.app.as_str())
    }
}

/// Whether a version is newer than another one of the same cluster. They are numbers that grow; where they
/// are not, only equality can be told.
pub(super) fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}

/// The marks of a Namespace.
fn owner(body: &[u8]) -> Option<Owner> {
    #[derive(Deserialize)]
    struct Namespace {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    let mut annotations = serde_json::from_slice::<Namespace>(body).ok()?.metadata.annotations;
    Some(Owner { app: annotations.remove(labels::APP)?, source: annotations.remove(labels::SOURCE)? })
}

#[cfg(test)]
mod tests;
