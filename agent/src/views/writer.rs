//! The one writer of views and Events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kompox_core::events::{Desk, Limits, Occurrence, Severity, Topic};
use kompox_core::ownership::FIELD_MANAGER;
use kompox_core::views::{
    GROUP, LiveView, SOURCE_LABEL, VERSION, View, ViewKey, ViewKind, app, disk, next_write, snapshot,
};
use kompox_manifests::id::AppId;
use kompox_manifests::labels;
use kompox_manifests::names::Names;
use kompox_manifests::object::{Kind, ObjectKey};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use super::Views;
use super::board::Shown;
use crate::cluster::views::ViewApi;
use crate::cluster::{ClusterError, SYSTEM_NAMESPACE};
use crate::context::Agent;
use crate::pace::{Backoff, dice};

/// How long each thing to be shown waits for work on Apps at most.
const DEFERENCE: Duration = Duration::from_secs(1);
/// A view needs at most its object and then its status.
const MOST_WRITES: usize = 3;

/// See the module.
pub(super) struct Writer {
    views: Arc<Views>,
    api: Arc<dyn ViewApi>,
    agent: Arc<Agent>,
    desk: Desk,
    backoff: Backoff,
    /// The words of the last failure that was told.
    told: Option<String>,
}

impl Writer {
    pub(super) fn new(views: Arc<Views>, api: Arc<dyn ViewApi>, agent: Arc<Agent>) -> Self {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        Self { views, api, agent, desk: Desk::new(Limits::default()), backoff, told: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            let due = self.views.state().board.take_due(Instant::now());
            for shown in due {
                self.make_way().await;
                self.show(shown).await;
            }
            self.tell().await;
            let next = {
                let mut state = self.views.state();
                state.at_rest = state.board.next().is_none();
                state.board.next()
            };
            if next.is_none() {
                self.views.rest.notify_waiters();
            }
            let alarm = async {
                match next {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = alarm => {}
                () = self.views.wake.notified() => {}
            }
        }
    }

    /// Work on Apps goes first: a new fleet gives the API server enough to do. What is shown waits for that, but not for
    /// long.
    async fn make_way(&self) {
        let latest = Instant::now() + DEFERENCE;
        while self.views.is_busy() && Instant::now() < latest {
            sleep(DEFERENCE / 20).await;
        }
    }

    async fn show(&mut self, shown: Shown) {
        match self.write(&shown).await {
            Ok(()) => self.backoff.reset(),
            Err(error) => {
                let wait = self.backoff.wait(None, dice());
                self.failed(&error);
                self.views.state().board.mark(shown, Instant::now() + wait);
            }
        }
    }

    /// Told once: it goes on for as long as the cause does.
    fn failed(&mut self, error: &ClusterError) {
        let words = error.to_string();
        if self.told.as_ref() == Some(&words) {
            debug!(%error, "a view is not written");
        } else {
            warn!(%error, "a view is not written; nothing else depends on it");
            self.told = Some(words);
        }
    }

    async fn write(&self, shown: &Shown) -> Result<(), ClusterError> {
        match shown {
            Shown::Source(name) => {
                let key = kompox_core::views::source::key(name, SYSTEM_NAMESPACE);
                self.bring(&key, |state, live| {
                    state.board.source_memory(name).map(|memory| memory.view(SYSTEM_NAMESPACE, live))
                })
                .await
            }
            Shown::App(id) => {
                let key = app::key(id);
                let is_known = self.views.state().board.app_memory(id).is_some();
                if !is_known {
                    return self.remove(&key).await;
                }
                if !self.has_namespace(&key.namespace) {
                    return Ok(());
                }
                self.bring(&key, |state, live| state.board.app_memory(id).map(|memory| memory.view(live))).await
            }
            Shown::Disks(id) => self.bring_disks(id).await,
            Shown::Snapshot(key) => {
                let disk = |name: &str| ViewKey { kind: ViewKind::Disk, name: name.to_owned(), ..key.clone() };
                self.bring(key, |state, live| {
                    live.map(|live| snapshot::answer(live, |name| state.live.get(&disk(name)).is_some()))
                })
                .await
            }
            Shown::Stray(key) => self.bring_stray(key).await,
        }
    }

    /// Whether a namespace is there; before that nothing can be shown in it.
    fn has_namespace(&self, name: &str) -> bool {
        let key = ObjectKey { kind: Kind::Namespace, namespace: None, name: name.to_owned() };
        self.agent.cache.object(&key).is_some()
    }

    /// Brings one view to what it shall be.
    async fn bring(
        &self,
        key: &ViewKey,
        view: impl Fn(&super::State, Option<&LiveView>) -> Option<View>,
    ) -> Result<(), ClusterError> {
        for _ in 0..MOST_WRITES {
            let write = {
                let state = self.views.state();
                if !state.live.serves(key.kind) {
                    return Ok(());
                }
                let live = state.live.get(key);
                let Some(view) = view(&state, live) else { return Ok(()) };
                next_write(&view, live, Timestamp::now())
            };
            let Some(write) = write else { return Ok(()) };
            // A process that lost the Lease writes nothing any more, be it a view.
            if self.agent.may_write().is_err() {
                return Ok(());
            }
            let written = self.api.write_view(key, &write).await?;
            self.views.state().live.seen(written);
        }
        Ok(())
    }

    async fn remove(&self, key: &ViewKey) -> Result<(), ClusterError> {
        let live = self.views.state().live.get(key).cloned();
        let Some(live) = live.filter(|_| self.agent.may_write().is_ok()) else { return Ok(()) };
        self.api.delete_view(&live).await?;
        self.views.state().live.gone(key, &live.uid);
        Ok(())
    }

    /// Shows the disks that the provider has, as far as it has said so.
    async fn bring_disks(&self, id: &AppId) -> Result<(), ClusterError> {
        let names = Names::of(id);
        let source = self.views.state().board.app_memory(id).map(|memory| memory.facts().source.clone());
        let (Some(source), Some(disks)) = (source, self.agent.listings.disks(id)) else { return Ok(()) };
        if !self.has_namespace(&names.namespace) {
            return Ok(());
        }
        let wanted: Vec<View> = disks.iter().map(|disk| disk::view(id, &source, disk)).collect();
        for view in &wanted {
            self.bring(&view.key, |_, _| Some(view.clone())).await?;
        }
        let gone: Vec<ViewKey> = {
            let state = self.views.state();
            let of_app = |live: &&LiveView| {
                live.key.namespace == names.namespace
                    && live.labels.get(labels::INSTANCE_HASH) == Some(&names.hashes.instance)
                    && wanted.iter().all(|view| view.key != live.key)
            };
            state.live.of(ViewKind::Disk).filter(of_app).map(|live| live.key.clone()).collect()
        };
        for key in gone {
            self.remove(&key).await?;
        }
        Ok(())
    }

    /// A view that nothing stands behind: its App has gone, or its source is not configured any more.
    async fn bring_stray(&self, key: &ViewKey) -> Result<(), ClusterError> {
        let (source, is_configured) = {
            let state = self.views.state();
            let source = state.live.get(key).and_then(|live| live.labels.get(SOURCE_LABEL)).cloned();
            let is_configured = source.as_ref().is_some_and(|source| state.sources.contains(source));
            (source, is_configured)
        };
        let Some(source) = source else { return Ok(()) };
        match key.kind {
            ViewKind::Source => self.remove(key).await,
            ViewKind::App if is_configured => self.remove(key).await,
            ViewKind::App => self.bring(key, |_, live| live.map(|live| app::orphaned(live, &source))).await,
            // The disk is there, whoever looks after it.
            ViewKind::Disk | ViewKind::Snapshot => Ok(()),
        }
    }

    /// Sends the Events that are worth it.
    async fn tell(&mut self) {
        let news = self.views.state().board.take_news();
        let mut later = VecDeque::new();
        for (id, occurrence) in news {
            let key = app::key(&id);
            let (live, is_coming) = {
                let state = self.views.state();
                let live = state.live.get(&key).cloned();
                (live, state.live.serves(ViewKind::App) && state.board.awaits(&id))
            };
            // It is told of the App's view, which is about to be written for the first time.
            if live.is_none() && is_coming {
                later.push_back((id, occurrence));
                continue;
            }
            if !self.has_namespace(&key.namespace) || self.agent.may_write().is_err() {
                continue;
            }
            self.make_way().await;
            // One that is lost is no loss for long: the view says how it is.
            if let Err(error) = self.send(&id, live.as_ref(), &occurrence).await {
                self.failed(&error);
            }
        }
        if !later.is_empty() {
            self.views.state().board.put_back(later);
        }
    }

    async fn send(&mut self, id: &AppId, live: Option<&LiveView>, news: &Occurrence) -> Result<(), ClusterError> {
        let now = Timestamp::now();
        let names = Names::of(id);
        let namespace = names.namespace.as_str();
        let regarding = regarding(&names, live);
        let text = |field: &str| regarding[field].as_str().unwrap_or_default().to_owned();
        let topic = Topic {
            namespace: names.namespace.clone(),
            kind: text("kind"),
            api_version: text("apiVersion"),
            name: text("name"),
        };
        let Some(name) = self.desk.take(&topic, news, now) else { return Ok(()) };
        self.api.create_event(namespace, &event(namespace, &name, &regarding, news, now)).await
    }
}

/// What an Event is about: the App's view, or its Deployment where there are no views.
fn regarding(names: &Names, live: Option<&LiveView>) -> Value {
    match live {
        Some(live) => json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": live.key.kind.name(),
            "namespace": live.key.namespace,
            "name": live.key.name,
            "uid": live.uid,
        }),
        None => json!({
            "apiVersion": Kind::Deployment.api_version(),
            "kind": Kind::Deployment.name(),
            "namespace": names.namespace,
            "name": names.workload(),
        }),
    }
}

fn event(namespace: &str, name: &str, regarding: &Value, news: &Occurrence, now: Timestamp) -> Value {
    let severity = match news.severity {
        Severity::Normal => "Normal",
        Severity::Warning => "Warning",
    };
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "eventTime": micro(now),
        "reportingController": format!("{GROUP}/{FIELD_MANAGER}"),
        "reportingInstance": FIELD_MANAGER,
        "type": severity,
        "reason": news.reason,
        "action": news.action,
        "note": news.note,
        "regarding": regarding,
    })
}

/// A time as Events have it, to the microsecond.
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
