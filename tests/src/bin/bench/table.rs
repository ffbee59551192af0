//! The table in `docs/benchmarks.md`, between its two markers.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use kompox_tests::kubeconfig;

use crate::ground::Ground;
use crate::{AgentFigures, Arguments, RivalFigures, fleet, percentile};

const BEGIN: &str = "<!-- benchmark: begin -->";
const END: &str = "<!-- benchmark: end -->";

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
        let server = kubeconfig::client(ground.plane.kubeconfig()).await?.apiserver_version().await?.git_version;
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
pub(crate) fn text(arguments: &Arguments, agent: &AgentFigures, rivals: &[&RivalFigures; 2], on: &Machine) -> String {
    let apps = usize::from(arguments.apps);
    let objects = apps * fleet::OBJECTS;
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let day = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!(
        "{day}, {} ({build} build). {}. {apps} Apps, {objects} objects, {} changes, {} edits; the bare client has {} \
         requests under way.\n\n\
         | | agent | kubectl | bare client | agent : kubectl | agent : bare |\n|-|-|-|-|-|-|\n",
        on.versions, on.hardware, arguments.changes, arguments.edits, arguments.parallel
    );
    let [kubectl, bare] = rivals;
    let mut row = |name: &str, cells: [String; 5]| {
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    };
    let rate = |time: Duration| objects as f64 / time.as_secs_f64();
    let (mine, theirs) = (rate(agent.cold), [rate(kubectl.cold), rate(bare.cold)]);
    row("cold apply, objects a second", numbers(mine, theirs.map(Some), 0));
    let requests = |one: &RivalFigures| Some(one.again_requests as f64 * 10.0);
    row(
        "nothing changed, requests of 10 reconciles",
        numbers(agent.idle_requests as f64, [requests(kubectl), requests(bare)], 0),
    );
    let cpu = [kubectl.again_cpu.map(millis), bare.again_cpu.map(millis)];
    row("nothing changed, CPU of a reconcile, ms", numbers(millis(agent.idle_cpu), cpu, 1));
    let one = [Some(millis(kubectl.one)), Some(millis(bare.one))];
    for (name, times) in [("one App changed", &agent.changes), ("drift", &agent.edits)] {
        for share in [50, 99] {
            row(&format!("{name}, p{share}, ms"), numbers(millis(percentile(times, share)), one, 0));
        }
    }
    let requests = [Some(kubectl.one_requests as f64), Some(bare.one_requests as f64)];
    row("one App changed (2 objects), most requests", numbers(agent.change_requests as f64, requests, 0));
    let mib = |kib: u64| numbers(kib as f64 / 1024.0, [None, None], 1);
    let (applied, later, foreign) = agent.memory;
    row("resident memory when all is applied, MiB", mib(applied));
    row("resident memory after all changes and edits, MiB", mib(later));
    if let Some(kib) = foreign {
        row(&format!("resident memory with {} foreign objects, MiB", arguments.foreign), mib(kib));
    }
    text
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The agent's number, the rivals', and the ratios to them.
fn numbers(agent: f64, rivals: [Option<f64>; 2], digits: usize) -> [String; 5] {
    let show = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.digits$}"));
    let ratio = |rival: Option<f64>| match rival {
        Some(rival) if rival > 0.0 => format!("{:.2}", agent / rival),
        _ => "–".to_owned(),
    };
    let [kubectl, bare] = rivals;
    [show(Some(agent)), show(kubectl), show(bare), ratio(kubectl), ratio(bare)]
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
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_written() {
        let page = format!("# Page\n{BEGIN}\nold\n{END}\nRest\n");
        let new = replaced(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Page\n{BEGIN}\n\nnew\n\n{END}\nRest\n"));
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert!(replaced("# Page\n", "new").is_err());
    }

    #[test]
    fn a_ratio_needs_two_numbers() {
        assert_eq!(numbers(50.0, [Some(100.0), None], 0), ["50", "100", "–", "0.50", "–"]);
        assert_eq!(numbers(50.0, [Some(0.0), None], 1)[3], "–");
    }
}
