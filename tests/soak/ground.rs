//! The ground with the Apps of the walk, and an agent that may be killed at any time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kompox_tests::agent::Agent;
use kompox_tests::git::BRANCH;
use kompox_tests::ground;

use crate::apps::{self, App};

/// How long everything may take to come to rest, back-off after outages included.
const LONG: Duration = Duration::from_secs(240);
/// More than one a time, so that a walk sees them together.
const SETTINGS: &str = "maxDisruptions: 8\n";

pub(crate) struct Ground {
    pub(crate) under: ground::Ground,
    /// What the newest commit asks.
    pub(crate) apps: Vec<App>,
    agent: Option<Agent>,
}

impl Ground {
    /// Starts the cluster and publishes the first commit.
    pub(crate) async fn start() -> Result<Self> {
        let ground = Self { under: ground::Ground::start("soak", LONG).await?, apps: apps::all(), agent: None };
        ground.publish("Every App")?;
        Ok(ground)
    }

    /// Starts an agent that polls every second.
    pub(crate) async fn start_agent(&mut self) -> Result<()> {
        self.agent = Some(self.under.agent(SETTINGS).await?);
        Ok(())
    }

    /// SIGKILL, wherever the agent is.
    pub(crate) async fn kill_agent(&mut self) -> Result<()> {
        let agent = self.agent.take().context("no agent runs")?;
        agent.kill()?;
        agent.finish(LONG).await.map(drop)
    }

    /// Fails when the agent has ended by itself.
    pub(crate) fn check_agent(&self) -> Result<()> {
        self.agent.as_ref().map_or(Ok(()), ground::check_runs)
    }

    /// The end of what the agent logged.
    pub(crate) fn last_words(&self) -> String {
        self.agent.as_ref().map(Agent::last_words).unwrap_or_default()
    }

    /// Commits what [`Self::apps`] asks.
    pub(crate) fn publish(&self, message: &str) -> Result<String> {
        let (repo, root) = (&self.under.repo, self.under.disk_root());
        for app in &self.apps {
            let folder = repo.work_tree().join(app.name);
            if !app.is_present {
                if folder.exists() {
                    std::fs::remove_dir_all(&folder)?;
                }
                continue;
            }
            std::fs::create_dir_all(&folder)?;
            for (path, text) in app.files(&root) {
                std::fs::write(repo.work_tree().join(path), text)?;
            }
        }
        // Something differs in every commit, also when nothing of an App does.
        std::fs::write(repo.work_tree().join("LOG.md"), format!("{message}, {:?}\n", std::time::SystemTime::now()))?;
        let commit = repo.commit(&[], message)?;
        repo.push(BRANCH)?;
        Ok(commit)
    }

    /// Waits until the newest commit is a success.
    pub(crate) async fn settled(&self) -> Result<()> {
        let agent = self.agent.as_ref().context("no agent runs")?;
        self.under.settled(agent, &self.under.repo.head()?).await
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.under.kubectl(arguments)
    }

    /// The Namespace of an App, if it has one.
    pub(crate) fn namespace(&self, app: &str) -> Result<Option<String>> {
        self.under.namespace(app)
    }

    /// How many disks are in the root.
    pub(crate) fn disks(&self) -> Result<usize> {
        Ok(kompox_tests::disks::below(Path::new(&self.under.disk_root()))?.len())
    }
}
