//! Fields that the cluster drops, as dry-runs have shown: told of once, and no difference from then on. What is
//! remembered of an object is replaced by its next dry-run; losing it (a restart) costs that one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kompox_core::observed::LiveObject;
use kompox_core::plan::unsupported::{dropped, field_of};
use kompox_manifests::object::{Kind, Object, ObjectKey};
use tracing::warn;

use crate::cluster::ClusterApi;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Unsupported(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Paths of fields, by object; none without any.
    dropped: BTreeMap<ObjectKey, BTreeSet<String>>,
    /// Fields that were told of.
    told: BTreeSet<(Kind, String)>,
}

impl Unsupported {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of some objects.
    pub(crate) fn of<'k>(&self, keys: impl Iterator<Item = &'k ObjectKey>) -> BTreeMap<ObjectKey, BTreeSet<String>> {
        let known = self.known();
        keys.filter_map(|key| Some((key.clone(), known.dropped.get(key)?.clone()))).collect()
    }

    /// Takes the answer to a dry-run of an object, and gives the paths of the fields that it lacks. Of fields that are
    /// new among those, people are told.
    pub(crate) async fn learn(
        &self,
        cluster: &dyn ClusterApi,
        object: &Object,
        answer: &LiveObject,
    ) -> BTreeSet<String> {
        let dropped = dropped(object, answer);
        let new = self.remember(&object.key, &dropped);
        if !new.is_empty() {
            let version = cluster.server_version().await;
            let version = version.as_deref().unwrap_or("of unknown version");
            for field in new {
                warn!(
                    kind = object.key.kind.name(),
                    field,
                    server = version,
                    "not supported here: the cluster drops this field; it is left out of plans, the rest is applied"
                );
            }
        }
        dropped
    }

    /// Gives the fields that nobody was told of yet.
    fn remember(&self, key: &ObjectKey, dropped: &BTreeSet<String>) -> Vec<String> {
        let mut known = self.known();
        if dropped.is_empty() {
            known.dropped.remove(key);
            return Vec::new();
        }
        known.dropped.insert(key.clone(), dropped.clone());
        let fields: BTreeSet<String> = dropped.iter().map(|path| field_of(path)).collect();
        fields.into_iter().filter(|field| known.told.insert((key.kind, field.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { kind: Kind::Deployment, namespace: Some("shop".into()), name: name.into() }
    }

    #[test]
    fn each_field_of_a_kind_is_told_once_and_forgotten_when_it_is_there() {
        let unsupported = Unsupported::default();
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
        let both = paths(&["spec.containers[db].x", "spec.containers[web].x"]);
        assert_eq!(unsupported.remember(&key("a"), &both), ["spec.containers[].x"]);
        assert!(unsupported.remember(&key("b"), &both).is_empty());
        assert_eq!(unsupported.remember(&key("b"), &paths(&["spec.containers[web].x", "spec.y"])), ["spec.y"]);
        assert_eq!(unsupported.of([key("a"), key("c")].iter()), BTreeMap::from([(key("a"), both)]));
        assert!(unsupported.remember(&key("a"), &BTreeSet::new()).is_empty());
        assert!(unsupported.of([key("a")].iter()).is_empty());
    }
}
