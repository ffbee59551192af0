//! `post_start` and `pre_stop`: commands beside a container's own. Kubernetes runs one command each, so several
//! are made one script.

use super::words::words;
use super::{Scope, keys, scalar};
use crate::diagnostic::Diagnostic;
use crate::shell;
use crate::yaml::{Map, Node};

const CODE: &str = "hook";

/// Reads the hooks under a key: the one command that Kubernetes is to run.
pub(super) fn hook(scope: &Scope<'_>, service: &Map, key: &str) -> Option<Vec<String>> {
    let node = keys::optional(service, key)?;
    let hooks = scalar::each(node).iter().filter_map(Node::as_map);
    let mut commands: Vec<Vec<String>> = hooks.filter_map(|hook| command(scope, hook, key)).collect();
    if commands.len() < 2 {
        return commands.pop();
    }
    let message = format!("the commands of `{key}` run one after the other in one `sh` of the container");
    let help = "nothing needs to be done if the image has a shell; else write one command";
    scope.findings.push(Diagnostic::info(CODE, node.span.clone(), message).help(help));
    let script: Vec<String> = commands.iter().map(|words| shell::words(words)).collect();
    Some(vec!["sh".to_owned(), "-c".to_owned(), script.join(" && ")])
}

fn command(scope: &Scope<'_>, hook: &Map, key: &str) -> Option<Vec<String>> {
    let entry = hook.entry("command")?;
    let words = if entry.value.is_null() { Vec::new() } else { words(&entry.value, "command", scope.findings)? };
    if words.is_empty() {
        let message = format!("a hook of `{key}` has no command");
        let help = "write the command, or remove the hook";
        scope.findings.push(Diagnostic::error(CODE, entry.key.span.clone(), message).help(help));
        return None;
    }
    Some(words)
}
