//! `run`: the agent itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use kompox_core::ownership::Managers;
use kompox_core::plan::NewDisks;
use kompox_manifests::desired::Terms;
use kompox_manifests::id::ClusterId;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::Exit;
use crate::accept;
use crate::age_keys::{self, AgeKeysFile};
use crate::args::{ClusterArgs, PlanArgs, RunArgs};
use crate::asked;
use crate::births::Births;
use crate::cluster::cache::Cache;
use crate::cluster::connect::{ConnectOptions, connect};
use crate::cluster::fenced::Fenced;
use crate::cluster::lease::{self, Holder, Leadership, LeaseRecord, LeaseTiming, LostSignal, Patience};
use crate::cluster::watch::WatchApi;
use crate::cluster::{ClusterApi, ClusterError, KubeCluster, identity};
use crate::config::{self, Config, ForgeChoice, Given, Reference, Served, SourceConfig};
use crate::context::{Agent, Commit};
use crate::disks::Listings;
use crate::engine::Engine;
use crate::engine::observer::Observer;
use crate::engine::source::Source;
use crate::failure::Kind;
use crate::forge;
use crate::metrics::Metrics;
use crate::outcome::{Outcome, State};
use crate::pace::{Backoff, dice};
use crate::redact::Redactor;
use crate::refuted::Refuted;
use crate::reporter::backlog::Backlog;
use crate::reporter::{self, Reporter};
use crate::restart::{self, Turns};
use crate::server::{StatusServer, WebhookServer, Webhooks};
use crate::source::{self, RevisionId};
use crate::unsupported::Unsupported;
use crate::views::Views;

/// How long giving the Lease back may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long nothing is done after a part of the engine broke off: a standby comes first, and what breaks off again and
/// again is no burden.
const BREATHER: Duration = Duration::from_secs(5);
/// How long `--once` waits for the forge to take the last statuses.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// How long `--once` waits for the cluster to take the last views.
const LAST_VIEWS: Duration = Duration::from_secs(10);

