//! Builds the real parts (control plane, fake nodes, forge, reader of Compose files, SOPS, CoreDNS) once, so that what comes
//! after starts at once. Says what is missing where one cannot be built.

use anyhow::Result;
use kompox_tests::parts::{Part, say};

#[tokio::main]
async fn main() -> Result<()> {
    for part in [Part::ControlPlane, Part::Kwok, Part::Gitea, Part::Compose, Part::Sops, Part::CoreDns] {
        match part.missing() {
            Some(missing) => say(&format!("skipped: {missing}")),
            None => drop(part.folder().await?),
        }
    }
    Ok(())
}
