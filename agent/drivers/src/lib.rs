//! Disks and snapshots behind one trait; one module a provider.
//!
//! ```text
//! registry ─► Driver (the port) ◄── local │ … (one module a provider)
//!                               ◄── testing: memory, faulty (a decorator), conformance
//! class: how a disk appears in Kubernetes, pure, for every known driver
//! ```
//!
//! The types that drivers take and return (disks, specs, scopes) are in [`kompox_core::disk`]: the
//! plan decides with them and must not see this crate.

pub mod class;
pub mod driver;
pub mod error;
pub mod local;
pub mod registry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
