//! A person's word in a commit's message: `Kompox-Accept: <digest>` lets go what that digest names.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kompox_core::plan::HoldDigest;
use tracing::warn;

/// The trailer. Case does not matter, as in Git.
const TRAILER: &str = "kompox-accept";
/// A word counts for later commits too, for so long: what it lets go may take more than one of them.
const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Most words that are remembered.
const MOST: usize = 100;

/// The digests that the trailers of a commit accept. A trailer can name several, with spaces or commas
/// between them.
pub(crate) fn of_trailers(trailers: &[(String, String)]) -> BTreeSet<HoldDigest> {
    let values = trailers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(TRAILER)).map(|(_, value)| value);
    let words = values.flat_map(|value| value.split([' ', ','])).filter(|word| !word.is_empty());
    let digest = |word: &str| match word.parse() {
        Ok(digest) => Some(digest),
        Err(error) => {
            warn!(%error, "a trailer Kompox-Accept is not understood");
            None
        }
    };
    words.filter_map(digest).collect()
}

/// Adds accepted digests to those that are remembered, and forgets the old ones.
pub(crate) fn remember(
    known: &mut BTreeMap<HoldDigest, Timestamp>,
    accepted: impl IntoIterator<Item = HoldDigest>,
    now: Timestamp,
) {
    known.retain(|_, since| now.duration_since(*since) < LASTS);
    for digest in accepted {
        known.entry(digest).or_insert(now);
    }
    while known.len() > MOST {
        let oldest = known.iter().min_by_key(|(_, since)| **since).map(|(digest, _)| digest.clone());
        oldest.map(|digest| known.remove(&digest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> HoldDigest {
        format!("{number:016x}").parse().unwrap()
    }

    #[test]
    fn trailers_name_digests_and_nothing_else() {
        let trailers = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            of_trailers(&pairs).into_iter().map(|digest| digest.to_string()).collect::<Vec<_>>()
        };
        let both =
            trailers(&[("Kompox-Accept", "0123456789abcdef, fedcba9876543210"), ("Signed-off-by", "0000000000000000")]);
        assert_eq!(both, ["0123456789abcdef", "fedcba9876543210"]);
        assert_eq!(trailers(&[("kompox-ACCEPT", "0123456789abcdef")]).len(), 1);
        assert!(trailers(&[("Kompox-Accept", "*"), ("Kompox-Accept", "all"), ("Kompox-Accept", "")]).is_empty());
    }

    #[test]
    fn words_are_forgotten_after_a_week_and_bounded() {
        let start: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut known = BTreeMap::new();
        remember(&mut known, [digest(1)], start);
        let later = start + SignedDuration::from_hours(6 * 24);
        remember(&mut known, [digest(1), digest(2)], later);
        assert_eq!(known.len(), 2);
        remember(&mut known, [], start + SignedDuration::from_hours(7 * 24));
        assert_eq!(known.keys().cloned().collect::<Vec<_>>(), [digest(2)], "said again is not said anew");
        remember(&mut known, (3..500).map(digest), later);
        assert_eq!(known.len(), MOST);
    }
}
