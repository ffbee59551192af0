//! An App from real files, and a cluster that holds what was planned for it before.

use std::collections::{BTreeMap, BTreeSet};

use kompox_manifests::desired::{Terms, desire};
use kompox_manifests::names::Names;
use kompox_manifests::object::Object;
use kompox_manifests::slots::{PvSource, VolumeClass};
use kompox_manifests::source::MemoryTree;
use serde_json::{Map, Value, json};

use super::super::*;
use crate::disk::{Attachment, Disk, DiskSource, DiskState, OpKey};
use crate::observed::{LiveObject, Node};

/// The operation that makes the first disk of the volume `default`, as tags record it.
const FIRST_DISK: &str = "/ws/w1/prv/p1/cls/cluster1/app/app1/vol/default";

pub(super) struct World {
    pub(super) files: BTreeMap<String, String>,
    pub(super) observed: ObservedApp,
    pub(super) settings: Settings,
}

impl World {
    /// The fixture of the Gitea example on the driver `local`, in an empty cluster with one node.
    pub(super) fn gitea() -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/gitea");
        let read = |name: &str| (name.to_owned(), std::fs::read_to_string(folder.join(name)).unwrap());
        let files = ["compose.yml", "compose-gitea.env", "compose-postgres.env", "kompoxops.yml"].map(read);
        let mut world = Self {
            files: files.into(),
            observed: ObservedApp {
                disks: Ok(Vec::new()),
                snapshots: Ok(Vec::new()),
                prospects: BTreeMap::from([("default".to_owned(), binding("local:default"))]),
                nodes: vec![Node { name: "n1".into(), hostname: "n1".into(), pool: None }],
                ..ObservedApp::default()
            },
            settings: Settings {
                source: "ops".into(),
                new_disks: NewDisks::Allow,
                commit_time: "2026-01-02T03:04:05Z".parse().unwrap(),
                rebuild: Vec::new(),
                installation: "k1".into(),
                spent: BTreeMap::new(),
                people: Managers::default(),
                now: "2026-01-02T03:05:00Z".parse().unwrap(),
                accepted: BTreeSet::new(),
                inputs: Some("i1".into()),
                applied: None,
                holds: Vec::new(),
                given_up_by: BTreeSet::new(),
                corrections: Corrections::default(),
                may_restart: false,
            },
        };
        world.edit("kompoxops.yml", "aks-e2e-gitea-20250925-060355", "w1");
        world.edit("kompoxops.yml", "name: aks1", "name: p1");
        world.edit("kompoxops.yml", "driver: aks", "driver: local");
        world.edit("kompoxops.yml", "  deployment:\n    zone: \"1\"\n", "");
        let ops = &world.files["kompoxops.yml"];
        let kept = ops.lines().filter(|line| !line.contains("AZURE_") && !line.contains("settings:"));
        let kept = kept.map(|line| format!("{line}\n")).collect();
        world.files.insert("kompoxops.yml".into(), kept);
        world
    }

    /// The same after a first deploy: everything applied, one disk made and assigned.
    pub(super) fn deployed() -> Self {
        let mut world = Self::gitea();
        world.observed.settle(vec![(disk("d1"), binding("d1"))]);
        world.apply();
        world
    }

    /// Replaces a text in a file of the commit.
    pub(super) fn edit(&mut self, file: &str, from: &str, to: &str) {
        let text = self.files.get_mut(file).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        *text = text.replace(from, to);
    }

    /// Adds lines to the App of `kompoxops.yml`.
    pub(super) fn in_app(&mut self, lines: &str) {
        self.edit("kompoxops.yml", "app:\n", &format!("app:\n{lines}"));
    }

    pub(super) fn app(&self) -> App {
        let desired = desire(&MemoryTree::new(self.files.clone()), "", &Terms::default());
        let said: Vec<String> = desired.diagnostics.iter().map(ToString::to_string).collect();
        assert!(desired.is_sound(), "{said:#?}");
        desired.apps().next().unwrap().clone()
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.app(), &self.observed, &self.settings)
    }

    /// Writes down that the plan was carried out.
    pub(super) fn record(&mut self) {
        let inputs = self.settings.inputs.clone().unwrap();
        let record = AppliedRecord::of(&self.app(), "c1", &inputs, &self.observed);
        self.settings.applied = Some(record.with_rendered(&self.plan(), self.settings.applied.as_ref()));
    }

    /// Another version of the agent has applied the Pod last.
    pub(super) fn rendered_otherwise(&mut self) {
        self.settings.applied.as_mut().unwrap().pod = Some("otherwise".into());
    }

    /// Accepts every hold of the plan.
    pub(super) fn accept(&mut self) {
        for action in self.plan().actions {
            if let What::Held { digest, .. } = action.what {
                self.settings.accepted.insert(digest);
            }
        }
    }

    pub(super) fn text(&self) -> String {
        text::to_text(&self.plan())
    }

    /// Carries the plan's writes of objects out.
    pub(super) fn apply(&mut self) {
        for action in self.plan().actions {
            match action.what {
                What::Create { object, .. } | What::Change { object, .. } | What::Replace { object, .. } => {
                    self.observed.objects.insert(object.key.clone(), applied(&object));
                }
                What::Delete(live) => drop(self.observed.objects.remove(&live.key)),
                _ => {}
            }
        }
    }

    pub(super) fn live(&mut self, kind: Kind, name: &str) -> &mut LiveObject {
        let mut found = self.observed.objects.iter_mut().filter(|(key, _)| key.kind == kind && key.name.contains(name));
        found.next().unwrap_or_else(|| panic!("no {kind} {name}")).1
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.observed.objects.keys().any(|key| key.kind == kind)
    }

    pub(super) fn namespace(&self) -> String {
        Names::of(&self.app().id).namespace
    }
}

