//! The table of safety rules says nothing that no test tries.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};

#[test]
fn every_rule_names_tests_that_exist() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/safety.md"))?;
    let mut tests = BTreeSet::new();
    for folder in ["agent", "manifests", "tests"] {
        collect(&root.join(folder), &mut tests)?;
    }
    let mut rules = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| rule ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        ensure!(cells.len() == 4, "not four cells: {row}");
        let named: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        ensure!(!named.is_empty(), "no test is named: {row}");
        for name in named {
            ensure!(tests.contains(name), "docs/safety.md names the test `{name}`, which does not exist");
        }
        rules += 1;
    }
    ensure!(rules >= 20, "only {rules} rules were read");
    Ok(())
}

/// Names of all functions that carry a test attribute, below a folder.
fn collect(folder: &Path, tests: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, tests)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some((name, _)) = function.and_then(|function| function.split_once('(')) {
                    if is_test {
                        tests.insert(name.to_owned());
                    }
                    is_test = false;
                }
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            }
        }
    }
    Ok(())
}
