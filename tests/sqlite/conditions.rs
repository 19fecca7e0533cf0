//! What must hold for an insert or a change, also when many come at once.

use std::sync::Arc;

use futures::future::join_all;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{
    ChangeContext, ChangeRefused, KeyChange, KeyRecord, KeyUpdate, Revocation,
};
use tower_api_key::store::{SqliteStore, StoreError, StoreErrorKind};

use super::kit::{
    Directory, OWNER, apply, assert_fails, at, context, find, id, record, rows, version,
};

/// What becomes of inserts at once, by two stores in turn.
async fn insert_at_once(
    stores: &[SqliteStore; 2],
    records: impl IntoIterator<Item = KeyRecord>,
    context: &ChangeContext,
) -> Vec<Result<Arc<KeyRecord>, StoreError>> {
    let inserts = records.into_iter().enumerate().map(|(task, record)| {
        let (store, context) = (stores[task % 2].clone(), context.clone());
        tokio::spawn(async move { store.insert(record, &context).await })
    });
    let inserts = join_all(inserts).await.into_iter();
    inserts.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_change_is_made_only_of_the_expected_revision() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(record(1), context()).await.unwrap();
    let first = record(1).revision();
    let expecting = |revision| context().clone().with_expected_revision(revision);
    let (key, now, then) = (id(1), expecting(first), expecting(first + 1));
    let disabled = store.apply(&key, &KeyChange::Disable, &now).await.unwrap();
    assert_eq!(disabled.revision(), first + 1);
    for change in [KeyChange::Enable, KeyChange::Disable, KeyChange::Delete] {
        let late = store.apply(&key, &change, &now).await;
        let message = format!("expected revision {first} of the key, found {}", first + 1);
        assert_fails(late, StoreErrorKind::RevisionMismatch, &message);
    }
    assert_eq!(find(&store, 1).await.unwrap(), disabled);
    store.apply(&key, &KeyChange::Delete, &then).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_changes_of_a_revision_is_made() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    stores[0].insert(record(1), context()).await.unwrap();
    for _ in 0..10 {
        let before = find(&stores[1], 1).await.unwrap();
        let expecting = context().clone().with_expected_revision(before.revision());
        let changes = (0..8).map(|task| {
            let (store, context) = (stores[task % 2].clone(), expecting.clone());
            let name = format!("{task} {}", before.name());
            let change = KeyChange::Update(KeyUpdate::new().with_name(name));
            tokio::spawn(async move { store.apply(&id(1), &change, &context).await })
        });
        let answers = join_all(changes).await.into_iter().map(Result::unwrap);
        let (made, late): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
        assert_eq!((made.len(), late.len()), (1, 7));
        let after = find(&stores[0], 1).await.unwrap();
        assert_eq!(after.revision(), before.revision() + 1);
        assert_eq!(*made[0].as_ref().unwrap(), after);
    }
    assert_eq!(rows(&directory, "audit"), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_owner_gets_more_keys_than_are_allowed() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    let at_most = |count| context().clone().with_max_keys_of_owner(count);
    // Neither a revoked key counts, nor one of somebody else.
    let gone = record(90).with_revocation(Some(Revocation::new(at(1), "lost")));
    let theirs = KeyRecord::new(id(91), "acct", "CI", at(0));
    let disabled = record(92).with_disabled(true).with_expires_at(Some(at(1)));
    for other in [gone, theirs, disabled] {
        stores[0].insert(other, context()).await.unwrap();
    }
    let answers = insert_at_once(&stores, (0..12).map(record), &at_most(5)).await;
    let (added, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((added.len(), refused.len()), (4, 8));
    for refused in refused {
        let kind = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
        assert_fails(refused, kind, "the owner has as many keys as are allowed");
    }
    assert_eq!(rows(&directory, "keys"), 7);
    assert_eq!(rows(&directory, "audit"), 7);
    let none = stores[0].insert(record(50), &at_most(0)).await;
    assert_eq!(
        none.unwrap_err().kind(),
        StoreErrorKind::Refused(ChangeRefused::TooManyKeys)
    );
    // An import does not mind.
    let many = stores[0].insert_many(vec![record(60)], &at_most(0)).await;
    assert!(many[0].is_ok());
    let all = stores[0].insert(record(61), &at_most(u64::MAX)).await;
    all.unwrap();
    let revoke = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    let first = added[0].as_ref().unwrap().id();
    stores[1].apply(&first, &revoke, context()).await.unwrap();
    let seventh = stores[1].insert(record(62), &at_most(7)).await;
    seventh.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_inserts_with_an_idempotency_key_adds_and_all_get_its_key() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    for round in 0..10 {
        let octet = u8::try_from(round).unwrap();
        let once = context().clone().with_idempotency_key([octet; 32]);
        let records = (0..8).map(|task| record(1 + 10 * round + task));
        let answers = insert_at_once(&stores, records, &once).await;
        let first = answers[0].as_ref().unwrap();
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().unwrap() == first)
        );
        let expected = i64::from(round) + 1;
        let count = (rows(&directory, "keys"), rows(&directory, "audit"));
        assert_eq!(count, (expected, expected));
    }
}

#[tokio::test]
async fn an_idempotency_key_leads_to_the_key_as_it_is_until_it_is_forgotten() {
    let directory = Directory::new();
    let store = directory.store().await;
    let once = |second| ChangeContext::new(at(second)).with_idempotency_key([1; 32]);
    // An insert that fails takes none.
    store.insert(record(1), context()).await.unwrap();
    let taken = record(2).with_secret_versions([version(1, 1)]);
    store.insert(taken, &once(0)).await.unwrap_err();
    assert_eq!(rows(&directory, "idempotency"), 0);

    let full = once(10).with_max_keys_of_owner(2);
    store.insert(record(2), &full).await.unwrap();
    let disabled = apply(&store, 2, &KeyChange::Disable).await;
    drop(store);
    let store = directory.store().await;
    // Neither the limit nor what the record holds matters then.
    assert_eq!(store.insert(record(3), &full).await.unwrap(), disabled);
    assert_eq!(store.insert(record(2), &once(99)).await.unwrap(), disabled);
    assert_eq!(store.get(&id(3)).await.unwrap(), None);
    let many = store.insert_many(vec![record(4)], &full).await;
    assert_eq!(many[0].as_ref().unwrap().id(), id(4));

    store.forget_audit_before(at(10)).await.unwrap();
    assert_eq!(store.insert(record(3), &full).await.unwrap(), disabled);
    store.forget_audit_before(at(11)).await.unwrap();
    assert_eq!(
        store.insert(record(3), &once(20)).await.unwrap().id(),
        id(3)
    );

    apply(&store, 3, &KeyChange::Delete).await;
    assert_eq!(rows(&directory, "idempotency"), 0);
    assert_eq!(
        store.insert(record(5), &once(20)).await.unwrap().id(),
        id(5)
    );
    let owner = store.get(&id(5)).await.unwrap().unwrap();
    assert_eq!(owner.owner(), OWNER);
}
