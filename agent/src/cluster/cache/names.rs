//! ConfigMaps and Secrets in the namespaces of Apps that Git does not hold: which there are, and the hashes
//! of those that Apps refer to. Their contents are read once a version, and never kept.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::object::{Kind, ObjectKey};

use super::Sighting;

/// What is known of an object that Git does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum External {
    /// It does not exist.
    Absent,
    /// Its content hash.
    Hashed(String),
    /// It is there, or has changed, and was not read yet.
    Unread,
}

/// See the module.
#[derive(Default)]
pub(super) struct Names {
    /// Versions by namespace, kind and name.
    versions: BTreeMap<String, BTreeMap<(Kind, String), String>>,
    /// What Apps refer to, by namespace.
    references: BTreeMap<String, Reference>,
    clock: u64,
}

#[derive(Default)]
struct Reference {
    names: BTreeSet<(Kind, String)>,
    /// Version and content hash of what was read.
    hashes: BTreeMap<(Kind, String), (String, String)>,
    /// The number of the last change.
    revision: u64,
}

impl Names {
    /// Takes a whole list; gives the namespaces in which something that is referred to changed.
    pub(super) fn replace(&mut self, kind: Kind, seen: Vec<Sighting>) -> BTreeSet<String> {
        let mut listed: BTreeMap<String, BTreeMap<(Kind, String), String>> = BTreeMap::new();
        for Sighting { namespace, name, version, .. } in seen {
            listed.entry(namespace.unwrap_or_default()).or_default().insert((kind, name), version);
        }
        let namespaces: BTreeSet<String> = self.versions.keys().chain(listed.keys()).cloned().collect();
        let mut changed = BTreeSet::new();
        for namespace in namespaces {
            let now = listed.remove(&namespace).unwrap_or_default();
            let known = self.versions.entry(namespace.clone()).or_default();
            let before: BTreeMap<(Kind, String), String> = known
                .iter()
                .filter(|((of, _), _)| *of == kind)
                .map(|(name, version)| (name.clone(), version.clone()))
                .collect();
            known.retain(|(of, _), _| *of != kind);
            known.extend(now.clone());
            if known.is_empty() {
                self.versions.remove(&namespace);
            }
            let names: BTreeSet<&(Kind, String)> = before.keys().chain(now.keys()).collect();
            let mut differs = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
            if differs.any(|name| self.is_referred_to(&namespace, name)) {
                self.touch(&namespace);
                changed.insert(namespace);
            }
        }
        changed
    }

    /// Takes an object; gives its namespace when it is referred to.
    pub(super) fn seen(&mut self, kind: Kind, sighting: &Sighting) -> Option<String> {
        let namespace = sighting.namespace.clone().unwrap_or_default();
        let name = (kind, sighting.name.clone());
        let known = self.versions.entry(namespace.clone()).or_default();
        if known.insert(name.clone(), sighting.version.clone()).as_ref() == Some(&sighting.version) {
            return None;
        }
        self.news(namespace, &name)
    }

    /// Forgets an object; gives its namespace when it is referred to.
    pub(super) fn gone(&mut self, kind: Kind, sighting: &Sighting) -> Option<String> {
        let namespace = sighting.namespace.clone().unwrap_or_default();
        let name = (kind, sighting.name.clone());
        let known = self.versions.get_mut(&namespace)?;
        known.remove(&name)?;
        if known.is_empty() {
            self.versions.remove(&namespace);
        }
        self.news(namespace, &name)
    }

    fn news(&mut self, namespace: String, name: &(Kind, String)) -> Option<String> {
        if !self.is_referred_to(&namespace, name) {
            return None;
        }
        self.touch(&namespace);
        Some(namespace)
    }

    fn is_referred_to(&self, namespace: &str, name: &(Kind, String)) -> bool {
        self.references.get(namespace).is_some_and(|reference| reference.names.contains(name))
    }

    fn touch(&mut self, namespace: &str) {
        self.clock += 1;
        if let Some(reference) = self.references.get_mut(namespace) {
            reference.revision = self.clock;
        }
    }

    /// Replaces what is referred to in a namespace; gives what is known of each.
    pub(super) fn refer(&mut self, namespace: &str, names: &[(Kind, String)]) -> Vec<External> {
        let reference = self.references.entry(namespace.to_owned()).or_default();
        reference.names = names.iter().cloned().collect();
        reference.hashes.retain(|name, _| reference.names.contains(name));
        let versions = self.versions.get(namespace);
        let known = |name: &(Kind, String)| match versions.and_then(|versions| versions.get(name)) {
            None => External::Absent,
            Some(version) => match reference.hashes.get(name) {
                Some((of, hash)) if of == version => External::Hashed(hash.clone()),
                _ => External::Unread,
            },
        };
        names.iter().map(known).collect()
    }

