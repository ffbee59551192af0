//! The texts in `volumes`: what they are made of, before anything is looked up.

/// `source:target:options`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    /// Empty for a volume without a name.
    pub(super) source: &'t str,
    pub(super) target: &'t str,
    /// Comma-separated.
    pub(super) options: &'t str,
}

/// Where a mount comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source<'t> {
    /// Nowhere in particular.
    Anonymous,
    /// Beside the Compose file.
    Relative(&'t str),
    /// On the host.
    Absolute(&'t str),
    /// A volume, perhaps with a folder behind it.
    Named(&'t str),
}

/// Splits the short form.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn split(text: &str) -> Result<Parts<'_>, (&'static str, &'static str)> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [target] => Ok(Parts { source: "", target, options: "" }),
        // `C:\data:/data`
        [drive, rest, ..] if drive.len() == 1 && rest.starts_with('\\') => {
            Err(("a Windows path cannot be mounted", "use a volume of the App"))
        }
        ["", ..] => Err(("the source before the `:` is empty", "write `./folder:/path` or `volume:/path`")),
        [source, target] => Ok(Parts { source, target, options: "" }),
        [source, target, options] => Ok(Parts { source, target, options }),
        _ => Err(("a mount has at most two `:`", "write `source:target` or `source:target:ro`")),
    }
}

/// What kind of source a text is.
pub(super) fn source(text: &str) -> Source<'_> {
    match text {
        "" => Source::Anonymous,
        "." | ".." => Source::Relative(text),
        _ if text.starts_with("./") || text.starts_with("../") => Source::Relative(text),
        _ if text.starts_with(['/', '~', '\\']) => Source::Absolute(text),
        _ => Source::Named(text),
    }
}

/// Whether the options say read-only, and the first that means nothing here.
pub(super) fn options(options: &str) -> (bool, Option<&str>) {
    let mut read_only = false;
    let mut unknown = None;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            // SELinux labels and copies from the image are the runtime's business in a cluster.
            "rw" | "z" | "Z" | "nocopy" => {}
            other => unknown = unknown.or(Some(other)),
        }
    }
    (read_only, unknown)
}

/// A path in the container, without repeated or trailing slashes; `None` unless it is absolute,
/// below the root, and free of what Kubernetes refuses.
pub(in super::super) fn clean_target(target: &str) -> Option<String> {
    let parts: Vec<&str> = target.strip_prefix('/')?.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let usable = |part: &&str| *part != ".." && !part.contains(':');
    (!parts.is_empty() && parts.iter().all(usable)).then(|| format!("/{}", parts.join("/")))
}

/// A folder on a volume, without `.` and `..`; `None` is the volume's root.
///
/// # Errors
/// Why the path names no folder below the root.
pub(super) fn folder(path: &str) -> Result<Option<String>, &'static str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or("leaves the volume with `..`")?),
            name => parts.push(name),
        }
    }
    if path.starts_with('/') {
        return Err("is absolute");
    }
    if path.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    Ok(Some(parts.join("/")).filter(|folder| !folder.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form() {
        let parts = |source, target, options| Ok(Parts { source, target, options });
        assert_eq!(split("db:/data"), parts("db", "/data", ""));
        assert_eq!(split("./a/b:/data:ro,z"), parts("./a/b", "/data", "ro,z"));
        assert_eq!(split("/data"), parts("", "/data", ""));
        for text in ["C:\\x:/data", ":/data", "a:/b:ro:c"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sources() {
        assert_eq!(source("./a"), Source::Relative("./a"));
        assert_eq!(source("../a"), Source::Relative("../a"));
        assert_eq!(source("."), Source::Relative("."));
        assert_eq!(source("db/a"), Source::Named("db/a"));
        assert_eq!(source(".hidden"), Source::Named(".hidden"));
        assert_eq!(source("/var/run/docker.sock"), Source::Absolute("/var/run/docker.sock"));
        assert_eq!(source("~/a"), Source::Absolute("~/a"));
        assert_eq!(source(""), Source::Anonymous);
    }

    #[test]
    fn mount_options() {
        assert_eq!(options(""), (false, None));
        assert_eq!(options("rw,Z"), (false, None));
        assert_eq!(options("z,ro"), (true, None));
        assert_eq!(options("cached,ro,rshared"), (true, Some("cached")));
    }

    #[test]
    fn targets_are_absolute_and_clean() {
        assert_eq!(clean_target("/data//x/./y/"), Some("/data/x/y".to_owned()));
        for target in ["", "/", "data", "/a/../b", "/a:b", "//"] {
            assert_eq!(clean_target(target), None, "{target}");
        }
    }

    #[test]
    fn folders_stay_on_their_volume() {
        assert_eq!(folder("./data//web/"), Ok(Some("data/web".to_owned())));
        assert_eq!(folder("."), Ok(None));
        assert_eq!(folder(""), Ok(None));
        assert_eq!(folder("./a/../c/d/.."), Ok(Some("c".to_owned())));
        assert_eq!(folder("a/.."), Ok(None));
        for path in ["..", "a/../../b", "../a", "/a", "/a/..", "a\nb"] {
            assert!(folder(path).is_err(), "{path}");
        }
    }
}
