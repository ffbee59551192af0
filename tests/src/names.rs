//! Names that no other test uses.

use rand::Rng as _;

/// Letters and digits that DNS labels may hold, without those that are easily confused.
const ALPHABET: &[u8] = b"abcdefghkmnpqrstuvwxyz23456789";

/// `prefix`, a hyphen and six random letters and digits: a valid DNS label if `prefix` starts one.
#[must_use]
pub fn unique(prefix: &str) -> String {
    let mut random = rand::rng();
    let suffix = (0..6).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    format!("{prefix}-{}", suffix.collect::<String>())
}