/// A disk of the volume `default`, assigned and ours.
pub(super) fn disk(name: &str) -> Disk {
    let id: AppId = "/ws/w1/prv/p1/cls/cluster1/app/app1".parse().unwrap();
    Disk {
        name: name.into(),
        handle: name.into(),
        volume: "default".into(),
        size: 10 << 30,
        zone: None,
        assigned: true,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        state: DiskState::Ready,
        attachment: Attachment::NotReported,
        claim: Some(Names::of(&id).hashes.cluster),
        protected: false,
        op_key: Some(OpKey::new(FIRST_DISK, 1, "first-disk")),
        source: Some(DiskSource::Empty),
        options: BTreeMap::new(),
        tags: BTreeMap::new(),
    }
}

pub(super) fn binding(handle: &str) -> VolumeBinding {
    let class = VolumeClass {
        storage_class: "kompox-local".into(),
        access_modes: vec!["ReadWriteOnce".into()],
        source: PvSource::Local { path: format!("/var/lib/kompox/disks/{handle}") },
        node_affinity: vec![("kubernetes.io/hostname".into(), vec!["n1".into()])],
    };
    VolumeBinding { handle: handle.into(), size: None, class }
}

/// What the API server holds after a server-side apply by the agent, with the one default that keys
/// of lists need.
pub(super) fn applied(object: &Object) -> LiveObject {
    let mut body = object.body.clone();
    let containers = body.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port["protocol"] = json!("TCP");
        }
    }
    let fields = fields_of(&object.body, "");
    body["metadata"]["managedFields"] = json!([entry("kompox-agent", "Apply", &object.body, fields)]);
    LiveObject { key: object.key.clone(), uid: "u1".into(), resource_version: "1".into(), body }
}

fn entry(manager: &str, operation: &str, body: &Value, fields: Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": body["apiVersion"],
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

/// Another manager sets the field at a JSON pointer; `fields` is its `fieldsV1`, whose leaves are no
/// longer the agent's.
pub(super) fn set_by(live: &mut LiveObject, manager: &str, pointer: &str, value: Value, fields: Value) {
    *live.body.pointer_mut(pointer).unwrap() = value;
    let theirs = entry(manager, "Update", &live.body, fields.clone());
    let entries = live.body["metadata"]["managedFields"].as_array_mut().unwrap();
    remove_leaves(&mut entries[0]["fieldsV1"], &fields);
    entries.push(theirs);
}

fn remove_leaves(ours: &mut Value, theirs: &Value) {
    let Some(fields) = ours.as_object_mut() else { return };
    for (name, below) in theirs.as_object().unwrap() {
        if below.as_object().unwrap().is_empty() {
            fields.remove(name);
        } else if let Some(ours) = fields.get_mut(name) {
            remove_leaves(ours, below);
        }
    }
}

/// The field set of an apply: lists of named things are maps by their key, everything that Kubernetes
/// declares atomic is one piece.
fn fields_of(value: &Value, name: &str) -> Value {
    const ATOMIC: [&str; 6] = ["selector", "nodeSelector", "matchLabels", "required", "roleRef", "valueFrom"];
    match value {
        Value::Object(fields) if !ATOMIC.contains(&name) => {
            let own = |name: &str| !matches!(name, "apiVersion" | "kind" | "name" | "namespace" | "containerPort");
            let field = |(name, value): (&String, &Value)| (format!("f:{name}"), fields_of(value, name));
            let named = fields.iter().filter(|(name, _)| own(name) || name.as_str() == "containerPort");
            Value::Object(named.map(field).collect())
        }
        Value::Array(items) => {
            let keys: &[&str] = match name {
                "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
                "volumeMounts" => &["mountPath"],
                "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => {
                    &["containerPort", "protocol"]
                }
                _ => return json!({}),
            };
            let mut fields = Map::new();
            for item in items {
                let of = |key: &&str| ((*key).to_owned(), item.get(*key).cloned().unwrap_or(json!("TCP")));
                let key: Map<String, Value> = keys.iter().map(of).collect();
                let mut below = fields_of(item, "");
                below["."] = json!({});
                if item.get("name").is_some() {
                    below["f:name"] = json!({});
                }
                fields.insert(format!("k:{}", Value::Object(key)), below);
            }
            Value::Object(fields)
        }
        _ => json!({}),
    }
}
