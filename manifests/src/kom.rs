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
mod single;
mod spec;
mod syntax;
#[cfg(test)]
mod tests;
mod volume;

use std::collections::BTreeMap;

pub use self::app::{AppSpec, PublishRule};
use self::resource::ResourceId;
use crate::diagnostic::{Diagnostic, Span};
use crate::entry::{EntryFile, Form, place};
use crate::id::AppId;
use crate::model::{Cluster, Provider};
use crate::source::{SourceTree, TreeError};
use crate::yaml::fields::{Fields, Findings};
use crate::yaml::{self, Dialect, Node};

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
    pub claims: Vec<AppId>,
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
    /// Whether both say the same, wherever they stand.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.id == other.id && self.spec.placeless() == other.spec.placeless()
    }
}

impl ParentSpec {
    /// The spec with all places alike.
    fn placeless(&self) -> Self {
        let nowhere = place("");
        let mut spec = self.clone();
        match &mut spec {
            Self::Workspace(_) => {}
            Self::Provider(provider) => provider.driver.at = nowhere,
            Self::Cluster(cluster) => {
                if let Some(domain) = &mut cluster.domain {
                    domain.at = nowhere;
                }
            }
        }
        spec
    }
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
        Form::Single => match read_file(tree, &entry.path, Dialect::Compose, findings) {
            Some(documents) => single::read(&documents, entry, findings),
            None => Loaded::default(),
        },
    }
}

/// Reads the documents of a file of the repository.
fn read_file(tree: &dyn SourceTree, path: &str, dialect: Dialect, findings: &Findings) -> Option<Vec<Node>> {
    let bytes = match tree.read(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => {
            findings.push(unreadable(place(path), path, &error));
            return None;
        }
    };
    let documents = yaml::decode(path, &bytes, true)
        .map_err(|problem| vec![problem])
        .and_then(|(file, text)| yaml::parse(&file, &text, dialect));
    match documents {
        Ok(documents) => Some(documents),
        Err(problems) => {
            findings.extend(problems);
            None
        }
    }
}

/// A file or folder that cannot be read, reported where it is asked for.
fn unreadable(at: Span, path: &str, error: &TreeError) -> Diagnostic {
    Diagnostic::error("unreadable", at, format!("`{path}` cannot be read: {error}"))
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
