//! The walk: steps at random, each with what it does to the commit, the cluster or the agent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::apps::App;
use crate::ground::Ground;

/// Apps that may be away at once: more would be held as a mass removal.
const MOST_AWAY: usize = 2;

/// So many edits and deletions tell whether they are taken.
const ENOUGH: u32 = 10;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A commit that changes some Apps.
    Change,
    /// A commit that cannot be loaded, and the one that mends it.
    Break,
    /// A commit that takes an App away, or brings one back.
    Move,
    /// Somebody edits an object.
    Edit,
    /// Somebody deletes an object.
    Delete,
    /// The API server is away for a while.
    Outage,
    /// The agent is killed, and started again.
    Kill,
}

/// As often as they are in here.
const STEPS: [Step; 14] = [
    Step::Change,
    Step::Change,
    Step::Change,
    Step::Break,
    Step::Move,
    Step::Edit,
    Step::Edit,
    Step::Edit,
    Step::Edit,
    Step::Delete,
    Step::Delete,
    Step::Delete,
    Step::Outage,
    Step::Kill,
];

pub(crate) struct Walk {
    dice: StdRng,
    done: BTreeMap<Step, u32>,
    /// How much of what people did to objects the API server has taken.
    taken: u32,
}

impl Walk {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: StdRng::seed_from_u64(seed), done: BTreeMap::new(), taken: 0 }
    }

    /// How often each step was taken, in words.
    pub(crate) fn told(&self) -> String {
        let steps = self.done.iter().map(|(step, times)| format!("{step:?} × {times}")).collect::<Vec<_>>().join(", ");
        format!("{steps}; {} edits and deletions were taken", self.taken)
    }

    /// Whether it was a walk at all: what people did was mostly taken, where there was enough of it to tell.
    pub(crate) fn check(&self) -> Result<()> {
        let tried = [Step::Edit, Step::Delete].iter().filter_map(|step| self.done.get(step)).sum::<u32>();
        ensure!(tried < ENOUGH || self.taken * 2 > tried, "of {tried} edits and deletions {} were taken", self.taken);
        Ok(())
    }

    /// Walks for a while. What it leaves behind is a commit that can be loaded, and an agent that runs.
    pub(crate) async fn run(&mut self, ground: &mut Ground, length: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < length {
            let Some(&step) = STEPS.choose(&mut self.dice) else { continue };
            self.take(step, ground).await?;
            *self.done.entry(step).or_default() += 1;
            ground.check_agent()?;
            // Sometimes at once, sometimes when everything has come to rest.
            let pause = self.dice.random_range(0..1500);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(())
    }

    async fn take(&mut self, step: Step, ground: &mut Ground) -> Result<()> {
        match step {
            Step::Change => self.change(ground),
            Step::Break => self.broken(ground).await,
            Step::Move => self.moved(ground),
            Step::Edit => self.edit(ground),
            Step::Delete => self.delete(ground),
            Step::Outage => {
                ground.under.proxy.down(true);
                self.sleep(4000).await;
                ground.under.proxy.down(false);
                Ok(())
            }
            Step::Kill => {
                ground.kill_agent().await?;
                self.sleep(2000).await;
                ground.start_agent().await
            }
        }
    }

    async fn sleep(&mut self, most: u64) {
        let time = self.dice.random_range(0..most);
        tokio::time::sleep(Duration::from_millis(time)).await;
    }

    fn change(&mut self, ground: &mut Ground) -> Result<()> {
        for _ in 0..self.dice.random_range(1..=3) {
            let app = self.dice.random_range(0..ground.apps.len());
            let app = &mut ground.apps[app];
            match self.dice.random_range(0..4) {
                0 | 1 => app.mode = self.dice.random_range(0..100),
                2 => app.patch = self.dice.random_range(0..5),
                _ => app.has_host = !app.has_host,
            }
        }
        ground.publish("Change some Apps").map(drop)
    }

    async fn broken(&mut self, ground: &mut Ground) -> Result<()> {
        let Some(app) = self.present(ground) else { return Ok(()) };
        let compose = format!("{}/compose.yml", app.name);
        ground.under.repo.publish(&[(&compose, "services: {web: {imgae: nginx}}\n")], "A mistake")?;
        self.sleep(3000).await;
        ground.publish("Mend it").map(drop)
    }

    fn moved(&mut self, ground: &mut Ground) -> Result<()> {
        let away = ground.apps.iter().filter(|app| !app.is_present).count();
        let movable = ground.apps.iter_mut().filter(|app| !app.has_disk && (away < MOST_AWAY || !app.is_present));
        let mut movable: Vec<&mut App> = movable.collect();
        if movable.is_empty() {
            return Ok(());
        }
        let app = self.dice.random_range(0..movable.len());
        let app = &mut movable[app];
        app.is_present = !app.is_present;
        let message = format!("{} {}", if app.is_present { "Bring back" } else { "Take away" }, app.name);
        ground.publish(&message).map(drop)
    }

    /// What people do to objects. That it is refused (it is not there at the moment) is part of life.
    fn edit(&mut self, ground: &Ground) -> Result<()> {
        let Some(app) = self.present(ground) else { return Ok(()) };
        let Some(namespace) = ground.namespace(app.name)? else { return Ok(()) };
        let deployment = format!("deployment/{}-app", app.name);
        let edits: [&[&str]; 6] = [
            &["scale", &deployment, "--replicas=0"],
            &["scale", &deployment, "--replicas=2"],
            &["set", "env", &deployment, "EXTRA=mine"],
            &["label", "--overwrite", "service", "web", "app.kubernetes.io/name=mine"],
            &["label", "--overwrite", &deployment, "owner=me"],
            &["patch", "service", "web", "--type=merge", "-p", "{\"spec\":{\"sessionAffinity\":\"ClientIP\"}}"],
        ];
        if let Some(edit) = edits.choose(&mut self.dice) {
            self.taken += u32::from(ground.kubectl(&[&["-n", &namespace], *edit].concat()).is_ok());
        }
        Ok(())
    }

    /// Anything but what holds data.
    fn delete(&mut self, ground: &Ground) -> Result<()> {
        let Some(app) = self.present(ground) else { return Ok(()) };
        let Some(namespace) = ground.namespace(app.name)? else { return Ok(()) };
        let kinds = ["deployments", "services", "ingresses", "secrets", "networkpolicies", "roles", "pods"];
        if let Some(kind) = kinds.choose(&mut self.dice) {
            let deletion = ground.kubectl(&["-n", &namespace, "delete", kind, "--all", "--wait=false"]);
            self.taken += u32::from(deletion.is_ok());
        }
        Ok(())
    }

    fn present(&mut self, ground: &Ground) -> Option<App> {
        let present: Vec<&App> = ground.apps.iter().filter(|app| app.is_present).collect();
        present.choose(&mut self.dice).map(|app| (*app).clone())
    }
}
