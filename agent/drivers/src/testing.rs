//! For tests, here and (feature `testing`) in other crates: a driver that keeps everything in
//! memory, a decorator that makes any driver fail by script, and the suite that every driver passes.

pub mod conformance;
pub mod faulty;
pub mod memory;

pub use faulty::{Fault, FaultyDriver, Operation};
pub use memory::MemoryDriver;
