//! Calls to the cluster that failed, and what happens next.

use std::fmt;
use std::time::Duration;

use kompox_core::next::Next;
use kompox_core::ownership::FIELD_MANAGER;

/// A call to the cluster that failed: what was tried and why it did not work. Free of secret values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {cause}")]
pub(crate) struct ClusterError {
    /// What was tried: `apply Deployment shop/web`.
    pub(crate) action: String,
    /// Why it failed.
    pub(crate) cause: Cause,
}

/// Why a call to the cluster failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Other field managers own fields that the agent wants to set.
    Conflict(Vec<FieldConflict>),
    /// The object was changed, or replaced by another, since it was read.
    Changed,
    /// The list that was being read is no longer kept by the API server.
    Expired,
    /// The API server does not accept the object.
    Invalid(Vec<FieldProblem>),
    /// Admission (a policy, a webhook, Pod Security) does not let the object in.
    Denied(String),
    /// A ResourceQuota is used up.
    Quota(String),
    /// The agent's account lacks an RBAC rule.
    Forbidden(String),
    /// The agent's account is not known, or its credentials have expired.
    Unauthorized,
    /// It does not exist; for a write, usually its Namespace.
    NotFound(String),
    /// It exists already.
    AlreadyExists,
    /// It, or its Namespace, is being deleted.
    Terminating(String),
    /// A webhook cannot be asked without taking effect, so a dry-run is refused.
    WebhookNoDryRun(String),
    /// A webhook that must be asked does not answer.
    WebhookFailed {
        /// Its name.
        webhook: String,
        /// What the API server says about it.
        message: String,
    },
    /// The API server or the object store behind it is overloaded or failing.
    Unavailable {
        /// What it says.
        message: String,
        /// How long it asks to be left alone.
        after: Option<Duration>,
    },
    /// No answer within the deadline. A write may have been carried out all the same.
    TimedOut(Duration),
    /// No connection.
    Unreachable(String),
    /// The cluster is not the one that was asked for.
    WrongCluster {
        /// `W/P/C` that was asked for.
        wanted: String,
        /// `W/P/C` that the cluster says it is.
        found: String,
    },
    /// The Lease is not held any more: another agent may be writing.
    LeaseLost,
    /// The document does not fit into one object.
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The largest that is stored, in bytes.
        limit: usize,
    },
    /// How to reach the cluster is not known, or not as it is written.
    Configuration(String),
    /// The answer was not understood.
    Answer(String),
}

/// A field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldConflict {
    /// Path of the field: `.spec.replicas`.
    pub(crate) field: String,
    /// Its manager.
    pub(crate) manager: String,
    /// The subresource through which the manager wrote it.
    pub(crate) subresource: Option<String>,
}

/// A field that the API server does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// Path of the field; empty when the server names none.
    pub(crate) field: String,
    /// What is wrong with it; without the value where the object is a Secret.
    pub(crate) message: String,
    /// Whether the field can never change: only another object can have the new value.
    pub(crate) immutable: bool,
}

impl ClusterError {
    /// A failed call.
    pub(crate) fn new(action: impl Into<String>, cause: Cause) -> Self {
        Self { action: action.into(), cause }
    }

    /// What happens next.
    pub(crate) fn next(&self) -> Next {
        match &self.cause {
            Cause::Conflict(_)
            | Cause::Invalid(_)
            | Cause::Denied(_)
            | Cause::Forbidden(_)
            | Cause::WebhookNoDryRun(_)
            | Cause::WrongCluster { .. }
            | Cause::TooLarge { .. }
            | Cause::Configuration(_) => Next::Stalled,
            Cause::Quota(_) | Cause::Unauthorized | Cause::NotFound(_) | Cause::Terminating(_) | Cause::LeaseLost => {
                Next::Wait
            }
            Cause::Changed
            | Cause::Expired
            | Cause::AlreadyExists
            | Cause::WebhookFailed { .. }
            | Cause::TimedOut(_)
            | Cause::Unreachable(_)
            | Cause::Answer(_) => Next::Retry { after: None },
            Cause::Unavailable { after, .. } => Next::Retry { after: *after },
        }
    }

