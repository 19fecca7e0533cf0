//! How counts get to a store that works.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tower_api_key::MemoryStore;
use tower_api_key::Scope;
use tower_api_key::store::{KeyUse, UsageBucket, UsageStore};
use tower_api_key::usage::{FlusherStats, UsageFlusher, UsageFlusherOptions, UsageMonitor};

use crate::kit::{HALF_PAST, INTERVAL, SECOND, Scene, counted, verified};
use crate::support::issue;

#[tokio::test(start_paused = true)]
async fn counts_are_written_at_the_interval_and_dated_to_the_second() {
    let scene = Scene::new(|options| options).await;
    sleep(SECOND * 5 / 2).await;
    scene.count(3);
    sleep(Duration::from_millis(7_499)).await;
    assert_eq!(scene.desk.batches(), []);
    sleep(Duration::from_millis(2)).await;
    let batches = scene.desk.batches();
    let at: Timestamp = "2026-01-01T10:30:03Z".parse().unwrap();
    let expected = KeyUse::new(scene.identity.key_id(), 1, at).with_allowed(3);
    let uses = batches[0].uses();
    assert_eq!((batches.len(), uses.len()), (1, 1));
    // Collected at each second, as tokio's timer goes.
    let late = uses[0].last_used_at().duration_since(at);
    assert!(late.as_millis().abs() <= 10, "{late}");
    assert_eq!((uses[0].key(), uses[0].allowed()), (expected.key(), 3));

    // Nothing was counted, and nothing is written.
    sleep(INTERVAL * 5).await;
    assert_eq!(scene.desk.batches(), []);
    scene.count(1);
    sleep(INTERVAL * 2).await;
    let batches = scene.desk.batches();
    assert_eq!((batches.len(), batches[0].sequence()), (1, 2));
    assert_eq!(scene.allowed().await, 4);
    let record = scene.keys.get(&scene.identity.key_id()).await.unwrap();
    assert_eq!(record.unwrap().last_used_at(), batches[0].last_used_at());
    let expected = FlusherStats::default();
    let stats = scene.flusher.stats();
    assert_eq!((stats.batches, stats.requests), (2, 4));
    assert_eq!((stats.waiting, stats.failures), (expected.waiting, 0));
    assert_eq!(scene.told.take(), [""; 0]);
}

/// Whatever the interval, what was counted before a full hour counts for the hour before.
#[tokio::test(start_paused = true)]
async fn hours_are_kept_apart() {
    let minute = SECOND * 60;
    let scene = Scene::at("2026-01-01T09:59:30.25Z", |options| {
        options.with_interval(minute)
    })
    .await;
    sleep(SECOND * 29 + SECOND / 2).await;
    scene.count(2);
    sleep(SECOND / 4 + Duration::from_millis(5)).await;
    scene.count(3);
    sleep(minute).await;
    let usage = scene.keys.store();
    let hours = Timestamp::MIN..Timestamp::MAX;
    let buckets = usage.usage(&scene.identity.key_id(), hours).await.unwrap();
    let [nine, ten] = ["09", "10"].map(|hour| {
        let hour = format!("2026-01-01T{hour}:00:00Z");
        hour.parse().unwrap()
    });
    let expected = [
        UsageBucket::new(nine, 1, 2, 0),
        UsageBucket::new(ten, 1, 3, 0),
    ];
    assert_eq!(buckets, expected);
}

#[tokio::test(start_paused = true)]
async fn batches_are_of_bounded_size_and_no_two_flushers_are_one_writer() {
    let scene = Scene::new(|options| options.with_max_batch(2)).await;
    let mut all = vec![scene.identity.clone()];
    for _ in 0..4 {
        all.push(verified(&scene.keys).await.1);
    }
    for identity in &all {
        crate::kit::count(&scene.monitor, identity, 1);
    }
    scene.flusher.flush().await.unwrap();
    let batches = scene.desk.batches();
    let sizes = batches.iter().map(|one| (one.sequence(), one.uses().len()));
    assert_eq!(sizes.collect::<Vec<_>>(), [(1, 2), (2, 2), (3, 1)]);
    for identity in &all {
        let counted = counted(scene.keys.store(), identity.key_id()).await;
        assert_eq!(counted, (1, 0));
    }
    let other = Scene::new(|options| options).await;
    other.count(1);
    other.flusher.flush().await.unwrap();
    assert_ne!(other.desk.batches()[0].writer(), batches[0].writer());
}

#[tokio::test(start_paused = true)]
async fn half_of_the_room_is_enough_to_write_before_the_interval() {
    let scene = Scene::new(|options| options.with_max_waiting(2)).await;
    scene.count(1);
    sleep(SECOND + Duration::from_millis(10)).await;
    assert_eq!(scene.allowed().await, 1);
}