/// `run`.
///
/// # Errors
/// The configuration or the cluster cannot be used at all.
pub(crate) async fn run(args: RunArgs) -> anyhow::Result<Exit> {
    let config = load(&args.config.given())?;
    let mut interrupt = signal(SignalKind::interrupt()).context("no signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("no signals")?;
    let held = Held::default();
    let signal = tokio::select! {
        exit = serve(&args, &config, &held) => return exit,
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    // What was under way is cut off as by a kill: whoever holds the Lease next finishes it, and need not wait
    // for that.
    held.release().await;
    info!(signal, "stopped");
    Ok(Exit::Success)
}

/// The Lease as long as it is held, where it can be given back when everything else has been stopped.
#[derive(Default)]
struct Held(Mutex<Option<Leadership>>);

impl Held {
    fn slot(&self) -> MutexGuard<'_, Option<Leadership>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the Lease; one that was kept before is lost.
    fn keep(&self, leadership: Leadership) -> LostSignal {
        let signal = leadership.signal();
        *self.slot() = Some(leadership);
        signal
    }

    /// Stops writing and gives the Lease back, if it is held.
    async fn release(&self) {
        let leadership = self.slot().take();
        let Some(leadership) = leadership else { return };
        if tokio::time::timeout(FAREWELL, leadership.release()).await.is_err() {
            warn!("the Lease could not be given back; it runs out by itself");
        }
    }
}

fn load(given: &Given) -> anyhow::Result<Config> {
    checked(given.load())
}

/// What was read of a configuration; shows what is wrong with it.
///
/// # Errors
/// There is no configuration.
pub(crate) fn checked<T>(read: Result<T, config::ConfigError>) -> anyhow::Result<T> {
    read.map_err(|error| match error {
        config::ConfigError::Invalid(findings) => {
            let errors = super::show(&findings);
            anyhow::anyhow!("the configuration has {errors} errors")
        }
        other => anyhow::Error::new(other),
    })
}

async fn serve(args: &RunArgs, config: &Config, held: &Held) -> anyhow::Result<Exit> {
    let cluster = Arc::new(connected(&args.kube).await?);
    let (cache, metrics) = (Arc::new(Cache::default()), Arc::new(Metrics::new(cluster.meter())));
    // From here on, so that probes are answered while the cluster or the Lease is waited for.
    let served = if args.once { Served::default() } else { config.served };
    let _status = match served.status {
        Some(address) => Some(StatusServer::start(address, Arc::clone(&cache), Arc::clone(&metrics)).await?),
        None => None,
    };
    let webhooks = Arc::new(Webhooks::new(&config.sources, Arc::clone(&metrics)));
    let _webhooks = match served.webhooks {
        Some(address) => Some(WebhookServer::start(address, Arc::clone(&webhooks)).await?),
        None => None,
    };
    claim(cluster.as_ref(), &config.cluster, args.once).await?;
    check_version(cluster.as_ref()).await;
    // Watched also while another agent holds the Lease: taking over is quick then.
    let _watches = cache.start(&(Arc::clone(&cluster) as Arc<dyn WatchApi>));
    loop {
        let patience = if args.once { Patience::UntilHolderIsAlive } else { Patience::Forever };
        let lost = held.keep(lead(&cluster, patience).await?);
        let fenced: Arc<dyn ClusterApi> =
            Arc::new(Fenced::new(Arc::clone(&cluster) as Arc<dyn ClusterApi>, lost.clone()));
        let reader = reader_of(fenced, Arc::clone(&cache), config.cluster.clone(), config.new_disks);
        let agent = Arc::new(Agent {
            lost: Some(lost.clone()),
            people: Managers::beside_the_known(&config.people),
            turns: Turns::new(config.max_disruptions),
            meter: Arc::clone(cluster.meter()),
            ..reader
        });
        restart::sweep(&agent).await;
        let redactor = Arc::new(Redactor::default());
        let views = Views::new(&config.sources);
        let _showing = views.start(&cluster, &agent);
        let (mut sources, mut reporters) = (Vec::new(), Vec::new());
        let told = Told { redactor: &redactor, metrics: &metrics, views: &views };
        for source in &config.sources {
            let (source, reporter) = prepare(args, config, source, &agent, &told).await?;
            sources.push(Arc::new(source));
            reporters.push(reporter);
        }
        let engine = Engine::new(Arc::clone(&agent), sources);
        metrics.leads(Some(engine.queue()));
        views.behind(engine.queue());
        let hooked = Arc::clone(&engine);
        webhooks.leads(Some(Box::new(move |source| hooked.fetch_soon(source))));
        if args.once {
            let exit = exit_of_all(&engine.settle().await);
            flush(&reporters, &views).await;
            held.release().await;
            return Ok(exit);
        }
        work(engine.run(), lost, held).await;
        metrics.leads(None);
        webhooks.leads(None);
    }
}

/// Works until the Lease is lost. An engine that ends by itself gives it back: whoever asks for it next, be it this
/// process, is another holder.
async fn work(engine: impl Future<Output = ()>, lost: LostSignal, held: &Held) {
    tokio::select! {
        () = lost.lost() => warn!("the Lease is lost: everything is stopped until it is ours again"),
        () = engine => {
            error!("a part of the engine broke off: the Lease is given back, and everything is begun anew");
            held.release().await;
            tokio::time::sleep(BREATHER).await;
        }
    }
}

/// Says which version the cluster has, and warns where it is too old.
async fn check_version(cluster: &dyn ClusterApi) {
    match cluster.server_version().await {
        Ok(version) if is_too_old(&version) => {
            warn!(
                version,
                "this Kubernetes is older than 1.31, the oldest that is supported: some objects may be refused"
            );
        }
        Ok(version) => info!(version, "Kubernetes"),
        Err(error) => warn!(%error, "the version of the cluster is not known"),
    }
}

/// Whether a version (`v1.30.2`) is older than the oldest that is supported.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) < (1, 31))
}

/// The worst exit code of all sources; one without an outcome could not be fetched.
fn exit_of_all(outcomes: &[Option<Outcome>]) -> Exit {
    let exits = outcomes.iter().map(|outcome| outcome.as_ref().map_or(Exit::Error, exit_of));
    exits.fold(Exit::Success, |worst, exit| match (worst, exit) {
        (Exit::Error, _) | (_, Exit::Error) => Exit::Error,
        (Exit::Success, other) | (other, Exit::Success) => other,
        (one, _) => one,
    })
}

/// Hands everything that is still to be told to the forges, and shows it in the cluster.
async fn flush(reporters: &[Reporter], views: &Views) {
    let flushed = join_all(reporters.iter().map(Reporter::flush));
    if tokio::time::timeout(LAST_WORDS, flushed).await.is_err() {
        warn!("not all statuses could be delivered; the next run goes on");
    }
    if tokio::time::timeout(LAST_VIEWS, views.flush()).await.is_err() {
        warn!("not everything could be shown in the cluster; the next run goes on");
    }
}

/// The exit code that an outcome comes to.
pub(crate) fn exit_of(outcome: &Outcome) -> Exit {
    let mut exit = Exit::Success;
    for failure in outcome.failures() {
        match failure.kind {
            Kind::Rejected | Kind::Fault(_) => return Exit::Error,
            Kind::Obstacle => exit = Exit::Obstacle,
            Kind::Unhealthy if exit == Exit::Success => exit = Exit::Unhealthy,
            Kind::Unhealthy => {}
        }
    }
    let paused = outcome.apps.iter().any(|app| matches!(app.state, State::Paused(_)));
    if paused && matches!(exit, Exit::Success | Exit::Unhealthy) {
        exit = Exit::Obstacle;
    }
    let waiting = outcome.apps.iter().any(|app| matches!(app.state, State::Progressing(_)));
    if exit == Exit::Success && waiting { Exit::Unhealthy } else { exit }
}

/// Who is told of all sources, and what is never told.
struct Told<'a> {
    redactor: &'a Arc<Redactor>,
    metrics: &'a Arc<Metrics>,
    views: &'a Arc<Views>,
}

