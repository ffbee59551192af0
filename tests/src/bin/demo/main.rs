//! The demo: a real control plane with a node that pretends, a repository, a root for disks, and the
//! agent between them. Three commits go through: a first deploy, a new image, a mistake.

mod story;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

/// Shows the agent at work on a built-in cluster; stays up until Ctrl-C.
#[derive(Parser)]
#[command(name = "demo")]
struct Arguments {
    /// End after the story instead of staying up.
    #[arg(long)]
    once: bool,
    /// Push to a real forge, which shows the statuses on its commit pages.
    #[arg(long)]
    forge: Option<Forge>,
    /// Where everything is kept; emptied at the start.
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    folder: PathBuf,
}

/// Forges that the demo can start.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Forge {
    /// Gitea on loopback.
    Gitea,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        result = story::tell(&arguments.folder, arguments.forge == Some(Forge::Gitea), arguments.once) => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
