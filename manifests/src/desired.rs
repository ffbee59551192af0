//! What a commit asks for: all entries below a path, each sound or rejected, checked against each other.
//!
//! A pure function of the commit and of the [`Terms`] that it is read on. One entry's mistake rejects that entry only; what two entries say about
//! the same thing rejects both when it differs. Every entry says which Apps are its own, rejected or not,
//! so that a mistake never looks like a removal.

mod across;
mod form;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compose::{self, ComposeInput};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::entry::{self, EntryFile, Found};
use crate::id::AppId;
use crate::kom::{self, AppSpec, Loaded};
use crate::model::{App, Ingress};
use crate::policy::{PodSecurity, Policy};
use crate::sops::Decryption;
use crate::source::{Record, RecordedTree, SourceTree};
use crate::yaml::fields::{Findings, suggest};

pub use self::form::{Form, form};

/// What is decided outside the commit, by the operators of the agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// What a commit may ask for.
    pub policy: Policy,
    /// What encrypted files are read with.
    pub decryption: Decryption,
}

/// What a commit asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The entries, sorted by file.
    pub entries: Vec<Entry>,
    /// Everything that was found, of all entries and of none, sorted and without repetitions.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether it is certain which Apps the commit lists. When it is not (a folder or an entry could not
    /// be read far enough), an App that is missing may be there all the same: nothing may be removed.
    pub certain: bool,
}

/// An entry of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The entry file, relative to the repository's root.
    pub file: String,
    /// Whether an error rejects it, whole.
    pub rejected: bool,
    /// Its Apps; none when it is rejected.
    pub apps: Vec<EntryApp>,
    /// The Apps that it is about, also when it is rejected: nothing of them may be removed.
    pub claims: Vec<AppId>,
    /// The App that is meant where none is named.
    pub default_app: Option<AppId>,
    /// What was found in it, sorted and without repetitions.
    pub diagnostics: Vec<Diagnostic>,
    /// What was read to know all of this.
    pub record: Arc<Record>,
}

/// An App of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryApp {
    /// The App.
    pub app: Arc<App>,
    /// What was read to make it; without what only the entry's other Apps are made of.
    pub record: Arc<Record>,
}

impl Desired {
    /// The Apps of all sound entries.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.entries.iter().flat_map(|entry| entry.apps.iter().map(|made| made.app.as_ref()))
    }

    /// The entries that are rejected.
    pub fn rejected(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.rejected)
    }

    /// Rejects an entry for what only the caller can tell; repetitions are folded.
    pub fn reject(&mut self, entry: usize, found: Vec<Diagnostic>) {
        let Some(entry) = self.entries.get_mut(entry) else { return };
        entry.rejected = true;
        entry.apps = Vec::new();
        for list in [&mut entry.diagnostics, &mut self.diagnostics] {
            list.extend(found.iter().cloned());
            diagnostic::sort(list);
        }
    }

    /// Whether everything is sound: every folder was searched, and there is no error.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.certain && self.diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error)
    }
}

/// Reads what a commit asks for in the entries at and below `path`.
#[must_use]
pub fn desire(tree: &dyn SourceTree, path: &str, terms: &Terms) -> Desired {
    Conversions::default().desire(tree, path, terms)
}

/// Reads one App of the entry in `file`; what only the entry's other Apps are made of need not be there. `None` when it
/// or the entry's documents cannot be read.
#[must_use]
pub fn desire_app(tree: &dyn SourceTree, file: &str, id: &AppId, terms: &Terms) -> Option<EntryApp> {
    let entry = EntryFile::at(file)?;
    let recorded = RecordedTree::new(tree);
    let findings = Findings::new();
    let loaded = kom::load(&recorded, &entry, &findings);
    let spec = loaded.apps.iter().find(|spec| spec.id == *id)?;
    let app = app(&recorded, &entry, &loaded, spec, terms, &findings)?;
    (!findings.has_errors()).then(|| EntryApp { app: Arc::new(app), record: Arc::new(recorded.into_record()) })
}

/// Entries that were converted for an earlier commit: those that read the same files in the next one, on the
/// same terms, are taken over as they are.
#[derive(Default)]
pub struct Conversions {
    /// By entry file; with the other file of its folder where there are two.
    known: BTreeMap<Vec<String>, Arc<Conversion>>,
    terms: Terms,
}

impl Conversions {
    /// As [`desire`], converting only what an earlier call has not seen.
    #[must_use]
    pub fn desire(&mut self, tree: &dyn SourceTree, path: &str, terms: &Terms) -> Desired {
        if self.terms != *terms {
            *self = Self { known: BTreeMap::new(), terms: terms.clone() };
        }
        let general = Findings::new();
        let Found { entries, ambiguous, complete } = entry::find(tree, path, &general);
        let before = std::mem::take(&mut self.known);
        let mut drafts = Vec::with_capacity(entries.len());
        for files in entries.chunks(1).chain(ambiguous.chunks(2)) {
            let Some(last) = files.last() else { continue };
            let key: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
            let known = before.get(&key).filter(|known| known.record.holds_in(tree));
            let own = known.map_or_else(|| Arc::new(Conversion::of(tree, files, terms)), Arc::clone);
            self.known.insert(key, Arc::clone(&own));
            drafts.push(Draft { file: last.path.clone(), own, across: Findings::new() });
        }
        across::check(&drafts);
        drafts.sort_by(|one, other| one.file.cmp(&other.file));

        let certain = complete && drafts.iter().all(|draft| !draft.own.loaded.uncertain);
        let entries: Vec<Entry> = drafts.into_iter().map(Draft::finish).collect();
        let mut diagnostics = general.into_vec();
        diagnostics.extend(entries.iter().flat_map(|entry| entry.diagnostics.iter().cloned()));
        diagnostic::sort(&mut diagnostics);
        Desired { entries, diagnostics, certain }
    }
}

