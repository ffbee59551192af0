//! Every field and every mistake of the specs, by way of whole entries.

mod app;
mod documents;
mod policies;
mod single;

use super::*;
use crate::entry;
use crate::source::MemoryTree;

/// Loads the only entry of a tree.
fn load_files(files: &[(&str, &str)]) -> (Loaded, Vec<Diagnostic>) {
    let tree = MemoryTree::new(files.iter().copied());
    let search = Findings::new();
    let found = entry::find(&tree, "", &search);
    assert!(!search.has_errors());
    let findings = Findings::new();
    let loaded = load(&tree, &found.entries[0], &findings);
    (loaded, findings.into_vec())
}

/// One finding a line: severity, code, place, message, help.
fn report(diagnostics: &[Diagnostic]) -> String {
    let line = |finding: &Diagnostic| {
        let help = finding.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{}[{}] {finding}{help}", finding.severity, finding.code)
    };
    diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A `kompoxops.yml` whose `app` has these further lines; they begin on line 9.
fn with_app(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "version: v1\nworkspace: {{name: ops}}\nprovider: {{name: aks1, driver: aks}}\ncluster:\n  name: c1\napp:\n  name: web\n  compose: {{services: {{}}}}\n{indented}"
    )
}

/// The App of such a file.
fn app_of(lines: &str) -> AppSpec {
    let (mut loaded, diagnostics) = load_files(&[("kompoxops.yml", &with_app(lines))]);
    let errors = diagnostics.iter().filter(|finding| finding.severity == crate::diagnostic::Severity::Error);
    assert_eq!(errors.count(), 0, "{}", report(&diagnostics));
    loaded.apps.remove(0)
}

/// What is found in such a file.
fn app_report(lines: &str) -> String {
    report(&load_files(&[("kompoxops.yml", &with_app(lines))]).1)
}
