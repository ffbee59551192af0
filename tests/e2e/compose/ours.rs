//! The agent's own reading of a Compose file, as the library gives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kompox_manifests::desired::{Terms, desire};
use kompox_manifests::diagnostic::Diagnostic;
use kompox_manifests::model::App;
use kompox_manifests::render::render;
use kompox_manifests::slots::{PvSource, Slots, VolumeBinding, VolumeClass};
use kompox_manifests::source::MemoryTree;
use serde_json::Value;

/// The App around the Compose file.
pub(super) const ENTRY: &str = "version: v1
workspace: {name: acme}
provider: {name: home, driver: local}
cluster: {name: one}
app:
  name: shop
  compose: file:compose.yml
  volumes: [{name: default, size: 1Gi}, {name: db, size: 1Gi}]
";

/// What became of a Compose file.
pub(super) struct Outcome {
    /// The App; `None` when it is rejected.
    pub(super) app: Option<Arc<App>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads `compose.yml` with the files beside it.
pub(super) fn read(compose: &str, files: &[(&str, &str)]) -> Outcome {
    read_in(ENTRY, compose, files)
}

/// The same in another entry.
pub(super) fn read_in(entry: &str, compose: &str, files: &[(&str, &str)]) -> Outcome {
    let own = [("kompoxops.yml", entry), ("compose.yml", compose)];
    let tree = MemoryTree::new(own.into_iter().chain(files.iter().copied()));
    let desired = desire(&tree, "", &Terms::default());
    let app = desired.entries.first().and_then(|entry| entry.apps.last()).map(|made| Arc::clone(&made.app));
    Outcome { app, diagnostics: desired.diagnostics }
}

impl Outcome {
    /// The objects, and what is said about the file wherever it stands.
    pub(super) fn told(&self) -> (Vec<Value>, Vec<String>) {
        let objects = self.app.as_deref().map(objects).unwrap_or_default();
        let mut said: Vec<String> = self
            .diagnostics
            .iter()
            .map(|found| format!("{} {}: {}", found.severity, found.code, found.message))
            .collect();
        said.sort();
        (objects, said)
    }
}

fn objects(app: &App) -> Vec<Value> {
    let disk = |name: &str| VolumeBinding {
        handle: name.to_owned(),
        size: None,
        class: VolumeClass {
            storage_class: "local".to_owned(),
            access_modes: vec!["ReadWriteOnce".to_owned()],
            source: PvSource::Local { path: format!("/disks/{name}") },
            // A local disk is on one node; the API server insists on its name.
            node_affinity: vec![("kubernetes.io/hostname".to_owned(), vec!["node-1".to_owned()])],
        },
    };
    let volumes: BTreeMap<String, VolumeBinding> =
        app.volumes.iter().map(|volume| (volume.name.clone(), disk(&volume.name))).collect();
    render(app, &Slots { volumes, ..Slots::default() }).into_iter().map(|object| object.body).collect()
}
