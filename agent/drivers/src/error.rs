//! What goes wrong at a provider, and what happens next.

use std::fmt;
use std::time::Duration;

use kompox_core::next::Next;

/// Why a driver did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DriverError {
    /// What sort of error it is.
    pub kind: ErrorKind,
    /// What failed, where, why and what to do, for people. Never a secret.
    pub message: String,
    /// The provider's name for the failed request, to show to its support.
    pub request_id: Option<String>,
}

/// The sorts of errors that every driver maps its provider's to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be right, whoever asks and whenever.
    Invalid,
    /// The provider does not know who asks.
    Auth,
    /// Who asks may not do this.
    Permission,
    /// Proved: what the request refers to is not there.
    NotFound,
    /// What is there stands against the request.
    Conflict(Conflict),
    /// Something must not be deleted: a lock at the provider, or `kompox-keep`.
    Protected,
    /// There is no room (space, or a limit on numbers).
    Quota,
    /// The provider asks for patience.
    Throttled {
        /// Not before this has passed; `None` when the provider did not say.
        after: Option<Duration>,
    },
    /// It may work the next time.
    Transient,
    /// This driver, or the place where it runs, cannot do this.
    Unsupported,
}

/// What stands against a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The name is taken by something that another operation made.
    NameTaken,
    /// It belongs to another App.
    NotOurs,
    /// No cluster, or another one, claims it.
    Claimed,
    /// It is the current disk of its volume.
    Assigned,
    /// A node uses it.
    Attached,
    /// Somebody else is at work; it passes by itself.
    Busy,
    /// What is there is damaged, or made by a version that this one cannot read.
    Damaged,
}

impl DriverError {
    /// An error without a request id.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), request_id: None }
    }

    /// [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// [`ErrorKind::Conflict`].
    pub fn conflict(conflict: Conflict, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict(conflict), message)
    }

    /// [`ErrorKind::Transient`].
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Transient, message)
    }

    /// [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A stable word for the sort of error: a metric's label, a test's expectation.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match &self.kind {
            ErrorKind::Invalid => "invalid",
            ErrorKind::Auth => "auth",
            ErrorKind::Permission => "permission",
            ErrorKind::NotFound => "not_found",
            ErrorKind::Conflict(conflict) => conflict.label(),
            ErrorKind::Protected => "protected",
            ErrorKind::Quota => "quota",
            ErrorKind::Throttled { .. } => "throttled",
            ErrorKind::Transient => "transient",
            ErrorKind::Unsupported => "unsupported",
        }
    }

    /// What happens next.
    #[must_use]
    pub fn next(&self) -> Next {
        match &self.kind {
            ErrorKind::Throttled { after } => Next::Retry { after: *after },
            ErrorKind::Transient => Next::Retry { after: None },
            ErrorKind::Conflict(Conflict::Busy | Conflict::Attached) => Next::Wait,
            ErrorKind::Invalid
            | ErrorKind::Auth
            | ErrorKind::Permission
            | ErrorKind::NotFound
            | ErrorKind::Conflict(_)
            | ErrorKind::Protected
            | ErrorKind::Quota
            | ErrorKind::Unsupported => Next::Stalled,
        }
    }
}

impl Conflict {
    fn label(self) -> &'static str {
        match self {
            Self::NameTaken => "conflict_name_taken",
            Self::NotOurs => "conflict_not_ours",
            Self::Claimed => "conflict_claimed",
            Self::Assigned => "conflict_assigned",
            Self::Attached => "conflict_attached",
            Self::Busy => "conflict_busy",
            Self::Damaged => "conflict_damaged",
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.request_id {
            Some(id) => write!(formatter, " (request id {id})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_not_stalled() {
        let after = Some(Duration::from_secs(7));
        for (kind, next) in [
            (ErrorKind::Throttled { after }, Next::Retry { after }),
            (ErrorKind::Transient, Next::Retry { after: None }),
            (ErrorKind::Conflict(Conflict::Busy), Next::Wait),
            (ErrorKind::Conflict(Conflict::Attached), Next::Wait),
            (ErrorKind::Conflict(Conflict::Assigned), Next::Stalled),
            (ErrorKind::Conflict(Conflict::Claimed), Next::Stalled),
            (ErrorKind::NotFound, Next::Stalled),
            (ErrorKind::Quota, Next::Stalled),
        ] {
            assert_eq!(DriverError::new(kind, "").next(), next);
        }
    }

    #[test]
    fn labels_are_stable() {
        assert_eq!(DriverError::conflict(Conflict::NameTaken, "").label(), "conflict_name_taken");
        assert_eq!(DriverError::new(ErrorKind::Throttled { after: None }, "").label(), "throttled");
    }

    #[test]
    fn the_request_id_is_shown() {
        let mut error = DriverError::transient("disk `a` could not be read");
        assert_eq!(error.to_string(), "disk `a` could not be read");
        error.request_id = Some("r-1".into());
        assert_eq!(error.to_string(), "disk `a` could not be read (request id r-1)");
    }
}
