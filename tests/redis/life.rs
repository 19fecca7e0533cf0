//! What a registry promises, on one store and across restarts.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tower_api_key::record::{KeyChange, KeyId, KeyRecord, KeyUpdate, Revocation};
use tower_api_key::store::{Inserted, KeyUse, PageRequest, RedisStore, StoreErrorKind, UsageStore};
use tower_api_key::testing::apply;
use tower_api_key::{KeyManager, KeyRegistry, KeyStore, NewKey, Scope, ScopeSet};

use crate::kit::{
    RedisServer, adding, assert_empty, assert_fails, at, batch, committing, context, digest, find,
    id, options, record, rotation, store, version,
};

const ID_EXISTS: &str = "a key with this id already exists";
const DIGEST_EXISTS: &str = "a key with this digest already exists";

#[tokio::test]
async fn a_manager_works_on_it() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let keys = KeyManager::new(store(&server).await);
    let new = NewKey::new("acct_42", "CI").with_scopes([Scope::READ]);
    let issued = keys.issue(new).await.unwrap();
    let id = issued.record.id();
    let verifier = keys.verifier();
    let identity = verifier.verify(issued.key.expose_secret()).await.unwrap();
    assert_eq!(identity.owner(), "acct_42");
    let rotated = keys.rotate(&id, Duration::from_secs(60)).await.unwrap();
    for key in [&issued.key, &rotated.key] {
        assert!(verifier.verify(key.expose_secret()).await.is_ok());
    }
    keys.revoke(&id, "lost").await.unwrap();
    for key in [&issued.key, &rotated.key] {
        assert!(verifier.verify(key.expose_secret()).await.is_err());
    }
    // No plaintext is anywhere in what Redis wrote.
    let directory = server.directory().join("appendonlydir");
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        for key in [&issued.key, &rotated.key] {
            let secret = &key.expose_secret().as_bytes()[11..];
            assert!(!text.windows(secret.len()).any(|part| part == secret));
        }
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_was() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let edge = |text: &str| text.parse::<Timestamp>().unwrap();
    let whole = KeyRecord::new(
        id(1),
        "a \"b\" \\ \u{0} \u{1F511} \u{2028}",
        "\n\u{FEFF}",
        at(-7),
    )
    .with_scopes([Scope::WRITE, Scope::from_static("a:b*[!]")])
    .with_expires_at(Some(edge("9999-12-30T21:59:59.999999Z")))
    .with_disabled(true)
    .with_revocation(Some(Revocation::new(
        edge("1970-01-01T00:00:00.000001Z"),
        "«lost»",
    )))
    .with_secret_versions([
        version(3, digest(3)).with_retires_at(Some(edge("1970-01-01T00:00:00Z"))),
        version(u32::MAX, digest(4)).with_last_used_at(Some(edge("1970-01-01T00:00:00.000001Z"))),
    ]);
    let bare = KeyRecord::new(id(2), "", "", at(0));
    for record in [whole, bare] {
        let inserted = store.insert(adding(record.clone())).await.unwrap();
        assert_eq!(inserted, Inserted::Created);
        assert_eq!(
            store.get(&record.id()).await.unwrap().as_deref(),
            Some(&record)
        );
        for version in record.secret_versions() {
            let found = store.find(version.digest()).await.unwrap().unwrap();
            let used = KeyRecord::clone(&found)
                .with_use_noted(u32::MAX, edge("1970-01-01T00:00:00.000001Z"));
            assert_eq!(used, record);
        }
        let page = store
            .list(record.owner(), &PageRequest::default())
            .await
            .unwrap();
        assert_eq!(page.keys(), [Arc::new(record)]);
    }
    assert_eq!(find(&store, 9).await, None);
    assert_eq!(store.get(&id(9)).await.unwrap(), None);
    assert!(store.try_find(&digest(3)).is_none());
}

#[tokio::test]
async fn ids_and_digests_are_unique_and_a_loser_leaves_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let size = server.command(&["DBSIZE"]);
    let other = || KeyRecord::new(id(2), "acct_7", "CI", at(0));
    let exists = StoreErrorKind::AlreadyExists;
    let same_id = record(1).with_secret_versions([version(1, digest(8))]);
    assert_fails(store.insert(adding(same_id)).await, exists, ID_EXISTS);
    for digests in [[1, 3], [3, 1], [2, 2]] {
        let [one, two] = digests.map(digest);
        let refused = other().with_secret_versions([version(1, one), version(2, two)]);
        assert_fails(store.insert(adding(refused)).await, exists, DIGEST_EXISTS);
    }
    assert_eq!(server.command(&["DBSIZE"]), size);

    store.insert(adding(record(2))).await.unwrap();
    let before = store.get(&id(2)).await.unwrap();
    for taken in [1, 2] {
        let change = rotation(digest(taken), at(20));
        assert_fails(
            apply(&store, &id(2), &change, &context()).await,
            exists,
            DIGEST_EXISTS,
        );
    }
    assert_eq!(store.get(&id(2)).await.unwrap(), before);
    assert_eq!(*find(&store, 1).await.unwrap(), record(1));
}

