//! The root folder: its marker, its lock, and how it is prepared.
//!
//! ```text
//! <root>/.kompox-root                        marker (id, node); its lock keeps processes apart
//! <root>/disks/<app>-<idHASH>/<volume>/<disk>/disk.json    tags
//! <root>/disks/<app>-<idHASH>/<volume>/<disk>/data/        what Pods mount
//! <root>/disks/<app>-<idHASH>/<volume>/assigned.json       name of the current disk
//! <root>/disks/.staging/                     made here, then moved into place in one step
//! <root>/disks/.trash/                       moved here in one step, then removed
//! <root>/snapshots/
//! ```

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::files::{Context, FileOps, Folder, RealFiles, read_small};
use super::handle::{check_node, normal_path};
use super::record::{self, MarkerRecord};
use crate::driver::Result;
use crate::error::{Conflict, DriverError};

const MARKER: &str = ".kompox-root";
const MARKER_DRAFT: &str = ".kompox-root.draft-";
const DISKS: &str = "disks";
const SNAPSHOTS: &str = "snapshots";
const STAGING: &str = ".staging";
const TRASH: &str = ".trash";
/// Only the agent and the kubelet walk through these folders.
pub(crate) const PRIVATE: u32 = 0o700;
const ROOT_MODE: u32 = 0o755;

/// How long another process may hold the lock before we give up. A call must stay short.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(10);

/// Who a root is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootMarker {
    /// Made up when the root was prepared, and never again.
    pub id: String,
    /// The node's label `kubernetes.io/hostname`.
    pub node: String,
}

/// What [`init_root`] found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The root's marker.
    pub marker: RootMarker,
    /// Whether it was written now; else the root was prepared already.
    pub written: bool,
}

/// Prepares a folder for the driver `local` on the node that it is called on: makes the folder and
/// what belongs in it, and writes the marker last. Doing it again changes nothing.
///
/// # Errors
/// `Conflict(NotOurs)` when the folder is marked for another node, `Invalid` for a path or node that
/// cannot be one.
pub fn init_root(path: &str, node: &str) -> Result<Prepared> {
    init_root_with(&RealFiles, path, node)
}

pub(crate) fn init_root_with(files: &dyn FileOps, path: &str, node: &str) -> Result<Prepared> {
    let path = normal_path(path)?;
    check_node(node)?;
    make_root(&path)?;
    let root = Folder::open(&path).at("opening the root folder", &path)?;
    if let Some(marker) = read_marker(&root)? {
        let prepared = accept(marker, node, &path)?;
        remove_drafts(files, &root)?;
        return Ok(prepared);
    }
    for name in [DISKS, SNAPSHOTS] {
        ensure_folder(files, &root, name)?;
    }
    let disks = child(&root, DISKS)?;
    for name in [STAGING, TRASH] {
        ensure_folder(files, &disks, name)?;
    }
    remove_drafts(files, &root)?;
    let marker = MarkerRecord::new(format!("{:032x}", rand::random::<u128>()), node);
    let draft = format!("{MARKER_DRAFT}{}", marker.id);
    files.write_new(&root, &draft, &record::write(&marker)?).at("writing the marker", &path)?;
    // A link refuses to replace a marker that somebody else wrote meanwhile.
    let linked = files.link(&root, &draft, MARKER);
    files.remove_file(&root, draft.as_ref()).at("removing the marker's draft", &path)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let other = read_marker(&root)?.ok_or_else(|| DriverError::transient(format!("{path}: try again")))?;
            return accept(other, node, &path);
        }
        linked => linked.at("writing the marker", &path)?,
    }
    files.sync(&root).at("writing the marker", &path)?;
    Ok(Prepared { marker: RootMarker { id: marker.id, node: marker.node }, written: true })
}

/// Removes what attempts that were cut short left.
fn remove_drafts(files: &dyn FileOps, root: &Folder) -> Result<()> {
    for entry in root.entries(usize::MAX).at("listing the root folder", root.path())? {
        if entry.name.to_string_lossy().starts_with(MARKER_DRAFT) {
            files.remove_file(root, &entry.name).at("removing an unfinished marker", &root.path_of(&entry.name))?;
        }
    }
    Ok(())
}

fn make_root(path: &str) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(ROOT_MODE).create(path).at("making the root folder", path)
}

fn accept(marker: RootMarker, node: &str, path: &str) -> Result<Prepared> {
    if marker.node != node {
        return Err(DriverError::conflict(
            Conflict::NotOurs,
            format!(
                "{path} is prepared for node `{}`, not `{node}`; when the disks were moved to this node on purpose, \
                 change the node in {path}/{MARKER}",
                marker.node
            ),
        ));
    }
    Ok(Prepared { marker, written: false })
}

