//! Folders and files below the root: opened step by step, never through a symbolic link.
//!
//! What only looks is a method of [`Folder`]; what changes something goes through the port
//! [`FileOps`], so that tests can stop it between any two steps.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::driver::Result;
use crate::error::{Conflict, DriverError, ErrorKind};

/// No file of ours is larger; what is larger was not written by us.
const LARGEST_FILE: u64 = 256 * 1024;

/// An open folder. Its path is only for people: every access goes through the open handle.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: String,
    device: u64,
}

impl Folder {
    /// Opens a folder by its path. Symbolic links on the way are followed: the path is configured.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let device = rustix::fs::fstat(&fd)?.st_dev;
        Ok(Self { fd, path: path.to_owned(), device })
    }

    /// Its path, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The path of something in it, for messages.
    pub(crate) fn path_of(&self, name: &OsStr) -> String {
        format!("{}/{}", self.path, name.to_string_lossy().escape_debug())
    }

    /// Opens a folder in it; `None` when nothing has that name.
    ///
    /// # Errors
    /// Also for a symbolic link, for anything else that is no folder, and for another file system
    /// that is mounted there: names could then not be changed in one step.
    pub(crate) fn child(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Self>> {
        let name = name.as_ref();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let device = rustix::fs::fstat(&fd)?.st_dev;
        if device != self.device {
            return Err(Errno::XDEV.into());
        }
        Ok(Some(Self { fd, path: self.path_of(name), device }))
    }

    /// The content of a small file in it; `None` when nothing has that name.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_file(name)? else { return Ok(None) };
        read_small(&mut file).map(Some)
    }

    /// Opens a regular file in it for reading; `None` when nothing has that name.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<Option<std::fs::File>> {
        // Without NONBLOCK a pipe of that name would make us wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
        }
        Ok(Some(fd.into()))
    }

    /// Up to `limit` names in it, without `.` and `..`, each with whether it is a folder (a symbolic
    /// link to one is none).
    pub(crate) fn entries(&self, limit: usize) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            if name == "." || name == ".." {
                continue;
            }
            let folder = match entry.file_type() {
                FileType::Unknown => self.is_folder(&name)?,
                known => known == FileType::Directory,
            };
            found.push(Entry { name, folder });
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// Whether something of that name is there, whatever it is.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether we may create and remove names in it.
    pub(crate) fn check_writable(&self) -> io::Result<()> {
        Ok(rustix::fs::accessat(&self.fd, ".", rustix::fs::Access::WRITE_OK, AtFlags::empty())?)
    }

    /// Whether the open file is the one that has this name now.
    pub(crate) fn is_current(&self, name: &str, file: &std::fs::File) -> io::Result<bool> {
        let open = rustix::fs::fstat(file)?;
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn is_folder(&self, name: &OsStr) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            // Gone since it was listed.
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name, which need not be UTF-8.
    pub(crate) name: OsString,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

/// Reads a file that should be small.
pub(crate) fn read_small(file: &mut std::fs::File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large to be ours"));
    }
    Ok(content)
}

/// Every way in which the driver changes the file system. A step is done wholly or not at all as far
/// as names go; only [`FileOps::write_new`] can leave half a file behind, under a name that nobody
/// reads.
pub(crate) trait FileOps: fmt::Debug + Send + Sync {
    /// Makes a folder with exactly these permissions.
    fn make_folder(&self, parent: &Folder, name: &str, mode: u32) -> io::Result<()>;
    /// Writes a new file and makes its content durable.
    fn write_new(&self, parent: &Folder, name: &str, content: &[u8]) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync(&self, folder: &Folder) -> io::Result<()>;
    /// Moves a name, replacing a file (but no folder that holds something) that has the new one.
    fn rename(&self, from: &Folder, name: &OsStr, to: &Folder, new_name: &str) -> io::Result<()>;
    /// Gives a file a second name, unless that is taken.
    fn link(&self, folder: &Folder, name: &str, new_name: &str) -> io::Result<()>;
    /// Removes whatever is no folder.
    fn remove_file(&self, parent: &Folder, name: &OsStr) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, parent: &Folder, name: &OsStr) -> io::Result<()>;
}

/// The file system itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealFiles;

impl FileOps for RealFiles {
    fn make_folder(&self, parent: &Folder, name: &str, mode: u32) -> io::Result<()> {
        rustix::fs::mkdirat(&parent.fd, name, Mode::RWXU)?;
        if let Some(made) = parent.child(name)? {
            // The process's umask does not apply here.
            rustix::fs::fchmod(&made.fd, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }

    fn write_new(&self, parent: &Folder, name: &str, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&parent.fd, name, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = std::fs::File::from(fd);
        file.write_all(content)?;
        file.sync_all()
    }

    fn sync(&self, folder: &Folder) -> io::Result<()> {
        Ok(rustix::fs::fsync(&folder.fd)?)
    }

    fn rename(&self, from: &Folder, name: &OsStr, to: &Folder, new_name: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&from.fd, name, &to.fd, new_name)?)
    }

    fn link(&self, folder: &Folder, name: &str, new_name: &str) -> io::Result<()> {
        Ok(rustix::fs::linkat(&folder.fd, name, &folder.fd, new_name, AtFlags::empty())?)
    }

    fn remove_file(&self, parent: &Folder, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&parent.fd, name, AtFlags::empty())?)
    }

    fn remove_folder(&self, parent: &Folder, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&parent.fd, name, AtFlags::REMOVEDIR)?)
    }
}

/// Puts an error of the file system into words and into its sort.
pub(crate) fn failed(what: &str, path: &str, error: &io::Error) -> DriverError {
    let (kind, hint) = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => (ErrorKind::Quota, "free some space on the file system"),
        Some(Errno::ROFS) => (ErrorKind::Permission, "the file system is mounted read-only"),
        Some(Errno::ACCESS | Errno::PERM) => {
            (ErrorKind::Permission, "the agent's user needs to read and write everything below the root")
        }
        Some(Errno::XDEV) => (
            ErrorKind::Unsupported,
            "another file system is mounted there; everything below the root must be one file system",
        ),
        Some(Errno::LOOP | Errno::NOTDIR) => (
            ErrorKind::Conflict(Conflict::Damaged),
            "it should be a folder, and symbolic links are not followed; move it away",
        ),
        _ if error.kind() == io::ErrorKind::InvalidData => {
            (ErrorKind::Conflict(Conflict::Damaged), "look at it, then mend it or move it away")
        }
        _ => (ErrorKind::Transient, "it is tried again"),
    };
    DriverError::new(kind, format!("{path}: {what}: {error}; {hint}"))
}

/// Adds the words to an error of the file system.
pub(crate) trait Context<T> {
    /// `what` was tried at `path`.
    fn at(self, what: &str, path: &str) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, what: &str, path: &str) -> Result<T> {
        self.map_err(|error| failed(what, path, &error))
    }
}
