//! `kompox-agent`: a GitOps agent for stateful Compose applications on Kubernetes.
//!
//! Start reading at [`reconcile`]: the page that everything else serves.

mod accept;
mod age_keys;
mod applied;
mod apply;
mod args;
mod asked;
mod births;
mod cluster;
mod commands;
mod config;
mod confirm;
mod context;
mod deletion;
mod departure;
mod desire;
mod disks;
mod engine;
mod failure;
mod fault;
mod forge;
mod give_back;
mod health;
mod http_client;
mod kept;
mod memory;
mod meter;
mod metrics;
mod new_disks;
mod observe;
mod outcome;
mod pace;
mod providers;
mod rebuild;
mod reconcile;
mod record;
mod redact;
mod refuted;
mod report;
mod reporter;
mod restart;
mod secret;
mod server;
mod source;
mod standby;
mod telemetry;
#[cfg(test)]
mod testing;
mod unsupported;
mod views;

use std::num::NonZero;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::args::Cli;
use crate::commands::{Exit, dispatch, talk};

/// The same allocator whatever the libc, for libgit2 too. `.cargo/config.toml` gives it one arena for all threads; that of
/// glibc has one for each of them, and keeps there most of what the thread once needed.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Most threads that work: it mostly waits, for the API server and for Git.
const WORKERS: usize = 4;
/// Most threads for what blocks (reading commits, local disks, looking up names); what waits for one waits for moments.
const BLOCKING: usize = 4;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return usage(&answer),
    };
    // One TLS provider for the whole process; only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Err(error) = telemetry::start(&cli.log) {
        talk(&format!("error: --log: {error}"));
        return Exit::Error.into();
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(WORKERS))
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build();
    match runtime.context("no threads can be started").and_then(|runtime| runtime.block_on(dispatch(cli.command))) {
        Ok(exit) => exit.into(),
        Err(error) => {
            talk(&format!("error: {error:#}"));
            Exit::Error.into()
        }
    }
}

/// Help, version, or what is wrong with the arguments. The parser's own exit code for the last is 2,
/// which `plan` uses for "there are changes".
fn usage(answer: &clap::Error) -> ExitCode {
    // Nobody can be told when the output is gone.
    let _ = answer.print();
    if answer.use_stderr() { Exit::Error.into() } else { Exit::Success.into() }
}