/// Prepares a source and what tells of it; waits for the cluster where it does not answer yet.
async fn prepare(
    args: &RunArgs,
    config: &Config,
    source: &SourceConfig,
    agent: &Arc<Agent>,
    Told { redactor, metrics, views }: &Told<'_>,
) -> anyhow::Result<(Source, Reporter)> {
    let cache = args.cache_dir.clone().unwrap_or_else(source::default_cache_folder);
    let opened = source::open(source, &cache, redactor).map_err(anyhow::Error::new)?;
    let forge = match &source.forge {
        ForgeChoice::Forge(config) => Some(forge::open(config, redactor).map_err(anyhow::Error::new)?),
        ForgeChoice::None(reason) => {
            info!(source = source.name, reason, "no commit statuses");
            None
        }
    };
    let cluster = &agent.cluster;
    let loaded = patiently(args.once, || reporter::load(cluster.as_ref(), &source.name)).await?;
    let asked = patiently(args.once, || asked::load(cluster.as_ref(), &source.name)).await?;
    let record = loaded.commit();
    let backlog = Backlog::new(vec![Arc::clone(metrics) as _, Arc::clone(views) as _]);
    let lost = agent.lost.clone();
    let reporter =
        Reporter::start(Arc::clone(cluster), &source.name, &config.status_name, forge, loaded, backlog, lost);
    info!(source = source.name, location = %source.location, reference = %source.reference, "source");
    let observers: Vec<Arc<dyn Observer>> =
        vec![Arc::new(reporter.clone()), Arc::clone(metrics) as _, Arc::clone(views) as _];
    let policy = config.policy.clone();
    let source = Source::new(Arc::clone(agent), source.clone(), policy, opened, observers, record, asked);
    Ok((source, reporter))
}

/// Writes this cluster's identity once, or refuses a wrong cluster.
async fn claim(cluster: &dyn ClusterApi, id: &ClusterId, once: bool) -> anyhow::Result<()> {
    patiently(once, || identity::claim(cluster, id)).await
}

/// Repeats a call to the cluster until it is answered; with `once`, only for a moment.
async fn patiently<T, F>(once: bool, mut call: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, ClusterError>>,
{
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error) => {
                let passes = matches!(error.next(), kompox_core::next::Next::Retry { .. });
                if !passes || (once && backoff.failures() >= 4) {
                    return Err(anyhow::Error::new(error));
                }
                warn!(%error, "the cluster does not answer; trying again");
                tokio::time::sleep(backoff.wait(None, dice())).await;
            }
        }
    }
}

/// Takes the Lease.
pub(crate) async fn lead(cluster: &Arc<KubeCluster>, patience: Patience) -> anyhow::Result<Leadership> {
    let held = |by: &LeaseRecord| info!(%by, "another agent holds the Lease; waiting");
    let api = Arc::clone(cluster) as Arc<dyn lease::LeaseApi>;
    Ok(lease::acquire(api, Holder::this_process(), LeaseTiming::default(), patience, held).await?)
}

/// Connects to the cluster that the flags and the environment name.
pub(crate) async fn connected(args: &ClusterArgs) -> anyhow::Result<KubeCluster> {
    let ClusterArgs { kubeconfig, context } = args.clone();
    Ok(connect(&ConnectOptions { kubeconfig, context, ..ConnectOptions::default() }).await?)
}

