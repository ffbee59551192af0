//! The cold apply alone, for whoever makes it faster.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use kompox_tests::parts::say;
use kompox_tests::traffic::Request;

use crate::ground::Ground;
use crate::percentile;
use crate::rivals::{self, Rival};

/// Lets the agent and the bare client apply everything in turns, each time to a fresh cluster, and says how they compare.
pub(crate) async fn compare(apps: u16, parallel: usize, rounds: u16) -> Result<()> {
    let Times { mine, bare, count } = times(apps, parallel, rounds, true).await?;
    let (mine, bare) = (rate(count, percentile(&mine, 50)), rate(count, percentile(&bare, 50)));
    say(&format!("median: the agent {mine:.0}, the bare client {bare:.0} objects a second: {:.2}", mine / bare));
    Ok(())
}

/// How long each took, round by round.
pub(crate) struct Times {
    /// The agent.
    pub(crate) mine: Vec<Duration>,
    /// The bare client.
    pub(crate) bare: Vec<Duration>,
    /// How many objects.
    count: usize,
}

/// Lets both apply everything in turns. `is_counted`: what the agent asked for in the first round is told.
pub(crate) async fn times(apps: u16, parallel: usize, rounds: u16, is_counted: bool) -> Result<Times> {
    let (mut mine, mut bare) = (Vec::new(), Vec::new());
    let mut count = 0;
    for round in 1..=rounds {
        let ground = Ground::start(apps).await?;
        let objects = ground.render().await?;
        count = objects.len();
        let (agent, took) = ground.cold(count).await?;
        let asked = ground.under.asked();
        drop(agent);
        drop(ground);
        if is_counted && round == 1 {
            say(&census(&asked));
        }
        mine.push(took);
        bare.push(rivals::cold(&Rival::Bare(parallel), &objects).await?);
        let (mine, bare) = (rate(count, took), rate(count, bare[bare.len() - 1]));
        say(&format!(
            "round {round}: the agent {mine:.0}, the bare client {bare:.0} objects a second: {:.2}",
            mine / bare
        ));
    }
    Ok(Times { mine, bare, count })
}

fn rate(objects: usize, time: Duration) -> f64 {
    objects as f64 / time.as_secs_f64()
}

/// How often what was asked for, the most frequent first.
fn census(requests: &[Request]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests {
        let what = request.target().map_or_else(|| request.path.clone(), |target| target.resource);
        let kind = if request.dry_run { " (dry run)" } else { "" };
        *counts.entry(format!("{} {what}{kind}", request.method)).or_default() += 1;
    }
    let mut lines: Vec<(usize, String)> = counts.into_iter().map(|(what, count)| (count, what)).collect();
    lines.sort_by(|one, other| other.cmp(one));
    let lines: Vec<String> = lines.into_iter().map(|(count, what)| format!("{count:>6} {what}")).collect();
    format!("{} requests of the agent:\n{}", requests.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_census_tells_dry_runs_apart() {
        let request = |dry_run| Request {
            method: "PATCH".to_owned(),
            path: "/apis/apps/v1/namespaces/a/deployments/b".to_owned(),
            query: String::new(),
            user_agent: String::new(),
            status: Some(200),
            dry_run,
        };
        let text = census(&[request(false), request(true), request(false)]);
        assert_eq!(text, "3 requests of the agent:\n     2 PATCH deployments\n     1 PATCH deployments (dry run)");
    }
}
