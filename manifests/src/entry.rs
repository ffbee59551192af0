//! Entries: the folders of a repository that hold a `kompoxapp.yml` or a `kompoxops.yml`.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::source::{EntryKind, SourceTree, TreeError};
use crate::yaml::fields::Findings;

/// Name of an entry file in KOM.
pub const KOM_FILE: &str = "kompoxapp.yml";

/// Name of an entry file in the single-file form.
pub const SINGLE_FILE: &str = "kompoxops.yml";

/// Folders that are never searched: not written by the people whose Apps these are.
const SKIPPED: [&str; 8] = [".git", ".github", "node_modules", "vendor", ".direnv", ".venv", "dist", "build"];

/// Most entries of one source.
const MAX_ENTRIES: usize = 10_000;

/// Most folders that are searched.
const MAX_FOLDERS: usize = 100_000;

/// Deepest folder below the search's start.
const MAX_DEPTH: usize = 64;

/// Which form an entry file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `kompoxapp.yml`: multi-document KOM.
    Kom,
    /// `kompoxops.yml`: one mapping.
    Single,
}

/// An entry: a folder and the file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryFile {
    /// The folder, relative to the repository's root.
    pub folder: String,
    /// The file, relative to the repository's root.
    pub path: String,
    /// What the file is written in.
    pub form: Form,
}

impl EntryFile {
    fn new(folder: &str, form: Form) -> Self {
        let name = match form {
            Form::Kom => KOM_FILE,
            Form::Single => SINGLE_FILE,
        };
        Self { folder: folder.to_owned(), path: join(folder, name), form }
    }

    /// The entry whose file is at a path; `None` when no entry can be there.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let form = match name {
            KOM_FILE => Form::Kom,
            SINGLE_FILE => Form::Single,
            _ => return None,
        };
        Some(Self::new(folder, form))
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries, sorted by path.
    pub entries: Vec<EntryFile>,
    /// Entries in folders with both files: rejected, but what they claim is theirs.
    pub ambiguous: Vec<EntryFile>,
    /// Whether every folder could be searched.
    pub complete: bool,
}

/// Whether a folder of this name is never searched.
#[must_use]
pub fn is_skipped(name: &str) -> bool {
    SKIPPED.contains(&name)
}

/// `folder/name`, also for the root.
#[must_use]
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The place of a file or folder as a whole.
#[must_use]
pub fn place(path: &str) -> Span {
    let path = if path.is_empty() { "." } else { path };
    Span::file(&Arc::new(SourceFile { path: path.to_owned(), text: String::new() }))
}

/// Brings a configured path into the form of [`SourceTree`]: `.` and `./apps/` become `` and `apps`.
/// `None` for an absolute path and for one that leaves the repository.
#[must_use]
pub fn normalize(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Finds the entries at and below `path`.
pub fn find(tree: &dyn SourceTree, path: &str, findings: &Findings) -> Found {
    let Some(start) = normalize(path) else {
        let message = format!("the path `{path}` is not a folder inside the repository");
        let help = "give a path relative to the repository's root, without `..`";
        findings.push(Diagnostic::error("entry-path", place(path), message).help(help));
        return Found::default();
    };
    let mut search = Search { tree, findings, found: Found { complete: true, ..Found::default() }, folders: 0 };
    search.folder(&start, 0);
    let mut found = search.found;
    found.entries.sort_by(|one, other| one.path.cmp(&other.path));
    found.ambiguous.sort_by(|one, other| one.path.cmp(&other.path));
    if found.complete && found.entries.is_empty() && found.ambiguous.is_empty() {
        let message = format!("neither a {KOM_FILE} nor a {SINGLE_FILE} is here or in a folder below");
        let help = "check the configured path, or add an entry";
        findings.push(Diagnostic::warning("no-entry", place(&start), message).help(help));
    }
    found
}

struct Search<'a> {
    tree: &'a dyn SourceTree,
    findings: &'a Findings,
    found: Found,
    folders: usize,
}

impl Search<'_> {
    /// Searches a folder and those below it.
    fn folder(&mut self, folder: &str, depth: usize) {
        self.folders += 1;
        let children = match self.tree.list(folder) {
            Ok(children) => children,
            Err(error) => return self.unreadable(folder, &error),
        };
        let kind = |name: &str| children.iter().find(|child| child.name == name).map(|child| child.kind);
        match (kind(KOM_FILE), kind(SINGLE_FILE)) {
            (None, None) => {}
            (Some(kind), None) => self.entry(EntryFile::new(folder, Form::Kom), kind),
            (None, Some(kind)) => self.entry(EntryFile::new(folder, Form::Single), kind),
            (Some(_), Some(_)) => self.both(folder),
        }
        for child in &children {
            if child.kind != EntryKind::Folder || is_skipped(&child.name) {
                continue;
            }
            if depth == MAX_DEPTH || self.folders >= MAX_FOLDERS {
                let limit = format!("more than {MAX_FOLDERS} folders, or folders nested more than {MAX_DEPTH} deep");
                return self.give_up(folder, &limit);
            }
            self.folder(&join(folder, &child.name), depth + 1);
        }
    }

    fn entry(&mut self, entry: EntryFile, kind: EntryKind) {
        if kind != EntryKind::File {
            self.found.complete = false;
            let message = format!("an entry must be a regular file; {}", TreeError::NotAFile(kind));
            let help = "put the file itself there; links are not followed";
            self.findings.push(Diagnostic::error("entry-file", place(&entry.path), message).help(help));
        } else if self.found.entries.len() >= MAX_ENTRIES {
            self.give_up(&entry.folder, &format!("more than {MAX_ENTRIES} entries"));
        } else {
            self.found.entries.push(entry);
        }
    }

    fn both(&mut self, folder: &str) {
        let message = format!("one folder holds both {KOM_FILE} and {SINGLE_FILE}");
        let entry = EntryFile::new(folder, Form::Single);
        let help = "keep one of the two, or move one to a folder of its own";
        self.findings.push(Diagnostic::error("entry-both", place(&entry.path), message).help(help));
        self.found.ambiguous.extend([EntryFile::new(folder, Form::Kom), entry]);
    }

    fn give_up(&mut self, folder: &str, limit: &str) {
        if self.found.complete {
            let help = "point the source's path at a folder with fewer";
            let message = format!("the search for entries ends here: {limit}");
            self.findings.push(Diagnostic::error("entry-limit", place(folder), message).help(help));
        }
        self.found.complete = false;
    }

    fn unreadable(&mut self, folder: &str, error: &TreeError) {
        self.found.complete = false;
        let (message, help) = match error {
            TreeError::NotFound => ("no such folder in the repository".to_owned(), "correct the source's `path`"),
            other => (format!("the folder cannot be read: {other}"), other.help()),
        };
        self.findings.push(Diagnostic::error("entry-path", place(folder), message).help(help));
    }
}

#[cfg(test)]
mod tests;
