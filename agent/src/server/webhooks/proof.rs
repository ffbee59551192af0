//! What a webhook shows to prove that its sender has the secret, and whether it does. Pure.
//!
//! | forge | header | value |
//! |-|-|-|
//! | GitHub | `X-Hub-Signature-256` | `sha256=` and the HMAC-SHA256 of the body, in hexadecimal |
//! | Bitbucket | `X-Hub-Signature` | the same; other forges put a SHA-1 there, which does not count |
//! | Gitea, Forgejo | `X-Gitea-Signature`, `X-Forgejo-Signature` | the HMAC-SHA256 of the body, in hexadecimal |
//! | GitLab | `X-Gitlab-Token` | the secret itself |

use hmac::{Hmac, Mac as _};
use hmac_sha2::Sha256;
use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// Headers with a signature, and what stands before its digits.
const SIGNATURES: [(&str, &str); 4] = [
    ("x-hub-signature-256", "sha256="),
    ("x-hub-signature", "sha256="),
    ("x-gitea-signature", ""),
    ("x-forgejo-signature", ""),
];
/// The header with the secret itself.
const TOKEN: &str = "x-gitlab-token";
/// Bytes of a signature.
const SIGNATURE: usize = 32;

/// What a webhook shows. Of each header only the first one counts, so that there is an end to what must be compared.
#[derive(Default)]
pub(super) struct Proof {
    signatures: Vec<[u8; SIGNATURE]>,
    token: Option<Secret>,
}

impl Proof {
    /// Reads it from the headers. What has not the form of a signature is none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let signature = |(name, prefix): (&str, &str)| digits(text(name)?.strip_prefix(prefix)?);
        Self { signatures: SIGNATURES.into_iter().filter_map(signature).collect(), token: text(TOKEN).map(Secret::new) }
    }

    /// Whether nothing was shown at all.
    pub(super) fn is_empty(&self) -> bool {
        self.signatures.is_empty() && self.token.is_none()
    }
}

/// The bytes that 64 hexadecimal digits mean.
fn digits(text: &str) -> Option<[u8; SIGNATURE]> {
    let mut bytes = [0; SIGNATURE];
    if text.len() != 2 * SIGNATURE {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

/// A body that is being read, to be held against what its sender shows.
pub(super) struct Check {
    secret: Secret,
    mac: Hmac<Sha256>,
}

impl Check {
    /// Of a body of which nothing was read yet. `None` where the secret cannot be a key; any text can.
    pub(super) fn new(secret: Secret) -> Option<Self> {
        let mac = Hmac::new_from_slice(secret.expose().as_bytes()).ok()?;
        Some(Self { secret, mac })
    }

    /// The next bytes of the body.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.mac.update(bytes);
    }

    /// Whether the sender has the secret; the body is whole. One header that fits is enough: each by itself proves
    /// it, and proxies and forges send several. Takes the same time wherever a wrong one differs.
    pub(super) fn accepts(&self, proof: &Proof) -> bool {
        let signed = proof.signatures.iter().any(|signature| self.mac.clone().verify_slice(signature).is_ok());
        let token = proof.token.as_ref().map(|token| token.expose().as_bytes().ct_eq(self.secret.expose().as_bytes()));
        signed || token.is_some_and(bool::from)
    }
}

#[cfg(test)]
mod tests;
