//! Where a source is: the closed list of ways that lead to one.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::http_client::is_loopback;

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A Git repository behind `https://`, or `http://` on this machine. Without user name, password, query or fragment.
    Remote(Url),
    /// A Git repository on this machine (`file://`, or a path to a bare repository).
    Repository(PathBuf),
    /// A folder on this machine, watched, for development.
    Folder(PathBuf),
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(url) => write!(formatter, "{url}"),
            Self::Repository(path) | Self::Folder(path) => write!(formatter, "{}", path.display()),
        }
    }
}

/// Why a text is no location. Never quotes the text: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct LocationError {
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: &'static str,
}

/// What may stand in `url:` and `--source`.
const ACCEPTED: &str = "write an https:// URL, a file:// URL, or the path of a repository or folder";

impl Location {
    /// Reads a URL or path; relative paths start at `base`.
    ///
    /// # Errors
    /// See [`LocationError`].
    pub(crate) fn parse(text: &str, base: &Path) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(error("the URL is empty", ACCEPTED));
        }
        if text.starts_with('-') {
            return Err(error("a URL must not start with `-`", ACCEPTED));
        }
        if text.chars().any(|c| c.is_control()) || text.trim() != text {
            return Err(error("a URL must not hold control characters or white space around it", ACCEPTED));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::with_scheme(&scheme.to_ascii_lowercase(), rest, text),
            None if is_scp_like(text) => Err(ssh()),
            None => Ok(Self::local(base.join(text))),
        }
    }

    fn with_scheme(scheme: &str, rest: &str, text: &str) -> Result<Self, LocationError> {
        match scheme {
            "https" | "http" => remote(text),
            "file" => {
                let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
                let plain = !rest.contains(['?', '#']);
                path.filter(|_| plain)
                    .map(Self::Repository)
                    .ok_or_else(|| error("a file:// URL needs an absolute path and nothing else", "write file:///path"))
            }
            "ssh" | "git+ssh" | "ssh+git" => Err(ssh()),
            "git" => Err(error("git:// is neither encrypted nor authenticated", "write an https:// URL")),
            _ => Err(error("the URL's scheme is not supported", ACCEPTED)),
        }
    }

    /// A path is a repository when it looks like a bare one, else a folder.
    fn local(path: PathBuf) -> Self {
        let bare = path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir();
        // A repository that does not exist yet can only be told by its name.
        let named = !path.exists() && path.extension().is_some_and(|extension| extension == "git");
        if bare || named { Self::Repository(path) } else { Self::Folder(path) }
    }

    /// The URL of a remote repository.
    #[must_use]
    pub(crate) fn url(&self) -> Option<&Url> {
        match self {
            Self::Remote(url) => Some(url),
            Self::Repository(_) | Self::Folder(_) => None,
        }
    }
}

fn remote(text: &str) -> Result<Location, LocationError> {
    // The parser would quietly repair a backslash, and with it change which host is meant.
    let url = Url::parse(text).ok().filter(|_| !text.contains('\\'));
    let url = url.ok_or_else(|| error("the URL cannot be read", "write https://host/owner/repository.git"))?;
    if !url.username().is_empty() || url.password().is_some() {
        let help = "put the token into a file and name it in `auth: {tokenFile: …}` (--token-file)";
        return Err(error("a URL must not hold a user name or password", help));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let help = "write https://host/owner/repository.git";
        return Err(error("the URL of a repository has no `?` or `#`", help));
    }
    if url.path().trim_matches('/').is_empty() {
        return Err(error("the URL names no repository", "write https://host/owner/repository.git"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(error("http:// is only accepted for this machine's own addresses", "write an https:// URL"));
    }
    Ok(Location::Remote(url))
}

fn error(message: &str, help: &'static str) -> LocationError {
    LocationError { message: message.to_owned(), help }
}

fn ssh() -> LocationError {
    error("Git over SSH is not supported by this version", "write the repository's https:// URL")
}

/// `host:path` or `user@host:path`, as `git clone` takes it. A path with a slash before the colon is none.
fn is_scp_like(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, path)| !host.is_empty() && !host.contains('/') && !path.is_empty())
}
