//! What every concern needs: the App, its slots, its names, and the metadata made from them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::diagnostic::Span;
use crate::labels;
use crate::model::App;
use crate::names::Names;
use crate::object::{Kind, Object, ObjectKey};
use crate::slots::Slots;

/// The App that is rendered.
pub(super) struct Context<'a> {
    pub(super) app: &'a App,
    pub(super) slots: &'a Slots,
    pub(super) names: Names,
}

impl<'a> Context<'a> {
    pub(super) fn new(app: &'a App, slots: &'a Slots) -> Self {
        Self { app, slots, names: Names::of(&app.id) }
    }

    /// Metadata of an object of the App as a whole.
    pub(super) fn app_meta(&self, name: String) -> ObjectMeta {
        ObjectMeta { labels: Some(labels::app(&self.names)), name: Some(name), ..ObjectMeta::default() }
    }

    /// Metadata of an object of the App's component.
    pub(super) fn component_meta(&self, name: String) -> ObjectMeta {
        ObjectMeta { labels: Some(labels::component(&self.names)), name: Some(name), ..ObjectMeta::default() }
    }

    /// The annotations that pruning goes by.
    pub(super) fn ownership(&self) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::from([(labels::APP.to_owned(), self.app.id.slashed().to_owned())]);
        if let Some(source) = &self.slots.source {
            annotations.insert(labels::SOURCE.to_owned(), source.clone());
        }
        annotations
    }

    /// Joins a manifest with its identity and origin; `build` gets the metadata with its namespace set.
    pub(super) fn object<M: Serialize>(
        &self,
        kind: Kind,
        mut meta: ObjectMeta,
        origin: &Span,
        build: impl FnOnce(ObjectMeta) -> M,
    ) -> Object {
        let namespace = kind.namespaced().then(|| self.names.namespace.clone());
        meta.namespace.clone_from(&namespace);
        let key = ObjectKey { kind, namespace, name: meta.name.clone().unwrap_or_default() };
        #[expect(clippy::expect_used, reason = "manifests have string keys and finite numbers only")]
        let body = serde_json::to_value(build(meta)).expect("manifests are JSON");
        Object { key, body, origin: origin.clone() }
    }
}

/// A list, or nothing when it is empty: empty lists are not written.
pub(super) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// A map, or nothing when it is empty: empty maps are not written.
pub(super) fn some_map<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then_some(map)
}