    /// A stable word for the sort of error: a metric's label, a test's expectation.
    pub(crate) fn label(&self) -> &'static str {
        match &self.cause {
            Cause::Conflict(_) => "conflict",
            Cause::Changed => "changed",
            Cause::Expired => "expired",
            Cause::Invalid(_) => "invalid",
            Cause::Denied(_) => "denied",
            Cause::Quota(_) => "quota",
            Cause::Forbidden(_) => "forbidden",
            Cause::Unauthorized => "unauthorized",
            Cause::NotFound(_) => "not-found",
            Cause::AlreadyExists => "already-exists",
            Cause::Terminating(_) => "terminating",
            Cause::WebhookNoDryRun(_) => "webhook-no-dry-run",
            Cause::WebhookFailed { .. } => "webhook-failed",
            Cause::Unavailable { .. } => "unavailable",
            Cause::TimedOut(_) => "timed-out",
            Cause::Unreachable(_) => "unreachable",
            Cause::WrongCluster { .. } => "wrong-cluster",
            Cause::LeaseLost => "lease-lost",
            Cause::TooLarge { .. } => "too-large",
            Cause::Configuration(_) => "configuration",
            Cause::Answer(_) => "answer",
        }
    }

    /// Whether the object cannot be changed into the wanted one, only replaced by it.
    pub(crate) fn is_immutable(&self) -> bool {
        matches!(&self.cause, Cause::Invalid(problems) if problems.iter().any(|problem| problem.immutable))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflicts) => {
                write!(out, "owned by others than {FIELD_MANAGER}: {}", list(conflicts))?;
                out.write_str("; leave them out of the repository, or take them over with `reconcile.force: true`")
            }
            Self::Changed => out.write_str("somebody else changed it in the meantime"),
            Self::Expired => out.write_str("the list expired while it was read"),
            Self::Invalid(problems) => write!(out, "the API server does not accept it: {}", list(problems)),
            Self::Denied(message) => write!(out, "admission does not let it in: {message}"),
            Self::Quota(message) => write!(out, "{message}; raise the quota or free some of it"),
            Self::Forbidden(message) => out.write_str(message),
            Self::Unauthorized => {
                out.write_str("the API server does not accept the credentials; they may have expired")
            }
            Self::NotFound(what) => write!(out, "{what} does not exist"),
            Self::AlreadyExists => out.write_str("it exists already"),
            Self::Terminating(what) => write!(out, "{what} is being deleted"),
            Self::WebhookNoDryRun(webhook) => {
                write!(out, "the admission webhook {webhook} cannot be asked without taking effect (sideEffects)")
            }
            Self::WebhookFailed { webhook, message } => {
                write!(out, "the admission webhook {webhook} does not answer: {message}")
            }
            Self::Unavailable { message, .. } => write!(out, "the API server is not able to answer: {message}"),
            Self::TimedOut(deadline) => {
                write!(out, "no answer from the API server within {} s", deadline.as_secs_f32())
            }
            Self::Unreachable(message) => write!(out, "the API server cannot be reached: {message}"),
            Self::WrongCluster { wanted, found } => write!(
                out,
                "this is the cluster {found}, not {wanted}; check the kubeconfig and its context (the Namespace \
                 k4x-system says so in its annotation kompox.dev/cluster)"
            ),
            Self::LeaseLost => out.write_str("the Lease was lost, so nothing is written any more"),
            Self::TooLarge { size, limit } => write!(out, "{size} bytes do not fit into one object (at most {limit})"),
            Self::Configuration(message) => out.write_str(message),
            Self::Answer(message) => write!(out, "the answer was not understood: {message}"),
        }
    }
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} by {}", self.field, self.manager)?;
        match &self.subresource {
            Some(subresource) => write!(out, " (through {subresource})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return out.write_str(&self.message);
        }
        write!(out, "{}: {}", self.field, self.message)
    }
}

/// The items for a sentence; a report needs no more than a few.
fn list<T: fmt::Display>(items: &[T]) -> String {
    const MOST: usize = 5;
    let mut text = items.iter().take(MOST).map(T::to_string).collect::<Vec<_>>().join("; ");
    if items.len() > MOST {
        text.push_str(&format!("; and {} more", items.len() - MOST));
    }
    text
}
