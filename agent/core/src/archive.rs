//! Files of a repository as one compressed piece: a gzipped tar, so that a person can read it without the
//! agent.
//!
//! The same files give the same bytes.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// Most bytes that an archive may hold in files, so that a few bytes cannot fill the memory.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Most files.
const MOST_FILES: usize = 10_000;

/// Paths and contents. Paths are relative to the repository's root, without `.` and `..`.
pub type Files = BTreeMap<String, Arc<[u8]>>;

/// Packs files.
///
/// # Errors
/// A path cannot be one of an archive.
pub fn pack(files: &Files) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, content.as_ref())?;
    }
    archive.into_inner()?.finish()
}

/// Unpacks files.
///
/// # Errors
/// It is no archive of [`pack`], or holds too much.
pub fn unpack(archive: &[u8]) -> io::Result<Files> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive).take(MOST_BYTES));
    let mut files = Files::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_str().map(str::to_owned);
        let path = path.ok_or_else(|| io::Error::other("a path is not UTF-8"))?;
        if !entry.header().entry_type().is_file() || files.len() >= MOST_FILES {
            return Err(io::Error::other("it holds something else than files, or too many"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(path, content.into());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(pairs: &[(&str, &[u8])]) -> Files {
        pairs.iter().map(|(path, content)| ((*path).to_owned(), Arc::from(*content))).collect()
    }

    #[test]
    fn what_goes_in_comes_out_and_always_as_the_same_bytes() {
        let long = format!("{}/compose.yml", "a-folder-with-a-long-name/".repeat(12));
        let these = files(&[("apps/web/compose.yml", b"services: {}\n"), ("apps/web/empty", b""), (&long, b"x")]);
        let packed = pack(&these).unwrap();
        assert_eq!(unpack(&packed).unwrap(), these);
        assert_eq!(pack(&these).unwrap(), packed);
        assert_eq!(unpack(&pack(&Files::new()).unwrap()).unwrap(), Files::new());
    }

    #[test]
    fn it_is_what_tar_reads() {
        let packed = pack(&files(&[("web/compose.yml", b"services: {}\n")])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("files.tar.gz"), packed).unwrap();
        let listed = std::process::Command::new("tar").arg("-tzf").arg(folder.path().join("files.tar.gz")).output();
        let listed = listed.unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "web/compose.yml\n");
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        for path in ["../x", "a/../../x", "/etc/passwd"] {
            assert!(pack(&files(&[(path, b"")])).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_no_archive_or_too_much_is_an_error() {
        let packed = pack(&files(&[("a", &[7; 4_000])])).unwrap();
        for wrong in [&b""[..], b"no archive", &packed[..packed.len() / 2]] {
            assert!(unpack(wrong).is_err());
        }
        let size = usize::try_from(MOST_BYTES).unwrap();
        let bomb = pack(&files(&[("zeros", &vec![0; size])])).unwrap();
        assert!(bomb.len() < size / 100, "{}", bomb.len());
        assert!(unpack(&bomb).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = unpack(&bytes);
        }
    }
}
