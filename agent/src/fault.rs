//! Errors of the adapters to the outside, sorted by what happens next.

use std::time::Duration;

use kompox_core::next::Next;

/// An error with what failed, where, why, and what to do. Free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    /// What happens next.
    pub(crate) next: Next,
    /// Stable, kebab-case name of the error, for metrics.
    pub(crate) code: &'static str,
    /// What failed, where and why: one sentence without a final full stop.
    pub(crate) message: String,
    /// What to do about it: one sentence without a final full stop.
    pub(crate) help: Option<String>,
}

impl Fault {
    /// An error that a person must mend.
    #[must_use]
    pub(crate) fn stalled(code: &'static str, message: impl Into<String>) -> Self {
        Self { next: Next::Stalled, code, message: message.into(), help: None }
    }

    /// An error that may pass by itself.
    #[must_use]
    pub(crate) fn retry(code: &'static str, message: impl Into<String>) -> Self {
        Self { next: Next::Retry { after: None }, code, message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says how long to wait at least; without effect on a stalled error.
    #[must_use]
    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        if let Next::Retry { after } = &mut self.next {
            *after = wait;
        }
        self
    }
}
