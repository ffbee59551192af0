//! Whether a folder is mounted somewhere else (a Pod's volume is a bind mount of it).
//!
//! Only mounts of the agent's own mount namespace are seen: a mount that is found proves that the
//! folder is in use, none proves nothing.

/// The kernel's table of our mounts.
pub(crate) const TABLE: &str = "/proc/self/mountinfo";

#[derive(Debug)]
struct Mount {
    device: String,
    /// The path inside the file system that is mounted.
    root: String,
    point: String,
}

/// Where the folder at `path` (or something in it) is mounted too, given the kernel's table.
pub(crate) fn elsewhere(table: &str, path: &str) -> Vec<String> {
    let mounts: Vec<Mount> = table.lines().filter_map(parse).collect();
    // Of two mounts on one point the later one covers the earlier.
    let covering = mounts
        .iter()
        .enumerate()
        .filter(|(_, mount)| is_below(path, &mount.point))
        .max_by_key(|(index, mount)| (mount.point.len(), *index));
    let Some((own, mount)) = covering else { return Vec::new() };
    let inside = path.strip_prefix(mount.point.trim_end_matches('/')).unwrap_or_default();
    let in_file_system = format!("{}{inside}", mount.root.trim_end_matches('/'));
    let others = mounts.iter().enumerate().filter(|&(index, other)| {
        index != own && other.device == mount.device && is_below(&other.root, &in_file_system)
    });
    others.map(|(_, other)| other.point.clone()).collect()
}

/// Whether a path is `folder` itself or below it.
fn is_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `<id> <parent> <major:minor> <root> <mount point> …`
fn parse(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ').skip(2);
    let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Mount { device: device.to_owned(), root: unescape(root), point: unescape(point) })
}

/// Blanks and backslashes are written as `\` and three octal digits.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
21 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
22 21 0:20 / /proc rw shared:2 - proc proc rw
30 21 253:2 / /srv/data rw shared:3 - ext4 /dev/vdb rw
41 21 253:2 /kompox/disks/a-1/data/d1/data /var/lib/kubelet/pods/u-1/volumes/kubernetes.io~local-volume/pv rw - ext4 /dev/vdb rw
42 21 253:2 /kompox/disks/a-1/data/d2/data/sub /var/lib/kubelet/pods/u-2/volume-subpaths/pv/app/0 rw - ext4 /dev/vdb rw
43 21 253:1 /var/lib/kompox/disks/b/data/d/data /var/lib/kubelet/pods/with\\040blank rw - ext4 /dev/vda1 rw
";

    #[test]
    fn a_bind_mount_of_the_folder_is_found() {
        assert_eq!(
            elsewhere(TABLE, "/srv/data/kompox/disks/a-1/data/d1/data"),
            ["/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~local-volume/pv"]
        );
    }

    #[test]
    fn a_bind_mount_of_something_in_it_is_found() {
        assert_eq!(
            elsewhere(TABLE, "/srv/data/kompox/disks/a-1/data/d2/data"),
            ["/var/lib/kubelet/pods/u-2/volume-subpaths/pv/app/0"]
        );
    }

    #[test]
    fn the_root_file_system_counts_too_and_blanks_are_read() {
        assert_eq!(elsewhere(TABLE, "/var/lib/kompox/disks/b/data/d/data"), ["/var/lib/kubelet/pods/with blank"]);
    }

    #[test]
    fn neighbours_with_the_same_beginning_do_not_count() {
        assert!(elsewhere(TABLE, "/srv/data/kompox/disks/a-1/data/d").is_empty());
        assert!(elsewhere(TABLE, "/srv/data/kompox/disks/a-1/data/d1/data2").is_empty());
        // The same path inside another file system.
        assert!(elsewhere(TABLE, "/kompox/disks/a-1/data/d1/data").is_empty());
    }

    #[test]
    fn a_table_that_cannot_be_read_says_nothing() {
        assert!(elsewhere("", "/a").is_empty());
        assert!(elsewhere("nonsense\n1 2\n", "/a").is_empty());
    }
}
