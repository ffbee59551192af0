//! `labels` and `annotations`: of the Pod that all services share, and with `deploy` of its Deployment.

use super::{Merge, Said};
use crate::compose::{keys, scalar};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::labels;
use crate::model::{Labels, Pod};
use crate::yaml::{Map, Node, Value};

const CODE: &str = "labels";
/// Most bytes of all annotations of an object.
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/>
const LIMIT: usize = 256 << 10;
/// Labels that tell a reverse proxy what to publish: it looks at containers, and there are none of its own here.
const PROXY: &str = "traefik.";

impl<'s> Merge<'_, 's> {
    /// Adds the labels and annotations of a service.
    pub(super) fn labels(&mut self, pod: &mut Pod, service: &'s str, map: &Map) {
        let deploy = keys::optional(map, "deploy").and_then(Node::as_map);
        let deploy = deploy.and_then(|deploy| keys::optional(deploy, "labels"));
        for (key, value) in pairs(deploy) {
            self.label(&mut pod.deployment_labels, service, "deploy.labels", key, value);
        }
        for (key, value) in pairs(keys::optional(map, "labels")) {
            if key.value.starts_with(PROXY) {
                let shown = scalar::shown(&key.value, &key.at);
                let message = format!("the label `{shown}` publishes nothing: no proxy looks at containers here");
                let help = "publish ports with `ingress.rules` of the App, and remove the label";
                self.scope.findings.push(Diagnostic::warning(CODE, key.at.clone(), message).help(help));
            }
            self.label(&mut pod.labels, service, "labels", key, value);
        }
        for (key, value) in pairs(keys::optional(map, "annotations")) {
            if self.may_stand(service, "annotations", &key, &value) {
                pod.labels.annotations.insert(key.value, value.value);
            }
        }
        for (labels, keys) in [(&pod.labels, ["annotations", "labels"]), (&pod.deployment_labels, ["deploy"; 2])] {
            let bytes: usize = labels.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
            if bytes <= LIMIT {
                continue;
            }
            if let Some(entry) = keys.iter().find_map(|key| map.entry(key)) {
                let message = format!("the annotations come to {bytes} bytes, more than the limit of {LIMIT}");
                let help = "shorten them, or hand the text over as a config";
                self.scope.findings.push(Diagnostic::error(CODE, entry.key.span.clone(), message).help(help));
            }
        }
    }

    /// A label of Compose holds any text, one of Kubernetes does not: then it is an annotation.
    fn label(
        &mut self,
        into: &mut Labels,
        service: &'s str,
        from: &'static str,
        key: Spanned<String>,
        value: Spanned<String>,
    ) {
        if !self.may_stand(service, from, &key, &value) {
            return;
        }
        let map = if labels::is_value(&value.value) { &mut into.labels } else { &mut into.annotations };
        map.insert(key.value, value.value);
    }

    /// Whether a key can be one, is nobody else's, and has not been given another value.
    fn may_stand(
        &mut self,
        service: &'s str,
        from: &'static str,
        key: &Spanned<String>,
        value: &Spanned<String>,
    ) -> bool {
        let shown = scalar::shown(&key.value, &key.at);
        if labels::is_reserved(&key.value) {
            let message = format!("`{shown}` in `{from}` belongs to the cluster, or to the App's own objects");
            let help = "choose another key; those of Kubernetes and of kompox.dev are not a commit's to write";
            self.scope.findings.push(Diagnostic::error(CODE, key.at.clone(), message).help(help));
            return false;
        }
        if !labels::is_key(&key.value) {
            let message = format!("`{shown}` in `{from}` is left out: Kubernetes takes no such key");
            let help = "write letters, digits, `-`, `_` and `.`, at most 63, perhaps behind `domain/`";
            self.scope.findings.push(Diagnostic::warning(CODE, key.at.clone(), message).help(help));
            return false;
        }
        // Labels and annotations of the Pod share their names, for a label may become an annotation.
        let kind = if from == "deploy.labels" { from } else { "labels" };
        let slot = (kind, key.value.clone());
        let Some(first) = self.said.get(&slot) else {
            self.said.insert(slot, Said { service, at: key.at.clone(), value: value.value.clone() });
            return true;
        };
        if first.value != value.value {
            let message = format!(
                "`{shown}` of `{service}` is left out: the Pod has the value of `{}`, at {}",
                first.service, first.at
            );
            let help = "give both the same value, or call one of them otherwise";
            self.scope.findings.push(Diagnostic::warning(CODE, key.at.clone(), message).help(help));
        }
        false
    }
}

/// Keys with their values; one without a value has an empty one, as in Compose.
fn pairs(node: Option<&Node>) -> Vec<(Spanned<String>, Spanned<String>)> {
    match node.map(|node| &node.value) {
        Some(Value::Map(map)) => {
            let pair = |entry: &crate::yaml::Entry| {
                let value = entry.value.resolved().unwrap_or_default();
                (
                    Spanned::new(entry.key.text.clone(), entry.key.span.clone()),
                    Spanned::new(value, entry.value.span.clone()),
                )
            };
            map.iter().map(pair).collect()
        }
        Some(Value::Seq(items)) => {
            let pair = |given: Spanned<String>| {
                let (key, value) = given.value.split_once('=').unwrap_or((&given.value, ""));
                (Spanned::new(key.to_owned(), given.at.clone()), Spanned::new(value.to_owned(), given.at.clone()))
            };
            items.iter().filter_map(scalar::text).map(pair).collect()
        }
        _ => Vec::new(),
    }
}