fn ensure_folder(files: &dyn FileOps, parent: &Folder, name: &str) -> Result<()> {
    match files.make_folder(parent, name, PRIVATE) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.at("making a folder", &parent.path_of(name.as_ref()))?,
    }
    files.sync(parent).at("making a folder durable", parent.path())
}

fn read_marker(root: &Folder) -> Result<Option<RootMarker>> {
    let path = root.path_of(MARKER.as_ref());
    let Some(content) = root.read(MARKER).at("reading the marker", &path)? else { return Ok(None) };
    parse_marker(&content, &path).map(Some)
}

fn parse_marker(content: &[u8], path: &str) -> Result<RootMarker> {
    let MarkerRecord { format: _, id, node } = record::parse(content, path)?;
    Ok(RootMarker { id, node })
}

fn child(parent: &Folder, name: &str) -> Result<Folder> {
    let path = parent.path_of(name.as_ref());
    parent.child(name).at("opening a folder", &path)?.ok_or_else(|| {
        DriverError::conflict(
            Conflict::Damaged,
            format!(
                "{path} is missing although the root is marked; bring it back, or, when there was nothing in it, \
                 make an empty folder there"
            ),
        )
    })
}

/// Whether a session only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Others may look at the same time.
    Shared,
    /// Nobody else is at work.
    Exclusive,
}

/// An open, marked and locked root. The lock ends with it.
#[derive(Debug)]
pub(crate) struct Root {
    /// Path of the root as configured.
    pub(crate) path: String,
    /// The same without symbolic links, as the kernel knows it.
    pub(crate) real_path: String,
    /// Who it is.
    pub(crate) marker: RootMarker,
    /// `disks`.
    pub(crate) disks: Folder,
    /// `snapshots`.
    pub(crate) snapshots: Folder,
    /// `disks/.staging`.
    pub(crate) staging: Folder,
    /// `disks/.trash`.
    pub(crate) trash: Folder,
    _lock: File,
}

impl Root {
    /// Opens the root at `path` and checks that it is the one of `node`. Nothing is concluded from a
    /// folder without a marker: the file system may not be mounted.
    pub(crate) fn open(path: &str, node: &str, access: Access) -> Result<Self> {
        let root = match Folder::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unprepared(path, node, "is missing")),
            opened => opened.at("opening the root folder", path)?,
        };
        let marker_path = root.path_of(MARKER.as_ref());
        let mut lock = root
            .open_file(MARKER)
            .at("opening the marker", &marker_path)?
            .ok_or_else(|| unprepared(path, node, &format!("has no marker file {MARKER}")))?;
        take_lock(&lock, access, path)?;
        if !root.is_current(MARKER, &lock).at("looking at the marker", &marker_path)? {
            return Err(DriverError::transient(format!("{marker_path} was replaced meanwhile; it is read again")));
        }
        let content = read_small(&mut lock).at("reading the marker", &marker_path)?;
        let marker = parse_marker(&content, &marker_path)?;
        if marker.node != node {
            return Err(DriverError::unsupported(format!(
                "{path} is the root of node `{}`, but the Provider's disks are on node `{node}` (setting LOCAL_NODE); \
                 run the agent there, or correct the setting",
                marker.node
            )));
        }
        let disks = child(&root, DISKS)?;
        let real_path = std::fs::canonicalize(path).at("resolving the root folder", path)?;
        Ok(Self {
            path: path.to_owned(),
            real_path: real_path.to_string_lossy().into_owned(),
            marker,
            snapshots: child(&root, SNAPSHOTS)?,
            staging: child(&disks, STAGING)?,
            trash: child(&disks, TRASH)?,
            disks,
            _lock: lock,
        })
    }
}

fn unprepared(path: &str, node: &str, what: &str) -> DriverError {
    DriverError::unsupported(format!(
        "the root folder {path} {what}, so nothing can be said about its disks: the agent does not run on node \
         `{node}`, or the file system is not mounted; prepare a new root with `kompox-agent disk init-root {path} \
         --node {node}` on that node"
    ))
}

fn take_lock(file: &File, access: Access, path: &str) -> Result<()> {
    let operation = match access {
        Access::Shared => FlockOperation::NonBlockingLockShared,
        Access::Exclusive => FlockOperation::NonBlockingLockExclusive,
    };
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(file, operation) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_POLL),
            Err(Errno::WOULDBLOCK) => {
                return Err(DriverError::conflict(
                    Conflict::Busy,
                    format!("{path}: another kompox-agent process has been at work there for {LOCK_PATIENCE:?}"),
                ));
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(super::files::failed("locking the root", path, &error.into())),
        }
    }
}
