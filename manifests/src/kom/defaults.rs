//! `Defaults`: which further files belong to an entry.

use std::collections::BTreeSet;

use super::unreadable;
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::entry::{is_skipped, join, normalize};
use crate::source::{EntryKind, SourceTree, TreeError};
use crate::yaml::fields::{Fields, Findings};

/// Most files that one entry may bring in.
const MAX_FILES: usize = 1_000;

/// Deepest folder below a `komPath`.
const MAX_DEPTH: usize = 32;

/// The one `Defaults` document of an entry.
pub(super) struct Defaults {
    /// Where it stands.
    pub(super) at: Span,
    /// `komPath`
    pub(super) kom_path: Vec<Spanned<String>>,
    /// `appId`
    pub(super) app_id: Option<Spanned<String>>,
}

/// `Defaults.spec`.
pub(super) fn read(fields: &mut Fields<'_, '_>, at: Span) -> Defaults {
    Defaults { at, kom_path: fields.strings("komPath"), app_id: fields.string("appId") }
}

/// Resolves `komPath`: every file once, in the order of the list, folders sorted by name. `entry` itself
/// is never among them.
pub(super) fn files(
    tree: &dyn SourceTree,
    folder: &str,
    entry: &str,
    kom_path: &[Spanned<String>],
    findings: &Findings,
) -> Vec<String> {
    let seen = BTreeSet::from([entry.to_owned()]);
    let mut collect = Collect { tree, findings, seen, files: Vec::new(), full: false };
    for item in kom_path {
        if let Some(path) = resolve(folder, item, findings) {
            collect.item(&path, &item.at);
        }
    }
    collect.files
}

/// The path in the repository that an item means.
fn resolve(folder: &str, item: &Spanned<String>, findings: &Findings) -> Option<String> {
    let given = item.value.as_str();
    let refuse = |message: String, help: &str| {
        findings.push(Diagnostic::error("kom-path", item.at.clone(), message).help(help));
        None
    };
    if given.contains("://") {
        return refuse(format!("`{given}` is a URL"), "copy the file into the repository; nothing is fetched");
    }
    if given.contains(['*', '?', '[']) {
        return refuse(format!("`{given}` is a pattern"), "name the files, or their folder");
    }
    let path = if let Some(rest) = below(given, "$KOMPOX_ROOT") {
        rest.to_owned()
    } else if let Some(rest) = below(given, "$KOMPOX_DIR") {
        join(".kompox", rest)
    } else if given.starts_with(['/', '$']) || given.is_empty() {
        let help = "write it relative to this file, or below `$KOMPOX_ROOT` or `$KOMPOX_DIR`";
        return refuse(format!("`{given}` is not a relative path"), help);
    } else {
        join(folder, given)
    };
    match normalize(&path) {
        Some(path) => Some(path),
        None => refuse(format!("`{given}` leaves the repository"), "keep the files inside the repository"),
    }
}

/// What follows a variable; the whole of it may be meant.
fn below<'p>(path: &'p str, variable: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(variable)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

struct Collect<'a> {
    tree: &'a dyn SourceTree,
    findings: &'a Findings,
    seen: BTreeSet<String>,
    files: Vec<String>,
    full: bool,
}

impl Collect<'_> {
    fn item(&mut self, path: &str, at: &Span) {
        match self.kind(path) {
            Ok(EntryKind::Folder) => self.folder(path, at, 0),
            Ok(EntryKind::File) if is_yaml(path) => self.file(path.to_owned(), at),
            Ok(EntryKind::File) => {
                let message = format!("`{path}` is neither .yml nor .yaml");
                self.findings.push(Diagnostic::error("kom-path", at.clone(), message).help("name YAML files only"));
            }
            Ok(kind @ (EntryKind::Symlink | EntryKind::Submodule)) => {
                let error = TreeError::NotAFile(kind);
                self.findings.push(unreadable(at.clone(), path, &error).help("links and submodules are not followed"));
            }
            Err(error) => self.findings.push(unreadable(at.clone(), path, &error)),
        }
    }

    /// What a path is; a link anywhere on the way is a path that does not exist.
    fn kind(&self, path: &str) -> Result<EntryKind, TreeError> {
        let Some((folder, name)) = path.rsplit_once('/').or_else(|| (!path.is_empty()).then_some(("", path))) else {
            return Ok(EntryKind::Folder);
        };
        let children = self.tree.list(folder)?;
        children.iter().find(|child| child.name == name).map(|child| child.kind).ok_or(TreeError::NotFound)
    }

    fn folder(&mut self, folder: &str, at: &Span, depth: usize) {
        let children = match self.tree.list(folder) {
            Ok(children) => children,
            Err(error) => return self.findings.push(unreadable(at.clone(), folder, &error)),
        };
        if depth > MAX_DEPTH {
            let message = format!("`{folder}` is nested more than {MAX_DEPTH} deep");
            let help = "name the folders further down in `komPath`";
            return self.findings.push(Diagnostic::error("kom-path", at.clone(), message).help(help));
        }
        for child in children {
            let path = join(folder, &child.name);
            match child.kind {
                EntryKind::Folder if !is_skipped(&child.name) => self.folder(&path, at, depth + 1),
                EntryKind::File if is_yaml(&child.name) => self.file(path, at),
                EntryKind::Symlink if is_yaml(&child.name) => {
                    let message = format!("`{path}` is a symbolic link, which is not followed");
                    let help = "put the file itself there";
                    self.findings.push(Diagnostic::warning("kom-path", at.clone(), message).help(help));
                }
                _ => {}
            }
        }
    }

    fn file(&mut self, path: String, at: &Span) {
        if self.files.len() < MAX_FILES {
            if self.seen.insert(path.clone()) {
                self.files.push(path);
            }
        } else if !self.full {
            self.full = true;
            let message = format!("`komPath` brings in more than {MAX_FILES} files");
            self.findings.push(Diagnostic::error("kom-path", at.clone(), message).help("split the entry"));
        }
    }
}

fn is_yaml(path: &str) -> bool {
    matches!(path.rsplit_once('.'), Some((_, "yml" | "yaml")))
}
