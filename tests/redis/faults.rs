//! A server that is killed, paused or cut off, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tower_api_key::record::{KeyChange, KeyUpdate, Revocation};
use tower_api_key::store::{
    AuditLog, AuditPageRequest, KeyUse, PageRequest, RedisStore, StoreErrorKind, UsageBucket,
    UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyRegistry, KeyStore};

use crate::kit::{
    DEADLINE, Heard, RedisServer, SHORT_DEADLINE, adding, assert_fails, at, batch, committing,
    context, digest, eventually, find, id, impatient, options, record, rotation, store, store_with,
};

#[tokio::test]
async fn a_silent_server_is_too_late_and_then_fails_at_once() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store_with(&server, impatient()).await;
    store.insert(adding(record(1))).await.unwrap();
    for _ in 0..3 {
        server.pause();
        let began = Instant::now();
        let address = server.address();
        let late = format!("expected an answer of redis at {address} within 1s, found none");
        let found = store.find(&digest(1)).await;
        assert_fails(found, StoreErrorKind::TimedOut, &late);
        assert!(began.elapsed() >= SHORT_DEADLINE);
        // Nobody waits for a server that is known to be silent: a hundred waits would take longer.
        let began = Instant::now();
        for _ in 0..100 {
            store.find(&digest(1)).await.unwrap_err();
        }
        assert!(began.elapsed() < SHORT_DEADLINE * 50);
        server.resume();
        let found = eventually(async || store.find(&digest(1)).await.ok()).await;
        assert_eq!(*found.unwrap(), record(1));
    }
}

/// A pause that is shorter than the deadline fails nobody.
#[tokio::test]
async fn a_short_pause_is_only_slow() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let patient = options().with_deadline(Duration::from_secs(60));
    let store = RedisStore::connect_with(&server.url(), patient)
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.insert(adding(record(1))).await.unwrap();
    server.pause();
    let mut finding = Box::pin(find(&store, 1));
    assert!(futures::poll!(&mut finding).is_pending());
    server.resume();
    assert_eq!(*finding.await.unwrap(), record(1));
}

#[tokio::test]
async fn a_quiet_connection_is_asked_for_a_sign_of_life() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let questions = || {
        let statistics = server.command(&["INFO", "commandstats"]);
        let line = statistics.lines().find(|line| line.contains("_hello:"));
        let count = line.and_then(|line| line.split(['=', ',']).nth(1)?.parse().ok());
        count.unwrap_or(0_u64)
    };
    let before = questions();
    eventually(async || (questions() >= before + 3).then_some(())).await;
    assert_eq!(find(&store, 1).await, None);
}

#[tokio::test]
async fn a_call_that_changes_nothing_survives_a_cut() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    for _ in 0..10 {
        server.cut_connections();
        assert_eq!(*find(&store, 1).await.unwrap(), record(1));
        server.cut_connections();
        let used = KeyUse::new(id(1), 1, at(-100)).with_allowed(1);
        store.record_usage(&batch([used])).await.unwrap();
        server.cut_connections();
        let counted = store.usage(&id(1), at(-4_000)..at(0)).await.unwrap();
        assert_eq!(counted, [UsageBucket::new(at(-3_600), 1, 1, 0)]);
        server.cut_connections();
        let page = AuditPageRequest::first(1);
        let trail = store.audit("acct_42", &page).await.unwrap();
        assert_eq!(trail.entries()[0].key_id(), id(1));
        server.cut_connections();
        let page = store
            .list("acct_42", &PageRequest::default())
            .await
            .unwrap();
        assert_eq!(page.keys().len(), 1);
        store.insert(adding(record(2))).await.unwrap();
        apply(&store, &id(2), &KeyChange::Delete, &context())
            .await
            .unwrap();
        let cleared = KeyChange::Update(KeyUpdate::new());
        apply(&store, &id(1), &cleared, &context()).await.unwrap();
        let now = store.get(&id(1)).await.unwrap().unwrap();
        assert_eq!(now.last_used_at(), Some(at(-100)));
        apply(&store, &id(1), &KeyChange::Delete, &context())
            .await
            .unwrap();
        store.insert(adding(record(1))).await.unwrap();
    }
}