/// An entry by itself, whatever the others say.
struct Conversion {
    record: Arc<Record>,
    findings: Vec<Diagnostic>,
    loaded: Loaded,
    apps: Vec<EntryApp>,
    /// Rejected by a finding of another place: its folder's two entry files.
    ambiguous: bool,
}

impl Conversion {
    fn of(tree: &dyn SourceTree, files: &[EntryFile], terms: &Terms) -> Self {
        let recorded = RecordedTree::new(tree);
        let (findings, mut loaded, apps) = match files {
            [entry] => {
                let findings = Findings::new();
                let loaded = kom::load(&recorded, entry, &findings);
                let shared = recorded.record();
                let one = |spec| {
                    let own = RecordedTree::new(&recorded);
                    let app = app(&own, entry, &loaded, spec, terms, &findings)?;
                    Some(EntryApp { app: Arc::new(app), record: Arc::new(own.into_record().joined(&shared)) })
                };
                let apps = loaded.apps.iter().filter_map(one).collect();
                (findings.into_vec(), loaded, apps)
            }
            both => (Vec::new(), Self::ambiguous(&recorded, both), Vec::new()),
        };
        // They have become Apps; their documents are not needed any more.
        loaded.apps = Vec::new();
        let record = Arc::new(recorded.into_record());
        Self { record, findings, loaded, apps, ambiguous: files.len() > 1 }
    }

    /// A folder with two entry files: neither counts, but what they claim is theirs.
    fn ambiguous(tree: &dyn SourceTree, both: &[EntryFile]) -> Loaded {
        let mut joined = Loaded::default();
        for entry in both {
            // Their own mistakes matter once it is clear which of the two is meant.
            let loaded = kom::load(tree, entry, &Findings::new());
            joined.uncertain |= loaded.uncertain;
            joined.claims.extend(loaded.claims);
        }
        joined
    }

    fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.iter().map(|made| made.app.as_ref())
    }

    fn is_rejected(&self) -> bool {
        self.ambiguous || self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// An entry that may still be rejected for what others say.
struct Draft {
    file: String,
    own: Arc<Conversion>,
    /// What is wrong with it because of other entries.
    across: Findings,
}

impl Draft {
    fn is_rejected(&self) -> bool {
        self.own.is_rejected() || self.across.has_errors()
    }

    fn finish(self) -> Entry {
        let rejected = self.is_rejected();
        let Self { file, own, across } = self;
        let mut diagnostics = own.findings.clone();
        diagnostics.extend(across.into_vec());
        diagnostic::sort(&mut diagnostics);
        let mut claims: Vec<AppId> = own.loaded.claims.iter().map(|claim| claim.value.clone()).collect();
        claims.sort();
        claims.dedup();
        let apps = if rejected { Vec::new() } else { own.apps.clone() };
        let default_app = own.loaded.default_app.clone();
        Entry { file, rejected, apps, claims, default_app, diagnostics, record: Arc::clone(&own.record) }
    }
}

/// Joins an App's spec with its parents and its Compose project; `None` when an error of these stands against it.
fn app(
    tree: &dyn SourceTree,
    entry: &EntryFile,
    loaded: &Loaded,
    spec: &AppSpec,
    terms: &Terms,
    findings: &Findings,
) -> Option<App> {
    let cluster = loaded.cluster(&spec.id);
    let input = ComposeInput {
        tree,
        decryption: &terms.decryption,
        document: &spec.compose,
        folder: &spec.folder,
        local_files: spec.local_files,
        id: &spec.id,
        domain: cluster.and_then(|cluster| cluster.domain.as_ref()).map(|domain| domain.value.as_str()),
        volumes: &spec.volumes,
        rules: &spec.rules,
    };
    let compose = compose::load(&input, findings)?;
    check_hooks(spec, &compose, findings);
    let mut app = App {
        id: spec.id.clone(),
        at: spec.at.clone(),
        entry: entry.path.clone(),
        provider: loaded.provider(&spec.id)?.clone(),
        cluster: cluster?.clone(),
        ingress: Ingress { cert_resolver: spec.cert_resolver.clone(), rules: compose.rules },
        volumes: spec.volumes.clone(),
        placement: spec.placement.clone(),
        network_rules: spec.network_rules.clone(),
        reconcile: spec.reconcile.clone(),
        snapshot_policies: spec.snapshot_policies.clone(),
        settings: spec.settings.clone(),
        resources: spec.resources.clone(),
        project: compose.project,
        pod_security: PodSecurity::default(),
    };
    policy::check(&mut app, &compose.places, &terms.policy, findings);
    compose.sound.then_some(app)
}

/// Checks that the hooks of snapshot policies name services of the Compose project.
fn check_hooks(spec: &AppSpec, compose: &compose::Loaded, findings: &Findings) {
    let services = || compose.project.services.iter().map(|service| service.name.as_str());
    for policy in &spec.snapshot_policies {
        let hooks = &policy.hooks;
        let named = [
            hooks.pre.as_ref().map(|hook| &hook.service),
            hooks.post.as_ref().map(|hook| &hook.service),
            hooks.session.as_ref().map(|session| &session.service),
        ];
        for service in named.into_iter().flatten() {
            if services().any(|name| name == service.value) {
                continue;
            }
            // Where the Compose file is wrong, the service may be meant to be there.
            if !compose.sound && (!compose.whole || compose.places.has_service(&service.value)) {
                continue;
            }
            let help = match suggest(&service.value, services()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name a service of the App's Compose file".to_owned(),
            };
            let message = format!("the Compose file has no service `{}`", service.value);
            findings.push(Diagnostic::error("unknown-service", service.at.clone(), message).help(help));
        }
    }
}
