//! Files of the repository that a Compose file refers to.

use std::sync::Arc;

use super::Scope;
use super::scalar::shown;
use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::sops::{self, Form};
use crate::source::{EntryKind, SourceTree, TreeError};
use crate::yaml::fields::Findings;

/// Code of everything about a path.
const CODE: &str = "file-reference";

/// A path in the repository from one that is relative to a folder.
///
/// # Errors
/// Why the path cannot be followed, in words that go behind the path.
pub(super) fn resolve(folder: &str, path: &str) -> Result<String, &'static str> {
    if let Some(why) = absolute(path) {
        return Err(why);
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("leaves its folder with `..`"),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Why a path is not relative to a folder, in words that go behind the path.
fn absolute(path: &str) -> Option<&'static str> {
    if path.trim().is_empty() {
        Some("is empty")
    } else if path.contains("://") {
        Some("is a URL; only files of the repository are read")
    } else if path.starts_with(['/', '~', '\\']) || path.as_bytes().get(1) == Some(&b':') {
        Some("is absolute")
    } else {
        None
    }
}

/// Last component of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A file that was read, with its path in the repository.
pub(super) struct Opened {
    pub(super) path: String,
    pub(super) bytes: Arc<[u8]>,
}

/// Reads a file that the Compose file names at `at`. With `required` false a missing file is no error.
pub(super) fn open(scope: &Scope<'_>, path: &str, at: &Span, limit: u64, required: bool) -> Option<Opened> {
    if !may_read(scope.input.local_files, path, at, scope.findings) {
        return None;
    }
    read(scope.input.tree, &scope.origin(at).folder, path, at, limit, required, scope.findings)
}

/// Whether the App may refer to local files; reports when not.
pub(super) fn may_read(local_files: bool, path: &str, at: &Span, findings: &Findings) -> bool {
    if !local_files {
        let message = format!("`{}` is a local file, and this App came in through `komPath`", shown(path, at));
        let help = "write the App in the entry file itself; only there it may refer to local files";
        findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
    }
    local_files
}

/// Reads a file of the repository that is named relative to a folder.
pub(super) fn read(
    tree: &dyn SourceTree,
    folder: &str,
    path: &str,
    at: &Span,
    limit: u64,
    required: bool,
    findings: &Findings,
) -> Option<Opened> {
    match resolve(folder, path) {
        Ok(resolved) => read_inside(tree, resolved, at, limit, required, findings),
        Err(why) => {
            let message = format!("the path `{}` {why}", shown(path, at));
            let help = "name a file at or below the Compose file's folder";
            findings.push(Diagnostic::error(CODE, at.clone(), message).help(help));
            None
        }
    }
}

/// The path in the repository of a Compose file, or of its variables, that is named relative to a folder: `..` may lead
/// out of the folder, but not out of the repository.
pub(super) fn inside(folder: &str, path: &str, at: &Span, findings: &Findings) -> Option<String> {
    let joined = match absolute(path) {
        Some(why) => Err(why),
        None => crate::entry::normalize(&crate::entry::join(folder, path)).ok_or("leaves the repository"),
    };
    let why = match joined {
        Ok(resolved) => return Some(resolved),
        Err(why) => why,
    };
    let message = format!("the path `{}` {why}", shown(path, at));
    findings.push(Diagnostic::error(CODE, at.clone(), message).help("name a file of this repository"));
    None
}

/// Folder of a file.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Reads a file by its path in the repository.
pub(super) fn read_inside(
    tree: &dyn SourceTree,
    resolved: String,
    at: &Span,
    limit: u64,
    required: bool,
    findings: &Findings,
) -> Option<Opened> {
    let error = match tree.read(&resolved, limit) {
        Ok(bytes) => return Some(Opened { path: resolved, bytes }),
        Err(TreeError::NotFound) if !required => return None,
        Err(error) => error,
    };
    let message = format!("cannot read `{}`: {error}", shown(&resolved, at));
    findings.push(Diagnostic::error(CODE, at.clone(), message).help(error.help()));
    None
}

/// How a file is encrypted, if it is.
///
/// # Errors
/// It was encrypted, and nothing says any more how.
pub(super) fn encrypted_form(opened: &Opened) -> Result<Option<Form>, Vec<Diagnostic>> {
    let form = sops::form_of(&opened.path, &opened.bytes);
    if form.is_none() && sops::lacks_metadata(&opened.path, &opened.bytes) {
        let source = Arc::new(SourceFile { path: opened.path.clone(), text: String::new() });
        let message = "values of the file are encrypted, and what SOPS needs to read them (`sops`) was taken away";
        let help = "take the file from an earlier commit";
        return Err(vec![Diagnostic::error("encrypted-file", Span::file(&source), message).help(help)]);
    }
    Ok(form)
}

/// What a relative bind would find in the repository, where Compose would mount it from.
pub(super) enum InRepository {
    /// Nothing: the folder is made on the volume.
    Nothing,
    /// A file.
    File,
    /// A folder with files that mean something.
    Folder,
}

/// Looks a path of the repository up.
pub(super) fn look_up(scope: &Scope<'_>, path: &str) -> InRepository {
    match scope.input.tree.read(path, 0) {
        Ok(_) | Err(TreeError::TooLarge { .. }) => InRepository::File,
        _ => match scope.input.tree.list(path) {
            Ok(entries) if entries.iter().any(|entry| is_content(&entry.name, entry.kind)) => InRepository::Folder,
            _ => InRepository::Nothing,
        },
    }
}

/// Files like `.gitkeep` only keep an empty folder in Git.
fn is_content(name: &str, kind: EntryKind) -> bool {
    !(kind == EntryKind::File && matches!(name, ".gitkeep" | ".keep" | ".gitignore"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_folder() {
        assert_eq!(resolve("apps/web", "./conf//nginx.conf"), Ok("apps/web/conf/nginx.conf".to_owned()));
        assert_eq!(resolve("", "a.env"), Ok("a.env".to_owned()));
        assert_eq!(resolve("", "a/./b"), Ok("a/b".to_owned()));
        for path in ["", " ", "/etc/passwd", "~/x", "C:/x", "\\x", "../x", "a/../../x", "https://x/y", "a/.."] {
            assert!(resolve("apps/web", path).is_err(), "{path}");
        }
    }
}
