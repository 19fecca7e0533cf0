//! What must hold for an insert or a commit, also when many come at once by two stores of one file.

use futures::future::join_all;
use tower_api_key::KeyRegistry;
use tower_api_key::record::{ChangeContext, KeyChange, KeyRecord, KeyUpdate, Revocation};
use tower_api_key::store::{
    ActingKey, AuditLog, Insert, Inserted, SqliteStore, StoreError, StoreErrorKind,
};

use super::kit::{
    Directory, apply, assert_fails, at, commit, find, id, insert, record, rows, version,
};

/// What becomes of inserts at once, by two stores in turn.
async fn insert_at_once(
    stores: &[SqliteStore; 2],
    inserts: impl IntoIterator<Item = Insert>,
) -> Vec<Result<Inserted, StoreError>> {
    let inserts = inserts.into_iter().enumerate().map(|(task, insert)| {
        let store = stores[task % 2].clone();
        tokio::spawn(async move { store.insert(insert).await })
    });
    let inserts = join_all(inserts).await.into_iter();
    inserts.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_commits_of_a_revision_is_made() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    stores[0].insert(insert(record(1))).await.unwrap();
    for _ in 0..10 {
        let before = find(&stores[1], 1).await.unwrap();
        let commits = (0..8).map(|task| {
            let store = stores[task % 2].clone();
            let name = format!("{task} {}", before.name());
            let change = KeyChange::Update(KeyUpdate::new().with_name(name));
            let commit = commit(&before, &change);
            let next = commit.next.clone();
            tokio::spawn(async move { store.commit(commit).await.map(|()| next) })
        });
        let answers = join_all(commits).await.into_iter().map(Result::unwrap);
        let (made, late): (Vec<_>, Vec<_>) = answers.partition(Result::is_ok);
        assert_eq!((made.len(), late.len()), (1, 7));
        for late in late {
            let message = "the key has changed in between";
            assert_fails(late, StoreErrorKind::Conflict, message);
        }
        let after = find(&stores[0], 1).await;
        assert_eq!(made.into_iter().next().unwrap().unwrap(), after);
    }
    assert_eq!(rows(&directory, "audit"), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_insert_follows_a_change_of_its_acting_key() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    for round in 0..20 {
        let (acting, new) = (record(2 * round), record(2 * round + 1));
        stores[0].insert(insert(acting.clone())).await.unwrap();
        let unchanged = ActingKey {
            id: acting.id(),
            revision: acting.revision(),
        };
        let revoke = KeyChange::Revoke(Revocation::new(at(1), "lost"));
        let revoked = stores[0].commit(commit(&acting, &revoke));
        let added = stores[1].insert(insert(new).with_acting(Some(unchanged)));
        let (revoked, added) = tokio::join!(revoked, added);
        revoked.unwrap();
        // Whichever comes first, the trail ends with the revocation.
        let last = "SELECT action FROM tower_api_key_audit ORDER BY number DESC LIMIT 1";
        let last = directory.other().query_row(last, [], |row| row.get(0));
        let last: String = last.unwrap();
        assert_eq!(last, "revoked");
        let found = find(&stores[0], 2 * round + 1).await;
        assert_eq!(found.is_some(), added.is_ok());
        let kind = added.err().map(|error| error.kind());
        assert!(kind.is_none_or(|kind| kind == StoreErrorKind::Conflict));
        let again = insert(record(1_000)).with_acting(Some(unchanged));
        let again = stores[1].insert(again).await;
        assert_eq!(again.unwrap_err().kind(), StoreErrorKind::Conflict);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_owner_gets_more_keys_than_are_allowed() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    let at_most = |count, number| insert(record(number)).with_max_keys_per_owner(Some(count));
    // Neither a revoked key counts, nor one of somebody else.
    let gone = record(90).with_revocation(Some(Revocation::new(at(1), "lost")));
    let theirs = KeyRecord::new(id(91), "acct", "CI", at(0));
    let disabled = record(92).with_disabled(true).with_expires_at(Some(at(1)));
    for other in [gone, theirs, disabled] {
        stores[0].insert(insert(other)).await.unwrap();
    }
    let inserts = (0..12).map(|number| at_most(5, number));
    let answers = insert_at_once(&stores, inserts).await;
    let rejected: Vec<_> = answers.into_iter().filter(Result::is_err).collect();
    assert_eq!(rejected.len(), 8);
    for rejected in rejected {
        let message = "the owner already has 5 keys, the most allowed";
        assert_fails(rejected, StoreErrorKind::TooManyKeys, message);
    }
    assert_eq!(rows(&directory, "keys"), 7);
    assert_eq!(rows(&directory, "audit"), 7);
    let many = vec![at_most(0, 50), at_most(6, 60), at_most(6, 61)];
    let many = stores[0].insert_many(many).await;
    let kinds: Vec<_> = many
        .iter()
        .map(|answer| answer.as_ref().err().map(StoreError::kind))
        .collect();
    let too_many = Some(StoreErrorKind::TooManyKeys);
    assert_eq!(kinds, [too_many, None, too_many]);
    stores[0].insert(at_most(u64::MAX, 62)).await.unwrap();
    let revoke = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    apply(&stores[1], 62, &revoke).await;
    stores[1].insert(at_most(7, 63)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_inserts_with_an_idempotency_key_adds_and_all_get_its_key() {
    let directory = Directory::new();
    let stores = [directory.store().await, directory.store().await];
    for round in 0..10 {
        let byte = u8::try_from(round).unwrap();
        let inserts = (0..8).map(|task| {
            insert(record(1 + 10 * round + task)).with_idempotency_key(Some([byte; 32]))
        });
        let answers = insert_at_once(&stores, inserts).await;
        let mut ids: Vec<_> = answers
            .into_iter()
            .filter_map(|answer| match answer.unwrap() {
                Inserted::Existing(record) => Some(record.id()),
                Inserted::Created => None,
            })
            .collect();
        assert_eq!(ids.len(), 7);
        ids.dedup();
        assert_eq!(ids.len(), 1);
        let expected = i64::from(round) + 1;
        let count = (rows(&directory, "keys"), rows(&directory, "audit"));
        assert_eq!(count, (expected, expected));
    }
}

#[tokio::test]
async fn an_idempotency_key_leads_to_the_key_as_it_is_until_it_is_pruned() {
    let directory = Directory::new();
    let store = directory.store().await;
    let once = |record, second| {
        Insert::new(record, &ChangeContext::new(at(second))).with_idempotency_key(Some([1; 32]))
    };
    // An insert that fails takes none.
    store.insert(insert(record(1))).await.unwrap();
    let taken = record(2).with_secret_versions([version(1, 1)]);
    store.insert(once(taken, 0)).await.unwrap_err();
    assert_eq!(rows(&directory, "idempotency"), 0);

    store.insert(once(record(2), 10)).await.unwrap();
    let disabled = apply(&store, 2, &KeyChange::Disable).await;
    let existing = Inserted::Existing(disabled);
    drop(store);
    let store = directory.store().await;
    // Neither the limit nor what the record holds matters then.
    let full = once(record(3), 10).with_max_keys_per_owner(Some(2));
    assert_eq!(store.insert(full).await.unwrap(), existing);
    assert_eq!(store.insert(once(record(2), 99)).await.unwrap(), existing);
    let many = store.insert_many(vec![once(record(4), 10)]).await;
    assert_eq!(*many[0].as_ref().unwrap(), existing);
    assert_eq!(store.get(&id(3)).await.unwrap(), None);
    // To another owner it is another.
    let theirs = KeyRecord::new(id(5), "acct", "CI", at(0));
    let theirs = store.insert(once(theirs, 20)).await;
    assert_eq!(theirs.unwrap(), Inserted::Created);

    store.prune_audit_before(at(10)).await.unwrap();
    assert_eq!(store.insert(once(record(3), 20)).await.unwrap(), existing);
    store.prune_audit_before(at(11)).await.unwrap();
    let created = store.insert(once(record(3), 20)).await;
    assert_eq!(created.unwrap(), Inserted::Created);

    apply(&store, 3, &KeyChange::Delete).await;
    assert_eq!(rows(&directory, "idempotency"), 1);
    let created = store.insert(once(record(6), 20)).await;
    assert_eq!(created.unwrap(), Inserted::Created);
}
