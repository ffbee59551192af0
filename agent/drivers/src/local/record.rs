//! What the driver writes beside the data: one file a disk with its tags, one a volume with the
//! name of its current disk.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::driver::Result;
use crate::error::{Conflict, DriverError};

/// The version of these files that this code reads and writes.
const FORMAT: u32 = 1;

/// A disk, in `disk.json` beside its folder `data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DiskRecord {
    pub(crate) format: u32,
    pub(crate) created: Timestamp,
    pub(crate) size_bytes: u64,
    pub(crate) source: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A volume's current disk, in `assigned.json`. One file, replaced in one step: there is never a
/// moment with two current disks, nor one with none between two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AssignedRecord {
    pub(crate) format: u32,
    pub(crate) disk: String,
}

/// The root's marker, in `.kompox-root`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MarkerRecord {
    pub(crate) format: u32,
    pub(crate) id: String,
    pub(crate) node: String,
}

impl DiskRecord {
    pub(crate) fn new(size_bytes: u64, source: String, options: BTreeMap<String, String>) -> Self {
        Self { format: FORMAT, created: Timestamp::now(), size_bytes, source, options, tags: BTreeMap::new() }
    }
}

impl AssignedRecord {
    pub(crate) fn new(disk: &str) -> Self {
        Self { format: FORMAT, disk: disk.to_owned() }
    }
}

impl MarkerRecord {
    pub(crate) fn new(id: String, node: &str) -> Self {
        Self { format: FORMAT, id, node: node.to_owned() }
    }
}

/// Reads one of these files. `path` is for the message.
pub(crate) fn parse<T: DeserializeOwned>(content: &[u8], path: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let damaged = |error: serde_json::Error| {
        DriverError::conflict(
            Conflict::Damaged,
            format!("{path} cannot be read ({error}); bring it back from a backup of the node"),
        )
    };
    let Version { format } = serde_json::from_slice(content).map_err(damaged)?;
    if format != FORMAT {
        return Err(DriverError::conflict(
            Conflict::Damaged,
            format!(
                "{path} has format {format}, and this version reads format {FORMAT}; use the version that wrote it"
            ),
        ));
    }
    serde_json::from_slice(content).map_err(damaged)
}

/// The text of one of these files.
pub(crate) fn write(record: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(record)
        .map_err(|error| DriverError::invalid(format!("a record cannot be written: {error}")))?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> DiskRecord {
        let mut record = DiskRecord::new(1 << 30, String::new(), BTreeMap::from([("sku".into(), "x".into())]));
        record.tags.insert("kompox-volume".into(), "data".into());
        record
    }

    #[test]
    fn a_record_is_read_back_to_the_nanosecond() {
        let record = record();
        assert_eq!(parse::<DiskRecord>(&write(&record).unwrap(), "p").unwrap(), record);
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let text = br#"{"format": 2, "somethingNew": true}"#;
        let error = parse::<DiskRecord>(text, "/r/disk.json").unwrap_err();
        assert_eq!(error.label(), "conflict_damaged");
        assert!(error.message.contains("/r/disk.json has format 2"), "{error}");
    }

    #[test]
    fn damage_never_panics_and_names_the_file() {
        let whole = write(&record()).unwrap();
        for length in 0..whole.len() - 2 {
            let error = parse::<DiskRecord>(&whole[..length], "/r/disk.json").unwrap_err();
            assert!(error.message.contains("/r/disk.json"), "{error}");
        }
        assert!(parse::<DiskRecord>(b"[]", "p").is_err());
        assert!(parse::<AssignedRecord>(br#"{"format": 1, "disk": "a", "extra": 1}"#, "p").is_err());
    }
}
