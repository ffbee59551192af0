//! What the real SOPS encrypts is read as it decrypts it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use kompox_manifests::desired::{Desired, Terms, desire};
use kompox_manifests::model::{FileContent, Service};
use kompox_manifests::sops::{AgeKeys, Decryption};
use kompox_manifests::source::MemoryTree;
use kompox_tests::folder::Folder;
use kompox_tests::parts::{self, Part};
use serde_json::Value;

const ENTRY: &str = "version: v1\nworkspace: {name: acme}\nprovider: {name: home, driver: local}\ncluster: {name: one}\n\
                     app: {name: shop, compose: file:compose.yml}\n";

/// The program and a key, in a folder of their own.
pub(crate) struct Sops {
    program: PathBuf,
    pub(crate) folder: Folder,
    recipient: String,
}

impl Sops {
    pub(crate) async fn ready() -> Result<Self> {
        let folder = Folder::temporary("sops")?;
        folder.write("agent.key", &std::fs::read_to_string(testdata().join("agent.agekey"))?)?;
        let keys = AgeKeys::parse(&std::fs::read_to_string(folder.path().join("agent.key"))?)?;
        let recipient = keys.recipients().first().context("no key")?.clone();
        Ok(Self { program: Part::Sops.binary().await?, folder, recipient })
    }

    /// The file of the key.
    pub(crate) fn keys_file(&self) -> PathBuf {
        self.folder.path().join("agent.key")
    }

    /// Runs it in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let output = Command::new(&self.program)
            .current_dir(self.folder.path())
            .env("SOPS_AGE_KEY_FILE", self.keys_file())
            .args(arguments)
            .stdin(Stdio::null())
            .output()?;
        ensure!(output.status.success(), "sops {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    /// A file that it encrypts, in place.
    pub(crate) fn encrypt(&self, name: &str, content: &[u8], options: &[&str]) -> Result<Vec<u8>> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content)?;
        let mut arguments = vec!["encrypt", "--age", &self.recipient];
        arguments.extend(options);
        arguments.extend(["--in-place", name]);
        self.run(&arguments)?;
        Ok(std::fs::read(path)?)
    }

    fn terms(&self) -> Result<Terms> {
        let keys = AgeKeys::parse(&std::fs::read_to_string(self.keys_file())?)?;
        Ok(Terms { decryption: Decryption::Keys(keys), ..Terms::default() })
    }
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/src/sops/testdata")
}

/// An App whose Compose file is this, with a file beside it.
fn load(sops: &Sops, compose: &str, name: &str, content: &[u8]) -> Result<Desired> {
    let files = [("kompoxops.yml", ENTRY.as_bytes()), ("compose.yml", compose.as_bytes()), (name, content)];
    Ok(desire(&MemoryTree::new(files), "", &sops.terms()?))
}

fn told(desired: &Desired) -> String {
    desired.diagnostics.iter().map(|finding| format!("{finding}\n")).collect()
}

/// The bytes that a service gets of a file that is its secret.
fn as_secret(sops: &Sops, name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let compose = format!("services:\n  web:\n    image: nginx\n    secrets: [s]\nsecrets: {{s: {{file: {name}}}}}\n");
    let desired = load(sops, &compose, name, content)?;
    let app = desired.apps().next().with_context(|| told(&desired))?;
    match &app.project.secrets.first().context("no secret")?.content {
        FileContent::File { bytes, encrypted: true, .. } => Ok(bytes.0.clone()),
        _ => anyhow::bail!("{name} was not decrypted"),
    }
}

