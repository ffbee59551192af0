//! kubectl, as a person runs it.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::folder::Folder;
use crate::wait::{Look, until};

/// Runs it against the cluster that a kubeconfig names; gives all that came of it.
///
/// # Errors
/// When it is not installed.
pub fn output_of(kubeconfig: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("kubectl");
    command.env("KUBECONFIG", kubeconfig).args(arguments).output().context("kubectl is not installed")
}

/// Runs it; gives its standard output.
///
/// # Errors
/// When it is not installed, or fails; with its words.
pub fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
    let output = output_of(kubeconfig, arguments)?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {arguments:?}: {text}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it until it succeeds and its standard output is good; gives that. `what` is what is awaited.
///
/// # Errors
/// It does not come within `limit`; with what was said last.
pub async fn shows(
    kubeconfig: &Path,
    arguments: &[&str],
    what: &str,
    limit: Duration,
    good: impl Fn(&str) -> bool,
) -> Result<String> {
    until(what, limit, || async {
        Ok(match kubectl(kubeconfig, arguments) {
            Ok(text) if good(&text) => Look::Done(text),
            Ok(text) => Look::NotYet(text),
            Err(error) => Look::NotYet(error.to_string()),
        })
    })
    .await
}

/// Applies an admission policy with its binding, and waits until what `probe` prints, or why it is refused, shows that
/// it is heeded: the API server takes a moment for that.
///
/// # Errors
/// It cannot be applied, or is not heeded within `limit`.
pub async fn enforce(
    kubeconfig: &Path,
    policy: &str,
    probe: &[&str],
    limit: Duration,
    is_heeded: impl Fn(&str) -> bool,
) -> Result<()> {
    let folder = Folder::temporary("policy")?;
    let file = folder.write("policy.yml", policy)?;
    kubectl(kubeconfig, &["apply", "-f", &file.to_string_lossy()])?;
    until("the policy to be in force", limit, || async {
        let said = kubectl(kubeconfig, probe).unwrap_or_else(|error| error.to_string());
        Ok(if is_heeded(&said) { Look::Done(()) } else { Look::NotYet(said) })
    })
    .await
}
