use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The product's source files with their text, without tests.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for child in std::fs::read_dir(folder).unwrap() {
            let path = child.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                collect(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "catalogue.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push((path, product));
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join("manifests/src"), &mut found);
    collect(&root().join("agent/src"), &mut found);
    found
}

/// The text between the quotes that the source begins with.
fn literal(source: &str) -> Option<&str> {
    source.trim_start().strip_prefix('"')?.split_once('"').map(|(text, _)| text)
}

/// The value of a constant for codes in a file.
fn constant(source: &str, name: &str) -> Option<String> {
    let (_, rest) = source.split_once(&format!("const {name}: &str ="))?;
    literal(rest).map(str::to_owned)
}

/// Codes that are chosen before the diagnostic is made: they begin a tuple, with what goes with them.
fn chosen(source: &str) -> Vec<String> {
    let tuples = source.match_indices('(').filter_map(|(at, _)| literal(&source[at + 1..]));
    let kebab = |text: &&str| text.contains('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    tuples.filter(kebab).map(str::to_owned).collect()
}

/// Every use of a code in the product: the code, with the places and the severity where it stands there.
fn uses() -> BTreeMap<String, Vec<(Option<Severity>, String)>> {
    let sources = sources();
    let mut uses: BTreeMap<String, Vec<(Option<Severity>, String)>> = BTreeMap::new();
    let calls = [("Diagnostic::error(", Error), ("Diagnostic::warning(", Warning), ("Diagnostic::info(", Info)];
    for (path, text) in &sources {
        let place = path.display().to_string();
        for (call, severity) in calls {
            for (before, rest) in text.match_indices(call).map(|(at, _)| (&text[..at], &text[at + call.len()..])) {
                // `Diagnostic { severity, ..Diagnostic::error(…) }` is of any severity.
                let severity = (!before.ends_with("..")).then_some(severity);
                let argument = rest.split(',').next().unwrap().trim();
                let code = match (literal(rest), argument.rsplit_once("::")) {
                    (Some(code), _) => Some(code.to_owned()),
                    (None, Some((module, name))) => sources
                        .iter()
                        .filter(|(path, _)| path.file_stem().is_some_and(|stem| stem == module))
                        .find_map(|(_, text)| constant(text, name)),
                    (None, None) => constant(text, argument),
                };
                match code {
                    Some(code) => uses.entry(code).or_default().push((severity, place.clone())),
                    None => {
                        assert_eq!(argument, "code", "{place}: `{argument}` cannot be followed; write the code there");
                        for code in chosen(text) {
                            uses.entry(code).or_default().push((severity, place.clone()));
                        }
                    }
                }
            }
        }
    }
    uses
}

#[test]
fn every_code_that_is_used_is_explained() {
    let unknown: Vec<_> = uses().into_iter().filter(|(code, _)| explain(code).is_none()).collect();
    assert!(unknown.is_empty(), "add these codes to the catalogue: {unknown:#?}");
}

#[test]
fn every_code_that_is_explained_is_used_so() {
    let uses = uses();
    for Entry { code, severities, .. } in CATALOGUE {
        let Some(places) = uses.get(*code) else { panic!("`{code}` is used nowhere: take it out of the catalogue") };
        let used: BTreeSet<_> = places.iter().filter_map(|(severity, _)| *severity).collect();
        let missing: Vec<_> = used.iter().filter(|severity| !severities.contains(severity)).collect();
        assert!(missing.is_empty(), "`{code}` is used as {missing:?} as well: {places:?}");
        if places.iter().all(|(severity, _)| severity.is_some()) {
            assert_eq!(used.len(), severities.len(), "`{code}` is only used as {used:?}");
        }
    }
}

#[test]
fn the_catalogue_is_sorted_and_written_as_sentences() {
    for pair in CATALOGUE.windows(2) {
        assert!(pair[0].code < pair[1].code, "{} stands behind {}", pair[1].code, pair[0].code);
    }
    for Entry { code, severities, means, help } in CATALOGUE {
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        assert!(severities.is_sorted() && !severities.is_empty(), "{code}");
        for sentence in [means, help] {
            assert!(sentence.ends_with('.') && !sentence.contains('\n'), "{code}: {sentence}");
        }
    }
}

#[test]
fn the_page_is_current() {
    let path = root().join("docs/diagnostics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == markdown(), "{} is stale: run the tests with UPDATE_DOCS=1", path.display());
}