    /// Remembers the hash of a version.
    pub(super) fn hashed(&mut self, key: &ObjectKey, version: &str, hash: &str) {
        let Some(reference) = key.namespace.as_ref().and_then(|namespace| self.references.get_mut(namespace)) else {
            return;
        };
        reference.hashes.insert((key.kind, key.name.clone()), (version.to_owned(), hash.to_owned()));
    }

    /// The number of the last change in a namespace that mattered.
    pub(super) fn revision(&self, namespace: &str) -> u64 {
        self.references.get(namespace).map_or(0, |reference| reference.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(namespace: &str, name: &str, version: &str) -> Sighting {
        Sighting {
            namespace: Some(namespace.into()),
            name: name.into(),
            uid: String::new(),
            version: version.into(),
            instance: None,
            body: Vec::new(),
        }
    }

    fn wanted() -> Vec<(Kind, String)> {
        vec![(Kind::Secret, "web-override".into()), (Kind::Secret, "pull".into())]
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey { kind: Kind::Secret, namespace: Some("k4x-a".into()), name: name.into() }
    }

    #[test]
    fn a_version_is_read_once() {
        let mut names = Names::default();
        names.replace(Kind::Secret, vec![sighting("k4x-a", "pull", "5")]);
        assert_eq!(names.refer("k4x-a", &wanted()), [External::Absent, External::Unread]);
        names.hashed(&key("pull"), "5", "abc");
        assert_eq!(names.refer("k4x-a", &wanted())[1], External::Hashed("abc".into()));
        assert_eq!(names.seen(Kind::Secret, &sighting("k4x-a", "pull", "6")), Some("k4x-a".into()));
        assert_eq!(names.refer("k4x-a", &wanted())[1], External::Unread);
        // Read while it changed once more: the hash is of what is past.
        names.hashed(&key("pull"), "5", "abc");
        assert_eq!(names.refer("k4x-a", &wanted())[1], External::Unread);
    }

    #[test]
    fn only_what_is_referred_to_is_news() {
        let mut names = Names::default();
        names.refer("k4x-a", &wanted());
        let before = names.revision("k4x-a");
        assert_eq!(names.seen(Kind::Secret, &sighting("k4x-a", "other", "7")), None);
        assert_eq!(names.seen(Kind::ConfigMap, &sighting("k4x-a", "pull", "8")), None);
        assert_eq!(names.seen(Kind::Secret, &sighting("k4x-b", "pull", "9")), None);
        assert_eq!(names.revision("k4x-a"), before);
        assert_eq!(names.seen(Kind::Secret, &sighting("k4x-a", "pull", "10")), Some("k4x-a".into()));
        assert_ne!(names.revision("k4x-a"), before);
        assert_eq!(names.seen(Kind::Secret, &sighting("k4x-a", "pull", "10")), None, "nothing new");
        assert_eq!(names.gone(Kind::Secret, &sighting("k4x-a", "pull", "11")), Some("k4x-a".into()));
        assert_eq!(names.refer("k4x-a", &wanted())[1], External::Absent);
    }

    #[test]
    fn a_list_finds_what_came_changed_and_went() {
        let mut names = Names::default();
        names.refer("k4x-a", &wanted());
        names.refer("k4x-b", &wanted());
        let list = |all: &[(&str, &str, &str)]| all.iter().map(|(a, b, c)| sighting(a, b, c)).collect::<Vec<_>>();
        let both = list(&[("k4x-a", "pull", "1"), ("k4x-b", "pull", "2")]);
        assert_eq!(names.replace(Kind::Secret, both.clone()), ["k4x-a".to_owned(), "k4x-b".to_owned()].into());
        assert_eq!(names.replace(Kind::Secret, both), BTreeSet::new());
        assert_eq!(names.replace(Kind::ConfigMap, Vec::new()), BTreeSet::new(), "another kind's list");
        assert_eq!(names.refer("k4x-a", &wanted())[1], External::Unread);
        let changed = names.replace(Kind::Secret, list(&[("k4x-a", "pull", "3")]));
        assert_eq!(changed, ["k4x-a".to_owned(), "k4x-b".to_owned()].into());
        assert_eq!(names.refer("k4x-b", &wanted())[1], External::Absent);
    }
}
