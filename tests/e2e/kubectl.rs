//! kubectl, as a person runs it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Runs it against the cluster that a kubeconfig names; gives its standard output.
pub(crate) fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
    let output = std::process::Command::new("kubectl")
        .env("KUBECONFIG", kubeconfig)
        .args(arguments)
        .output()
        .context("kubectl is not installed")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {arguments:?}: {text}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
