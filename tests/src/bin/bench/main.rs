//! The benchmark: the agent on a real control plane, beside what kubectl and a bare parallel client take for the
//! same objects on the same machine in the same run. Its table goes into `docs/benchmarks.md`.
//!
//! All three talk to their API server through the same recording proxy, so that none has the shorter way, and
//! each applies to a fresh control plane.

mod cold;
mod fleet;
mod flux;
mod ground;
mod rivals;
mod table;
mod turns;
mod usage;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use kompox_tests::parts::say;
use serde_json::Value;

use crate::flux::Flux;
use crate::ground::Ground;
use crate::rivals::{Rival, RivalFigures};
use crate::table::Machine;
use crate::turns::Growth;

/// Measures the agent beside kubectl and a bare parallel client. A run that leaves nothing out writes its table to
/// docs/benchmarks.md; any other one only prints it.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// How many Apps, of 15 objects each; everything is measured once for each of these numbers.
    #[arg(long, value_delimiter = ',', default_values_t = SIZES, value_parser = clap::value_parser!(u16).range(1..=999))]
    apps: Vec<u16>,
    /// How many commits that change one App each.
    #[arg(long, default_value_t = ENOUGH, value_parser = clap::value_parser!(u16).range(1..))]
    changes: u16,
    /// How many edits by people.
    #[arg(long, default_value_t = ENOUGH, value_parser = clap::value_parser!(u16).range(1..))]
    edits: u16,
    /// How many looks the agent takes at the first number of Apps, one a second, while its memory is watched; 0 leaves
    /// that out.
    #[arg(long, default_value_t = LOOKS)]
    looks: u32,
    /// How many objects of others come into the cluster with the first number of Apps; 0 leaves that out.
    #[arg(long, default_value_t = FOREIGN)]
    foreign: u32,
    /// How many requests the bare client has under way at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Only the cold apply, of the agent and of the bare client in turns, so often; tells what the agent asked for, and
    /// writes no table.
    #[arg(long, conflicts_with = "turns")]
    cold: Option<u16>,
    /// Only one App's change among the fewest and among the most Apps, in turns; writes no table.
    #[arg(long)]
    turns: bool,
}

// What a table is made of that may take the place of the one in docs/benchmarks.md.

/// The numbers of Apps, in this order: what takes long is measured with the first one.
const SIZES: [u16; 2] = [100, 300];
/// So many changes and edits at least, for the slowest of a hundred to say something.
const ENOUGH: u16 = 50;
/// So often more the agent and the bare client apply everything to an empty cluster; the median counts.
const COLD_AGAIN: u16 = 4;
/// So many commits take over while the one before is waited for.
const TAKEOVERS: u16 = 5;
/// So many looks at least, for memory that grows to be seen.
const LOOKS: u32 = 1000;
/// So many objects of others at least.
const FOREIGN: u32 = 20_000;

impl Arguments {
    /// What is missing for the table to be written; nothing for a whole run.
    fn missing(&self) -> Vec<String> {
        let [first, second] = SIZES;
        let needs = [
            (self.apps == SIZES, format!("{first} and {second} Apps")),
            (self.changes >= ENOUGH, format!("{ENOUGH} changes")),
            (self.edits >= ENOUGH, format!("{ENOUGH} edits")),
            (self.looks >= LOOKS, format!("{LOOKS} looks")),
            (self.foreign >= FOREIGN, format!("{FOREIGN} foreign objects")),
        ];
        needs.into_iter().filter(|(is_met, _)| !is_met).map(|(_, need)| need).collect()
    }
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
    /// Every time from the fetch of a commit to its first write, while the one before it was waited for.
    takeovers: Vec<Duration>,
    /// Every edit's time until it was undone.
    edits: Vec<Duration>,
    /// Its resident memory.
    memory: Memory,
}

/// Resident memory of the agent, in KiB.
#[derive(Debug)]
struct Memory {
    /// When all was applied.
    applied: u64,
    /// After all commits and edits.
    changed: u64,
    /// After half of all looks, and after all.
    looks: Option<(u64, u64)>,
    /// Before the foreign objects came, and with them.
    foreign: Option<(u64, u64)>,
}

