//! Against a real API server with its controllers, and with the real `kubectl`.
//!
//! Every test works in a Namespace of its own on the cluster that all of them share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kompox_core::health::{self, Health};
use kompox_core::observed::LiveObject;
use kompox_core::ownership::{Managers, other_owners, takeover, value_at};
use kompox_manifests::id::ClusterId;
use kompox_manifests::object::{Kind, Object, ObjectKey};
use kompox_tests::control_plane::ControlPlane;
use kompox_tests::names::unique;
use kompox_tests::parts::skip_if;
use serde_json::{Value, json};

use super::connect::{ConnectOptions, connect};
use super::error::Cause;
use super::lease::{Holder, LeaseTiming, NotAcquired, Patience, acquire};
use super::{ClusterApi, Deletion, KubeCluster, identity, memory, state};

mod ownership;
mod system;
mod unsupported;
mod workload;

/// A Namespace of a test's own on the cluster, deleted afterwards.
struct Scene {
    kubeconfig: PathBuf,
    cluster: KubeCluster,
    namespace: String,
}

impl Scene {
    /// `None`, and a line that says why, when this machine cannot have a cluster.
    async fn new() -> Option<Self> {
        if skip_if(ControlPlane::missing().or_else(no_kubectl)) {
            return None;
        }
        let kubeconfig = ControlPlane::shared().await.unwrap().kubeconfig().to_owned();
        let cluster = connect(&options(&kubeconfig)).await.unwrap();
        let scene = Self { kubeconfig, cluster, namespace: unique("agent") };
        scene.kubectl(&["create", "namespace", &scene.namespace]);
        // The controller makes it a little later; Pods need it.
        scene.kubectl(&["-n", &scene.namespace, "wait", "--for=create", "serviceaccount/default"]);
        Some(scene)
    }

    /// Runs `kubectl` as a person would, and returns what it prints.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = Command::new("kubectl").args(arguments).env("KUBECONFIG", &self.kubeconfig).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `kubectl` in the test's Namespace.
    fn person(&self, arguments: &[&str]) -> String {
        self.kubectl(&[&["-n", &self.namespace], arguments].concat())
    }

    /// Has `kubectl` read manifests, as with `kubectl apply -f`.
    fn person_applies(&self, arguments: &[&str], manifests: &[&Value]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifests.json");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
        std::fs::write(&path, list.to_string()).unwrap();
        self.person(&[arguments, &["-f", path.to_str().unwrap()]].concat());
    }

    fn key(&self, kind: Kind, name: &str) -> ObjectKey {
        let namespace = kind.namespaced().then(|| self.namespace.clone());
        ObjectKey { kind, namespace, name: name.to_owned() }
    }

    /// A desired object: its kind, name and the rest of its body.
    fn object(&self, kind: Kind, name: &str, rest: Value) -> Object {
        let key = self.key(kind, name);
        let mut body = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.name(),
            "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "kompox"}},
        });
        if let Some(namespace) = &key.namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        memory::object(key, body)
    }

    async fn live(&self, key: &ObjectKey) -> LiveObject {
        self.cluster.get(key).await.unwrap().unwrap()
    }

    /// What a reconcile does with a drifted object: take people's fields over, then apply.
    async fn correct(&self, desired: &Object) -> LiveObject {
        loop {
            let live = self.live(&desired.key).await;
            let Some(takeover) = takeover(&live, &desired.body, &Managers::default()) else { break };
            let fields = &takeover.managed_fields;
            match self.cluster.patch_managed_fields(&live.key, &live.resource_version, fields).await {
                // A controller was faster with its status.
                Err(error) if error.cause == Cause::Changed => {}
                outcome => {
                    outcome.unwrap();
                    break;
                }
            }
        }
        self.cluster.apply(desired, false).await.unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let arguments = ["delete", "namespace", &self.namespace, "--wait=false"];
        let _ = Command::new("kubectl").args(arguments).env("KUBECONFIG", &self.kubeconfig).output();
    }
}

fn no_kubectl() -> Option<String> {
    let found = Command::new("kubectl").args(["version", "--client"]).output().is_ok();
    (!found).then(|| "kubectl is not installed".to_owned())
}

fn options(kubeconfig: &Path) -> ConnectOptions {
    ConnectOptions { kubeconfig: Some(kubeconfig.to_owned()), ..ConnectOptions::default() }
}

fn at<'a>(live: &'a LiveObject, path: &str) -> Option<&'a Value> {
    value_at(&live.body, path)
}

/// An App's Deployment with two containers.
fn deployment() -> Value {
    json!({"spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "Recreate"},
        "template": {
            "metadata": {"labels": {"app": "web"}, "annotations": {"kompox.dev/compose-content-hash": "abc123"}},
            "spec": {"containers": [
                {"name": "gitea", "image": "gitea:1", "env": [{"name": "USER_GID", "value": "1000"}],
                 "ports": [{"containerPort": 3000}]},
                {"name": "postgres", "image": "postgres:17"},
            ]},
        },
    }})
}
