//! One encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`, with AES-256-GCM and a nonce of 32 bytes. The path of
//! the value is authenticated with it, so that no value can be moved to another key.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Nonce, Payload};
use aes_gcm::{AesGcm, aes::Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::MARK;

type Cipher = AesGcm<Aes256, U32>;

/// Bytes of a data key.
const KEY: usize = 32;
const NONCE: usize = 32;

/// What every value of a file is encrypted with.
pub(super) struct DataKey(Cipher);

impl DataKey {
    /// `None` when it has not the bytes of one.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == KEY).then(|| Cipher::new_from_slice(bytes).ok().map(Self))?
    }
}

/// A value that was decrypted.
pub(super) struct Decrypted {
    pub(super) kind: Kind,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// What a value was before it was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Bytes,
    Time,
    /// An item of a list that is a comment.
    Comment,
}

/// Why a value cannot be read, in words that go behind "the value".
pub(super) type Broken = &'static str;

/// Whether a text is an encrypted value, sound or not.
pub(super) fn is_encrypted(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Decrypts a value. `path` are the keys that lead to it, as SOPS joins them: each with a `:` behind it.
pub(super) fn decrypt(text: &str, path: &str, key: &DataKey) -> Result<Decrypted, Broken> {
    const SHAPE: Broken = "is not written as SOPS writes encrypted values";
    let fields = text.trim_end().strip_prefix(MARK).and_then(|rest| rest.strip_suffix(']')).ok_or(SHAPE)?;
    let mut parts = fields.split(',');
    let mut field = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix(':');
    let (Some(data), Some(nonce), Some(tag), Some(kind)) = (field("data"), field("iv"), field("tag"), field("type"))
    else {
        return Err(SHAPE);
    };
    if parts.next().is_some() {
        return Err(SHAPE);
    }
    let decode = |field: &str| STANDARD.decode(field).map_err(|_| SHAPE);
    let (mut sealed, nonce, tag) = (decode(data)?, decode(nonce)?, decode(tag)?);
    if nonce.len() != NONCE {
        return Err("has a nonce of a length that SOPS does not write");
    }
    let kind = match kind {
        "str" => Kind::Text,
        "int" => Kind::Int,
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "bytes" => Kind::Bytes,
        "time" => Kind::Time,
        "comment" => Kind::Comment,
        _ => return Err("is of a type that this version does not know"),
    };
    sealed.extend_from_slice(&tag);
    let nonce = Nonce::<Cipher>::from_slice(&nonce);
    let opened = key.0.decrypt(nonce, Payload { msg: &sealed, aad: path.as_bytes() });
    let bytes = Zeroizing::new(opened.map_err(|_| "was changed, or moved here from another key")?);
    if kind != Kind::Bytes && kind != Kind::Text && std::str::from_utf8(&bytes).is_err() {
        return Err(SHAPE);
    }
    Ok(Decrypted { kind, bytes })
}

impl Decrypted {
    /// The value as text; `None` when it is no UTF-8.
    pub(super) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}
