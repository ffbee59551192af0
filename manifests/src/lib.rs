//! KOM and Compose in, typed desired state and diagnostics out.
//!
//! This crate is pure: no clock, no network, no cluster, no environment. Everything that it reads
//! comes through [`source::SourceTree`]; everything that it cannot know (the handle of a disk, the
//! hash of a Secret that operators keep in the cluster) is a named slot that the caller fills in
//! [`slots::Slots`].
//!
//! ```text
//! SourceTree ─► yaml (tree with positions) ─► kom / compose (typed) ─► desired ─► render(slots) ─► objects
//! ```

pub mod compose;
pub mod desired;
pub mod diagnostic;
pub mod entry;
pub mod hash;
pub mod id;
pub mod kom;
pub mod labels;
pub mod model;
pub mod names;
pub mod object;
pub mod policy;
pub mod render;
pub mod schedule;
pub mod schema;
mod shell;
pub mod slots;
pub mod sops;
pub mod source;
pub mod yaml;
