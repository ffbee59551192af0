//! Packs: what arrives is written into the mirror only when it is whole and fits its hashes.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{Indexer, Odb, Oid, Repository};

/// Limits on what a remote may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackLimits {
    /// Largest pack, in bytes.
    pub(super) bytes: u64,
    /// Largest number of objects in a pack.
    pub(super) objects: usize,
}

/// Why a pack was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    /// More bytes than allowed.
    #[error("it has more than {0} bytes")]
    TooManyBytes(u64),
    /// More objects than allowed.
    #[error("it has {0} objects, more than the limit of {1}")]
    TooManyObjects(usize, usize),
    /// The caller gave up, or the connection broke.
    #[error("it broke off")]
    Interrupted,
    /// The pack is damaged, or the disk failed.
    #[error("{0}")]
    Git(git2::Error),
    /// The object store failed on the sending side of a local copy.
    #[error("{0}")]
    Source(git2::Error),
}

/// What the thread that stores a pack is handed.
pub(super) enum Piece {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// The pack is complete. Without it, the pack is thrown away.
    End,
}

/// Set by the side that gives up; looked at by the thread that works.
#[derive(Clone, Default)]
pub(super) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Whether the work is to stop.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes the work stop when the guard is dropped, for example because its future was.
    pub(super) fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

/// See [`Cancel::on_drop`].
pub(super) struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Where the pieces of a pack go.
pub(super) struct PackSink<'a> {
    indexer: Indexer<'a>,
    limits: PackLimits,
    cancel: &'a Cancel,
    received: u64,
}

impl PackSink<'_> {
    /// Takes the next piece.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        if self.cancel.is_set() {
            return Err(PackError::Interrupted);
        }
        self.received += bytes.len() as u64;
        if self.received > self.limits.bytes {
            return Err(PackError::TooManyBytes(self.limits.bytes));
        }
        self.indexer.write_all(bytes).map_err(|error| match error.downcast::<git2::Error>() {
            Ok(error) => PackError::Git(error),
            Err(error) => PackError::Git(git2::Error::from_str(&error.to_string())),
        })
    }
}

/// Stores a pack in an object folder. `feed` writes its pieces. Nothing is left behind when it fails. Objects that
/// the pack refers to must be in it or in the folder already.
pub(super) fn store(
    objects: &Path,
    limits: PackLimits,
    cancel: &Cancel,
    feed: impl FnOnce(&mut PackSink<'_>) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let odb = open(objects).map_err(PackError::Git)?;
    let mut too_many = 0;
    let result = {
        let mut indexer = Indexer::new(Some(&odb), &objects.join("pack"), 0, true).map_err(PackError::Git)?;
        // The callback also runs while deltas are resolved, which may take long after the last byte has come.
        indexer.progress(|progress| {
            let total = progress.total_objects();
            if total > limits.objects {
                too_many = total;
            }
            total <= limits.objects && !cancel.is_set()
        });
        let mut sink = PackSink { indexer, limits, cancel, received: 0 };
        feed(&mut sink).and_then(|()| sink.indexer.commit().map(drop).map_err(PackError::Git))
    };
    match result {
        Err(PackError::Git(_)) if too_many > 0 => Err(PackError::TooManyObjects(too_many, limits.objects)),
        Err(PackError::Git(_)) if cancel.is_set() => Err(PackError::Interrupted),
        other => other,
    }
}

/// Copies everything that `tips` reach and `have` does not, from one repository into an object folder.
pub(super) fn copy(
    from: &Repository,
    tips: &[Oid],
    have: &[Oid],
    objects: &Path,
    limits: PackLimits,
    cancel: &Cancel,
) -> Result<(), PackError> {
    let mut builder = from.packbuilder().map_err(PackError::Source)?;
    let mut walk = from.revwalk().map_err(PackError::Source)?;
    for tip in tips {
        walk.push(*tip).map_err(PackError::Source)?;
    }
    for known in have {
        // What the other side does not have cannot be left out.
        if from.find_commit(*known).is_ok() {
            walk.hide(*known).map_err(PackError::Source)?;
        }
    }
    builder.insert_walk(&mut walk).map_err(PackError::Source)?;
    store(objects, limits, cancel, |sink| {
        let mut failed = None;
        let sent = builder.foreach(|bytes| match sink.write(bytes) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        match (failed, sent) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(PackError::Source(error)),
            (None, Ok(())) => Ok(()),
        }
    })
}

/// Opens an object folder by itself. There is no repository around it whose configuration could say anything, and
/// neither the machine's nor the user's Git configuration is looked at.
pub(super) fn open(objects: &Path) -> Result<Odb<'static>, git2::Error> {
    let odb = Odb::new()?;
    let path = objects.to_str().ok_or_else(|| git2::Error::from_str("the path of the cache folder is not UTF-8"))?;
    odb.add_disk_alternate(path)?;
    Ok(odb)
}
