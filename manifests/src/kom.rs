//! KOM, and its single-file form: from an entry file to typed, checked specs.
//!
//! ```text
//! kompoxapp.yml ─► documents ─► Defaults.komPath ─► more documents ┐
//! kompoxops.yml ─► one mapping ────────────────────────────────────┴─► IDs, parents ─► AppSpec
//! ```
//!
//! An entry is loaded whole or not at all: any error among its findings rejects it. What it claims (the
//! IDs of its Apps, as far as they could be read) is known in either case, so that a typing mistake never
//! looks like the removal of an App.

mod app;
mod component;
mod defaults;
mod document;
pub mod duration;
mod network;
mod policy;
pub mod quantity;
mod reconcile;
pub mod resource;
pub mod schema;
mod shape;
mod single;
mod spec;
mod syntax;
#[cfg(test)]
mod tests;
mod volume;

use std::collections::BTreeMap;

pub use self::app::AppSpec;
use self::resource::ResourceId;
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::entry::{EntryFile, Form, place};
use crate::id::AppId;
use crate::model::{Cluster, Provider};
use crate::source::{SourceTree, TreeError};
use crate::yaml::fields::{Fields, Findings};
use crate::yaml::{self, Dialect, Node, Value};

/// Largest KOM file in bytes.
pub const MAX_FILE: u64 = 1 << 20;

/// What an entry says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Workspaces, Providers and Clusters, parents first.
    pub parents: Vec<Parent>,
    /// The Apps that could be read.
    pub apps: Vec<AppSpec>,
    /// Every App that the entry is about, also those that could not be read.
    pub claims: Vec<Spanned<AppId>>,
    /// Whether there may be more Apps than those: something could not be read far enough to tell.
    pub uncertain: bool,
    /// `Defaults.spec.appId`
    pub default_app: Option<AppId>,
}

/// A Workspace, Provider or Cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Parent {
    /// Resource ID.
    pub id: ResourceId,
    /// Where its name stands.
    pub at: Span,
    /// What it says.
    pub spec: ParentSpec,
}

/// The spec of a Workspace, Provider or Cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum ParentSpec {
    /// A Workspace's settings.
    Workspace(BTreeMap<String, String>),
    /// A Provider.
    Provider(Provider),
    /// A Cluster.
    Cluster(Box<Cluster>),
}

impl Parent {
    /// What two documents of one ID disagree on; `None` when they say the same.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        match (&self.spec, &other.spec) {
            (ParentSpec::Workspace(one), ParentSpec::Workspace(two)) => settings_difference(one, two),
            (ParentSpec::Provider(one), ParentSpec::Provider(two)) => {
                if one.driver.value != two.driver.value {
                    return Some("`driver`".to_owned());
                }
                settings_difference(&one.settings, &two.settings)
            }
            (ParentSpec::Cluster(one), ParentSpec::Cluster(two)) => cluster_difference(one, two),
            _ => Some("the kind".to_owned()),
        }
    }
}

/// The first setting that differs; only its name, as its value may be nobody's business.
fn settings_difference(one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) -> Option<String> {
    let mut keys = one.keys().chain(two.keys());
    keys.find(|&key| one.get(key) != two.get(key)).map(|key| format!("the setting `{key}`"))
}

fn cluster_difference(one: &Cluster, two: &Cluster) -> Option<String> {
    let Cluster {
        existing,
        ingress_namespace,
        ingress_controller,
        ingress_service_account,
        domain,
        cert_resolver,
        cert_email,
        certificates,
        provisioning_protection,
        installation_protection,
        settings,
    } = one;
    let domain_of = |domain: &Option<Spanned<String>>| domain.as_ref().map(|domain| domain.value.clone());
    let fields = [
        ("existing", *existing == two.existing),
        ("ingress.namespace", *ingress_namespace == two.ingress_namespace),
        ("ingress.controller", *ingress_controller == two.ingress_controller),
        ("ingress.serviceAccount", *ingress_service_account == two.ingress_service_account),
        ("ingress.domain", domain_of(domain) == domain_of(&two.domain)),
        ("ingress.certResolver", *cert_resolver == two.cert_resolver),
        ("ingress.certEmail", *cert_email == two.cert_email),
        ("ingress.certificates", *certificates == two.certificates),
        ("protection.provisioning", *provisioning_protection == two.provisioning_protection),
        ("protection.installation", *installation_protection == two.installation_protection),
    ];
    let differing = fields.into_iter().find(|(_, same)| !same).map(|(name, _)| format!("`{name}`"));
    differing.or_else(|| settings_difference(settings, &two.settings))
}

