//! Plan, order, safety guards and report texts.
//!
//! This crate is pure: it decides, it never acts. It gets the desired state
//! (`kompox-manifests`) and what was observed, and returns values that adapters carry out.

pub mod archive;
pub mod disk;
pub mod events;
pub mod health;
pub mod history;
pub mod next;
pub mod observed;
pub mod ownership;
pub mod pause;
pub mod plan;
pub mod prepull;
pub mod report;
pub mod seal;
pub mod views;
pub mod windows;
