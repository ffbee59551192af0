//! The API server's own record of every request, for counting what a user agent did.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::traffic::Request;

/// Logs every finished request: who, what and the answer's status, no contents.
pub(crate) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: Metadata
";

/// The fields of an `audit.k8s.io/v1` Event that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    #[serde(default)]
    user_agent: String,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
}

/// The requests that the log at `path` holds, in the order in which they ended. A dry run that is asked
/// for in a DELETE's body is not seen as one: the log holds no bodies.
///
/// # Errors
/// When the log cannot be read.
pub fn requests(path: &Path) -> Result<Vec<Request>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the audit log {}", path.display()))?;
    // The server may be in the middle of the last line.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let event = |line| -> Result<Event> { serde_json::from_str(line).context("a line of the audit log is no event") };
    complete.lines().map(|line| Ok(request(event(line)?))).collect()
}

fn request(event: Event) -> Request {
    let method = match event.verb.as_str() {
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" | "deletecollection" => "DELETE",
        _ => "GET",
    };
    let (path, query) = event.request_uri.split_once('?').unwrap_or((&event.request_uri, ""));
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        dry_run: Request::asks_dry_run(query),
        status: event.response_status.and_then(|status| status.code),
        user_agent: event.user_agent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_finished_lines_and_leaves_the_one_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let line = r#"{"kind":"Event","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/configmaps/c?fieldManager=x&dryRun=All","verb":"patch","user":{"username":"admin"},"userAgent":"kompox-agent/0.1","responseStatus":{"metadata":{},"code":200}}"#;
        std::fs::write(&path, format!("{line}\n{{\"kind\":\"Ev")).unwrap();
        let read = requests(&path).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].method, "PATCH");
        assert_eq!(read[0].path, "/api/v1/namespaces/a/configmaps/c");
        assert_eq!(read[0].user_agent, "kompox-agent/0.1");
        assert_eq!(read[0].status, Some(200));
        assert!(read[0].dry_run);
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, "not json\n").unwrap();
        assert!(requests(&path).is_err());
    }
}
