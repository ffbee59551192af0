//! What `examples/` shows is sound, and works as it stands there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kompox_tests::agent::AgentCommand;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::folder::{Folder, copy_tree};
use kompox_tests::kwok::FakeNode;
use kompox_tests::parts::{self, Part};
use serde_json::Value;

use crate::world::{LONG, NODE};
use kompox_tests::kubectl::kubectl;

/// In the order of their names, with the number of their volumes.
const EXAMPLES: [(&str, usize); 9] = [
    ("gitea", 1),
    ("gitlab", 3),
    ("immich", 3),
    ("mattermost", 1),
    ("n8n", 1),
    ("nextcloud", 2),
    ("redmine", 2),
    ("vaultwarden", 1),
    ("wordpress", 2),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_valid_without_a_warning() -> Result<()> {
    let folders = std::fs::read_dir(examples()).context("there are no examples")?;
    let mut names = Vec::new();
    for folder in folders {
        names.push(folder?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    ensure!(names == EXAMPLES.map(|(name, _)| name), "the examples are {names:?}: a new one is to be tested here");
    for name in names {
        let path = examples().join(&name);
        let checked = agent(&["validate", &path.to_string_lossy()]).run(LONG).await?;
        ensure!(checked.status.success(), "{name}: {}", checked.stderr);
        ensure!(checked.stderr.is_empty(), "{name}: {}", checked.stderr);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_becomes_healthy_when_it_is_applied() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return Ok(());
    }
    let plane = ControlPlane::start(Options { folder: None, nodes: vec![FakeNode::user(NODE)] }).await?;
    let folder = Folder::temporary("examples")?;
    let root = folder.subfolder("disks")?;
    let agent = |arguments: &[&str]| agent(arguments).env("KUBECONFIG", plane.kubeconfig());
    let made = agent(&["disk", "init-root", &root.to_string_lossy(), "--node", NODE]).run(LONG).await?;
    ensure!(made.status.success(), "disk init-root: {}", made.stderr);

    for (name, volumes) in EXAMPLES {
        let copy = with_disks_in(&root, name, &folder)?;
        let apply = ["apply", "--yes", "-o", "json", &copy.to_string_lossy()];
        let applied = agent(&apply).run(LONG).await?;
        ensure!(applied.status.success(), "{name}: {}{}", applied.stdout, applied.stderr);
        let answer: Value = serde_json::from_str(&applied.stdout).context("apply -o json")?;
        ensure!(answer["apps"][0]["state"] == "healthy", "{name}: {answer}");
        ensure!(answer["done"]["disksCreated"] == volumes, "{name}: {answer}");

        // A second time there is nothing to do.
        let plan = agent(&["plan", &copy.to_string_lossy()]).run(LONG).await?;
        ensure!(plan.status.success(), "{name}: {}{}", plan.stdout, plan.stderr);
        let selector = format!("app.kubernetes.io/name={name}");
        let bound = ["get", "pvc", "-A", "-l", &selector, "-o", "jsonpath={.items[*].status.phase}"];
        let bound = kubectl(plane.kubeconfig(), &bound)?;
        ensure!(bound == vec!["Bound"; volumes].join(" "), "{name}: the claims are {bound}");
    }
    Ok(())
}

/// The agent with the key of the example that has encrypted files.
fn agent(arguments: &[&str]) -> AgentCommand {
    AgentCommand::new(arguments).env("KOMPOX_AGENT_AGE_KEYS_FILE", examples().join("redmine/age-key.txt"))
}

/// A copy of an example whose disks are below `root`.
fn with_disks_in(root: &Path, name: &str, folder: &Folder) -> Result<PathBuf> {
    let copy = folder.subfolder(name)?;
    copy_tree(&examples().join(name), &copy)?;
    let entry = ["kompoxops.yml", "kompoxapp.yml"].map(|file| copy.join(file)).into_iter().find(|file| file.exists());
    let entry = entry.with_context(|| format!("{name} has no entry file"))?;
    let text = std::fs::read_to_string(&entry)?;
    let local = format!("  driver: local\n  settings: {{LOCAL_ROOT: {}}}\n", root.display());
    ensure!(text.contains("  driver: local\n"), "{name} is not on the driver local");
    std::fs::write(&entry, text.replace("  driver: local\n", &local))?;
    Ok(copy)
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}
