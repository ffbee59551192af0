//! What happens after an error; the same three words for every adapter.

use std::time::Duration;

/// What happens after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A person must act; trying again changes nothing until then.
    Stalled,
    /// It passes by itself; look again at the next turn.
    Wait,
    /// Try again, not before `after` when it is given.
    Retry {
        /// The least time to wait.
        after: Option<Duration>,
    },
}
