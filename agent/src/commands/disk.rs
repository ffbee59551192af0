//! `disk`: work with disks by hand.

use anyhow::Context as _;

use super::{Exit, answer};
use crate::args::{DiskArgs, DiskCommand};

/// `disk`.
///
/// # Errors
/// The folder cannot be prepared; nothing was changed then.
pub(crate) fn disk(args: &DiskArgs) -> anyhow::Result<Exit> {
    match &args.command {
        DiskCommand::InitRoot { path, node } => {
            let path = std::path::absolute(path)?;
            let path = path.to_str().context("the path is not UTF-8")?;
            let prepared = kompox_drivers::local::init_root(path, node)?;
            let done = if prepared.written { "is now" } else { "already is" };
            answer(&format!("{path} {done} the root {} of node {node}\n", prepared.marker.id))?;
            Ok(Exit::Success)
        }
    }
}
