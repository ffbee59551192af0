//! The same calls at `local` and at the driver in memory give the same answers.

use proptest::prelude::*;

use super::*;
use crate::testing::MemoryDriver;

#[derive(Clone, Debug)]
enum Call {
    Ensure { volume: usize, name: usize, op: usize, cluster: usize },
    Assign { volume: usize, name: usize, cluster: usize },
    Claim { disk: usize, cluster: usize, take: bool },
    Delete { disk: usize, cluster: usize },
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        3 => (0..2_usize, 0..3_usize, 0..5_usize, 0..2_usize)
            .prop_map(|(volume, name, op, cluster)| Call::Ensure { volume, name, op, cluster }),
        3 => (0..2_usize, 0..3_usize, 0..2_usize)
            .prop_map(|(volume, name, cluster)| Call::Assign { volume, name, cluster }),
        1 => (0..4_usize, 0..2_usize, any::<bool>())
            .prop_map(|(disk, cluster, take)| Call::Claim { disk, cluster, take }),
        2 => (0..4_usize, 0..2_usize).prop_map(|(disk, cluster)| Call::Delete { disk, cluster }),
    ];
    prop::collection::vec(call, 1..25)
}

fn scopes() -> [DiskScope; 2] {
    ["cls1", "cls2"].map(|cluster| DiskScope::of(&format!("/ws/ws/prv/prv/cls/{cluster}/app/shop").parse().unwrap()))
}

/// What a disk is, but for what a provider chooses.
type Seen = (String, String, bool, Option<String>, Option<OpKey>);

async fn seen(driver: &dyn Driver) -> Vec<Seen> {
    let disks = driver.list_disks(&scopes()[0]).await.unwrap();
    disks.into_iter().map(|disk| (disk.volume, disk.name, disk.assigned, disk.claim, disk.op_key)).collect()
}

/// Makes a call; the answer is `ok` or the error's label.
async fn answer(driver: &dyn Driver, call: &Call) -> &'static str {
    let scopes = scopes();
    let label = |result: Result<()>| result.map_or_else(|error| error.label(), |()| "ok");
    match *call {
        Call::Ensure { volume, name, op, cluster } => {
            let mut wanted = spec(&format!("d{name}"));
            wanted.volume = format!("v{volume}");
            wanted.op_key = OpKey::new(&format!("{cluster}/v{volume}"), 1, &op.to_string());
            label(driver.ensure_disk(&scopes[cluster], &wanted).await.map(drop))
        }
        Call::Assign { volume, name, cluster } => {
            label(driver.set_assigned(&scopes[cluster], &format!("v{volume}"), &format!("d{name}")).await)
        }
        Call::Claim { disk, cluster, take } => match handle(driver, disk).await {
            Some(handle) => label(driver.claim_disk(&scopes[cluster], &handle, take).await.map(drop)),
            None => "no disk",
        },
        Call::Delete { disk, cluster } => match handle(driver, disk).await {
            Some(handle) => label(driver.delete_disk(&scopes[cluster], &handle).await.map(drop)),
            None => "no disk",
        },
    }
}

async fn handle(driver: &dyn Driver, disk: usize) -> Option<String> {
    let disks = driver.list_disks(&scopes()[0]).await.unwrap();
    disks.get(disk).map(|disk| disk.handle.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn both_answer_alike(calls in calls()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let lab = Lab::new();
            let (local, memory) = (lab.driver(), MemoryDriver::new());
            for call in &calls {
                let answers = (answer(&local, call).await, answer(&memory, call).await);
                prop_assert_eq!(answers.0, answers.1, "{:?}", call);
                let disks = seen(&local).await;
                prop_assert_eq!(&disks, &seen(&memory).await, "after {:?}", call);
                for volume in ["v0", "v1"] {
                    prop_assert!(disks.iter().filter(|disk| disk.0 == volume && disk.2).count() <= 1);
                }
            }
            Ok(())
        })?;
    }
}
