//! Multi-document KOM: documents, IDs, parents.

use std::collections::BTreeMap;

use super::defaults::{self, Defaults};
use super::resource::{KomKind, ResourceId};
use super::shape::{self, API_VERSION, ID_ANNOTATION};
use super::{Loaded, Parent, ParentSpec, app, component, read_file, spec};
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::entry::EntryFile;
use crate::source::SourceTree;
use crate::yaml::Node;
use crate::yaml::fields::{Fields, Findings, enumerate, suggest};

/// Kind of the loader's own document.
const DEFAULTS: &str = "Defaults";

/// Loads an entry in KOM with everything that its `Defaults` bring in.
pub(super) fn load(tree: &dyn SourceTree, entry: &EntryFile, findings: &Findings) -> Loaded {
    let mut loader = Loader { findings, loaded: Loaded::default(), known: BTreeMap::new(), defaults: None };
    let Some(documents) = read_file(tree, &entry.path, findings) else {
        return Loaded { uncertain: true, ..Loaded::default() };
    };
    if documents.iter().all(Node::is_null) {
        let message = "the file holds no documents";
        let help = "write the App here, or name its files in a Defaults document's `komPath`";
        findings.push(Diagnostic::error("kom-document", crate::entry::place(&entry.path), message).help(help));
    }
    loader.file(&documents, &File { path: &entry.path, brought_in: false });
    if let Some(defaults) = &loader.defaults {
        let search = Findings::new();
        let files = defaults::files(tree, &entry.folder, &entry.path, &defaults.kom_path, &search);
        loader.loaded.uncertain |= search.has_errors();
        findings.extend(search.into_vec());
        for file in files {
            match read_file(tree, &file, findings) {
                Some(documents) => loader.file(&documents, &File { path: &file, brought_in: true }),
                None => loader.loaded.uncertain = true,
            }
        }
    }
    loader.check_parents();
    loader.check_default_app();
    loader.loaded.parents.sort_by(|one, other| one.id.kind().cmp(&other.id.kind()).then_with(|| one.id.cmp(&other.id)));
    loader.loaded
}

/// A file of the entry.
struct File<'a> {
    path: &'a str,
    /// Whether `komPath` brought it in; it is not the entry file itself.
    brought_in: bool,
}

/// A document that has an ID.
struct Known {
    at: Span,
    number: usize,
}

struct Loader<'a> {
    findings: &'a Findings,
    loaded: Loaded,
    known: BTreeMap<ResourceId, Known>,
    defaults: Option<Defaults>,
}

