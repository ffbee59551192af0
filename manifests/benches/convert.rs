//! How long it takes to make the objects of many Apps from their files, and how much memory: `make bench-convert`.
//!
//! One thread, everything in memory, each App another one. Every size runs in a process of its own, three times, of
//! which the best counts; its peak memory is what Linux says of that process. The table goes into
//! `docs/benchmarks.md`, between its marks.

#![allow(clippy::print_stdout, missing_docs)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kompox_manifests::desired::{Terms, desire};
use kompox_manifests::render::render;
use kompox_manifests::slots::Slots;
use kompox_manifests::source::MemoryTree;

/// Apps of 16 objects each.
const SIZES: [usize; 4] = [1, 250, 500, 1000];
/// Services of the one App that is large.
const SERVICES: usize = 50;
const REPEAT: usize = 3;
/// What the first argument of a process of its own is.
const ONLY: &str = "--only";
const BEGIN: &str = "<!-- conversion -->";
const END: &str = "<!-- /conversion -->";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == ONLY) {
        let size = arguments.get(at + 1).ok_or("no size")?.parse()?;
        let services = arguments.get(at + 2).ok_or("no number of services")?.parse()?;
        let (objects, time) = convert(&tree(size, services))?;
        println!("{objects} {} {}", time.as_micros(), peak_memory()?);
        return Ok(());
    }
    let mut table = String::from("| Apps | services each | objects | time | per App | peak memory |\n|-|-|-|-|-|-|\n");
    for (size, services) in SIZES.map(|size| (size, 3)).into_iter().chain([(1, SERVICES)]) {
        let mut best: Option<Seen> = None;
        for _ in 0..REPEAT {
            let seen = in_a_process(size, services)?;
            if best.as_ref().is_none_or(|best| seen.time < best.time) {
                best = Some(seen);
            }
        }
        let Seen { objects, time, memory } = best.ok_or("nothing was run")?;
        let each = time / u32::try_from(size)?;
        writeln!(
            table,
            "| {size} | {services} | {objects} | {:.1} ms | {:.2} ms | {:.1} MiB |",
            milliseconds(time),
            milliseconds(each),
            f64::from(memory) / 1024.0
        )?;
    }
    print!("{table}");
    write_down(&table)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

struct Seen {
    objects: usize,
    time: Duration,
    /// In KiB.
    memory: u32,
}

fn in_a_process(size: usize, services: usize) -> Result<Seen, Box<dyn std::error::Error>> {
    let own = std::env::current_exe()?;
    let output = Command::new(own).args([ONLY, &size.to_string(), &services.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut words = text.split_whitespace();
    let mut next = || words.next().ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned());
    let (objects, time, memory) = (next()?.parse()?, Duration::from_micros(next()?.parse()?), next()?.parse()?);
    Ok(Seen { objects, time, memory })
}

/// From the files to the text of every object.
fn convert(tree: &MemoryTree) -> Result<(usize, Duration), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let desired = desire(tree, "", &Terms::default());
    if !desired.is_sound() {
        return Err(format!("{:?}", desired.diagnostics.first()).into());
    }
    let (mut objects, mut bytes) = (0, 0);
    for app in desired.apps() {
        for object in render(app, &Slots::default()) {
            objects += 1;
            bytes += serde_json::to_vec(&object.body)?.len();
        }
    }
    let time = start.elapsed();
    if bytes == 0 {
        return Err("nothing was rendered".into());
    }
    Ok((objects, time))
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> Result<u32, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Apps of one cluster, each in a folder of its own and with other names and values.
fn tree(apps: usize, services: usize) -> MemoryTree {
    let mut files = Vec::new();
    for app in 0..apps {
        let entry = format!(
            "version: v1\nworkspace: {{name: acme}}\nprovider: {{name: home, driver: local, settings: {{LOCAL_ROOT: \
             /disks}}}}\ncluster: {{name: one, existing: true, ingress: {{domain: apps.example.com, certResolver: \
             staging}}}}\napp:\n  name: app{app}\n  compose: file:compose.yml\n  ingress:\n    rules:\n      - {{name: \
             main, port: 8000, hosts: [app{app}.example.com]}}\n"
        );
        let mut compose = String::from("services:\n");
        for service in 0..services {
            let _ = write!(
                compose,
                "  part{service}:\n    image: registry.example.com/part{service}:1.{app}\n    environment: {{NUMBER: \
                 \"{app}\"}}\n    env_file: [part{service}.env]\n    ports: [\"{}:{}\"]\n    healthcheck: {{test: [CMD, \
                 check], interval: 10s}}\n    mem_limit: 256m\n    configs: [{{source: settings, target: \
                 /etc/part{service}.conf}}]\n",
                8000 + service,
                8000 + service
            );
            files.push((format!("app{app}/part{service}.env"), format!("MODE=number-{app}\nPART={service}\n")));
        }
        compose.push_str("configs:\n  settings: {file: settings.conf}\n");
        files.push((format!("app{app}/kompoxops.yml"), entry));
        files.push((format!("app{app}/compose.yml"), compose));
        files.push((format!("app{app}/settings.conf"), format!("number = {app}\n")));
    }
    MemoryTree::new(files)
}

/// Replaces the table between the marks of `docs/benchmarks.md`.
fn write_down(table: &str) -> Result<(), Box<dyn std::error::Error>> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/benchmarks.md has no place for the table")?;
    let (_, after) = rest.split_once(END).ok_or("docs/benchmarks.md has no end of the table")?;
    let today = jiff::Zoned::now().date();
    let about = format!("{today}, {}, one thread.", processor());
    std::fs::write(&path, format!("{before}{BEGIN}\n{about}\n\n{table}{END}{after}"))?;
    Ok(())
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    name.map_or_else(|| "an unknown processor".to_owned(), |(_, name)| name.to_owned())
}
