//! Keys in PostgreSQL: the life of a key, and what is kept of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(all(feature = "postgres", feature = "test-util", unix))]

#[path = "support/changes.rs"]
mod changes;
#[path = "support/postgres_keys.rs"]
mod keys;
#[path = "support/postgres_server.rs"]
mod server;

use std::time::Duration;

use changes::{batch, context};
use keys::{at, digest, id, record, rotation, store, version};
use server::PostgresServer;
use tower_api_key::clock::ManualClock;
use tower_api_key::record::{KeyChange, KeyRecord, KeyUpdate, Metadata, Revocation};
use tower_api_key::store::{
    Insert, Inserted, KeyUse, PageRequest, StoreError, StoreErrorKind, UsageStore,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyManager, KeyRegistry, KeyStore, NewKey, Scope};

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(
    result: Result<T, StoreError>,
    kind: StoreErrorKind,
    message: &str,
) {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), &*error.to_string()), (kind, message));
    keys::assert_tells_no_secret(&error);
}

const ID_EXISTS: &str = "a key with this id already exists";
const DIGEST_EXISTS: &str = "a key with this digest already exists";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_life_of_a_key() {
    let Some(store) = store("life_").await else {
        return;
    };
    let keys = KeyManager::new(store.clone()).with_clock(ManualClock::at(at(0)));
    let new = NewKey::new("acct_42", "CI").with_scopes([Scope::READ]);
    let issued = keys.issue(new).await.unwrap();
    let key = issued.record.id();
    let verifier = keys.verifier();
    let secret = issued.key.expose_secret();
    assert_eq!(verifier.verify(secret).await.unwrap().owner(), "acct_42");

    let update = KeyUpdate::new()
        .with_name("Reports")
        .with_scopes([Scope::WRITE]);
    let update = update.with_expires_at(Some(at(3_600)));
    let updated = keys.update(&key, update).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap(), updated);
    assert_eq!(
        (updated.name(), updated.scopes()),
        ("Reports", &Scope::WRITE.into())
    );

    keys.disable(&key).await.unwrap();
    assert!(verifier.verify(secret).await.is_err());
    keys.enable(&key).await.unwrap();
    let rotated = keys.rotate(&key, Duration::from_secs(60)).await.unwrap();
    for secret in [secret, rotated.key.expose_secret()] {
        let identity = verifier.verify(secret).await.unwrap();
        assert_eq!(identity.key_id(), key);
    }
    assert_eq!(*store.get(&key).await.unwrap().unwrap(), *rotated.record);

    let revoked = keys.revoke(&key, "lost").await.unwrap();
    assert_eq!(*store.get(&key).await.unwrap().unwrap(), *revoked);
    assert_eq!(*keys.revoke(&key, "again").await.unwrap(), *revoked);
    assert!(verifier.verify(secret).await.is_err());
    keys.delete(&key).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    let gone = apply(&store, &key, &KeyChange::Disable, &context()).await;
    assert_fails(gone, StoreErrorKind::NotFound, "no key has this id");
}

#[tokio::test]
async fn every_part_of_a_record_is_kept() {
    let Some(store) = store("parts_").await else {
        return;
    };
    let none = KeyRecord::new(id(1), "", "", at(0));
    let all = KeyRecord::new(
        id(2),
        "ä\u{10ffff} 'x",
        "n\n",
        "1970-01-01T00:00:00.000001Z".parse().unwrap(),
    )
    .with_scopes(["read", "~", "a:b"].map(Scope::from_static))
    .with_expires_at(Some("9999-12-30T22:00:00.999999Z".parse().unwrap()))
    .with_disabled(true)
    .with_revocation(Some(Revocation::new(at(5), "")))
    .with_metadata(Metadata::new().with("ä\\u0000'", "\"\\").with("", ""))
    .with_changes(u32::MAX)
    .with_secret_versions([
        version(u32::MAX, digest(3))
            .with_retires_at(Some("1999-12-31T23:59:59.999999Z".parse().unwrap())),
        version(7, digest(4))
            .with_last_used_at(Some("1970-01-01T00:00:00.000001Z".parse().unwrap())),
    ]);
    for record in [none, all] {
        let insert = Insert::new(record.clone(), &context());
        assert_eq!(store.insert(insert).await.unwrap(), Inserted::Created);
        assert_eq!(*store.get(&record.id()).await.unwrap().unwrap(), record);
    }
    for number in [3, 4] {
        let found = store.find(&digest(number)).await.unwrap().unwrap();
        assert_eq!(found.id(), id(2));
        assert_eq!(found.secret_versions().len(), 2);
    }
    assert_eq!(store.find(&digest(5)).await.unwrap(), None);
    assert_eq!(store.get(&id(5)).await.unwrap(), None);
}

