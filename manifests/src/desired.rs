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

use std::sync::Arc;

use crate::compose::{self, ComposeInput};
use crate::diagnostic::{self, Diagnostic, Severity};
use crate::entry::{self, EntryFile, Found};
use crate::id::AppId;
use crate::kom::resource::ResourceId;
use crate::kom::{self, AppSpec, Loaded};
use crate::model::{App, Ingress};
use crate::names::Names;
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
    pub entries: Vec<Arc<Entry>>,
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
    /// Hash of everything that was read to know all of this, as [`Record::digest`] has it.
    pub digest: Arc<str>,
}

/// An App of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryApp {
    /// The App.
    pub app: Arc<App>,
    /// The names that are derived from it.
    pub names: Arc<Names>,
    /// What was read to make it; without what only the entry's other Apps are made of.
    pub record: Arc<Record>,
}

impl EntryApp {
    fn new(app: App, record: Record) -> Self {
        Self { names: Arc::new(Names::of(&app.id)), app: Arc::new(app), record: Arc::new(record) }
    }
}

impl Desired {
    /// The Apps of all sound entries.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.entries.iter().flat_map(|entry| entry.apps.iter().map(|made| made.app.as_ref()))
    }

    /// The entries that are rejected.
    pub fn rejected(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(Arc::as_ref).filter(|entry| entry.rejected)
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
    Conversions::default().desire(tree, path, terms, |_| None)
}

/// What only the caller can tell to be wrong with an App; it rejects its entry. Asked once of an App that stays the
/// same.
pub type Check = fn(&App) -> Option<Diagnostic>;

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
    (!findings.has_errors()).then(|| EntryApp::new(app, recorded.into_record()))
}

/// Entries that were converted for an earlier commit: those that read the same files in the next one, on the
/// same terms, are taken over as they are.
#[derive(Default)]
pub struct Conversions {
    /// Sorted by file.
    known: Vec<Arc<Conversion>>,
    /// They had nothing against each other.
    agreed: bool,
    terms: Terms,
}

impl Conversions {
    /// As [`desire`], converting only what an earlier call, with the same `check`, has not seen.
    #[must_use]
    pub fn desire(&mut self, tree: &dyn SourceTree, path: &str, terms: &Terms, check: Check) -> Desired {
        if self.terms != *terms {
            *self = Self { terms: terms.clone(), ..Self::default() };
        }
        let general = Findings::new();
        let Found { entries, ambiguous, complete } = entry::find(tree, path, &general);
        let mut drafts = Vec::with_capacity(entries.len());
        for files in entries.chunks(1).chain(ambiguous.chunks(2)) {
            let known = self.known(files).filter(|known| known.record.holds_in(tree));
            let is_new = known.is_none();
            let own = known.map_or_else(|| Arc::new(Conversion::of(tree, files, terms, check)), Arc::clone);
            drafts.push(Draft::new(&own, is_new));
        }
        drafts.sort_by(|one, other| one.file().cmp(other.file()));
        self.known = drafts.iter().map(|draft| Arc::clone(&draft.own)).collect();
        self.agreed = across::check(&drafts, self.agreed);

        let certain = complete && drafts.iter().all(|draft| !draft.own.loaded.uncertain);
        let entries: Vec<Arc<Entry>> = drafts.into_iter().map(Draft::finish).collect();
        let mut diagnostics = general.into_vec();
        diagnostics.extend(entries.iter().flat_map(|entry| entry.diagnostics.iter().cloned()));
        diagnostic::sort(&mut diagnostics);
        Desired { entries, diagnostics, certain }
    }

    /// What an earlier call made of an entry file, or of a folder's two.
    fn known(&self, files: &[EntryFile]) -> Option<&Arc<Conversion>> {
        let file = files.last()?.path.as_str();
        let at = self.known.binary_search_by(|known| known.entry.file.as_str().cmp(file)).ok()?;
        self.known.get(at).filter(|known| known.both == (files.len() > 1))
    }
}

/// An entry by itself, whatever the others say.
struct Conversion {
    record: Record,
    /// Of the two entry files of one folder.
    both: bool,
    loaded: Loaded,
    /// What comes of it where the others have nothing against it.
    entry: Arc<Entry>,
}

impl Conversion {
    fn of(tree: &dyn SourceTree, files: &[EntryFile], terms: &Terms, check: Check) -> Self {
        let recorded = RecordedTree::new(tree);
        let (findings, mut loaded, apps) = match files {
            [entry] => {
                let findings = Findings::new();
                let loaded = kom::load(&recorded, entry, &findings);
                let shared = recorded.record();
                let one = |spec| {
                    let own = RecordedTree::new(&recorded);
                    let app = app(&own, entry, &loaded, spec, terms, &findings)?;
                    check(&app).into_iter().for_each(|wrong| findings.push(wrong));
                    Some(EntryApp::new(app, own.into_record().joined(&shared)))
                };
                let apps = loaded.apps.iter().filter_map(one).collect();
                (findings.into_vec(), loaded, apps)
            }
            both => (Vec::new(), Self::ambiguous(&recorded, both), Vec::new()),
        };
        // They have become Apps; their documents are not needed any more.
        loaded.apps = Vec::new();
        let record = recorded.into_record();
        // One of two files is rejected by a finding of their folder.
        let both = files.len() > 1;
        let rejected = both || findings.iter().any(|finding| finding.severity == Severity::Error);
        let mut claims: Vec<AppId> = loaded.claims.iter().map(|claim| claim.value.clone()).collect();
        claims.sort();
        claims.dedup();
        let mut diagnostics = findings;
        diagnostic::sort(&mut diagnostics);
        let entry = Entry {
            file: files.last().map(|file| file.path.clone()).unwrap_or_default(),
            rejected,
            apps: if rejected { Vec::new() } else { apps },
            claims,
            default_app: loaded.default_app.clone(),
            diagnostics,
            digest: record.digest().into(),
        };
        Self { record, both, loaded, entry: Arc::new(entry) }
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
}

/// An entry that may still be rejected for what others say.
struct Draft {
    own: Arc<Conversion>,
    /// No earlier call has seen it.
    is_new: bool,
    /// What is wrong with it because of other entries.
    across: Findings,
}

impl Conversion {
    fn claims(&self) -> impl Iterator<Item = &AppId> {
        self.loaded.claims.iter().map(|claim| &claim.value)
    }

    fn hashes(&self) -> impl Iterator<Item = &str> {
        self.entry.apps.iter().map(|made| made.names.hashes.app.as_str())
    }

    fn parents(&self) -> impl Iterator<Item = &ResourceId> {
        self.loaded.parents.iter().map(|parent| &parent.id)
    }
}

impl Draft {
    fn new(own: &Arc<Conversion>, is_new: bool) -> Self {
        Self { own: Arc::clone(own), is_new, across: Findings::new() }
    }

    fn file(&self) -> &str {
        &self.own.entry.file
    }

    fn is_rejected(&self) -> bool {
        self.own.entry.rejected || self.across.has_errors()
    }

    fn finish(self) -> Arc<Entry> {
        let rejected = self.is_rejected();
        let found = self.across.into_vec();
        if found.is_empty() {
            return Arc::clone(&self.own.entry);
        }
        let mut entry = Entry { rejected, ..self.own.entry.as_ref().clone() };
        entry.diagnostics.extend(found);
        diagnostic::sort(&mut entry.diagnostics);
        if rejected {
            entry.apps = Vec::new();
        }
        Arc::new(entry)
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