impl Loaded {
    /// The Provider of an App, when the entry has it.
    #[must_use]
    pub fn provider(&self, app: &AppId) -> Option<&Provider> {
        let id = ResourceId::from(app).parent()?.parent()?;
        self.parents.iter().find_map(|parent| match &parent.spec {
            ParentSpec::Provider(provider) if parent.id == id => Some(provider),
            _ => None,
        })
    }

    /// The Cluster of an App, when the entry has it.
    #[must_use]
    pub fn cluster(&self, app: &AppId) -> Option<&Cluster> {
        let id = ResourceId::from(app).parent()?;
        self.parents.iter().find_map(|parent| match &parent.spec {
            ParentSpec::Cluster(cluster) if parent.id == id => Some(&**cluster),
            _ => None,
        })
    }
}

/// Loads an entry. It is sound when no error is among the findings.
pub fn load(tree: &dyn SourceTree, entry: &EntryFile, findings: &Findings) -> Loaded {
    match entry.form {
        Form::Kom => document::load(tree, entry, findings),
        Form::Single => match read_file(tree, &entry.path, findings) {
            Some(documents) => single::read(&documents, entry, findings),
            None => Loaded { uncertain: true, ..Loaded::default() },
        },
    }
}

/// Reads the documents of a file of the repository. KOM is typed as Compose is, so that a Compose document
/// means the same inside and outside of it, and the key `on` is not the boolean that kubectl makes of it;
/// where a boolean is wanted, `yes` and `on` are read as one all the same.
fn read_file(tree: &dyn SourceTree, path: &str, findings: &Findings) -> Option<Vec<Node>> {
    let bytes = match tree.read(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => {
            findings.push(unreadable(place(path), path, &error));
            return None;
        }
    };
    let documents = yaml::decode(path, &bytes, true)
        .map_err(|problem| vec![problem])
        .and_then(|(file, text)| yaml::parse(&file, &text, Dialect::Compose));
    match documents {
        Ok(documents) => {
            documents.iter().for_each(|document| reject_tags(document, findings));
            Some(documents)
        }
        Err(problems) => {
            findings.extend(problems);
            None
        }
    }
}

/// Reports local tags; in a Compose document they are Compose's matter.
fn reject_tags(node: &Node, findings: &Findings) {
    if let Some(tag) = &node.tag {
        let message = format!("the tag `{}` has no meaning here", tag.value);
        findings.push(Diagnostic::error("yaml-tag", tag.at.clone(), message).help("remove it"));
    }
    match &node.value {
        Value::Seq(items) => items.iter().for_each(|item| reject_tags(item, findings)),
        Value::Map(map) => {
            let others = map.iter().filter(|entry| entry.key.text != "compose");
            others.for_each(|entry| reject_tags(&entry.value, findings));
        }
        _ => {}
    }
}

/// A file or folder that cannot be read, reported where it is asked for.
fn unreadable(at: Span, path: &str, error: &TreeError) -> Diagnostic {
    Diagnostic::error("unreadable", at, format!("`{path}` cannot be read: {error}")).help(error.help())
}

/// Reports a key that is kept for later and must not be used.
fn reserved(fields: &mut Fields<'_, '_>, key: &'static str) {
    if let Some(entry) = fields.entry(key) {
        let message = format!("`{key}` is reserved and has no meaning yet");
        let diagnostic = Diagnostic::error("reserved-key", entry.key.span.clone(), message);
        fields.findings().push(diagnostic.help("remove it"));
    }
}

/// Warns of a key that is understood, but that this version does nothing about.
fn unsupported(fields: &mut Fields<'_, '_>, key: &'static str, whose: &str) {
    if fields.get(key).is_none() {
        return;
    }
    if let Some(entry) = fields.entry(key) {
        let message = format!("this version of the agent does not act on `{key}` of {whose} yet");
        let diagnostic = Diagnostic::warning("not-supported-yet", entry.key.span.clone(), message);
        fields.findings().push(diagnostic.help("it is checked, and takes effect with a later version"));
    }
}
