//! The handle of a folder on a node: `local://<node><absolute path>`.
//!
//! Node and path are what a `local` PersistentVolume holds (its path and its node affinity), so the
//! handle can be read back from a bound volume when the node itself cannot be asked.

use std::fmt;
use std::str::FromStr;

use crate::driver::Result;
use crate::error::DriverError;

const SCHEME: &str = "local://";
/// Longest value of a Kubernetes label, which a node's name has to be.
const LABEL_VALUE: usize = 63;

/// A folder on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalHandle {
    node: String,
    path: String,
}

impl LocalHandle {
    /// The folder `path` on the node whose label `kubernetes.io/hostname` is `node`. Repeated and
    /// trailing slashes are dropped.
    ///
    /// # Errors
    /// `Invalid` when the node's name cannot be a label's value, or the path is not absolute, is the
    /// root directory, or has a part `.` or `..`.
    pub fn new(node: &str, path: &str) -> Result<Self> {
        check_node(node)?;
        Ok(Self { node: node.to_owned(), path: normal_path(path)? })
    }

    /// The node's label `kubernetes.io/hostname`.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The absolute path on the node.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for LocalHandle {
    type Err = DriverError;

    fn from_str(given: &str) -> Result<Self> {
        let split = |rest: &str| rest.find('/').map(|slash| (rest[..slash].to_owned(), rest[slash..].to_owned()));
        let (node, path) = given.strip_prefix(SCHEME).and_then(split).ok_or_else(|| {
            DriverError::invalid(format!("`{given}` is no handle of driver `local`: it has the form local://NODE/PATH"))
        })?;
        Self::new(&node, &path)
    }
}

impl fmt::Display for LocalHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}{}", self.node, self.path)
    }
}

/// Checks that a text can be the value of the label `kubernetes.io/hostname`.
pub(crate) fn check_node(node: &str) -> Result<()> {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = node.as_bytes();
    let fits = (1..=LABEL_VALUE).contains(&bytes.len())
        && bytes.iter().copied().all(allowed)
        && edge(bytes.first().copied())
        && edge(bytes.last().copied());
    if fits {
        return Ok(());
    }
    Err(DriverError::invalid(format!(
        "`{node}` cannot be the name of a node: give the value of its label kubernetes.io/hostname (1 to {LABEL_VALUE} \
         letters, digits, `-`, `_` and `.`)"
    )))
}

/// An absolute path without repeated or trailing slashes.
pub(crate) fn normal_path(path: &str) -> Result<String> {
    let error = |why: &str| DriverError::invalid(format!("the path `{}` {why}", path.escape_debug()));
    if !path.starts_with('/') {
        return Err(error("is not absolute"));
    }
    if path.chars().any(char::is_control) {
        return Err(error("has control characters"));
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(error("is the root of the file system; choose a folder"));
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(error("has a part `.` or `..`"));
    }
    Ok(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_written_and_read_back() {
        let handle = LocalHandle::new("node-1.example", "/var/lib/kompox/disks/a/data").unwrap();
        assert_eq!(handle.to_string(), "local://node-1.example/var/lib/kompox/disks/a/data");
        assert_eq!(handle.to_string().parse::<LocalHandle>().unwrap(), handle);
        assert_eq!((handle.node(), handle.path()), ("node-1.example", "/var/lib/kompox/disks/a/data"));
    }

    #[test]
    fn slashes_are_normalised() {
        let handle: LocalHandle = "local://n//a///b/".parse().unwrap();
        assert_eq!(handle.to_string(), "local://n/a/b");
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        for bad in [
            "",
            "/a",
            "local:",
            "local:data",
            "local://",
            "local://n",
            "local://n/",
            "local:///a",
            "local://n/../etc",
            "local://n/a/./b",
            "local://n o/a",
            "local://-n/a",
            "local://n/a\nb",
            "csi://n/a",
        ] {
            let error = bad.parse::<LocalHandle>().unwrap_err();
            assert_eq!(error.label(), "invalid", "{bad:?}");
        }
        assert!(LocalHandle::new(&"n".repeat(64), "/a").is_err());
        assert!(LocalHandle::new("n", "a").is_err());
    }
}
