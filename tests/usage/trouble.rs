//! How counts get to a store that fails.

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_api_key::store::{StoreErrorKind, UsageBatch};
use tower_api_key::testing::{Fault, FaultyStore};
use tower_api_key::usage::{UsageEvent, UsageFlusher, UsageFlusherOptions, UsageMonitor};

use crate::kit::{INTERVAL, Mode, SECOND, Scene, count, counted, verified};
use crate::support::keys;

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_for_three_intervals_loses_nothing() {
    for mode in [Mode::Fails, Mode::LosesTheAnswer, Mode::Hangs, Mode::Panics] {
        let scene = Scene::new(|options| options).await;
        scene.desk.set(mode);
        scene.count(2);
        sleep(INTERVAL + SECOND).await;
        scene.count(3);
        sleep(INTERVAL * 2).await;
        let batches = scene.desk.batches();
        assert!(batches.len() > 1, "{mode:?}");
        // The same, under the same number.
        assert!(
            batches.windows(2).all(|pair| pair[0] == pair[1]),
            "{mode:?}"
        );
        let told = scene.told.take();
        let failure = match mode {
            Mode::Hangs => "expected an answer within 5s, found none",
            Mode::Panics => "the store panicked",
            _ => "as the test wants",
        };
        let first = told[0].split_once(" wait: ");
        assert_eq!(first.unwrap().1, failure);
        assert!(scene.flusher.stats().failures > 1);

        scene.desk.set(Mode::Takes);
        sleep(SECOND * 60).await;
        assert_eq!(scene.allowed().await, 5, "{mode:?}");
        let restored = scene.told.take();
        assert_eq!(restored.last().unwrap(), "restored");
        let numbers = scene.desk.batches();
        let numbers: Vec<_> = numbers.iter().map(UsageBatch::sequence).collect();
        assert_eq!(numbers.last(), Some(&2), "{numbers:?}");
        assert_eq!(scene.flusher.stats().waiting, 0);
        assert_eq!(scene.monitor.stats().dropped(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn tries_come_less_often_the_longer_a_store_is_down() {
    let scene = Scene::new(|options| options.with_retention(None)).await;
    scene.desk.set(Mode::Fails);
    scene.count(1);
    sleep(SECOND * 3_600).await;
    let tries = scene.desk.batches().len();
    // Between half a minute and a quarter of one in between.
    assert!((120..=250).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bound_counts_are_dropped_counted_and_told() {
    let scene = Scene::new(|options| options.with_max_waiting(2)).await;
    scene.desk.set(Mode::Fails);
    let others = [verified(&scene.keys).await.1, verified(&scene.keys).await.1];
    scene.count(1);
    sleep(SECOND * 2).await;
    count(&scene.monitor, &others[0], 1);
    sleep(SECOND * 2).await;
    scene.told.take();
    count(&scene.monitor, &others[1], 7);
    sleep(SECOND * 2).await;
    assert!(scene.told.take().contains(&"dropped 7".to_owned()));
    // What has a sum already takes no room.
    count(&scene.monitor, &others[0], 5);
    sleep(SECOND * 2).await;
    assert_eq!(scene.monitor.stats().dropped(), 7);
    assert_eq!(scene.flusher.stats().waiting, 2);
    scene.desk.set(Mode::Takes);
    scene.flusher.shutdown().await.unwrap();
    let store = scene.keys.store();
    assert_eq!(scene.allowed().await, 1);
    assert_eq!(counted(store, others[0].key_id()).await, (6, 0));
    assert_eq!(counted(store, others[1].key_id()).await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn keys_of_an_unconfirmed_batch_lose_no_counts() {
    let scene = Scene::new(|options| options.with_max_waiting(2)).await;
    scene.desk.set(Mode::Fails);
    let other = verified(&scene.keys).await.1;
    scene.count(1);
    count(&scene.monitor, &other, 1);
    // All of the room is in the batch whose writes fail.
    sleep(INTERVAL * 3).await;
    assert!(scene.flusher.stats().failures > 0);
    scene.count(5);
    count(&scene.monitor, &other, 7);
    sleep(SECOND * 2).await;
    assert_eq!(scene.monitor.stats().dropped(), 0);
    scene.desk.set(Mode::Takes);
    scene.flusher.shutdown().await.unwrap();
    assert_eq!(scene.allowed().await, 6);
    assert_eq!(counted(scene.keys.store(), other.key_id()).await, (8, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_at_its_deadline_and_may_be_repeated() {
    let scene = Scene::new(|options| options).await;
    for (mode, source) in [
        (Mode::Fails, Some("as the test wants")),
        (
            Mode::Hangs,
            Some("expected an answer within 5s, found none"),
        ),
    ] {
        scene.desk.set(mode);
        scene.count(4);
        let began = Instant::now();
        let error = scene.flusher.shutdown().await.unwrap_err();
        let waited = began.elapsed();
        assert!(
            waited >= INTERVAL && waited < INTERVAL + SECOND,
            "{waited:?}"
        );
        let found = error.source().map(ToString::to_string);
        assert_eq!(found.as_deref(), source);
        assert!(error.requests() >= 4);
        let message = "expected the store to take all counts within 10s, found 4 counted requests \
                       not written";
        if mode == Mode::Fails {
            assert_eq!(error.to_string(), message);
        }
    }
    scene.desk.set(Mode::Takes);
    scene.flusher.shutdown().await.unwrap();
    assert_eq!(scene.allowed().await, 8);
}

/// A flush, or a shutdown, that nobody waits for any more.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_is_made_again() {
    let scene = Scene::new(|options| options).await;
    scene.desk.set(Mode::Hangs);
    scene.count(3);
    let waited = tokio::time::timeout(SECOND, scene.flusher.flush()).await;
    assert!(waited.is_err());
    let waited = tokio::time::timeout(SECOND, scene.flusher.shutdown()).await;
    assert!(waited.is_err());
    scene.desk.set(Mode::Takes);
    scene.flusher.shutdown().await.unwrap();
    assert_eq!(scene.allowed().await, 3);
    assert!(scene.desk.batches().iter().all(|one| one.sequence() == 1));
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_harms_nothing() {
    let panics = |_: &UsageEvent| panic!("as the test wants");
    let scene = Scene::new(|options| options.with_observer(panics)).await;
    scene.desk.set(Mode::Fails);
    scene.count(3);
    sleep(INTERVAL * 3).await;
    scene.desk.set(Mode::Takes);
    sleep(INTERVAL * 3).await;
    assert_eq!(scene.allowed().await, 3);
}

/// Real time and threads: a store that fails, is slow and loses answers, while requests go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_are_exact_while_every_second_write_goes_wrong() {
    const TASKS: usize = 8;
    const TIMES: usize = 2_000;
    let keys = keys();
    let identities = [verified(&keys).await.1, verified(&keys).await.1];
    let faulty = FaultyStore::new(keys.store().clone(), 7)
        .with_change_fault(Fault::LostAnswer, 20)
        .with_change_fault(Fault::Error(StoreErrorKind::Unavailable), 20)
        .with_change_fault(Fault::Panic, 5)
        .with_change_fault(Fault::Delay(Duration::from_millis(3)), 10);
    let monitor = UsageMonitor::new();
    let options = UsageFlusherOptions::new()
        .with_interval(Duration::from_millis(2))
        .with_max_batch(1)
        .with_shutdown_deadline(Duration::from_secs(60));
    let flusher = UsageFlusher::spawn(monitor.clone(), faulty.clone(), options).unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let (monitor, identity) = (monitor.clone(), identities[number % 2].clone());
            tokio::spawn(async move {
                for time in 0..TIMES {
                    count(&monitor, &identity, 1);
                    if time % 100 == 0 {
                        sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    flusher.shutdown().await.unwrap();
    for identity in &identities {
        let counted = counted(keys.store(), identity.key_id()).await;
        assert_eq!(counted, ((TASKS / 2 * TIMES) as u64, 0));
    }
    assert!(flusher.stats().failures > 0, "{:?}", faulty.injected());
}
