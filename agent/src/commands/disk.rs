//! `disk`: work with disks by hand.

use super::{Exit, answer};
use crate::args::{DiskArgs, DiskCommand};

/// `disk`.
///
/// # Errors
/// The folder cannot be prepared; nothing was changed then.
pub fn disk(args: &DiskArgs) -> anyhow::Result<Exit> {
    match &args.command {
        DiskCommand::InitRoot { path, node } => {
            let root = kompox_drivers::local::init_root(path, node)?;
            answer(&format!("{} is the root {} of node {node}\n", path.display(), root.id))?;
            Ok(Exit::Success)
        }
    }
}
