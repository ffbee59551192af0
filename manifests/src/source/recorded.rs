//! A tree that writes down what was looked at. An entry whose looks all give the same answers in another
//! commit says the same there: it need not be converted again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::{EntryKind, SourceTree, TreeEntry, TreeError};

/// A tree in front of another one that remembers every look and its answer.
pub struct RecordedTree<'tree> {
    tree: &'tree dyn SourceTree,
    looks: Mutex<BTreeMap<Look, Answer>>,
}

/// What was looked at, and what was seen there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    looks: BTreeMap<Look, Answer>,
    /// A folder that every look was at or below, with its identity in the store: the same folder gives the same answers.
    within: Option<(String, String)>,
}

/// One question to a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    /// The children of a folder.
    List(String),
    /// A file of at most so many bytes.
    Read(String, u64),
}

/// What a tree answered, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    /// Hash of the content; `None` when the store failed, which is no answer at all.
    digest: Option<[u8; 32]>,
    /// The file's identity in its store.
    identity: Option<String>,
}

impl<'tree> RecordedTree<'tree> {
    /// A tree that was not looked at yet.
    #[must_use]
    pub fn new(tree: &'tree dyn SourceTree) -> Self {
        Self { tree, looks: Mutex::default() }
    }

    /// Everything that was looked at.
    #[must_use]
    pub fn into_record(self) -> Record {
        let looks = self.looks.into_inner().unwrap_or_else(PoisonError::into_inner);
        let is_whole = looks.values().all(|answer| answer.digest.is_some());
        let folder = looks.keys().map(Look::folder).reduce(shared).filter(|_| is_whole);
        let within = folder.and_then(|folder| Some((folder.to_owned(), self.tree.identity(folder)?)));
        Record { looks, within }
    }

    /// Everything that was looked at so far.
    #[must_use]
    pub fn record(&self) -> Record {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Record { looks, within: None }
    }

    fn remember(&self, look: Look, answer: Answer) {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner).insert(look, answer);
    }
}

impl SourceTree for RecordedTree<'_> {
    fn list(&self, folder: &str) -> Result<Vec<TreeEntry>, TreeError> {
        let found = self.tree.list(folder);
        self.remember(Look::List(folder.to_owned()), Answer { digest: digest_of_list(&found), identity: None });
        found
    }

    fn read(&self, path: &str, limit: u64) -> Result<Arc<[u8]>, TreeError> {
        let found = self.tree.read(path, limit);
        let answer = Answer { digest: digest_of_file(&found), identity: self.tree.identity(path) };
        self.remember(Look::Read(path.to_owned(), limit), answer);
        found
    }

    fn identity(&self, path: &str) -> Option<String> {
        self.tree.identity(path)
    }
}

impl Look {
    /// The folder that the answer is read from.
    fn folder(&self) -> &str {
        match self {
            Self::List(folder) => folder,
            Self::Read(path, _) => path.rsplit_once('/').map_or("", |(folder, _)| folder),
        }
    }
}

/// The deepest folder that both are, or are below.
fn shared<'path>(one: &'path str, other: &str) -> &'path str {
    let same = one.split('/').zip(other.split('/')).take_while(|(one, other)| one == other);
    let length: usize = same.map(|(name, _)| name.len() + 1).sum();
    one.get(..length.saturating_sub(1)).unwrap_or_default()
}

impl Record {
    /// Whether every look would see the same in another tree.
    #[must_use]
    pub fn holds_in(&self, tree: &dyn SourceTree) -> bool {
        let is_same = |(folder, identity): &(String, String)| tree.identity(folder).as_ref() == Some(identity);
        self.within.as_ref().is_some_and(is_same) || self.answers_hold_in(tree)
    }

    fn answers_hold_in(&self, tree: &dyn SourceTree) -> bool {
        self.looks.iter().all(|(look, answer)| {
            answer.digest.is_some()
                && match look {
                    Look::List(folder) => digest_of_list(&tree.list(folder)) == answer.digest,
                    Look::Read(path, limit) => match (&answer.identity, tree.identity(path)) {
                        (Some(before), Some(now)) => *before == now,
                        _ => digest_of_file(&tree.read(path, *limit)) == answer.digest,
                    },
                }
        })
    }

    /// Hash of everything that was seen, in hexadecimal digits; the same for the same contents at the same
    /// paths, whichever store they come from.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (look, answer) in &self.looks {
            let (what, path) = match look {
                Look::List(folder) => ("list", folder),
                Look::Read(path, _) => ("read", path),
            };
            hash.update(what);
            hash.update([0]);
            hash.update(path);
            hash.update([0]);
            hash.update(answer.digest.unwrap_or_default());
        }
        hexadecimal(&hash.finalize())
    }

    /// Everything that was seen here or there.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        self.looks.extend(other.looks.iter().map(|(look, answer)| (look.clone(), answer.clone())));
        self.within = None;
        self
    }

    /// The folders that were looked at, sorted, whether they exist or not.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.looks.keys().filter_map(|look| match look {
            Look::List(folder) => Some(folder.as_str()),
            Look::Read(..) => None,
        })
    }

    /// The files that were looked at, sorted, whether they exist or not, and up to how many bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.looks.keys().filter_map(|look| match look {
            Look::Read(path, limit) => Some((path.as_str(), *limit)),
            Look::List(_) => None,
        })
    }
}

fn digest_of_list(found: &Result<Vec<TreeEntry>, TreeError>) -> Option<[u8; 32]> {
    let children = match found {
        Ok(children) => children,
        Err(error) => return digest_of_error(error),
    };
    let mut hash = Sha256::new();
    hash.update("children\0");
    for TreeEntry { name, kind } in children {
        let kind = match kind {
            EntryKind::File => "file",
            EntryKind::Folder => "folder",
            EntryKind::Symlink => "symlink",
            EntryKind::Submodule => "submodule",
        };
        hash.update(kind);
        hash.update([0]);
        hash.update(name);
        hash.update([0]);
    }
    Some(hash.finalize().into())
}

fn digest_of_file(found: &Result<Arc<[u8]>, TreeError>) -> Option<[u8; 32]> {
    match found {
        Ok(bytes) => Some(Sha256::new().chain_update("content\0").chain_update(bytes).finalize().into()),
        Err(error) => digest_of_error(error),
    }
}

fn digest_of_error(error: &TreeError) -> Option<[u8; 32]> {
    match error {
        // It may pass: nothing is known of what is there.
        TreeError::Store(_) => None,
        TreeError::NotFound | TreeError::NotAFile(_) | TreeError::TooLarge { .. } => {
            Some(Sha256::new().chain_update("error\0").chain_update(error.to_string()).finalize().into())
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
