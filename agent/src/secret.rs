//! Credentials: read from files when they are needed, never shown.

use std::io::Read;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// Longest accepted secret, in bytes.
const MAX_LEN: u64 = 64 * 1024;

/// A secret text. It has neither `Debug` nor `Display` nor `Serialize`, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    /// Takes a text out of sight.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A file that holds one secret. It is read at each use, so a rotated secret counts from the next request on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretFile {
    path: PathBuf,
}

impl SecretFile {
    /// Names the file; nothing is read yet.
    #[must_use]
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the secret. White space and line ends around it are dropped: editors and `kubectl create secret` add them.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, too long, or holds what cannot be part of a secret. No error quotes it.
    pub(crate) fn read(&self) -> Result<Secret, SecretError> {
        let error = |problem| SecretError { path: self.path.clone(), problem };
        let file = std::fs::File::open(&self.path).map_err(|cause| error(Problem::Unreadable(cause.kind())))?;
        let mut text = String::new();
        file.take(MAX_LEN + 1).read_to_string(&mut text).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::InvalidData => error(Problem::NotText),
            kind => error(Problem::Unreadable(kind)),
        })?;
        let whole = Secret::new(text);
        let trimmed = whole.expose().trim();
        if whole.expose().len() as u64 > MAX_LEN {
            return Err(error(Problem::TooLong));
        }
        if trimmed.is_empty() {
            return Err(error(Problem::Empty));
        }
        // A line break inside would end a header line early; it is never part of a token or password.
        if trimmed.chars().any(char::is_control) {
            return Err(error(Problem::NotText));
        }
        Ok(Secret::new(trimmed))
    }

    /// Reads a secret that people choose, of at least so many characters.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when it is shorter.
    pub(crate) fn read_at_least(&self, shortest: usize) -> Result<Secret, SecretError> {
        let secret = self.read()?;
        if secret.expose().chars().count() < shortest {
            return Err(SecretError { path: self.path.clone(), problem: Problem::TooShort(shortest) });
        }
        Ok(secret)
    }
}

/// Why a secret could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret file {} {problem}", .path.display())]
pub(crate) struct SecretError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("is empty")]
    Empty,
    #[error("is longer than {MAX_LEN} bytes")]
    TooLong,
    #[error("has fewer than {0} characters")]
    TooShort(usize),
    #[error("does not hold one line of text")]
    NotText,
}

/// How the agent shows who it is, to a Git server or a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A token, in one file.
    Token(SecretFile),
    /// A user name and a password (or token), in two files.
    Password {
        /// The file that holds the user name.
        username: SecretFile,
        /// The file that holds the password.
        password: SecretFile,
    },
}

impl Credentials {
    /// The files that a person has to look at when the credentials are refused, for messages.
    #[must_use]
    pub(crate) fn files(&self) -> String {
        match self {
            Self::Token(file) => file.path.display().to_string(),
            Self::Password { username, password } => {
                format!("{} and {}", username.path.display(), password.path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, SecretFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, content).unwrap();
        (folder, SecretFile::new(path))
    }

    #[test]
    fn white_space_around_a_secret_is_dropped() {
        let (_folder, file) = written(b"  s3cret value\r\n\n");
        assert_eq!(file.read().unwrap().expose(), "s3cret value");
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let (_folder, file) = written(b"old");
        assert_eq!(file.read().unwrap().expose(), "old");
        std::fs::write(&file.path, "new").unwrap();
        assert_eq!(file.read().unwrap().expose(), "new");
    }

    #[test]
    fn unusable_files_are_refused_without_quoting_them() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "is empty"),
            (b" \n", "is empty"),
            (b"hunter2\nhunter3", "does not hold one line of text"),
            (b"hunter2\xff", "does not hold one line of text"),
            (&[b'x'; 64 * 1024 + 1], "is longer than 65536 bytes"),
        ];
        for (content, expected) in cases {
            let (_folder, file) = written(content);
            let message = file.read().err().unwrap().to_string();
            assert!(message.ends_with(expected), "{message}");
            assert!(!message.contains("hunter"), "{message}");
        }
    }

    #[test]
    fn what_is_too_short_is_refused_without_its_text() {
        let (_folder, file) = written(b" hunter2-hunter2 \n");
        assert_eq!(file.read_at_least(15).unwrap().expose(), "hunter2-hunter2");
        let message = file.read_at_least(16).err().unwrap().to_string();
        assert!(message.ends_with("token has fewer than 16 characters"), "{message}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = SecretFile::new("/no/such/token").read().err().unwrap().to_string();
        assert_eq!(message, "the secret file /no/such/token cannot be read: entity not found");
    }
}
