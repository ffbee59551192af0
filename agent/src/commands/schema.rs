//! `schema`: JSON Schemas for editors.

use super::{Exit, answer};
use crate::args::{SchemaArgs, SchemaOf};

/// `schema`.
///
/// # Errors
/// stdout cannot be written.
pub(crate) fn schema(args: &SchemaArgs) -> anyhow::Result<Exit> {
    answer(&match args.of {
        SchemaOf::Kom => kompox_manifests::kom::schema::kom(),
        SchemaOf::Kompoxops => kompox_manifests::kom::schema::kompoxops(),
        SchemaOf::Agent => crate::config::schema(),
    })?;
    Ok(Exit::Success)
}
