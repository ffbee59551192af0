//! The short hashes that names, labels and annotations carry.

use sha2::{Digest, Sha256};

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const LENGTH: usize = 6;
/// The largest power of 36 that fits a word, and its digits.
const CHUNK: u32 = 36_u32.pow(CHUNK_LENGTH);
const CHUNK_LENGTH: u32 = 6;

/// `HASH`: SHA-256 as a big-endian unsigned integer in base 36, its first 6 characters.
#[must_use]
pub fn short(bytes: impl AsRef<[u8]>) -> String {
    abbreviate(Sha256::digest(bytes).into())
}

/// Hash of what a ConfigMap or Secret holds: `KEY=VALUE` and a NUL for every entry, sorted by key.
#[must_use]
pub fn content<'a, V: AsRef<[u8]>>(entries: impl IntoIterator<Item = (&'a str, V)>) -> String {
    let mut entries: Vec<(&str, V)> = entries.into_iter().collect();
    entries.sort_by_key(|&(key, _)| key);
    let mut digest = Sha256::new();
    for (key, value) in &entries {
        digest.update(key);
        digest.update("=");
        digest.update(value);
        digest.update([0]);
    }
    abbreviate(digest.finalize().into())
}

/// Hash over the content hashes of everything that a Pod refers to, in the order of the references;
/// an object that does not exist counts as the empty string.
#[must_use]
pub fn pod_content<'a>(hashes: impl IntoIterator<Item = &'a str>) -> String {
    short(hashes.into_iter().collect::<String>())
}

/// The most significant base-36 digits of a big-endian number. Every App of a commit has a few of these hashes, so it
/// is divided by as much at a time as fits.
fn abbreviate(number: [u8; 32]) -> String {
    let (words, _) = number.as_chunks();
    let mut words: Vec<u32> = words.iter().map(|word| u32::from_be_bytes(*word)).collect();
    let mut digits = Vec::with_capacity(55);
    while words.iter().any(|&word| word != 0) {
        let mut chunk = divide(&mut words, CHUNK);
        for _ in 0..CHUNK_LENGTH {
            digits.push(DIGITS[(chunk % 36) as usize]);
            chunk /= 36;
        }
    }
    // The last chunk may not be full.
    let significant = digits.iter().rev().skip_while(|&&digit| digit == DIGITS[0]);
    significant.take(LENGTH).map(|&digit| char::from(digit)).collect()
}

/// Divides a number, its most significant word first, in place and returns the remainder.
fn divide(number: &mut [u32], by: u32) -> u32 {
    let mut remainder = 0_u64;
    for word in number {
        let dividend = remainder << 32 | u64::from(*word);
        *word = (dividend / u64::from(by)) as u32;
        remainder = dividend % u64::from(by);
    }
    remainder as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_real_deployment() {
        let workspace = "aks-e2e-gitea-20250925-060355";
        assert_eq!(short(format!("{workspace}:aks1")), "50vf7y");
        assert_eq!(short(format!("{workspace}:aks1:cluster1")), "62mpgv");
        assert_eq!(short(format!("{workspace}:aks1:app1")), "13o40q");
        assert_eq!(short("ops:aks1"), "1nedct");
    }

    #[test]
    fn content_is_hashed_by_key_whatever_the_order() {
        let entries = [("A", "over"), ("B", "x\ny"), ("C", "spaced "), ("D", "q$uote"), ("E", "5"), ("F", "true")];
        assert_eq!(content(entries), "332s63");
        assert_eq!(content(entries.into_iter().rev()), "332s63");
        assert_ne!(content([("A", "over")]), "332s63");
    }

    #[test]
    fn entries_cannot_run_into_each_other() {
        assert_ne!(content([("A", "1"), ("B", "2")]), content([("A", "1B=2")]));
    }

    #[test]
    fn a_missing_object_counts_as_nothing() {
        assert_eq!(pod_content(["", "332s63", ""]), short("332s63"));
        assert_ne!(pod_content(["332s63", "2jyr3l"]), pod_content(["2jyr3l", "332s63"]));
    }

    #[test]
    fn small_numbers_keep_all_their_digits() {
        let mut number = [0; 32];
        number[31] = 37;
        assert_eq!(abbreviate(number), "11");
        assert_eq!(abbreviate([0; 32]), "");
    }

    #[test]
    fn digits_come_from_the_whole_number() {
        let power = 36_u128.pow(20).to_be_bytes();
        let mut number = [0; 32];
        number[16..].copy_from_slice(&power);
        assert_eq!(abbreviate(number), "100000");
        number[16..].copy_from_slice(&(36_u128.pow(20) - 1).to_be_bytes());
        assert_eq!(abbreviate(number), "zzzzzz");
        assert_eq!(abbreviate([255; 32]), "6dp5qc");
    }
}