fn service(sops: &Sops, compose: &str, name: &str, content: &[u8]) -> Result<Service> {
    let desired = load(sops, compose, name, content)?;
    let app = desired.apps().next().with_context(|| told(&desired))?;
    app.project.services.first().cloned().context("no service")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_file_survives_the_round_trip() -> Result<()> {
    if parts::skip_without(&[Part::Sops]) {
        return Ok(());
    }
    let sops = Sops::ready().await?;
    let options = serde_saphyr::options! { strict_booleans: true };
    for name in ["values.yaml", "documents.yaml", "values.json", "lines.env", "blob.bin"] {
        let plain = std::fs::read(testdata().join("plain").join(name))?;
        let encrypted = sops.encrypt(name, &plain, &[])?;
        let theirs = sops.run(&["decrypt", name])?;
        let ours = as_secret(&sops, name, &encrypted)?;
        let (ours_text, theirs_text) = (String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs));
        match name.rsplit('.').next() {
            Some("yaml") => {
                let tree = |text: &str| -> Result<Vec<Value>> {
                    Ok(serde_saphyr::from_multiple_with_options(text, options.clone())?)
                };
                ensure!(tree(&ours_text)? == tree(&theirs_text)?, "{name}:\n{ours_text}\n{theirs_text}");
            }
            Some("json") => {
                let (ours, theirs): (Value, Value) = (serde_json::from_slice(&ours)?, serde_json::from_slice(&theirs)?);
                ensure!(ours == theirs, "{name}: {ours_text}");
            }
            // Comments that were encrypted are left out.
            Some("env") => ensure!(ours_text == theirs_text.replace("# a comment\n", ""), "{ours_text}"),
            _ => ensure!(ours == theirs, "{name} differs"),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sops_changes_later_is_read_too() -> Result<()> {
    if parts::skip_without(&[Part::Sops]) {
        return Ok(());
    }
    let sops = Sops::ready().await?;
    let compose = "services: {web: {image: nginx, env_file: [a.env]}}\n";
    sops.encrypt("a.env", b"A=one\nB=two\n", &[])?;
    sops.run(&["set", "a.env", "[\"A\"]", "\"three = 3 \u{1f511}\""])?;
    sops.run(&["rotate", "--in-place", "a.env"])?;
    let other = AgeKeys::parse(&std::fs::read_to_string(testdata().join("other.agekey"))?)?;
    let other = other.recipients().first().context("no key")?;
    sops.run(&["rotate", "--in-place", "--add-age", other, "a.env"])?;
    let content = std::fs::read(sops.folder.path().join("a.env"))?;
    let values = service(&sops, compose, "a.env", &content)?.env_file.context("no file")?.0;
    ensure!(values["A"] == "three = 3 \u{1f511}" && values["B"] == "two", "{:?}", values.keys());
    // The agent's key is taken away: nothing is guessed.
    let own = sops.recipient.clone();
    sops.run(&["rotate", "--in-place", "--rm-age", &own, "a.env"])?;
    let content = std::fs::read(sops.folder.path().join("a.env"))?;
    let refused = load(&sops, compose, "a.env", &content)?;
    ensure!(told(&refused).contains(&format!("the file is encrypted for {other}, and")), "{}", told(&refused));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_may_be_encrypted_in_part() -> Result<()> {
    if parts::skip_without(&[Part::Sops]) {
        return Ok(());
    }
    let sops = Sops::ready().await?;
    let plain = b"services:\n  web:\n    image: nginx:1.29 # pinned\n    labels: {released: 2026-11-20}\n    environment:\n      \
                  # the database's\n      DB_PASSWORD: hush\n      PORT: 0644\n      RATIO: 1.50\n";
    for option in ["--encrypted-regex=PASSWORD", "--unencrypted-regex=^(image|labels|PORT|RATIO)$"] {
        let encrypted = sops.encrypt("compose.yml", plain, &[option])?;
        let text = String::from_utf8(encrypted)?;
        ensure!(!text.contains("hush") && text.contains("nginx:1.29"), "{text}");
        let service = service(&sops, &text, "other.txt", b"")?;
        ensure!(service.env_file.context("no Secret")?.0["DB_PASSWORD"] == "hush", "{option}");
        ensure!(service.environment["PORT"] == "420" && service.environment["RATIO"] == "1.5", "{option}");
        let tampered = load(&sops, &text.replace("nginx:1.29", "nginx:1.30"), "other.txt", b"")?;
        ensure!(told(&tampered).contains("the file was changed after it was encrypted"), "{}", told(&tampered));
    }
    Ok(())
}
