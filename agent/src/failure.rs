//! Why an App is not as its commit asks, and what happens next.

use std::fmt;

use kompox_core::next::Next;
use kompox_core::plan::{Action, Subject, What};
use kompox_drivers::error::DriverError;
use kompox_manifests::diagnostic::Span;
use kompox_manifests::object::ObjectKey;

use crate::cluster::ClusterError;
use crate::cluster::error::Cause;

/// Why something was not done. The text is for people and free of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What failed, where, why and what to do.
    pub(crate) text: String,
    /// A stable word for the cause: what logs and programs go by.
    pub(crate) label: &'static str,
    /// What sort of failure it is.
    pub(crate) kind: Kind,
}

/// The label of an App that is not deployed because another one that it depends on does not come.
pub(crate) const DEPENDS_ON: &str = "depends-on";

/// What to do about a field that can never change.
const IMMUTABLE: &str = "; such a field never changes in place: put it back in Git, or delete the object by hand and let \
                         the next reconcile make it anew (of a volume, only after a snapshot)";

/// The sorts of failure: they decide what happens next, the commit's status and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The commit is wrong: it cannot be loaded, or the API server refuses it. Nothing was written,
    /// and the same commit is not tried again.
    Rejected,
    /// Something is blocked or held and waits for a person. Nothing was written.
    Obstacle,
    /// It was written, but does not become healthy.
    Unhealthy,
    /// The agent, the cluster or the provider failed; what happens next.
    Fault(Next),
}

impl Failure {
    /// The API server did not take an object.
    pub(crate) fn of_object(key: &ObjectKey, origin: &Span, error: &ClusterError) -> Self {
        let remedy = if error.is_immutable() { IMMUTABLE } else { "" };
        Self { text: format!("{origin}: {key}: {error}{remedy}"), label: error.label(), kind: kind_of(error) }
    }

    /// The API server did not let an object go. That is no fault of the commit.
    pub(crate) fn of_deletion(key: &ObjectKey, origin: Option<&Span>, error: &ClusterError) -> Self {
        let (kind, remedy) = match error.cause {
            Cause::Denied(_) => {
                (Kind::Obstacle, "; nothing else waits for it: make the webhook let it go, or delete it by hand")
            }
            _ => (Kind::Fault(error.next()), ""),
        };
        let place = origin.map(|origin| format!("{origin}: ")).unwrap_or_default();
        Self { text: format!("{place}{key} does not go: {error}{remedy}"), label: error.label(), kind }
    }

    /// The cluster could not be read.
    pub(crate) fn of_cluster(what: &str, error: &ClusterError) -> Self {
        Self { text: format!("{what}: {error}"), label: error.label(), kind: Kind::Fault(error.next()) }
    }

    /// The provider did not do what it was asked for.
    pub(crate) fn of_driver(what: &str, error: &DriverError) -> Self {
        Self { text: format!("{what}: {error}"), label: error.label(), kind: Kind::Fault(error.next()) }
    }

    /// Something in the plan is blocked or held, or waits for something else.
    pub(crate) fn of_obstacle(obstacle: &Action) -> Self {
        let Action { what, reason, origin } = obstacle;
        let place = origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
        let (label, kind, remedy) = match what {
            What::Held { remedy, digest, .. } => {
                let accept = format!("; to let it go, push a commit with the line `Kompox-Accept: {digest}`");
                ("held", Kind::Obstacle, format!("{remedy}{accept}"))
            }
            What::Blocked { remedy, .. } => ("blocked", Kind::Obstacle, remedy.clone()),
            What::Left { remedy, .. } => ("left", Kind::Obstacle, remedy.clone()),
            What::Awaited { remedy, .. } => ("waiting", Kind::Fault(Next::Wait), remedy.clone()),
            _ => ("stopped", Kind::Obstacle, String::new()),
        };
        let about = match what.subject() {
            Subject::Object(key) => format!("{key}: "),
            Subject::Volume(_) | Subject::App => String::new(),
        };
        Self { text: format!("{place}{label}: {about}{reason}; {remedy}"), label, kind }
    }

    /// A fault that passes by itself.
    pub(crate) fn retry(label: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), label, kind: Kind::Fault(Next::Retry { after: None }) }
    }

    /// Something that has to happen first; it is heard of when it does.
    pub(crate) fn waiting(label: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), label, kind: Kind::Fault(Next::Wait) }
    }

    /// Whether it may pass by itself.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.kind, Kind::Fault(Next::Retry { .. } | Next::Wait))
    }
}

/// What the API server says no to, because of the object itself, is the commit's fault; all else is
/// ours.
fn kind_of(error: &ClusterError) -> Kind {
    match error.cause {
        Cause::Invalid(_) | Cause::Denied(_) => Kind::Rejected,
        // Somebody else's field: it passes when they let go of it, or the App takes it over.
        Cause::Conflict(_) => Kind::Obstacle,
        _ => Kind::Fault(error.next()),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