#[tokio::test]
async fn many_are_inserted_each_by_itself() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    assert!(store.insert_many(Vec::new()).await.is_empty());
    store.insert(adding(record(250))).await.unwrap();
    let mut inserts: Vec<_> = (1..=500).map(record).map(adding).collect();
    let same_id = record(7).with_secret_versions([version(1, digest(1_000))]);
    inserts.push(adding(same_id));
    let same_digest = KeyRecord::new(id(900), "a", "b", at(0));
    let same_digest = same_digest.with_secret_versions([version(1, digest(7))]);
    inserts.push(adding(same_digest));
    let answers = store.insert_many(inserts).await;
    assert_eq!(answers.len(), 502);
    for (place, answer) in answers.into_iter().enumerate() {
        match place {
            249 | 500 => assert_fails(answer, StoreErrorKind::AlreadyExists, ID_EXISTS),
            501 => assert_fails(answer, StoreErrorKind::AlreadyExists, DIGEST_EXISTS),
            _ => assert_eq!(answer.unwrap(), Inserted::Created),
        }
    }
    for number in [1, 200, 201, 500] {
        assert_eq!(*find(&store, number).await.unwrap(), record(number));
    }
    assert_eq!(store.get(&id(900)).await.unwrap(), None);
}

#[tokio::test]
async fn changes_are_written_as_they_come() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let mut expected = record(1);
    store.insert(adding(expected.clone())).await.unwrap();
    let update = KeyUpdate::new()
        .with_name("Reports")
        .with_scopes(ScopeSet::new())
        .with_expires_at(Some(at(99)));
    for change in [
        KeyChange::Update(update),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(digest(2), at(20)),
        rotation(digest(3), at(15)),
        KeyChange::Revoke(Revocation::new(at(30), "lost")),
        KeyChange::Revoke(Revocation::new(at(31), "again")),
    ] {
        expected = change.applied_to(&expected).unwrap().unwrap();
        let changed = apply(&store, &id(1), &change, &context()).await.unwrap();
        assert_eq!(*changed, expected, "{change:?}");
        for version in expected.secret_versions() {
            let found = store.find(version.digest()).await.unwrap();
            assert_eq!(found.as_deref(), Some(&expected));
        }
    }
    let deleted = apply(&store, &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap();
    assert_eq!(*deleted, expected);
    let gone = store
        .commit(committing(&expected, &KeyChange::Delete))
        .await;
    assert_fails(gone, StoreErrorKind::NotFound, "no key has this id");
    assert_empty(&server, &store).await;
    store.insert(adding(record(1))).await.unwrap();
}

#[tokio::test]
async fn a_version_that_is_dropped_leaves_nothing() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    for number in 2..=8 {
        apply(&store, &id(1), &rotation(digest(number), at(5)), &context())
            .await
            .unwrap();
    }
    let fields = server.command(&[
        "HLEN",
        "{tower_api_key}:key:00000000000000000000000000000001",
    ]);
    assert_eq!(fields, ":10\r\n");
    let used = KeyUse::new(id(1), 1, at(3));
    store.record_usage(&batch([used.clone()])).await.unwrap();
    let rotated = apply(&store, &id(1), &rotation(digest(9), at(11)), &context())
        .await
        .unwrap();
    assert_eq!(rotated.secret_versions().len(), 8);
    assert_eq!(find(&store, 1).await, None);
    store.record_usage(&batch([used])).await.unwrap();
    assert_eq!(
        store.get(&id(1)).await.unwrap().unwrap().last_used_at(),
        None
    );
    let fields = server.command(&[
        "HLEN",
        "{tower_api_key}:key:00000000000000000000000000000001",
    ]);
    assert_eq!(fields, ":10\r\n");
}

