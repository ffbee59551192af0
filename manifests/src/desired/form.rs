//! The form of entries: what their JSON Schemas tell an editor, and what holds between their documents. Nothing that
//! an App refers to is read, so that files can be checked where a key or a local file is not at hand.

use crate::diagnostic::{self, Diagnostic, Severity};
use crate::entry::{self, Found};
use crate::kom;
use crate::source::SourceTree;
use crate::yaml::fields::Findings;

/// What the entries of a commit look like, whatever their Apps ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// How many entries there are.
    pub entries: usize,
    /// How many Apps they are about.
    pub apps: usize,
    /// What was found, sorted and without repetitions.
    pub diagnostics: Vec<Diagnostic>,
}

impl Form {
    /// How many errors were found.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
    }
}

/// Checks the entries at and below `path`, with the files that `komPath` brings in, and nothing else: keys, types,
/// names, IDs and parents. Compose documents are not looked into.
#[must_use]
pub fn form(tree: &dyn SourceTree, path: &str) -> Form {
    let findings = Findings::new();
    let Found { entries, ambiguous, complete: _ } = entry::find(tree, path, &findings);
    let apps = entries.iter().map(|entry| kom::load(tree, entry, &findings).claims.len()).sum();
    let mut diagnostics = findings.into_vec();
    diagnostic::sort(&mut diagnostics);
    Form { entries: entries.len() + ambiguous.len() / 2, apps, diagnostics }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryTree;

    const ENTRY: &str = "version: v1
workspace: {name: acme}
provider: {name: home, driver: local}
cluster: {name: one}
app:
  name: shop
  compose: file:compose.yml
";

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let form = form(&MemoryTree::new(files.iter().copied()), "");
        form.diagnostics.iter().map(|found| format!("{} {found}", found.code)).collect()
    }

    #[test]
    fn what_an_app_refers_to_is_not_read() {
        let found = form(&MemoryTree::new([("kompoxops.yml", ENTRY), ("b/kompoxops.yml", ENTRY)]), "");
        assert_eq!(found, Form { entries: 2, apps: 2, diagnostics: Vec::new() });
    }

    #[test]
    fn keys_types_and_parents_are_checked() {
        let wrong = ENTRY.replace("  compose:", "  volumes: [{name: data, sise: 1Gi}]\n  compose:");
        let found = said(&[("kompoxops.yml", &wrong)]);
        assert!(found.iter().any(|found| found.starts_with("unknown-key kompoxops.yml:7:")), "{found:?}");
        let orphan = "apiVersion: ops.kompox.dev/v1alpha1\nkind: Cluster\nmetadata:\n  name: c\n  \
                      annotations: {ops.kompox.dev/id: /ws/w/prv/p/cls/c}\n";
        let found = said(&[("kompoxapp.yml", orphan)]);
        assert!(found.iter().any(|found| found.starts_with("kom-parent kompoxapp.yml:4:")), "{found:?}");
    }

    #[test]
    fn a_folder_with_two_entry_files_is_one_entry() {
        let found = form(&MemoryTree::new([("kompoxops.yml", ENTRY), ("kompoxapp.yml", "")]), "");
        assert_eq!((found.entries, found.apps, found.errors()), (1, 0, 1), "{:?}", found.diagnostics);
    }
}
