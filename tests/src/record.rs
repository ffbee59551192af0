//! What the agent writes down about a source, as a test reads it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::kubectl::kubectl;
use crate::wait::Look;

/// One look at whether the agent has written down that a commit of a source is a success; for
/// [`until`](crate::wait::until).
///
/// # Errors
/// When the record is there and cannot be read.
pub fn success(kubeconfig: &Path, source: &str, commit: &str) -> Result<Look<()>> {
    let (name, path) = (format!("kompox-source-{source}"), "jsonpath={.data.state\\.json}");
    let record = kubectl(kubeconfig, &["-n", "k4x-system", "get", "configmap", &name, "-o", path]);
    let Ok(record) = record else { return Ok(Look::NotYet("no record".to_owned())) };
    let record: Value = serde_json::from_str(&record).context("the record")?;
    let is_done = record["commit"]["id"] == commit && record["commit"]["state"] == "success";
    Ok(if is_done { Look::Done(()) } else { Look::NotYet(record["commit"].to_string()) })
}

/// Writes down that another build of the agent has rendered the Pod that was applied of an App.
///
/// # Errors
/// When nothing is written down of the App.
pub fn render_otherwise(kubeconfig: &Path, namespace: &str, app: &str) -> Result<()> {
    let secret = format!("{app}--last-applied");
    let path = r#"go-template={{index .data "record.json" | base64decode}}"#;
    let record = kubectl(kubeconfig, &["-n", namespace, "get", "secret", &secret, "-o", path])?;
    let mut record: Value = serde_json::from_str(&record).context("the record of the App")?;
    ensure!(record["pod"].is_string(), "the Pod was not written down: {record}");
    record["pod"] = json!("of another build");
    let patch = json!({"stringData": {"record.json": record.to_string()}}).to_string();
    kubectl(kubeconfig, &["-n", namespace, "patch", "secret", &secret, "--type=merge", "-p", &patch]).map(drop)
}