#[tokio::test]
async fn a_document_is_json_that_an_operator_can_query() {
    let Some(store) = store("queried_").await else {
        return;
    };
    let insert = Insert::new(record(1), &context());
    store.insert(insert).await.unwrap();
    let server = PostgresServer::shared().unwrap();
    let found = "SELECT document->>'name', document->'scopes', revision, revoked FROM queried_keys \
                 WHERE owner = 'acct_42'";
    assert_eq!(
        server.sql(found),
        format!("CI|[\"read\"]|{}|f", record(1).revision())
    );
    let revoke = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    apply(&store, &id(1), &revoke, &context()).await.unwrap();
    assert_eq!(
        server.sql(found),
        format!("CI|[\"read\"]|{}|t", record(1).revision() + 1)
    );
}

#[tokio::test]
async fn what_the_database_cannot_hold_is_rejected() {
    let Some(store) = store("rejected_").await else {
        return;
    };
    let server = PostgresServer::shared().unwrap();
    let message = format!(
        "PostgreSQL at 127.0.0.1:{}/postgres: the database cannot hold a value, such as U+0000 in \
         a string",
        server.port()
    );
    for (owner, name) in [("a\0b", "CI"), ("a", "C\0I")] {
        let record =
            KeyRecord::new(id(1), owner, name, at(0)).with_secret_versions([version(1, digest(1))]);
        assert_fails(
            store.insert(Insert::new(record, &context())).await,
            StoreErrorKind::Corrupt,
            &message,
        );
    }
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
    let insert = Insert::new(record(2), &context());
    store.insert(insert).await.unwrap();
    let update = KeyChange::Update(KeyUpdate::new().with_name("\0"));
    assert_fails(
        apply(&store, &id(2), &update, &context()).await,
        StoreErrorKind::Corrupt,
        &message,
    );
    assert_eq!(*store.get(&id(2)).await.unwrap().unwrap(), record(2));
}

#[tokio::test]
async fn ids_and_digests_are_unique() {
    let Some(store) = store("unique_").await else {
        return;
    };
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let same_id = record(2).with_secret_versions([version(1, digest(9))]);
    let same_id = KeyRecord::new(id(1), same_id.owner(), same_id.name(), at(0));
    let exists = StoreErrorKind::AlreadyExists;
    assert_fails(
        store.insert(Insert::new(same_id, &context())).await,
        exists,
        ID_EXISTS,
    );
    assert_fails(
        store.insert(Insert::new(record(1), &context())).await,
        exists,
        ID_EXISTS,
    );
    let second = record(2).with_secret_versions([version(2, digest(2)), version(1, digest(1))]);
    assert_fails(
        store.insert(Insert::new(second, &context())).await,
        exists,
        DIGEST_EXISTS,
    );
    let twice = record(2).with_secret_versions([version(2, digest(2)), version(1, digest(2))]);
    assert_fails(
        store.insert(Insert::new(twice, &context())).await,
        exists,
        DIGEST_EXISTS,
    );
    assert_eq!(store.get(&id(2)).await.unwrap(), None);
    assert_eq!(store.find(&digest(2)).await.unwrap(), None);

    store
        .insert(Insert::new(record(3), &context()))
        .await
        .unwrap();
    let rotated = apply(&store, &id(3), &rotation(digest(1)), &context()).await;
    assert_fails(rotated, exists, DIGEST_EXISTS);
    assert_eq!(*store.get(&id(3)).await.unwrap().unwrap(), record(3));
}

#[tokio::test]
async fn many_are_added_each_by_itself() {
    let Some(store) = store("many_").await else {
        return;
    };
    store
        .insert(Insert::new(record(200), &context()))
        .await
        .unwrap();
    let taken = record(1).with_secret_versions([version(2, digest(1)), version(1, digest(200))]);
    // Its digest 1 is free, since the record before it is refused.
    let after = record(2).with_secret_versions([version(1, digest(1))]);
    let again = record(3).with_secret_versions([version(1, digest(1))]);
    let mut records = vec![taken, after, again, record(4), record(4), record(200)];
    records.extend((5..=199).map(record));
    let answers = store.insert_many(inserts(&records)).await;
    let refusals: Vec<_> = answers
        .iter()
        .map(|one| one.as_ref().err().map(ToString::to_string))
        .collect();
    let expected = [
        Some(DIGEST_EXISTS),
        None,
        Some(DIGEST_EXISTS),
        None,
        Some(ID_EXISTS),
        Some(ID_EXISTS),
    ];
    let expected = expected.map(|message| message.map(ToOwned::to_owned));
    assert_eq!(refusals[..6], expected);
    assert!(refusals[6..].iter().all(Option::is_none));
    assert_eq!(answers.len(), records.len());
    assert_eq!(store.get(&id(1)).await.unwrap(), None);
    for number in [2, 4, 5, 199] {
        let expected = records.iter().find(|one| one.id() == id(number)).unwrap();
        assert_eq!(*store.get(&id(number)).await.unwrap().unwrap(), *expected);
    }
    assert!(store.insert_many(Vec::new()).await.is_empty());
}

