//! Nodes that are cut off from their store, by hundreds of seeds.

use std::time::Duration;

use http::StatusCode;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::kit::SECOND;
use super::world::{Answer, World};
use crate::heavy;

/// How soon after a repair every node answers as if nothing had been: what waits for a message
/// that was lost ends after the look-up deadline, 1 s, and the feed begins anew.
const REPAIRED_WITHIN: Duration = Duration::from_millis(1_200);

/// How long a request takes at most while all is well.
const ANSWERED_WITHIN: Duration = Duration::from_millis(100);

/// What was seen, so that the test is known to test something.
#[derive(Debug, Default)]
struct Tally {
    let_in: usize,
    refused: usize,
    unavailable: usize,
    /// Let in although the key had been invalid for longer than a change takes to be told.
    let_in_late: usize,
    /// Let in or refused after a repair.
    after_repair: [usize; 2],
}

/// A long time of faults, and a short one without, twice.
async fn run(seed: u64, tally: &mut Tally) {
    let world = World::new(seed).await;
    sleep(SECOND).await;
    world.live();
    for _ in 0..2 {
        let raged = world.truth.elapsed();
        world.rage(SECOND * 12).await;
        for answer in world.answers() {
            check(seed, &world, &answer, tally);
            // None is left over from before, when all was well.
            assert!(answer.began + ANSWERED_WITHIN >= raged, "seed {seed}");
        }
        let repaired = world.truth.elapsed();
        sleep(SECOND * 3).await;
        for answer in world.answers() {
            check(seed, &world, &answer, tally);
            if answer.began >= repaired + REPAIRED_WITHIN {
                check_repaired(seed, &world, &answer, tally);
            }
        }
    }
}

/// Safety: nobody is let in with a key that has not been valid within the bound, and nobody is
/// refused whose key has been valid throughout it.
fn check(seed: u64, world: &World, answer: &Answer, tally: &mut Tally) {
    let from = answer.began.saturating_sub(answer.bounds.always);
    let within = from..=answer.ended;
    let (key, began) = (answer.key, answer.began);
    match answer.status {
        StatusCode::OK => {
            let was_valid = world.truth.was(key, true, &within);
            assert!(was_valid, "seed {seed}: key {key} let in at {began:?}");
            let late = answer.began.saturating_sub(SECOND / 10)..=answer.ended;
            tally.let_in_late += usize::from(!world.truth.was(key, true, &late));
            tally.let_in += 1;
        }
        StatusCode::UNAUTHORIZED => {
            let was_invalid = world.truth.was(key, false, &within);
            assert!(was_invalid, "seed {seed}: key {key} refused at {began:?}");
            tally.refused += 1;
        }
        status => {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "seed {seed}");
            tally.unavailable += 1;
        }
    }
}

/// Liveness: after a repair, everybody is answered, and as the store would answer.
fn check_repaired(seed: u64, world: &World, answer: &Answer, tally: &mut Tally) {
    let let_in = answer.status == StatusCode::OK;
    assert!(
        let_in || answer.status == StatusCode::UNAUTHORIZED,
        "seed {seed}: {} at {:?}",
        answer.status,
        answer.began
    );
    assert!(
        answer.ended <= answer.began + ANSWERED_WITHIN,
        "seed {seed}"
    );
    let from = answer.began.saturating_sub(answer.bounds.in_touch);
    assert!(
        world.truth.was(answer.key, let_in, &(from..=answer.ended)),
        "seed {seed}: key {} {} at {:?} after a repair",
        answer.key,
        answer.status,
        answer.began
    );
    tally.after_repair[usize::from(!let_in)] += 1;
}

#[test]
fn sc_out_5_partitions_let_nobody_in_late_and_end_with_the_repair() {
    // How many worlds there are.
    let seeds = heavy::size(20, 200);
    let mut tally = Tally::default();
    for seed in 0..seeds {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(seed, &mut tally));
    }
    println!("{tally:?}");
    let least = usize::try_from(seeds).unwrap();
    let [let_in, refused] = tally.after_repair;
    for count in [
        tally.let_in,
        tally.refused,
        tally.unavailable,
        let_in,
        refused,
    ] {
        assert!(count > least, "{tally:?}");
    }
    assert!(tally.let_in_late > 0, "{tally:?}");
}
