//! The table in `docs/benchmarks.md`, between its two markers.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use kompox_tests::kubeconfig;

use crate::ground::Ground;
use crate::turns::{CHANCE, SHARES};
use crate::{Arguments, Memory, RivalFigures, Round, TAKEOVERS, fleet, percentile};

const BEGIN: &str = "<!-- benchmark: begin -->";
/// The name of the rival that is the limit.
pub(crate) const BARE: &str = "bare client";
const END: &str = "<!-- benchmark: end -->";
/// A change takes the same at both sizes when it grows no more than the bare client's. Both are some tens of milliseconds:
/// less than a quarter is no difference.
const SAME: f64 = 1.25;

/// What was measured on.
#[derive(Debug)]
pub(crate) struct Machine {
    hardware: String,
    versions: String,
}

impl Machine {
    pub(crate) async fn look(ground: &Ground) -> Result<Self> {
        let of = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.split_once(':')).map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let cores = std::thread::available_parallelism().context("how many cores?")?;
        let memory = of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
        let model = of("/proc/cpuinfo", "model name");
        let server = kubeconfig::client(ground.under.plane.kubeconfig()).await?.apiserver_version().await?.git_version;
        let output = Command::new("kubectl").args(["version", "--client", "-o", "json"]).output()?;
        let client: serde_json::Value = serde_json::from_slice(&output.stdout).context("kubectl version")?;
        let client = client["clientVersion"]["gitVersion"].as_str().unwrap_or("of an unknown version");
        Ok(Self {
            hardware: format!("{cores} cores ({model}), {} GiB", memory / 1024 / 1024),
            versions: format!("{}, Kubernetes {server}, kubectl {client}", ground.version().await?),
        })
    }
}

/// The part of the page that the benchmark writes.
pub(crate) fn text(arguments: &Arguments, rounds: &[Round], on: &Machine) -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let day = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!(
        "{day}, {} ({build} build). {}. {} changes, {} edits, {TAKEOVERS} takeovers; the bare client has {} requests under \
         way.\n",
        on.versions, on.hardware, arguments.changes, arguments.edits, arguments.parallel
    );
    for round in rounds {
        let objects = usize::from(round.apps) * fleet::OBJECTS;
        let table = table(arguments, round, objects);
        let _ = write!(text, "\n### {} Apps, {objects} objects\n\n{table}", round.apps);
    }
    text
}

fn table(arguments: &Arguments, round: &Round, objects: usize) -> String {
    let Round { agent, rivals, growth, .. } = round;
    let names: Vec<&str> = rivals.iter().map(|(name, _)| *name).collect();
    let ratios: Vec<String> = names.iter().map(|name| format!("agent : {name}")).collect();
    let mut text = format!("| | agent | {} | {} | goal |\n", names.join(" | "), ratios.join(" | "));
    let _ = writeln!(text, "|-|-|{}", "-|".repeat(2 * names.len() + 1));
    let of = |figure: &dyn Fn(&RivalFigures) -> Option<f64>| -> Vec<Option<f64>> {
        rivals.iter().map(|(_, rival)| figure(rival)).collect()
    };
    let none: Vec<Option<f64>> = vec![None; rivals.len()];
    let bare = |figures: &[Option<f64>]| {
        let index = names.iter().position(|name| *name == BARE);
        index.and_then(|index| figures[index]).unwrap_or_default()
    };
    let mut row = |name: &str, mine: f64, theirs: &[Option<f64>], digits: usize, goal: Option<Goal>| {
        let goal = goal.map_or_else(|| "–".to_owned(), |goal| goal.to_string());
        let _ = writeln!(text, "| {name} | {} | {goal} |", numbers(mine, theirs, digits).join(" | "));
    };

    let rate = |time: Duration| objects as f64 / time.as_secs_f64();
    let cold = of(&|rival| Some(rate(rival.cold)));
    let goal = Goal { text: "0.70 of the bare client", met: rate(agent.cold) >= 0.70 * bare(&cold) };
    row("cold apply, objects a second", rate(agent.cold), &cold, 0, Some(goal));

    let requests = of(&|rival| Some(rival.again_requests as f64 * 10.0));
    let goal = Goal { text: "0", met: agent.idle_requests == 0 };
    row("nothing changed, requests of 10 reconciles", agent.idle_requests as f64, &requests, 0, Some(goal));
    let cpu = of(&|rival| rival.again_cpu.map(millis));
    let goal = Goal { text: "below 50", met: millis(agent.idle_cpu) < 50.0 };
    row("nothing changed, CPU of a reconcile, ms", millis(agent.idle_cpu), &cpu, 1, Some(goal));

    let one = of(&|rival| Some(millis(rival.one)));
    let drift = of(&|rival| Some(millis(rival.drift)));
    for (name, times, theirs) in [("one App changed", &agent.changes, &one), ("drift", &agent.edits, &drift)] {
        row(&format!("{name}, p50, ms"), millis(percentile(times, 50)), theirs, 0, None);
        let p99 = millis(percentile(times, 99));
        row(&format!("{name}, p99, ms"), p99, theirs, 0, Some(Goal { text: "at most 1000", met: p99 <= 1000.0 }));
    }
    if let Some(growth) = growth {
        for (share, (mine, theirs)) in SHARES.into_iter().zip(growth.agent.into_iter().zip(growth.bare)) {
            let same = Goal { text: "the same: at most 1.25 of the bare client", met: mine <= SAME * theirs };
            let name = format!("one App changed, p{share}, beside that of {} Apps, in turns", growth.few);
            let theirs: Vec<Option<f64>> = names.iter().map(|name| (*name == BARE).then_some(theirs)).collect();
            row(&name, mine, &theirs, 2, (share < CHANCE).then_some(same));
        }
    }
    let requests = of(&|rival| Some(rival.one_requests as f64));
    let goal = Goal { text: "at most 10", met: agent.change_requests <= 2 * fleet::CHANGED + 6 };
    row("one App changed (2 objects), most requests", agent.change_requests as f64, &requests, 0, Some(goal));

    row("a newer commit takes over, p50, ms", millis(percentile(&agent.takeovers, 50)), &none, 0, None);
    let worst = millis(percentile(&agent.takeovers, 100));
    let goal = Goal { text: "at most 1000", met: worst <= 1000.0 };
    row("a newer commit takes over, worst, ms", worst, &none, 0, Some(goal));

    let mib = |kib: u64| kib as f64 / 1024.0;
    let Memory { applied, changed, looks, foreign } = &agent.memory;
    // The goal is for 1,500 objects.
    let most = |kib: u64| (objects <= 1500).then_some(Goal { text: "at most 64", met: mib(kib) <= 64.0 });
    let theirs = of(&|rival| rival.applied_memory.map(mib));
    row("resident memory when all is applied, MiB", mib(*applied), &theirs, 1, most(*applied));
    let theirs = of(&|rival| rival.changed_memory.map(mib));
    row("resident memory after all changes and edits, MiB", mib(*changed), &theirs, 1, most(*changed));
    if let Some((early, late)) = looks {
        let name = format!("resident memory after {} reconciles, MiB", arguments.looks);
        row(&name, mib(*late), &none, 1, most(*late));
        let more = mib(*late) - mib(*early);
        let name = format!("more than after {}, MiB", arguments.looks.div_ceil(2));
        row(&name, more, &none, 1, Some(Goal { text: "flat: below 2", met: more < 2.0 }));
    }
    if let Some((before, with)) = foreign {
        let more = mib(*with) - mib(*before);
        let name = format!("more with {} foreign objects, MiB", arguments.foreign);
        row(&name, more, &none, 1, Some(Goal { text: "below 5", met: more < 5.0 }));
    }
    text
}