/// That is longer than any clock goes.
#[tokio::test(start_paused = true)]
async fn so_it_is_when_the_interval_never_ends() {
    let scene =
        Scene::new(|options| options.with_max_waiting(2).with_interval(Duration::MAX)).await;
    scene.count(1);
    sleep(SECOND + Duration::from_millis(10)).await;
    assert_eq!(scene.allowed().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_writes_everything_and_ends_the_tasks() {
    let scene = Scene::new(|options| options).await;
    scene.count(5);
    let began = Instant::now();
    scene.flusher.shutdown().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(scene.allowed().await, 5);
    scene.count(1);
    sleep(INTERVAL * 3).await;
    assert_eq!(
        (scene.allowed().await, scene.flusher.stats().waiting),
        (5, 0)
    );
    // What was counted in the meantime, at another shutdown.
    scene.flusher.shutdown().await.unwrap();
    assert_eq!(scene.allowed().await, 6);
}

#[tokio::test(start_paused = true)]
async fn a_flusher_that_is_dropped_writes_no_more() {
    let scene = Scene::new(|options| options).await;
    scene.count(1);
    sleep(INTERVAL + SECOND).await;
    scene.count(1);
    drop(scene.flusher);
    sleep(INTERVAL * 3).await;
    let counted = counted(scene.keys.store(), scene.identity.key_id()).await;
    assert_eq!(counted, (1, 0));
    // A later flusher finds what was not collected.
    let store = scene.keys.store().clone();
    let next = UsageFlusher::spawn(scene.monitor, store, UsageFlusherOptions::new()).unwrap();
    next.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn old_sums_are_forgotten_about_once_an_hour() {
    let day = SECOND * 86_400;
    let scene = Scene::new(|options| options.with_retention(Some(day * 2))).await;
    sleep(INTERVAL + SECOND).await;
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    assert_eq!(scene.desk.forgets(), [at("2025-12-30T10:00:00Z")]);
    sleep(SECOND * 1_700).await;
    assert_eq!(scene.desk.forgets(), []);
    sleep(SECOND * 3_600).await;
    assert_eq!(scene.desk.forgets(), [at("2025-12-30T11:00:00Z")]);

    scene.desk.set(crate::kit::Mode::Fails);
    sleep(SECOND * 3_600).await;
    let tries = scene.desk.forgets();
    assert!(tries.len() > 1, "{tries:?}");
    assert!(tries.iter().all(|end| *end == at("2025-12-30T12:00:00Z")));
    let told = scene.told.take();
    assert_eq!(told.len(), tries.len());
    assert_eq!(told[0], "not forgotten: as the test wants");

    let never = Scene::new(|options| options.with_retention(None)).await;
    sleep(SECOND * 7_200).await;
    assert_eq!(never.desk.forgets(), []);
}

#[tokio::test]
async fn options_that_cannot_work_are_refused() {
    let zero = Duration::ZERO;
    let options = UsageFlusherOptions::new;
    for (options, message) in [
        (
            options().with_interval(zero),
            "expected an interval, found none",
        ),
        (
            options().with_max_waiting(0),
            "expected room for one sum or more, found none",
        ),
        (
            options().with_max_batch(0),
            "expected one sum in a batch or more, found none",
        ),
        (
            options().with_write_deadline(zero),
            "expected a time to wait for a write, found none",
        ),
        (
            options().with_shutdown_deadline(zero),
            "expected a time for a shutdown, found none",
        ),
        (
            options().with_retention(Some(Duration::from_secs(86_399))),
            "expected a retention of 86400s or more, found 86399s",
        ),
    ] {
        let store = MemoryStore::new();
        let refused = UsageFlusher::spawn(UsageMonitor::new(), store, options);
        assert_eq!(refused.unwrap_err().to_string(), message);
    }
    let debug = format!("{:?}", options());
    assert!(
        debug.starts_with("UsageFlusherOptions { interval: 10s"),
        "{debug}"
    );
}

/// One flusher of many processes; the others' sums are in the same store.
#[tokio::test(start_paused = true)]
async fn several_flushers_add_up_in_one_store() {
    let scene = Scene::new(|options| options).await;
    let issued = issue(&scene.keys, Scope::READ).await;
    let identity = scene
        .keys
        .verifier()
        .verify(issued.key.expose_secret())
        .await;
    let identity = identity.unwrap();
    let mut flushers = Vec::new();
    for times in 1..=4 {
        let monitor = UsageMonitor::new();
        let options =
            UsageFlusherOptions::new().with_clock(crate::kit::TokioClock::from(HALF_PAST));
        let store = scene.keys.store().clone();
        flushers.push(UsageFlusher::spawn(monitor.clone(), store, options).unwrap());
        crate::kit::count(&monitor, &identity, times);
    }
    for flusher in &flushers {
        flusher.shutdown().await.unwrap();
    }
    let counted = counted(scene.keys.store(), issued.record.id()).await;
    assert_eq!(counted, (10, 0));
}
