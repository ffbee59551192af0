//! Where values may go that come from encrypted files: into a Secret, and nowhere else. Anything else would be shown in
//! plain, in the cluster and in what this program says.

use crate::diagnostic::Diagnostic;
use crate::yaml::fields::Findings;
use crate::yaml::{Node, Secret, Value};

const CODE: &str = "secret-value";

/// Whether every secret of a Compose file stands where it may; the file has its variables replaced, and nothing is merged
/// yet. Reports the others.
pub(super) fn check(root: &Node, findings: &Findings) -> bool {
    walk(root, &mut Vec::new(), findings)
}

fn walk<'n>(node: &'n Node, path: &mut Vec<&'n str>, findings: &Findings) -> bool {
    let mut all = true;
    match &node.value {
        Value::Map(map) => {
            for entry in map {
                path.push(&entry.key.text);
                all &= walk(&entry.value, path, findings);
                path.pop();
            }
        }
        Value::Seq(items) => {
            path.push("[]");
            items.iter().for_each(|item| all &= walk(item, path, findings));
            path.pop();
        }
        _ => {
            if let Some(secret) = node.secret.as_ref().filter(|secret| !may_stand(path, node, secret)) {
                let message = format!("{} would be shown in plain here", secret.what);
                let help = "use it in `environment`, in an `env_file` or as a secret; in an encrypted Compose file, encrypt \
                            only such values (`encrypted_regex`)";
                findings.push(Diagnostic::error(CODE, node.span.clone(), message).help(help));
                all = false;
            }
        }
    }
    all
}

fn may_stand(path: &[&str], node: &Node, secret: &Secret) -> bool {
    match path {
        // Nothing is made of them; what is taken over by an alias stands there itself.
        [top, ..] if top.starts_with("x-") => true,
        ["services", _, key, ..] if key.starts_with("x-") && *key != "x-kompox" => true,
        ["services", _, "environment", "[]"] => {
            // The name stands in plain.
            node.as_str().and_then(|text| text.find('=')).is_some_and(|equals| equals < secret.from)
        }
        ["services", _, "environment", _] => true,
        _ => false,
    }
}