/// What a figure of the agent has to be.
struct Goal {
    text: &'static str,
    met: bool,
}

impl fmt::Display for Goal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.text, if self.met { "met" } else { "**missed**" })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The agent's number, the rivals', and the ratios to them.
fn numbers(agent: f64, rivals: &[Option<f64>], digits: usize) -> Vec<String> {
    let show = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"));
    let ratio = |rival: Option<f64>| match rival {
        Some(rival) if rival > 0.0 => format!("{:.2}", agent / rival),
        _ => "–".to_owned(),
    };
    let mut cells = vec![show(Some(agent))];
    cells.extend(rivals.iter().copied().map(show));
    cells.extend(rivals.iter().copied().map(ratio));
    cells
}

/// Puts the text into the page.
pub(crate) fn write(text: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).context("cannot read docs/benchmarks.md")?;
    std::fs::write(&path, replaced(&page, text)?).context("cannot write docs/benchmarks.md")
}

fn replaced(page: &str, text: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("docs/benchmarks.md has lost {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("docs/benchmarks.md has lost {END}"))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::AgentFigures;
    use crate::turns::Growth;

    #[test]
    fn only_what_is_between_the_markers_is_written() {
        let page = format!("# Page\n{BEGIN}\nold\n{END}\nRest\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Page\n{BEGIN}\n\nnew\n\n{END}\nRest\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert!(replaced("# Page\n", "new").is_err());
    }

    #[test]
    fn a_change_may_grow_as_much_as_that_of_the_bare_client() {
        let round = |growth| Round {
            apps: 300,
            agent: AgentFigures {
                cold: Duration::from_secs(1),
                idle_requests: 0,
                idle_cpu: Duration::ZERO,
                changes: vec![Duration::from_millis(30)],
                change_requests: 10,
                takeovers: Vec::new(),
                edits: Vec::new(),
                memory: Memory { applied: 0, changed: 0, looks: None, foreign: None },
            },
            rivals: vec![(
                BARE,
                RivalFigures {
                    cold: Duration::from_secs(1),
                    again_requests: 15,
                    again_cpu: None,
                    one: Duration::from_millis(30),
                    one_requests: 15,
                    drift: Duration::from_millis(30),
                    applied_memory: None,
                    changed_memory: None,
                },
            )],
            growth,
        };
        let arguments = Arguments::parse_from(["bench"]);
        let told = |growth| {
            let text = table(&arguments, &round(growth), 4500);
            text.lines().filter(|line| line.contains("beside that of 100 Apps")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(told(None).is_empty());
        assert_eq!(
            told(Some(Growth { few: 100, agent: [2.5, 2.02, 4.0], bare: [1.6, 1.6, 1.0] })),
            [
                "| one App changed, p50, beside that of 100 Apps, in turns | 2.50 | 1.60 | 1.56 | the same: at most 1.25 \
                 of the bare client: **missed** |",
                "| one App changed, p90, beside that of 100 Apps, in turns | 2.02 | 1.60 | 1.26 | the same: at most 1.25 \
                 of the bare client: **missed** |",
                "| one App changed, p99, beside that of 100 Apps, in turns | 4.00 | 1.00 | 4.00 | – |",
            ]
        );
        let met = told(Some(Growth { few: 100, agent: [1.6, 1.97, 4.0], bare: [1.6, 1.6, 1.0] }));
        assert!(met.len() == 3 && met[..2].iter().all(|line| line.ends_with("of the bare client: met |")), "{met:?}");
    }

    #[test]
    fn a_ratio_needs_two_numbers() {
        assert_eq!(numbers(50.0, &[Some(100.0), None], 0), ["50", "100", "–", "0.50", "–"]);
        assert_eq!(numbers(50.0, &[Some(0.0), None], 1)[3], "–");
    }
}