/// Everything that was measured with one number of Apps.
struct Round {
    apps: u16,
    agent: AgentFigures,
    /// The others, by name.
    rivals: Vec<(&'static str, RivalFigures)>,
    /// What more Apps than the first number of them cost.
    growth: Option<Growth>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (first, last) = (arguments.apps.iter().copied().min(), arguments.apps.iter().copied().max());
    if let (true, Some(first), Some(last)) = (arguments.turns, first, last) {
        turns::growth(first, last, arguments.parallel.into()).await?;
        return Ok(());
    }
    let flux = Flux::given()?;
    let mut rounds = Vec::new();
    let mut machine = None;
    for (index, apps) in arguments.apps.iter().copied().enumerate() {
        if let Some(rounds) = arguments.cold {
            cold::compare(apps, arguments.parallel.into(), rounds).await?;
            continue;
        }
        let (mut agent, on, objects) = measure_agent(&arguments, apps, index == 0).await?;
        machine.get_or_insert(on);
        let mut others = Vec::new();
        for (name, rival) in [("kubectl", Rival::Kubectl), (table::BARE, Rival::Bare(arguments.parallel.into()))] {
            say(&format!("{name}, on a cluster of its own"));
            others.push((name, rivals::measure(&rival, &objects).await?));
        }
        // One round says little about what is compared so closely.
        say("the agent and the bare client once more, in turns");
        let mut cold = cold::times(apps, arguments.parallel.into(), COLD_AGAIN, false).await?;
        cold.mine.push(agent.cold);
        agent.cold = percentile(&cold.mine, 50);
        for (_, bare) in others.iter_mut().filter(|(name, _)| *name == table::BARE) {
            cold.bare.push(bare.cold);
            bare.cold = percentile(&cold.bare, 50);
        }
        if let Some(flux) = &flux {
            say("Flux's kustomize-controller, on a cluster of its own");
            others.push(("Flux", flux.measure(&objects).await?));
        }
        let few = arguments.apps.first().copied().filter(|few| *few < apps);
        let growth = match few {
            Some(few) => Some(turns::growth(few, apps, arguments.parallel.into()).await?),
            None => None,
        };
        rounds.push(Round { apps, agent, rivals: others, growth });
    }
    if let Some(machine) = machine {
        let text = table::text(&arguments, &rounds, &machine);
        say(&text);
        let missing = arguments.missing();
        if missing.is_empty() {
            table::write(&text)?;
        } else {
            say(&format!("nothing was written to docs/benchmarks.md: a whole run has {}", missing.join(", ")));
        }
    }
    Ok(())
}

/// `is_first`: what takes long is measured too.
async fn measure_agent(
    arguments: &Arguments,
    apps: u16,
    is_first: bool,
) -> Result<(AgentFigures, Machine, Vec<Value>)> {
    say(&format!("the agent, with {apps} Apps"));
    let ground = Ground::start(apps).await?;
    let objects = ground.render().await?;
    ensure!(objects.len() == usize::from(apps) * fleet::OBJECTS, "{} objects", objects.len());
    let machine = Machine::look(&ground).await?;
    let (agent, cold) = ground.cold(objects.len()).await?;
    say(&format!("cold: {cold:?}"));
    ground.under.quiet().await?;
    let applied = usage::memory(agent.pid())?;
    let (idle_requests, idle_cpu) = ground.idle(&agent).await?;
    say(&format!("nothing changed: {idle_requests} requests, {idle_cpu:?} a look"));
    let (mut changes, mut change_requests) = (Vec::new(), 0);
    for number in 0..arguments.changes {
        let (took, requests) = ground.change(&agent, number).await?;
        say(&format!("change {} of {}: {took:?}, {requests} requests", number + 1, arguments.changes));
        changes.push(took);
        change_requests = change_requests.max(requests);
    }
    let takeovers = ground.takeovers(&agent, TAKEOVERS).await?;
    say(&format!("a newer commit takes over: {takeovers:?}"));
    let mut edits = Vec::new();
    for number in 0..arguments.edits {
        let took = ground.edit(number).await?;
        say(&format!("edit {} of {}: {took:?}", number + 1, arguments.edits));
        edits.push(took);
    }
    ground.under.quiet().await?;
    let changed = usage::memory(agent.pid())?;
    let looks = if is_first && arguments.looks > 0 { Some(ground.looks(&agent, arguments.looks).await?) } else { None };
    let foreign = if is_first && arguments.foreign > 0 {
        let before = usage::memory(agent.pid())?;
        ground.add_foreign(arguments.foreign, arguments.parallel.into()).await?;
        Some((before, usage::memory(agent.pid())?))
    } else {
        None
    };
    let memory = Memory { applied, changed, looks, foreign };
    let figures = AgentFigures { cold, idle_requests, idle_cpu, changes, change_requests, takeovers, edits, memory };
    Ok((figures, machine, objects))
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
    fn only_a_whole_run_is_written() {
        let missing = |arguments: &str| {
            Arguments::parse_from(["bench"].into_iter().chain(arguments.split_whitespace())).missing()
        };
        assert!(missing("").is_empty());
        assert!(missing("--changes 60 --edits 60 --looks 2000 --foreign 30000").is_empty());
        assert_eq!(missing("--apps 50 --looks 0"), ["100 and 300 Apps", "1000 looks"]);
        assert_eq!(missing("--apps 300,100"), ["100 and 300 Apps"]);
        let few = missing("--changes 49 --edits 49 --looks 999 --foreign 19999");
        assert_eq!(few, ["50 changes", "50 edits", "1000 looks", "20000 foreign objects"]);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let all: Vec<Duration> = (1..=50).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&all, 50), Duration::from_millis(25));
        assert_eq!(percentile(&all, 99), Duration::from_millis(50));
        assert_eq!(percentile(&all[..1], 50), Duration::from_millis(50));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
