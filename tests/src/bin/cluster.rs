//! A test cluster for work by hand, in the foreground: a real control plane with fake nodes and, if asked,
//! a real Gitea. It prints how to reach them and ends everything on Ctrl-C or SIGTERM.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use kompox_tests::control_plane::{ControlPlane, Options};
use kompox_tests::gitea::{Gitea, OWNER};
use kompox_tests::kwok::{FakeNode, POOL_LABEL};
use kompox_tests::node::{BUSYBOX, RealNode};
use kompox_tests::parts::say;
use kompox_tests::pki::write_secret;
use tokio::signal::unix::{SignalKind, signal};

/// How often the parts are looked at.
const WATCH: Duration = Duration::from_secs(1);

/// Starts a test cluster, prints its KUBECONFIG, and keeps it up until Ctrl-C.
#[derive(Parser)]
#[command(name = "cluster")]
struct Arguments {
    /// How many nodes to pretend; Pods on them become Ready and run nothing. With --real-node, 0 leaves the
    /// real one alone.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// Start a real node too, `real-1`, whose Pods really run (needs root and containerd).
    #[arg(long)]
    real_node: bool,
    /// Start a Gitea too.
    #[arg(long)]
    gitea: bool,
    /// Keep data and logs in this folder, which is emptied at the start; without it, in a temporary one.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // From now on a signal ends the start in an orderly way too.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        result = run(arguments) => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// Comes back only with an error; dropping it ends all parts.
async fn run(arguments: Arguments) -> Result<()> {
    let folder = arguments.folder.as_deref();
    let nodes = (1..=arguments.nodes).map(|number| FakeNode::user(&format!("node-{number}"))).collect();
    let plane = ControlPlane::start(Options { folder: folder.map(|folder| folder.join("cluster")), nodes }).await?;
    let node = match arguments.real_node {
        true => Some(RealNode::start(&plane, "real-1", &[(POOL_LABEL, "user")]).await?),
        false => None,
    };
    let gitea = match arguments.gitea {
        true => Some(Gitea::start_in(folder.map(|folder| folder.join("gitea")).as_deref()).await?),
        false => None,
    };
    if let Some(node) = &node {
        say(&format!("real node: {}, with the image {BUSYBOX}; its logs: {}", node.name(), node.folder().display()));
    }
    show(&plane, gitea.as_ref())?;
    loop {
        tokio::time::sleep(WATCH).await;
        plane.check_running()?;
        if let Some(node) = &node {
            node.check_running()?;
        }
        if let Some(gitea) = &gitea {
            gitea.check_running()?;
        }
    }
}

/// Prints what a shell can evaluate to standard output and the rest to standard error.
fn show(plane: &ControlPlane, gitea: Option<&Gitea>) -> Result<()> {
    let environment = plane.folder().join("env");
    let mut lines = format!("export KUBECONFIG={}\n", quoted(plane.kubeconfig()));
    if let Some(gitea) = gitea {
        let secrets = format!("export GITEA_TOKEN={}\nexport GITEA_PASSWORD={}\n", gitea.token(), gitea.password());
        write_secret(&environment, &format!("{lines}export GITEA_URL={}\n{secrets}", gitea.url()))?;
        lines.push_str(&format!("export GITEA_URL={}\n", gitea.url()));
    } else {
        write_secret(&environment, &lines)?;
    }
    say(&format!("ready after {:.1} s; data and logs: {}", plane.took().as_secs_f32(), plane.folder().display()));
    if let Some(gitea) = gitea {
        say(&format!("Gitea: {} (user {OWNER}); its data and log: {}", gitea.url(), gitea.folder().display()));
        say(&format!("password and token: {}", environment.display()));
    }
    say("Ctrl-C ends it. In another shell:");
    let mut output = std::io::stdout().lock();
    output.write_all(lines.as_bytes()).and_then(|()| output.flush()).context("cannot write to standard output")
}

/// A path that a shell reads as one word.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if plain { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
