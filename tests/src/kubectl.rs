//! kubectl, as a person runs it.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

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