#[tokio::test]
async fn a_change_whose_connection_is_lost_is_not_sent_again() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store_with(&server, impatient()).await;
    store.insert(adding(record(1))).await.unwrap();
    server.pause();
    let change = rotation(digest(2), at(20));
    let mut changing = Box::pin(store.commit(committing(&record(1), &change)));
    assert!(futures::poll!(&mut changing).is_pending());
    let mut inserting = Box::pin(store.insert(adding(record(3))));
    assert!(futures::poll!(&mut inserting).is_pending());
    assert_eq!(
        inserting.await.unwrap_err().kind(),
        StoreErrorKind::TimedOut
    );
    server.resume();
    changing.await.unwrap_err();
    eventually(async || store.find(&digest(1)).await.ok()).await;
    // It was made once or not at all.
    let versions = store.get(&id(1)).await.unwrap().unwrap();
    assert!(versions.secret_versions().len() <= 2);
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_until_it_is_back() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let heard = Heard::of(&store);
    heard.proof().await;
    server.kill();
    let message = format!(
        "expected redis at {}, found no connection",
        server.address()
    );
    eventually(async || {
        let error = store.find(&digest(1)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        (error.to_string() == message).then_some(())
    })
    .await;
    let began = Instant::now();
    assert_fails(
        store.find(&digest(1)).await,
        StoreErrorKind::Unavailable,
        &message,
    );
    assert_fails(
        store.insert(adding(record(2))).await,
        StoreErrorKind::Unavailable,
        &message,
    );
    let inserts = (0..500).map(record).map(adding).collect();
    for answer in store.insert_many(inserts).await {
        assert_fails(answer, StoreErrorKind::Unavailable, &message);
    }
    // Each wait would take as long.
    assert!(began.elapsed() < DEADLINE);
    server.restart();
    let found = eventually(async || store.find(&digest(1)).await.ok()).await;
    assert_eq!(*found.unwrap(), record(1));
    store.insert(adding(record(2))).await.unwrap();
    heard.proof().await;
}

/// Whatever happens to the server, a valid key is never unknown, and a revoked one never works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_makes_a_wrong_answer() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let store = store_with(&server, impatient()).await;
    store.insert(adding(record(1))).await.unwrap();
    store.insert(adding(record(2))).await.unwrap();
    let revoked = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    apply(&store, &id(2), &revoked, &context()).await.unwrap();
    let (stop, right) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = (0..64_u32)
        .map(|client| {
            let (store, stop, right) = (store.clone(), stop.clone(), right.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let number = 1 + client % 3;
                    let Ok(found) = store.find(&digest(number)).await else {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    };
                    match number {
                        1 => assert!(found.unwrap().revocation().is_none()),
                        2 => assert!(found.unwrap().revocation().is_some()),
                        _ => assert_eq!(found, None),
                    }
                    right.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..9 {
        match round % 3 {
            0 => server.restart(),
            1 => {
                server.pause();
                eventually(async || store.find(&digest(1)).await.err()).await;
                server.resume();
            }
            _ => server.cut_connections(),
        }
        // All of them work again, without anybody's help.
        eventually(async || store.find(&digest(1)).await.ok()).await;
        let before = right.load(Ordering::SeqCst);
        eventually(async || (right.load(Ordering::SeqCst) > before + 500).then_some(())).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn lost_data_make_no_key_unknown() {
    let Some(mut server) = RedisServer::start_with(&[]) else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    server.restart();
    let error = eventually(async || {
        let error = store.find(&digest(1)).await.unwrap_err();
        (error.kind() == StoreErrorKind::Misconfigured).then_some(error)
    })
    .await;
    let message = format!(
        "expected version 1 of the store as `{{tower_api_key}}:version` in redis at {}, found \
         none: call migrate(), or restore the keys if they were lost",
        server.address()
    );
    assert_eq!(error.to_string(), message);
    store.migrate().await.unwrap();
    assert_eq!(find(&store, 1).await, None);
}
