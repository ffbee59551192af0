//! From observed to desired: the ordered list of actions, each with its reason.
pub mod diff;
pub mod mask;
