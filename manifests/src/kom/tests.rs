//! Every field and every mistake of the specs, by way of whole entries.

mod app;
mod documents;
mod keys;
mod policies;
mod single;

use super::*;
use crate::diagnostic::Severity;
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
    let findings = findings.into_vec();
    compare_with_schemas(files, &findings);
    (loaded, findings)
}

/// Mistakes that a schema can tell of, as long as they are in no Compose document.
const TOLD_BY_SCHEMAS: [&str; 8] = [
    "unknown-key",
    "missing-key",
    "wrong-type",
    "unknown-value",
    "out-of-range",
    "kom-version",
    "kom-kind",
    "kom-api-version",
];

/// The schemas refuse nothing that the reader accepts, and what they can tell they do tell.
fn compare_with_schemas(files: &[(&str, &str)], findings: &[Diagnostic]) {
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".yml")) {
        let Some(refusals) = schema::tests::refusals(path, text) else { continue };
        let here = |finding: &&Diagnostic| finding.at.file.path == *path;
        let errors = || findings.iter().filter(here).filter(|finding| finding.severity == Severity::Error);
        // Other files may not have been read at all.
        if path.ends_with(entry::KOM_FILE) || path.ends_with(entry::SINGLE_FILE) {
            let sound = errors().count() == 0;
            assert!(!sound || refusals.is_empty(), "{path} is sound, but the schema says {refusals:?}:\n{text}");
        }
        if let Some(told) = errors().find(|finding| TOLD_BY_SCHEMAS.contains(&finding.code)) {
            assert!(!refusals.is_empty(), "the schema says nothing of {told}:\n{text}");
        }
    }
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