fn inserts(records: &[KeyRecord]) -> Vec<Insert> {
    let records = records.iter().cloned();
    records
        .map(|record| Insert::new(record, &context()))
        .collect()
}

#[tokio::test]
async fn pages_follow_the_ids_of_one_owner() {
    let Some(store) = store("pages_").await else {
        return;
    };
    for number in [5, 3, 1, 4, 2] {
        let many = [version(1, digest(number)), version(2, digest(number + 100))];
        store
            .insert(Insert::new(
                record(number).with_secret_versions(many),
                &context(),
            ))
            .await
            .unwrap();
    }
    let other = KeyRecord::new(id(9), "acct_42 ", "CI", at(0));
    store.insert(Insert::new(other, &context())).await.unwrap();
    let mut page = PageRequest::first(2);
    let mut seen = Vec::new();
    loop {
        let answer = store.list("acct_42", &page).await.unwrap();
        seen.push(answer.keys().iter().map(|one| one.id()).collect::<Vec<_>>());
        assert!(
            answer
                .keys()
                .iter()
                .all(|one| one.secret_versions().len() == 2)
        );
        match answer.next() {
            Some(next) => page = page.after(next),
            None => break,
        }
    }
    assert_eq!(seen, [vec![id(5), id(4)], vec![id(3), id(2)], vec![id(1)]]);
    for owner in ["ACCT_42", "acct_4", "", "acct_42  ", "acct_42\0"] {
        let page = store.list(owner, &PageRequest::default()).await;
        assert!(page.map_or(true, |page| page.keys().is_empty()), "{owner}");
    }
    let last = PageRequest::first(5);
    assert_eq!(store.list("acct_42", &last).await.unwrap().next(), None);
}

#[tokio::test]
async fn uses_move_forward_only() {
    let Some(store) = store("uses_").await else {
        return;
    };
    let two = [version(1, digest(1)), version(2, digest(11))];
    store
        .insert(Insert::new(record(1).with_secret_versions(two), &context()))
        .await
        .unwrap();
    let last = async |number: usize| {
        let record = store.get(&id(1)).await.unwrap().unwrap();
        record.secret_versions()[number].last_used_at()
    };
    let uses = [
        KeyUse::new(id(1), 1, at(7)),
        KeyUse::new(id(1), 1, at(9)),
        KeyUse::new(id(1), 1, at(8)),
        KeyUse::new(id(1), 3, at(8)),
        KeyUse::new(id(2), 1, at(8)),
    ];
    store.record_usage(&batch(uses.clone())).await.unwrap();
    assert_eq!((last(0).await, last(1).await), (None, Some(at(9))));
    store.record_usage(&batch([uses[0].clone()])).await.unwrap();
    assert_eq!(last(1).await, Some(at(9)));
    store.record_usage(&batch([])).await.unwrap();
    // A change leaves them alone, and a use undoes no change.
    apply(
        &store,
        &id(1),
        &KeyChange::Revoke(Revocation::new(at(3), "x")),
        &context(),
    )
    .await
    .unwrap();
    store
        .record_usage(&batch([KeyUse::new(id(1), 2, at(10))]))
        .await
        .unwrap();
    assert_eq!((last(0).await, last(1).await), (Some(at(10)), Some(at(9))));
    assert!(
        store
            .get(&id(1))
            .await
            .unwrap()
            .unwrap()
            .revocation()
            .is_some()
    );
}

#[tokio::test]
async fn rotations_drop_the_oldest_that_retired() {
    let Some(store) = store("rotations_").await else {
        return;
    };
    store
        .insert(Insert::new(record(1), &context()))
        .await
        .unwrap();
    let mut expected = record(1);
    for number in 2..=12 {
        let change = KeyChange::Rotate {
            digest: digest(number),
            prefix: "89abcdef".parse().unwrap(),
            at: at(number.into()),
            others_retire_at: at(number.into()),
        };
        expected = change.applied_to(&expected).unwrap().unwrap();
        assert_eq!(
            *apply(&store, &id(1), &change, &context()).await.unwrap(),
            expected
        );
        assert_eq!(*store.get(&id(1)).await.unwrap().unwrap(), expected);
    }
    assert_eq!(store.find(&digest(4)).await.unwrap(), None);
    assert_eq!(store.find(&digest(5)).await.unwrap().unwrap().id(), id(1));
}
