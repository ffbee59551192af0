//! The views that are in the cluster, as watches show them.

use std::collections::{BTreeMap, BTreeSet};

use kompox_core::views::{LiveView, ViewKey, ViewKind};

/// See the module.
#[derive(Default)]
pub(super) struct LiveViews {
    /// Kinds that were listed.
    listed: BTreeSet<ViewKind>,
    /// Those of them that the cluster serves now, as far as is known.
    served: BTreeSet<ViewKind>,
    views: BTreeMap<ViewKey, LiveView>,
}

impl LiveViews {
    /// Whether views of a kind can be shown: its definition is installed, and what is there is known.
    pub(super) fn serves(&self, kind: ViewKind) -> bool {
        self.served.contains(&kind)
    }

    /// The kind is not served any more, or not to be seen; whether it was before.
    pub(super) fn lost(&mut self, kind: ViewKind) -> bool {
        self.served.remove(&kind)
    }

    /// What changes of the kind is heard, from where it was lost on; whether it was lost. What was never listed
    /// stays unknown.
    pub(super) fn connected(&mut self, kind: ViewKind) -> bool {
        self.listed.contains(&kind) && self.served.insert(kind)
    }

    /// Takes a whole list.
    pub(super) fn listed(&mut self, kind: ViewKind, views: Vec<LiveView>) {
        self.views.retain(|key, _| key.kind != kind);
        self.views.extend(views.into_iter().map(|view| (view.key.clone(), view)));
        self.listed.insert(kind);
        self.served.insert(kind);
    }

    /// Takes a version of a view; whether it is newer than the one that is known.
    pub(super) fn seen(&mut self, view: LiveView) -> bool {
        let is_newer = self
            .views
            .get(&view.key)
            .is_none_or(|known| number(&known.resource_version) < number(&view.resource_version));
        if is_newer {
            self.views.insert(view.key.clone(), view);
        }
        is_newer
    }

    /// A view is gone; whether it was known.
    pub(super) fn gone(&mut self, key: &ViewKey, uid: &str) -> bool {
        let is_known = self.views.get(key).is_some_and(|known| known.uid == uid);
        is_known && self.views.remove(key).is_some()
    }

    /// The newest version of a view.
    pub(super) fn get(&self, key: &ViewKey) -> Option<&LiveView> {
        self.views.get(key)
    }

    /// Every view of a kind.
    pub(super) fn of(&self, kind: ViewKind) -> impl Iterator<Item = &LiveView> {
        self.views.values().filter(move |view| view.key.kind == kind)
    }
}

/// Versions of one kind grow; what is no number is older than all (see the Kubernetes API's words on
/// comparing resource versions, KEP-5504).
fn number(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}