impl Loader<'_> {
    /// Reads every document of a file; what is found in one names it by its number.
    fn file(&mut self, documents: &[Node], file: &File<'_>) {
        for (number, document) in (1..).zip(documents) {
            if document.is_null() {
                continue;
            }
            let findings = Findings::new();
            self.document(document, number, file, &findings);
            self.findings.extend(findings.into_vec().into_iter().map(|finding| numbered(finding, number)));
        }
    }

    fn document(&mut self, document: &Node, number: usize, file: &File<'_>, findings: &Findings) {
        // Until the document is known to be no App, or which App it is, there may be one more.
        let certain = !std::mem::replace(&mut self.loaded.uncertain, true);
        let Some(mut root) = Fields::of(document, "KOM document", findings) else { return };
        root = root.shaped(&shape::DOCUMENT);
        check_api_version(&mut root);
        let kind = kind(&mut root);
        let metadata = root.get("metadata");
        let spec = root.get("spec");
        root.finish();
        let Some(kind) = kind else { return };
        let metadata = Metadata::read(metadata, &document.span, findings);
        let absent = Fields::absent(&document.span, "spec", findings);
        let spec = match spec {
            Some(spec) => Fields::of(spec, "spec", findings),
            None => Some(absent),
        };
        let Some(kind) = kind.value else {
            if let Some(spec) = spec {
                self.loaded.uncertain = !certain;
                self.read_defaults(spec, kind.at, file, findings);
            }
            return;
        };
        self.loaded.uncertain = !certain || kind == KomKind::App;
        let Some(id) = metadata.id(kind, &document.span, findings) else { return };
        self.loaded.uncertain = !certain;
        if kind == KomKind::App {
            self.loaded.claims.extend(id.value.app().map(|app| Spanned::new(app, id.at.clone())));
        }
        let at = metadata.name.as_ref().map_or_else(|| id.at.clone(), |name| name.at.clone());
        if let Some(first) = self.known.get(&id.value) {
            let message =
                format!("`{}` is here a second time; the first is document {} at {}", id.value, first.number, first.at);
            findings.push(Diagnostic::error("kom-duplicate", id.at, message).help("remove one of the two"));
            return;
        }
        self.known.insert(id.value.clone(), Known { at: at.clone(), number });
        if let Some(spec) = spec {
            self.spec(&id.value, at, spec, file);
        }
    }

    /// Reads the spec of a document with a sound ID.
    fn spec(&mut self, id: &ResourceId, at: Span, fields: Fields<'_, '_>, file: &File<'_>) {
        let mut fields = fields.shaped(shape::spec(id.kind()));
        let parent = |spec| Parent { id: id.clone(), at: at.clone(), spec };
        match id.kind() {
            KomKind::Workspace => {
                self.loaded.parents.push(parent(ParentSpec::Workspace(spec::workspace(&mut fields))));
            }
            KomKind::Provider => {
                let provider = spec::provider(&mut fields).map(ParentSpec::Provider);
                self.loaded.parents.extend(provider.map(parent));
            }
            KomKind::Cluster => {
                self.loaded.parents.push(parent(ParentSpec::Cluster(Box::new(spec::cluster(&mut fields)))));
            }
            KomKind::App => {
                let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let app = id.app().and_then(|id| {
                    let local_files = !file.brought_in;
                    app::read(&mut fields, app::Origin { id, at, folder, local_files })
                });
                self.loaded.apps.extend(app);
            }
            KomKind::Box => {
                if let Some(app) = id.app() {
                    component::check(&mut fields, &app, &Spanned::new(id.name().to_owned(), at));
                }
            }
        }
        fields.finish();
    }

    fn read_defaults(&mut self, spec: Fields<'_, '_>, at: Span, file: &File<'_>, findings: &Findings) {
        let mut spec = spec.shaped(&shape::DEFAULTS);
        let defaults = defaults::read(&mut spec, at.clone());
        spec.finish();
        if file.brought_in {
            let message = "`Defaults` stands only in the entry file, kompoxapp.yml";
            findings.push(Diagnostic::error("kom-defaults", at, message).help("move it there, or remove it"));
        } else if let Some(first) = &self.defaults {
            let message = format!("an entry has one `Defaults`; the first is at {}", first.at);
            findings.push(Diagnostic::error("kom-defaults", at, message).help("join the two"));
        } else {
            self.defaults = Some(defaults);
        }
    }

    /// Every document but a Workspace needs its parent in the same entry.
    fn check_parents(&self) {
        for (id, known) in &self.known {
            let Some(parent) = id.parent().filter(|parent| !self.known.contains_key(parent)) else { continue };
            let message = format!("{} `{parent}`, the parent of `{id}`, is not in this entry", parent.kind());
            let help = format!("add a document of kind {} with this ID, or bring it in with `komPath`", parent.kind());
            let finding = Diagnostic::error("kom-parent", known.at.clone(), message).help(help);
            self.findings.push(numbered(finding, known.number));
        }
    }

    fn check_default_app(&mut self) {
        let Some(given) = self.defaults.as_ref().and_then(|defaults| defaults.app_id.as_ref()) else { return };
        let claimed = given.value.parse().ok().filter(|id| self.loaded.claims.iter().any(|claim| claim.value == *id));
        if claimed.is_none() {
            let message = format!("`appId` names `{}`, which is no App of this entry", given.value);
            let ids: Vec<String> = self.loaded.claims.iter().map(|claim| claim.value.to_string()).collect();
            let help = match suggest(&given.value, ids.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write the App's ID, like {}", KomKind::App.form()),
            };
            self.findings.push(Diagnostic::error("kom-defaults", given.at.clone(), message).help(help));
        }
        self.loaded.default_app = claimed;
    }
}

