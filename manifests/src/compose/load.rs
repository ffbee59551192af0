//! The files of a Compose project: the App's document, the files that it includes, and those whose services it
//! extends, each with its own variables and its own folder, made into one.

mod extends;
mod include;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::document::{self, Document};
use super::interpolate::{Variable, Variables, interpolate};
use super::{ComposeInput, env_file, secrets, tree};
use crate::diagnostic::{Diagnostic, Span};
use crate::yaml::fields::Findings;
use crate::yaml::{Node, Value};

const CODE: &str = "compose-files";
/// The variable that Compose sets by itself.
const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";
/// Most files of one project.
const MAX_FILES: usize = 64;
/// Most bytes of all files together.
const MAX_BYTES: usize = 8 << 20;
/// Most values that `extends` and `include` may make of them.
const MAX_VALUES: usize = 500_000;
/// Services that extend each other, files that include each other.
const MAX_DEPTH: usize = 16;

/// Where the relative paths of a file start, and what its variables stand for.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) folder: String,
    pub(super) variables: Rc<Variables>,
}

/// Every file of the project, by its path in the repository.
pub(super) type Origins = BTreeMap<String, Origin>;

/// A project's files made into one.
pub(super) struct Project {
    /// A mapping without `include`, its services without `extends`.
    pub(super) root: Node,
    /// Of the App's own document.
    pub(super) own: Origin,
    pub(super) origins: Origins,
    /// Whether everything was drawn in that is named.
    pub(super) whole: bool,
}

/// Reads the App's document and everything that it draws in.
pub(super) fn project(input: &ComposeInput<'_>, findings: &Findings) -> Option<Project> {
    let Document { mut root, folder } = document::open(input, findings)?;
    let mut variables = if input.local_files {
        env_file::variables(input.tree, &folder, ".env", &root.span, false, input.decryption, findings)
            .unwrap_or_default()
    } else {
        Variables::new()
    };
    if !variables.contains_key(PROJECT_NAME) {
        let name = project_name(&root, &variables, &input.id.app);
        variables.insert(PROJECT_NAME.to_owned(), name);
    }
    let own = Origin { folder, variables: Rc::new(variables) };
    let mut loader = Loader {
        input,
        findings,
        origins: Origins::new(),
        files: BTreeMap::new(),
        bytes: 0,
        values: 0,
        misplaced: false,
        whole: true,
    };
    document::reject_unknown_tags(&root, findings);
    interpolate(&mut root, &own.variables, findings);
    document::reject_nul(&root, findings);
    loader.misplaced |= !secrets::check(&root, findings);
    loader.origins.insert(root.span.file.path.clone(), own.clone());
    let path = root.span.file.path.clone();
    let file = Rc::new(File { root, path, origin: own.clone() });
    let root = loader.complete(&file, &mut Vec::new())?;
    document::reject_tags(&root, findings);
    // Readers of keys may quote what they find.
    if loader.misplaced {
        return None;
    }
    Some(Project { root, own, origins: loader.origins, whole: loader.whole })
}

/// What Compose would call the project: its `name`, else what the App is called.
fn project_name(root: &Node, variables: &Variables, app: &str) -> Variable {
    let mut name = root.get("name").cloned();
    if let Some(name) = &mut name {
        // What is wrong with it is reported where all variables are replaced.
        interpolate(name, variables, &Findings::new());
    }
    let name = name.filter(|node| node.as_str().is_some_and(|text| !text.is_empty()));
    Variable {
        value: name.as_ref().and_then(Node::as_str).unwrap_or(app).to_owned(),
        secret: name.is_some_and(|node| node.secret.is_some()),
    }
}

/// A file with its variables replaced, before anything is drawn into it.
struct File {
    root: Node,
    path: String,
    origin: Origin,
}

struct Loader<'a> {
    input: &'a ComposeInput<'a>,
    findings: &'a Findings,
    origins: Origins,
    /// What was read, by path and folder.
    files: BTreeMap<(String, String), Rc<File>>,
    bytes: usize,
    values: usize,
    /// Whether a secret stands where it would be shown.
    misplaced: bool,
    /// Whether everything was drawn in that is named.
    whole: bool,
}

impl Loader<'_> {
    /// A file with its services extended and its includes drawn in.
    fn complete(&mut self, file: &Rc<File>, including: &mut Vec<String>) -> Option<Node> {
        let mut root = self.extended(file)?;
        including.push(file.path.clone());
        self.draw_in(&mut root, &file.origin, including);
        including.pop();
        Some(root)
    }

    /// Opens a file that is named at `at`, relative to the folder `from`. `folder` is where its own paths start, when not
    /// at its own place.
    fn open(&mut self, from: &str, path: &str, at: &Span, origin: &Origin, folder: Option<&str>) -> Option<Rc<File>> {
        if !tree::may_read(self.input.local_files, path, at, self.findings) {
            return None;
        }
        let path = tree::inside(from, path, at, self.findings)?;
        let folder = folder.unwrap_or_else(|| tree::parent(&path)).to_owned();
        let key = (path.clone(), folder.clone());
        if let Some(file) = self.files.get(&key).filter(|file| file.origin.variables == origin.variables) {
            return Some(Rc::clone(file));
        }
        let origin = Origin { folder, variables: Rc::clone(&origin.variables) };
        if self.origins.get(&path).is_some_and(|known| known.folder != origin.folder) {
            let message = format!("`{path}` is read already, with its relative paths starting at another folder");
            let help = "give it the same `project_directory` everywhere";
            self.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
            return None;
        }
        let opened = tree::read_inside(self.input.tree, path.clone(), at, document::LIMIT, true, self.findings)?;
        self.bytes = self.bytes.saturating_add(opened.bytes.len());
        if self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
            self.limit(at, &format!("more than {MAX_FILES} files, or more than {MAX_BYTES} bytes of them"));
            return None;
        }
        let mut root = document::parse(&opened, at, self.input.decryption, self.findings)?;
        self.charge(&root, at)?;
        document::reject_unknown_tags(&root, self.findings);
        interpolate(&mut root, &origin.variables, self.findings);
        document::reject_nul(&root, self.findings);
        self.misplaced |= !secrets::check(&root, self.findings);
        self.origins.entry(path.clone()).or_insert_with(|| origin.clone());
        let file = Rc::new(File { root, path, origin });
        self.files.insert(key, Rc::clone(&file));
        Some(file)
    }

    /// Counts a copy against the limit.
    fn charge(&mut self, node: &Node, at: &Span) -> Option<()> {
        self.values = self.values.saturating_add(count(node));
        if self.values > MAX_VALUES {
            self.limit(at, &format!("more than {MAX_VALUES} values, extended services and included files counted"));
            return None;
        }
        Some(())
    }

    fn limit(&self, at: &Span, limit: &str) {
        let message = format!("the Compose files come to {limit}");
        let help = "make several Apps of it, or extend and include less";
        self.findings.push(Diagnostic::error("compose-limit", at.clone(), message).help(help));
    }

    fn error(&self, at: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
    }
}

/// Values in a tree.
fn count(node: &Node) -> usize {
    match &node.value {
        Value::Seq(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Map(map) => 1 + map.iter().map(|entry| 1 + count(&entry.value)).sum::<usize>(),
        _ => 1,
    }
}
