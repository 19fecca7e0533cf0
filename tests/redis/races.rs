//! What happens at the same time.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::join_all;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{
    KeyChange, KeyId, KeyRecord, KeyUpdate, Revocation, SecretVersion, Transition,
};
use tower_api_key::store::{
    Commit, Inserted, KeyUse, PageRequest, RedisStore, StoreErrorKind, UsageStore,
};
use tower_api_key::testing::apply;

use crate::kit::{
    RedisServer, adding, at, batch, context, digest, eventually, find, id, options, record,
    rotation, store, version,
};

/// Two stores, as two processes have.
async fn stores(server: &RedisServer) -> [RedisStore; 2] {
    [store(server).await, store(server).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_of_one_key_at_the_same_time_all_take_effect() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stores = stores(&server).await;
    stores[0].insert(adding(record(1))).await.unwrap();
    let rotations = (0..32).map(|number: u32| {
        let store = stores[number as usize % 2].clone();
        tokio::spawn(async move {
            let change = match number {
                0..7 => rotation(digest(100 + number), at(20)),
                7..20 => KeyChange::Update(KeyUpdate::new().with_name(format!("{number}"))),
                20..30 => KeyChange::Update(KeyUpdate::new().with_expires_at(Some(at(99)))),
                _ => KeyChange::Disable,
            };
            apply(&store, &id(1), &change, &context()).await
        })
    });
    for done in join_all(rotations).await {
        done.unwrap().unwrap();
    }
    let end = stores[1].get(&id(1)).await.unwrap().unwrap();
    let numbers: Vec<_> = end
        .secret_versions()
        .iter()
        .map(SecretVersion::number)
        .collect();
    assert_eq!(numbers, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(end.name().parse::<u32>().is_ok());
    assert_eq!(end.expires_at(), Some(at(99)));
    assert!(end.is_disabled());
    for number in (100..107).chain([1]) {
        assert_eq!(find(&stores[0], number).await.as_ref(), Some(&end));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_insertions_of_a_digest_or_id_wins() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stores = stores(&server).await;
    for round in 0..20_u32 {
        let base = round * 100;
        let insertions = (0..16).map(|number: u32| {
            let store = stores[number as usize % 2].clone();
            // Half of them share a digest, and half an id.
            let key = match number {
                0..8 => (id(base + number), digest(base)),
                _ => (id(base + 50), digest(base + number)),
            };
            let record = KeyRecord::new(key.0, "acct_42", "CI", at(0))
                .with_secret_versions([version(1, key.1)]);
            tokio::spawn(async move {
                let answer = store.insert(adding(record)).await;
                answer.map(|inserted| (inserted, key.0))
            })
        });
        let mut won = Vec::new();
        for done in join_all(insertions).await {
            match done.unwrap() {
                Ok((Inserted::Created, id)) => won.push(id),
                Ok(existing) => panic!("{existing:?}"),
                Err(error) => assert_eq!(error.kind(), StoreErrorKind::AlreadyExists),
            }
        }
        assert_eq!(won.len(), 2);
        let of_id = stores[0].get(&id(base + 50)).await.unwrap();
        assert!(of_id.is_some() && won.contains(&id(base + 50)));
        let of_digest = find(&stores[1], base).await.unwrap();
        assert!(won.contains(&of_digest.id()));
    }
    let page = PageRequest::first(1_000);
    let page = stores[0].list("acct_42", &page).await.unwrap();
    assert_eq!(page.keys().len(), 40);
    // Keys and their digests, one list of them, their audit trail in two orders with the last
    // number, and the version of the store.
    assert_eq!(server.command(&["DBSIZE"]), format!(":{}\r\n", 20 * 4 + 5));
}

/// Makes a change once, from the key as it is found.
async fn attempt(store: &RedisStore, id: KeyId, change: KeyChange) -> Option<StoreErrorKind> {
    let before = store.get(&id).await.unwrap()?;
    let transition = Transition::of(&change, &before, &context()).ok()?;
    let answer = store.commit(Commit::of(&before, transition)?).await;
    answer.err().map(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_revocation_and_a_deletion_are_never_undone() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stores = stores(&server).await;
    for number in 1..=40 {
        stores[0].insert(adding(record(number))).await.unwrap();
        let last = if number % 2 == 0 {
            KeyChange::Delete
        } else {
            KeyChange::Revoke(Revocation::new(at(1), "lost"))
        };
        let others = (0..8_u32).map(|other| {
            let store = stores[other as usize % 2].clone();
            tokio::spawn(async move {
                let used = KeyUse::new(id(number), 1, at(i64::from(other)));
                store.record_usage(&batch([used.clone()])).await.unwrap();
                let disabled = attempt(&store, id(number), KeyChange::Disable).await;
                let new = digest(number * 1_000 + other);
                let rotated = attempt(&store, id(number), rotation(new, at(20))).await;
                store.record_usage(&batch([used])).await.unwrap();
                for kind in [disabled, rotated] {
                    assert!(matches!(
                        kind,
                        None | Some(StoreErrorKind::NotFound | StoreErrorKind::Conflict)
                    ));
                }
            })
        });
        let others: Vec<_> = others.collect();
        apply(&stores[0], &id(number), &last, &context())
            .await
            .unwrap();
        for done in join_all(others).await {
            done.unwrap();
        }
        let end = stores[1].get(&id(number)).await.unwrap();
        if number % 2 == 0 {
            assert_eq!(end, None);
            for digest in [number]
                .into_iter()
                .chain(number * 1_000..number * 1_000 + 8)
            {
                assert_eq!(find(&stores[0], digest).await, None);
            }
        } else {
            assert_eq!(end.unwrap().revocation().unwrap().reason(), "lost");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_may_migrate_at_once() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let url = server.url();
    let migrations = (0..10).map(|_| {
        let url = url.clone();
        tokio::spawn(async move {
            let store = RedisStore::connect(&url).await.unwrap();
            store.migrate().await.unwrap();
            store.migrate().await.unwrap();
            store.get(&id(1)).await.unwrap()
        })
    });
    for done in join_all(migrations).await {
        assert_eq!(done.unwrap(), None);
    }
    let version = server.command(&["GET", "{tower_api_key}:version"]);
    assert_eq!(version, "$1\r\n1\r\n");
}

/// A call whose caller goes away is made as a whole or not at all, and harms no other.
#[tokio::test]
async fn dropped_calls_harm_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let (first, plain) = (id(1), context());
    for number in 2..200_u32 {
        let change = KeyChange::Update(KeyUpdate::new().with_name(format!("{number}")));
        let mut insertion = Box::pin(store.insert(adding(record(number)))).fuse();
        let mut changing = Box::pin(apply(&store, &first, &change, &plain)).fuse();
        let mut finding = Box::pin(find(&store, 1)).fuse();
        for _ in 0..number % 7 {
            let _ = futures::poll!(&mut insertion);
            let _ = futures::poll!(&mut changing);
            let _ = futures::poll!(&mut finding);
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(find(&store, 1).await.unwrap().id(), id(1));
    let mut there = BTreeSet::new();
    for number in 2..200 {
        let by_id = store.get(&id(number)).await.unwrap();
        assert_eq!(by_id, find(&store, number).await);
        if let Some(record) = by_id {
            there.insert(record.id());
        }
    }
    let page = store
        .list("acct_42", &PageRequest::first(1_000))
        .await
        .unwrap();
    let listed: BTreeSet<_> = page.keys().iter().map(|key| key.id()).collect();
    there.insert(id(1));
    assert_eq!(listed, there);
    // Every permit came back.
    eventually(async || store.get(&id(1)).await.ok()).await;
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let forget = || {
        server.command(&["SCRIPT", "FLUSH"]);
    };
    forget();
    store.insert(adding(record(1))).await.unwrap();
    forget();
    store
        .insert_many(vec![adding(record(2))])
        .await
        .pop()
        .unwrap()
        .unwrap();
    forget();
    assert_eq!(*find(&store, 2).await.unwrap(), record(2));
    forget();
    apply(&store, &id(1), &KeyChange::Disable, &context())
        .await
        .unwrap();
    forget();
    store
        .record_usage(&batch([KeyUse::new(id(1), 1, at(1))]))
        .await
        .unwrap();
    forget();
    let page = store
        .list("acct_42", &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(page.keys()[1].last_used_at(), Some(at(1)));
    forget();
    store.migrate().await.unwrap();
}

#[tokio::test]
async fn one_call_too_many_is_refused() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    store(&server).await;
    let narrow = options().with_max_in_flight(2);
    let store = RedisStore::connect_with(&server.url(), narrow)
        .await
        .unwrap();
    server.pause();
    let (one, two) = (id(1), id(2));
    let mut first = Box::pin(store.get(&one));
    let mut second = Box::pin(store.get(&two));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    crate::kit::assert_fails(
        store.get(&one).await,
        StoreErrorKind::Overloaded,
        "expected at most 2 calls in flight, found one more",
    );
    drop(first);
    server.resume();
    assert_eq!(second.await.unwrap(), None);
    assert_eq!(store.get(&one).await.unwrap(), None);
}
