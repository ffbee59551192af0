//! The benchmark: the agent on a real control plane, beside what kubectl and a bare parallel client take for the
//! same objects on the same machine in the same run. Its table goes into `docs/benchmarks.md`.
//!
//! All three talk to their API server through the same recording proxy, so that none has the shorter way, and
//! each applies to a fresh control plane.

mod fleet;
mod ground;
mod rivals;
mod table;
mod usage;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use kompox_tests::parts::say;

use crate::ground::Ground;
use crate::rivals::{Rival, RivalFigures};

/// Measures the agent beside kubectl and a bare parallel client, and writes docs/benchmarks.md.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// How many Apps, of 15 objects each.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=999))]
    apps: u16,
    /// How many commits that change one App each.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    changes: u16,
    /// How many edits by people.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    edits: u16,
    /// How many objects of others come into the cluster at the end; 0 leaves that out.
    #[arg(long, default_value_t = 20_000)]
    foreign: u32,
    /// How many requests the bare client has under way at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
}

/// What the agent took.
#[derive(Debug)]
struct AgentFigures {
    /// From its start to its last write of an object.
    cold: Duration,
    /// Requests over ten looks while nothing changed, but for watches and the Lease.
    idle_requests: usize,
    /// CPU of one such look.
    idle_cpu: Duration,
    /// Every commit's time from the fetch to its last write.
    changes: Vec<Duration>,
    /// The most requests that one of these commits cost.
    change_requests: usize,
    /// Every edit's time until it was undone.
    edits: Vec<Duration>,
    /// Resident memory, in KiB: when all was applied, after all commits and edits, with the foreign objects.
    memory: (u64, u64, Option<u64>),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (figures, machine, objects) = measure_agent(&arguments).await?;
    say("kubectl, on a cluster of its own");
    let kubectl = rivals::measure(&Rival::Kubectl, &objects).await?;
    say("the bare client, on a cluster of its own");
    let bare = rivals::measure(&Rival::Bare(arguments.parallel.into()), &objects).await?;
    let text = table::text(&arguments, &figures, &[&kubectl, &bare], &machine);
    table::write(&text)?;
    say(&text);
    Ok(())
}

async fn measure_agent(arguments: &Arguments) -> Result<(AgentFigures, table::Machine, Vec<serde_json::Value>)> {
    say("the agent");
    let ground = Ground::start(arguments.apps).await?;
    let objects = ground.render().await?;
    ensure!(objects.len() == usize::from(arguments.apps) * fleet::OBJECTS, "{} objects", objects.len());
    let machine = table::Machine::look(&ground).await?;
    let (agent, cold) = ground.cold(objects.len()).await?;
    say(&format!("cold: {cold:?}"));
    ground.quiet().await?;
    let applied = usage::memory(agent.pid())?;
    let (idle_requests, idle_cpu) = ground.idle(&agent).await?;
    say(&format!("idle: {idle_requests} requests, {idle_cpu:?} a look"));
    let (mut changes, mut change_requests) = (Vec::new(), 0);
    for number in 0..arguments.changes {
        let (took, requests) = ground.change(&agent, number).await?;
        changes.push(took);
        change_requests = change_requests.max(requests);
    }
    say(&format!("changes: {changes:?}, at most {change_requests} requests"));
    let mut edits = Vec::new();
    for number in 0..arguments.edits {
        edits.push(ground.edit(number).await?);
    }
    say(&format!("edits: {edits:?}"));
    ground.quiet().await?;
    let later = usage::memory(agent.pid())?;
    let foreign = match arguments.foreign {
        0 => None,
        count => {
            ground.add_foreign(count, arguments.parallel.into()).await?;
            Some(usage::memory(agent.pid())?)
        }
    };
    let memory = (applied, later, foreign);
    Ok((AgentFigures { cold, idle_requests, idle_cpu, changes, change_requests, edits, memory }, machine, objects))
}

/// The value below which `share` of 100 of all lie; nothing of nothing.
fn percentile(all: &[Duration], share: usize) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * share).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let all: Vec<Duration> = (1..=50).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&all, 50), Duration::from_millis(25));
        assert_eq!(percentile(&all, 99), Duration::from_millis(50));
        assert_eq!(percentile(&all[..1], 50), Duration::from_millis(50));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
