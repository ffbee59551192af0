//! A certificate authority for one cluster: serving and client certificates, the service-account key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Clocks of test machines jump; the certificates are valid from a day before now.
const BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any work by hand on a test cluster.
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A certificate and its private key, both in PEM. It has no `Debug`: the key is a secret.
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS#8).
    pub key: String,
}

/// The files of a [`Pair`].
#[derive(Debug, Clone)]
pub struct PairFiles {
    /// Path of the certificate.
    pub certificate: PathBuf,
    /// Path of the private key.
    pub key: PathBuf,
}

/// One cluster's certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(…)")
    }
}

impl Authority {
    /// A fresh authority with a fresh key.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn new() -> Result<Self> {
        let mut params = parameters("kompox-test-ca", None, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("cannot make the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("cannot make the authority's certificate")?;
        Ok(Self { issuer })
    }

    /// The authority's certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server that is reached under `names` (host names and IP addresses).
    ///
    /// # Errors
    /// When a name is not one, or the certificate cannot be made.
    pub fn serving(&self, common_name: &str, names: &[&str]) -> Result<Pair> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        self.issue(parameters(common_name, None, names)?, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for the Kubernetes user `user`, a member of `group` if one is named.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Pair> {
        self.issue(parameters(user, group, Vec::new())?, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("cannot make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("cannot sign a certificate")?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Pair {
    /// Writes `<name>.crt` and `<name>.key` into `folder`, the key readable by this user only.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PairFiles> {
        let files =
            PairFiles { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
        write(&files.certificate, &self.certificate)?;
        write_secret(&files.key, &self.key)?;
        Ok(files)
    }
}

/// The key pair that service-account tokens are signed and checked with.
#[derive(Debug, Clone)]
pub struct ServiceAccountKey {
    /// Path of the private key.
    pub private: PathBuf,
    /// Path of the public key.
    pub public: PathBuf,
}

impl ServiceAccountKey {
    /// Makes a fresh key and writes it to `folder`.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn write(folder: &Path) -> Result<Self> {
        let pair = KeyPair::generate().context("cannot make the service-account key")?;
        let files = Self { private: folder.join("service-account.key"), public: folder.join("service-account.pub") };
        write_secret(&files.private, &pair.serialize_pem())?;
        write(&files.public, &pair.public_key_pem())?;
        Ok(files)
    }
}

/// Writes a file that only this user may read.
///
/// # Errors
/// When it cannot be written.
pub fn write_secret(path: &Path, content: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

fn parameters(common_name: &str, organization: Option<&str>, names: Vec<String>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("a name for a certificate is not a host name")?;
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    let now = std::time::SystemTime::now();
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + LIFETIME).into();
    Ok(params)
}
