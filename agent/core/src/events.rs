//! Kubernetes Events: what happened to an App, told once.
//!
//! ```text
//! facts ─► Teller (what is news) ─► Occurrence ─► Desk (repeats, rate) ─► one request, or none
//! ```

mod desk;
mod teller;

pub use desk::{Desk, Limits, Topic};
pub use teller::{Occurrence, Severity, Teller};

#[cfg(test)]
mod tests;