#[tokio::test]
async fn last_uses_only_move_forward_to_the_microsecond() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    store.insert(adding(record(1))).await.unwrap();
    let micro = |text: &str| text.parse::<Timestamp>().unwrap();
    for (used, last) in [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("1970-01-01T00:00:00.999999Z", "1970-01-01T00:00:00.999999Z"),
        ("1970-01-01T00:00:00.999998Z", "1970-01-01T00:00:00.999999Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("9999-12-30T21:59:59.999997Z", "9999-12-30T21:59:59.999997Z"),
        ("9999-12-30T21:59:59.999998Z", "9999-12-30T21:59:59.999998Z"),
        ("9999-12-30T21:59:59.999997Z", "9999-12-30T21:59:59.999998Z"),
    ] {
        let used = KeyUse::new(id(1), 1, micro(used));
        store.record_usage(&batch([used])).await.unwrap();
        let found = store.get(&id(1)).await.unwrap().unwrap();
        assert_eq!(found.last_used_at(), Some(micro(last)));
    }
    // A commit keeps the last uses that there are, though it was computed without them.
    let disabling = committing(&record(1), &KeyChange::Disable);
    store.commit(disabling).await.unwrap();
    let changed = store.get(&id(1)).await.unwrap().unwrap();
    assert!(changed.is_disabled());
    assert_eq!(
        changed.last_used_at(),
        Some(micro("9999-12-30T21:59:59.999998Z"))
    );

    // A late use revives nothing.
    apply(&store, &id(1), &KeyChange::Delete, &context())
        .await
        .unwrap();
    let uses: Vec<_> = (0..450).map(|n| KeyUse::new(id(n), 1, at(0))).collect();
    store.record_usage(&batch(uses)).await.unwrap();
    store.record_usage(&batch([])).await.unwrap();
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
    assert_empty(&server, &store).await;
}

#[tokio::test]
async fn lists_are_pages_of_exactly_one_owner() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let owners = [
        "acct",
        "acct\0",
        "Acct",
        "acc\u{74}\u{301}",
        "acc\u{1E97}",
        "",
        "*",
        "a{b}",
    ];
    for (place, owner) in owners.into_iter().enumerate() {
        // Inserted out of order.
        for number in [4, 1, 5, 3, 2_u32] {
            let number = u32::try_from(place).unwrap() * 10 + number;
            let key = KeyRecord::new(id(number), owner, "CI", at(0))
                .with_secret_versions([version(1, digest(number))]);
            store.insert(adding(key)).await.unwrap();
        }
    }
    let numbers = async |owner: &str, page: PageRequest| {
        let page = store.list(owner, &page).await.unwrap();
        let ids: Vec<KeyId> = page.keys().iter().map(|key| key.id()).collect();
        (ids, page.next())
    };
    for (place, owner) in owners.into_iter().enumerate() {
        let start = u32::try_from(place).unwrap() * 10;
        let ids: Vec<_> = (1..=5).rev().map(|number| id(start + number)).collect();
        let first = || PageRequest::first(2);
        assert_eq!(
            numbers(owner, first()).await,
            (ids[..2].to_vec(), Some(ids[1]))
        );
        assert_eq!(
            numbers(owner, first().after(ids[1])).await,
            (ids[2..4].to_vec(), Some(ids[3]))
        );
        assert_eq!(
            numbers(owner, first().after(ids[3])).await,
            (ids[4..].to_vec(), None)
        );
        assert_eq!(numbers(owner, PageRequest::first(5)).await, (ids, None));
    }
    // The cursor need not exist any more.
    apply(&store, &id(4), &KeyChange::Delete, &context())
        .await
        .unwrap();
    let after = || PageRequest::first(1).after(id(4));
    assert_eq!(numbers("acct", after()).await, (vec![id(3)], Some(id(3))));
    assert_eq!(numbers("nobody", after()).await, (vec![], None));
}

#[tokio::test]
async fn keys_outlive_the_process_and_the_server() {
    let Some(mut server) = RedisServer::start() else {
        return;
    };
    let first = store(&server).await;
    first.insert(adding(record(1))).await.unwrap();
    first.insert(adding(record(2))).await.unwrap();
    let revoked = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    let revoked = apply(&first, &id(2), &revoked, &context()).await.unwrap();
    drop(first);
    server.restart();
    let second = RedisStore::connect(&server.url()).await.unwrap();
    assert_eq!(*find(&second, 1).await.unwrap(), record(1));
    assert_eq!(find(&second, 2).await, Some(revoked));
}

#[tokio::test]
async fn stores_of_two_prefixes_and_of_two_databases_are_apart() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let one = store(&server).await;
    one.insert(adding(record(1))).await.unwrap();
    let prefixed = options().with_key_prefix("other");
    let two = RedisStore::connect_with(&server.url(), prefixed)
        .await
        .unwrap();
    let three = RedisStore::connect(&format!("redis://{}/3", server.address()))
        .await
        .unwrap();
    for other in [two, three] {
        other.migrate().await.unwrap();
        assert_eq!(find(&other, 1).await, None);
        other.insert(adding(record(1))).await.unwrap();
        apply(&other, &id(1), &KeyChange::Delete, &context())
            .await
            .unwrap();
    }
    assert_eq!(*find(&one, 1).await.unwrap(), record(1));
    let clone = one.clone();
    assert_eq!(*find(&clone, 1).await.unwrap(), record(1));
}
