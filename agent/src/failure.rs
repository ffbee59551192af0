//! Why an App is not as its commit asks, and what happens next.

use std::fmt;

use kompox_core::plan::{Action, What};
use kompox_drivers::error::{DriverError, Next as DriverNext};
use kompox_manifests::diagnostic::Span;
use kompox_manifests::object::ObjectKey;

use crate::cluster::ClusterError;

/// Why something was not done. The text is for people and free of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What failed, where, why and what to do.
    pub text: String,
    /// What happens next.
    pub next: Next,
    /// Who has to act.
    pub fault: Fault,
}

/// What happens after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A person must act; the same commit is not tried again.
    Stalled,
    /// A person's word or something else outside is awaited; looked at again at every turn.
    Wait,
    /// Tried again, with back-off.
    Retry,
}

/// Whose failure it is: decides between the commit statuses `failure` and `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit is wrong or unhealthy.
    Commit,
    /// The agent, the cluster or the provider is at fault.
    Ours,
}

impl Failure {
    /// The API server did not take an object.
    pub fn of_object(key: &ObjectKey, origin: &Span, error: &ClusterError) -> Self {
        let (next, fault) = outcome(error);
        Self { text: format!("{origin}: {key}: {error}"), next, fault }
    }

    /// The cluster could not be read.
    pub fn of_cluster(what: &str, error: &ClusterError) -> Self {
        let (next, fault) = outcome(error);
        Self { text: format!("{what}: {error}"), next, fault }
    }

    /// The provider did not do what it was asked for.
    pub fn of_driver(what: &str, error: &DriverError) -> Self {
        let next = match error.next() {
            DriverNext::Stalled | DriverNext::Wait => Next::Wait,
            DriverNext::Retry { .. } => Next::Retry,
        };
        Self { text: format!("{what}: {error}"), next, fault: Fault::Ours }
    }

    /// Something in the plan is blocked or held.
    pub fn of_obstacle(obstacle: &Action) -> Self {
        let (verb, remedy) = match &obstacle.what {
            What::Held { remedy, .. } => ("held", remedy.as_str()),
            What::Blocked { remedy, .. } => ("blocked", remedy.as_str()),
            _ => ("stopped", ""),
        };
        let place = obstacle.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
        let text = format!("{place}{verb}: {}; {remedy}", obstacle.reason);
        Self { text, next: Next::Wait, fault: Fault::Commit }
    }

    /// It passes by itself.
    pub fn retry(text: impl Into<String>) -> Self {
        Self { text: text.into(), next: Next::Retry, fault: Fault::Ours }
    }

    /// A person must act on the agent's side.
    pub fn stalled(text: impl Into<String>) -> Self {
        Self { text: text.into(), next: Next::Stalled, fault: Fault::Ours }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
