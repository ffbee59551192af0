//! Files of age keys. They are read whenever a commit is about to be read, so that a key that was added or taken away
//! counts from the next look on.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use kompox_manifests::sops::{AgeKeys, Decryption};
use zeroize::Zeroizing;

/// Longest accepted file, in bytes.
const MAX_LEN: u64 = 64 * 1024;

/// A file of private age keys, as `age-keygen` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgeKeysFile {
    path: PathBuf,
}

impl AgeKeysFile {
    /// Names the file; nothing is read yet.
    pub(crate) fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned() }
    }

    fn read(&self) -> Result<AgeKeys, String> {
        let place = self.path.display();
        let problem = |why: &dyn std::fmt::Display| format!("the file of age keys {place} cannot be used: {why}");
        let file = std::fs::File::open(&self.path).map_err(|cause| problem(&cause.kind()))?;
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_LEN + 1).read_to_string(&mut text).map_err(|cause| problem(&cause.kind()))?;
        if text.len() as u64 > MAX_LEN {
            return Err(problem(&format!("it is longer than {MAX_LEN} bytes")));
        }
        AgeKeys::parse(&text).map_err(|error| problem(&error))
    }
}

/// What encrypted files are read with: the keys of all files. When one of them cannot be used, encrypted files are an
/// error that says so; plain ones do not suffer.
pub(crate) fn decryption(files: &[AgeKeysFile]) -> Decryption {
    let mut all: Option<AgeKeys> = None;
    for file in files {
        match file.read() {
            Ok(keys) => all = Some(all.map_or_else(|| keys.clone(), |known| known.and(&keys))),
            Err(why) => return Decryption::Refused { why, help: "put the private keys there, one a line".to_owned() },
        }
    }
    all.map_or_else(Decryption::default, Decryption::Keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AGE-SECRET-KEY-1AAXXZ39GRC4XPYMTFKS8CVT7FZSLQH83SU6920X29T44D9393J4S8RJ2SH\n";

    #[test]
    fn a_changed_file_counts_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.txt");
        let files = [AgeKeysFile::new(&path)];
        let refused = |expected: &str| match decryption(&files) {
            Decryption::Refused { why, .. } => assert!(why.ends_with(expected) && !why.contains("KEY-1AAX"), "{why}"),
            Decryption::Keys(_) => panic!("not refused"),
        };
        refused("cannot be used: entity not found");
        std::fs::write(&path, KEY).unwrap();
        assert!(matches!(decryption(&files), Decryption::Keys(_)));
        std::fs::write(&path, format!("# old\n{}", KEY.replace('J', "Q"))).unwrap();
        refused("line 2 is no private age key (AGE-SECRET-KEY-1…)");
        std::fs::write(&path, "x".repeat(65 * 1024)).unwrap();
        refused("it is longer than 65536 bytes");
        assert_eq!(decryption(&[]), Decryption::default());
    }
}
