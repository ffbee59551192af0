//! One App's change among few and among many Apps, in turns: what is compared so closely must not lie minutes apart, for
//! the machine's speed is not the same all the time.

use std::time::Duration;

use anyhow::Result;
use kompox_tests::parts::say;

use crate::ground::Ground;
use crate::percentile;
use crate::rivals::{self, Rival};

/// How often an App changes among few, and as often among many.
const TURNS: u16 = 100;
/// Below which value lie so many of a hundred: all are compared.
pub(crate) const SHARES: [usize; 3] = [50, 90, 99];
/// From which share on chance decides how the times compare, for hardly any lies above: it is told, and is no goal.
pub(crate) const CHANCE: usize = 99;

/// Before each change: what comes at once after another one finds a busier machine, and all at hand.
pub(crate) const REST: Duration = Duration::from_secs(1);

/// How long a change among many Apps takes, as a multiple of one among few, for each of [`SHARES`].
#[derive(Debug)]
pub(crate) struct Growth {
    /// How many are few.
    pub(crate) few: u16,
    /// The agent's.
    pub(crate) agent: [f64; SHARES.len()],
    /// The bare client's.
    pub(crate) bare: [f64; SHARES.len()],
}

/// Measures it on clusters that are up at the same time.
pub(crate) async fn growth(few: u16, many: u16, parallel: usize) -> Result<Growth> {
    say(&format!("one App's change among {few} and among {many}, in turns"));
    let grounds = [Ground::start(few).await?, Ground::start(many).await?];
    let mut objects = Vec::new();
    let mut agents = Vec::new();
    for ground in &grounds {
        let all = ground.render().await?;
        let (agent, _) = ground.cold(all.len()).await?;
        ground.under.quiet().await?;
        objects.push(all);
        agents.push(agent);
    }
    let mut mine: [Vec<Duration>; 2] = Default::default();
    for number in 0..TURNS {
        for which in order(number) {
            tokio::time::sleep(REST).await;
            let (took, _) = grounds[which].change(&agents[which], number).await?;
            mine[which].push(took);
        }
        say(&format!("turn {} of {TURNS}: {:?} and {:?}", number + 1, mine[0].last(), mine[1].last()));
    }
    drop(agents);
    drop(grounds);
    let bare = rivals::turns(&Rival::Bare(parallel), &objects, TURNS).await?;
    let growth = Growth { few, agent: of(&mine), bare: of(&bare) };
    let Growth { agent, bare, .. } = growth;
    say(&format!(
        "a change among {many} takes {agent:.2?} times what it takes among {few}; the bare client's {bare:.2?}"
    ));
    Ok(growth)
}

/// In which order the two come in a turn: each of them is first every other time.
pub(crate) fn order(turn: u16) -> [usize; 2] {
    if turn.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

fn of([few, many]: &[Vec<Duration>; 2]) -> [f64; SHARES.len()] {
    SHARES.map(|share| percentile(many, share).as_secs_f64() / percentile(few, share).as_secs_f64())
}
