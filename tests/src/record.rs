//! What the agent writes down about a source, as a test reads it.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

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