/// A source of the configuration as `plan` wants to see it (at the commit that it is at, or another),
/// and the configuration that it is from.
///
/// # Errors
/// There is no such source, or it cannot be fetched.
pub(crate) async fn commit_of_source(args: &PlanArgs, name: &str) -> anyhow::Result<(Commit, Config)> {
    let given = Given { config: args.terms.config.clone(), cluster: args.tree.cluster.clone(), ..Given::default() };
    let config = load(&given)?;
    let found = config.sources.iter().find(|source| source.name == name);
    let mut source = found.with_context(|| format!("the configuration has no source `{name}`"))?.clone();
    if let Some(reference) = &args.reference {
        let is_hash = reference.parse::<RevisionId>().is_ok();
        source.reference =
            if is_hash { Reference::Commit(reference.clone()) } else { Reference::Branch(reference.clone()) };
    }
    let cache = args.cache_dir.clone().unwrap_or_else(source::default_cache_folder);
    let opened = source::open(&source, &cache, &Arc::new(Redactor::default()))?;
    let snapshot = opened.fetch(None).await?.snapshot;
    let own = args.terms.age_keys_file.as_ref().map(AgeKeysFile::new);
    let age_keys: Vec<AgeKeysFile> = own.or(source.age_keys).into_iter().collect();
    let commit = Commit {
        source: Some(source.name),
        id: snapshot.revision.id.to_string(),
        time: snapshot.revision.time,
        accepted: accept::of_trailers(&snapshot.revision.trailers),
        tree: snapshot.tree,
        path: source.path,
        terms: Terms { policy: config.policy.clone(), decryption: age_keys::decryption(&age_keys) },
    };
    Ok((commit, config))
}

/// An agent that only reads, for a cluster that is the right one.
///
/// # Errors
/// The cluster cannot be read, or is another one.
pub(crate) async fn reader(args: &ClusterArgs, cluster_id: ClusterId, new_disks: NewDisks) -> anyhow::Result<Agent> {
    let cluster = connected(args).await?;
    identity::check(&cluster, &cluster_id).await?;
    let cache = Cache::default();
    cache.read_once(&cluster).await?;
    Ok(reader_of(Arc::new(cluster), Arc::new(cache), cluster_id, new_disks))
}

/// An agent that only reads.
pub(crate) fn reader_of(
    cluster: Arc<dyn ClusterApi>,
    cache: Arc<Cache>,
    cluster_id: ClusterId,
    new_disks: NewDisks,
) -> Agent {
    Agent {
        cluster,
        cache,
        listings: Listings::default(),
        cluster_id,
        new_disks,
        people: Managers::default(),
        refuted: Refuted::default(),
        unsupported: Unsupported::default(),
        pulling: restart::Timing::default(),
        turns: Turns::default(),
        meter: Arc::default(),
        births: Births::default(),
        lost: None,
        review: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::lease::tests::{MemoryLease, take};

    #[tokio::test]
    async fn an_engine_that_ends_by_itself_gives_the_lease_back() {
        let (lease, held) = (Arc::new(MemoryLease::default()), Held::default());
        for _ in 0..2 {
            // Whoever else holds it is waited for, or alive.
            let lost = held.keep(take(&lease, Patience::UntilHolderIsAlive).await.unwrap());
            assert!(!lost.is_lost() && lease.holder().is_some());
            let work = work(async {}, lost.clone(), &held);
            tokio::time::timeout(BREATHER / 5, work).await.expect_err("it takes a breath");
            assert!(lost.is_lost() && lease.holder().is_none());
        }
        held.release().await;
    }

    #[tokio::test]
    async fn work_ends_with_the_lease() {
        let (lease, held) = (Arc::new(MemoryLease::default()), Held::default());
        let lost = held.keep(take(&lease, Patience::UntilHolderIsAlive).await.unwrap());
        held.release().await;
        work(std::future::pending(), lost, &held).await;
    }

    #[test]
    fn versions_before_1_31_are_too_old() {
        for (version, old) in
            [("v1.30.9", true), ("v1.31.0", false), ("v1.36.3", false), ("v2.0.0", false), ("?", false)]
        {
            assert_eq!(is_too_old(version), old, "{version}");
        }
        assert!(!is_too_old("v1.31+build"), "what cannot be read is not blamed");
    }
}
