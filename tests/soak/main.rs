//! A long walk at random: commits, people's edits, deletions, outages of the API server and kills of the agent, one
//! after the other and without waiting for what came of the one before. In the end every App is as its last commit
//! asks, no disk was lost, and nothing is left over.
//!
//! `KOMPOX_SOAK_SECONDS` says how long (default 120), `KOMPOX_SOAK_SEED` which walk. A walk that failed is taken
//! again with its seed; what happens at the same moment in the cluster differs even so.

mod apps;
mod ground;
mod verdict;
mod walk;

use std::time::Duration;

use anyhow::{Context as _, Result};
use kompox_tests::parts::{self, Part};

use ground::Ground;
use walk::Walk;

const SECONDS: u64 = 120;
const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn every_app_ends_as_its_last_commit_asks() -> Result<()> {
    if parts::skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return Ok(());
    }
    let length = Duration::from_secs(number("KOMPOX_SOAK_SECONDS", SECONDS)?);
    let seed = number("KOMPOX_SOAK_SEED", SEED)?;
    let mut ground = Ground::start().await?;
    ground.start_agent().await?;
    ground.settled().await?;
    let before = verdict::snapshot(&ground)?;

    let mut walk = Walk::new(seed);
    let walked = walk.run(&mut ground, length).await;
    println!("seed {seed}, {} s: {}", length.as_secs(), walk.told());
    walked
        .and_then(|()| walk.check())
        .with_context(|| format!("the walk with the seed {seed}, after {}", walk.told()))?;

    let judged = verdict::judge(&mut ground, &before).await;
    let log = || format!("seed {seed}, after {}; the agent's last words: {}", walk.told(), ground.last_words());
    judged.with_context(log)
}

fn number(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is {text}, not a number")),
        Err(_) => Ok(default),
    }
}