/// The finding with the number of its document.
fn numbered(mut finding: Diagnostic, number: usize) -> Diagnostic {
    finding.message = format!("document {number}: {}", finding.message);
    finding
}

fn check_api_version(root: &mut Fields<'_, '_>) {
    let findings = root.findings();
    if let Some(version) = root.required_string("apiVersion")
        && version.value != API_VERSION
    {
        let message = format!("`apiVersion` is `{}`, not `{API_VERSION}`", version.value);
        let help = "a KOM file holds KOM documents only; write Kubernetes objects elsewhere";
        findings.push(Diagnostic::error("kom-api-version", version.at, message).help(help));
    }
}

/// The document's kind; `None` inside stands for `Defaults`.
fn kind(root: &mut Fields<'_, '_>) -> Option<Spanned<Option<KomKind>>> {
    let findings = root.findings();
    let given = root.required_string("kind")?;
    if given.value == DEFAULTS {
        return Some(Spanned::new(None, given.at));
    }
    if let Some(kind) = KomKind::ALL.into_iter().find(|kind| kind.name() == given.value) {
        return Some(Spanned::new(Some(kind), given.at));
    }
    let mut known: Vec<&str> = KomKind::ALL.iter().map(|kind| kind.name()).collect();
    known.push(DEFAULTS);
    let help = match suggest(&given.value, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known kinds are {}", enumerate(&known)),
    };
    findings.push(Diagnostic::error("kom-kind", given.at, format!("KOM has no kind `{}`", given.value)).help(help));
    None
}

/// What `metadata` says that matters here; labels and other annotations are for other tools.
struct Metadata {
    name: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
}

impl Metadata {
    fn read(node: Option<&Node>, document: &Span, findings: &Findings) -> Self {
        let fields = match node {
            Some(node) => Fields::of(node, "metadata", findings),
            None => Some(Fields::absent(document, "metadata", findings)),
        };
        let Some(fields) = fields else { return Self { name: None, id: None } };
        let mut fields = fields.shaped(&shape::METADATA);
        let name = fields.string("name");
        fields.text_map("labels");
        let annotations = fields.get("annotations");
        fields.text_map("annotations");
        fields.finish();
        let id = annotations.and_then(|node| node.get(ID_ANNOTATION));
        let id = id.and_then(|node| Some(Spanned::new(node.written()?, node.span.clone())));
        Self { name, id }
    }

    /// The document's ID, checked against its kind and name.
    fn id(&self, kind: KomKind, document: &Span, findings: &Findings) -> Option<Spanned<ResourceId>> {
        let fail = |at: &Span, message: String, help: String| {
            findings.push(Diagnostic::error("kom-id", at.clone(), message).help(help));
        };
        let form = || format!("write the annotation `{ID_ANNOTATION}: {}`", kind.form());
        let Some(given) = &self.id else {
            let at = self.name.as_ref().map_or(document, |name| &name.at);
            fail(at, format!("the {kind} has no Resource ID"), form());
            return None;
        };
        let id = match ResourceId::parse(&given.value) {
            Ok(id) => id,
            Err(reason) => {
                fail(&given.at, format!("the Resource ID `{}` {reason}", given.value), form());
                return None;
            }
        };
        if id.kind() != kind {
            fail(&given.at, format!("`{id}` is the ID of a {}, not of a {kind}", id.kind()), form());
            return None;
        }
        match &self.name {
            Some(name) if name.value != id.name() => {
                let message = format!("`metadata.name` is `{}`, but the ID ends in `{}`", name.value, id.name());
                fail(&name.at, message, "make them the same".to_owned());
            }
            Some(_) => {}
            None => fail(&given.at, "`metadata` needs `name`".to_owned(), format!("add `name: {}`", id.name())),
        }
        Some(Spanned::new(id, given.at.clone()))
    }
}
