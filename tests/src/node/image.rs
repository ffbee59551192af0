//! Container images without a registry: a docker-archive with Debian's static busybox under several names.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::run;
use crate::folder::Folder;
use crate::process::find_program_in;

/// Writes the archive to `folder` and gives its path. Every name stands for the same image, which sleeps
/// until it is ended unless told otherwise; as the sandbox of a Pod that is all it has to do.
pub(super) fn write(folder: &Folder, names: &[&str]) -> Result<PathBuf> {
    let root = folder.subfolder("image/root")?;
    fill(&root).with_context(|| format!("cannot fill {}", root.display()))?;
    let layer = folder.path().join("image/layer.tar");
    pack(&root, &["."], &layer)?;
    let content = std::fs::read(&layer).with_context(|| format!("cannot read {}", layer.display()))?;
    let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": { "Env": ["PATH=/bin"], "Cmd": ["/bin/sleep", "2147483647"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{hash}")] },
    });
    folder.write("image/config.json", &config.to_string())?;
    let manifest = json!([{ "Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"] }]);
    folder.write("image/manifest.json", &manifest.to_string())?;
    let archive = folder.path().join("images.tar");
    pack(&folder.path().join("image"), &["manifest.json", "config.json", "layer.tar"], &archive)?;
    Ok(archive)
}

/// A root file system of one program under the names of all its applets.
fn fill(root: &Path) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let busybox = find_program_in("busybox", &path).context("no busybox")?;
    for name in ["bin", "etc", "tmp"] {
        std::fs::create_dir_all(root.join(name))?;
    }
    std::fs::copy(&busybox, root.join("bin/busybox"))?;
    for applet in run(Command::new(&busybox).arg("--list"))?.lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n")?;
    std::fs::write(root.join("etc/group"), "root:x:0:\n")?;
    Ok(())
}

fn pack(folder: &Path, names: &[&str], archive: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command.arg("--create").arg("--file").arg(archive).arg("--directory").arg(folder);
    run(command.args(["--owner=0", "--group=0", "--numeric-owner"]).args(names)).map(drop)
}
