//! The life of keys in the file.

use tower_api_key::record::{KeyChange, KeyRecord, KeyUpdate, Metadata, Revocation};
use tower_api_key::store::{Inserted, PageRequest, SqliteOptions, SqliteStore, StoreErrorKind};
use tower_api_key::{KeyManager, KeyRegistry, KeyStore, NewKey, Scope, ScopeSet};

use super::kit::{
    Directory, apply, assert_fails, at, commit, digest, find, id, insert, inserts, record,
    rotation, rows, try_apply, version, without_uses,
};

/// A key with everything that a key can have.
fn full_record() -> KeyRecord {
    KeyRecord::new(id(9), "acct\0\u{1F511} '", "näme\n\"", at(-1))
        .with_scopes(["read", "b:c", "a/b"].map(|name| Scope::new(name).unwrap()))
        .with_expires_at(Some(at(1_000)))
        .with_disabled(true)
        .with_revocation(Some(Revocation::new(at(5), "lost; ' \0 x")))
        .with_metadata(Metadata::from_iter([("\0\u{1F511}", "\"}\\"), ("", "")]))
        .with_changes(u32::MAX)
        .with_secret_versions([
            version(2, 92).with_last_used_at(Some(at(4))),
            version(1, 91)
                .with_retires_at(Some(at(50)))
                .with_last_used_at(Some("2026-01-01T00:00:00.123456Z".parse().unwrap())),
        ])
}

#[tokio::test]
async fn a_restart_keeps_every_part_of_a_key() {
    let directory = Directory::new();
    let bare = KeyRecord::new(
        id(1),
        "",
        "",
        "2026-01-01T00:00:00.000001Z".parse().unwrap(),
    );
    let records = [full_record(), record(2), bare];
    let store = directory.store().await;
    for record in &records {
        let inserted = store.insert(insert(record.clone())).await.unwrap();
        assert_eq!(inserted, Inserted::Created);
    }
    drop(store);
    assert!(!directory.path().join("keys.db-wal").exists());

    let url = directory.url();
    let connecting = tokio::spawn(async move { SqliteStore::connect(&url).await });
    let store = connecting.await.unwrap().unwrap();
    for record in &records {
        let kept = store.get(&record.id()).await.unwrap().unwrap();
        assert_eq!(*kept, *record);
        for version in record.secret_versions() {
            let found = store.find(version.digest()).await.unwrap();
            assert_eq!(found.as_deref(), Some(&without_uses(record)));
            assert_eq!(store.try_find(version.digest()).unwrap().unwrap(), found);
        }
    }
    assert_eq!(find(&store, 1).await, None);
    assert_eq!(store.get(&id(77)).await.unwrap(), None);
}

#[tokio::test]
async fn a_taken_id_or_digest_adds_nothing() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    let with_digests = |number, digests: [u32; 2]| {
        let versions = [version(1, digests[0]), version(2, digests[1])];
        record(number).with_secret_versions(versions)
    };
    for (record, what) in [
        (with_digests(1, [2, 3]), "id"),
        (with_digests(2, [2, 1]), "digest"),
        (with_digests(2, [2, 2]), "digest"),
    ] {
        let message = format!("a key with this {what} already exists");
        let result = store.insert(insert(record)).await;
        assert_fails(result, StoreErrorKind::AlreadyExists, &message);
        assert_eq!(*find(&store, 1).await.unwrap(), self::record(1));
        assert_eq!(store.get(&id(2)).await.unwrap(), None);
        assert_eq!(find(&store, 2).await, None);
    }
    store.insert(insert(with_digests(2, [2, 3]))).await.unwrap();
}

#[tokio::test]
async fn many_keys_are_added_each_by_itself() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(700))).await.unwrap();
    let mut records: Vec<_> = (0..2_500).map(record).collect();
    // A second secret that is taken must take the first with it.
    records[1_800] = record(1_800).with_secret_versions([version(1, 9_000), version(2, 5)]);
    records.push(record(2_499));
    let answers = store.insert_many(inserts(records.clone())).await;
    assert_eq!(answers.len(), records.len());
    for (number, answer) in answers.into_iter().enumerate() {
        match number {
            700 | 2_500 => assert_fails(
                answer,
                StoreErrorKind::AlreadyExists,
                "a key with this id already exists",
            ),
            1_800 => assert_fails(
                answer,
                StoreErrorKind::AlreadyExists,
                "a key with this digest already exists",
            ),
            _ => assert_eq!(answer.unwrap(), Inserted::Created),
        }
    }
    assert_eq!(find(&store, 9_000).await, None);
    assert_eq!(store.get(&id(1_800)).await.unwrap(), None);
    assert_eq!(*find(&store, 2_499).await.unwrap(), record(2_499));
    assert!(store.insert_many(inserts(Vec::new())).await.is_empty());
}

#[tokio::test]
async fn every_change_is_what_a_record_says_it_is() {
    let directory = Directory::new();
    let store = directory.store().await;
    let mut expected = record(1);
    store.insert(insert(expected.clone())).await.unwrap();
    store.insert(insert(record(2))).await.unwrap();
    let update = KeyUpdate::new()
        .with_name("Reporting")
        .with_scopes(ScopeSet::new())
        .with_expires_at(Some(at(100)));
    let mut changes = vec![
        KeyChange::Update(update),
        KeyChange::Disable,
        KeyChange::Disable,
        KeyChange::Enable,
    ];
    changes.extend((10..17).map(rotation));
    changes.push(KeyChange::Update(KeyUpdate::new().with_expires_at(None)));
    for metadata in [Metadata::new().with("team", "payments"), Metadata::new()] {
        changes.push(KeyChange::Update(KeyUpdate::new().with_metadata(metadata)));
    }
    changes.push(KeyChange::Revoke(Revocation::new(at(7), "lost")));
    changes.push(KeyChange::Revoke(Revocation::new(at(8), "again")));
    for change in &changes {
        expected = change.applied_to(&expected).unwrap().unwrap();
        let after = apply(&store, 1, change).await;
        assert_eq!(*after, expected, "{change:?}");
        assert_eq!(*find(&store, 1).await.unwrap(), expected, "{change:?}");
        assert_eq!(*store.get(&id(1)).await.unwrap().unwrap(), expected);
    }
    assert_eq!(expected.secret_versions().len(), 8);

    let deleted = apply(&store, 1, &KeyChange::Delete).await;
    assert_eq!(*deleted, expected);
    assert_eq!(find(&store, 16).await, None);
    let again = store.commit(commit(&deleted, &KeyChange::Delete)).await;
    assert_fails(again, StoreErrorKind::NotFound, "no key has this id");
    assert_eq!(*find(&store, 2).await.unwrap(), record(2));
    assert_eq!(
        (rows(&directory, "keys"), rows(&directory, "secrets")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_rotation_drops_the_oldest_retired_secret_and_refuses_a_taken_digest() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    store.insert(insert(record(2))).await.unwrap();
    for taken in [1, 2] {
        let result = try_apply(&store, 1, &rotation(taken)).await;
        let message = "a key with this digest already exists";
        assert_fails(result, StoreErrorKind::AlreadyExists, message);
        assert_eq!(*find(&store, 1).await.unwrap(), record(1));
        assert_eq!(*find(&store, 2).await.unwrap(), record(2));
    }
    let at_once = |to| KeyChange::Rotate {
        digest: digest(to),
        prefix: "89abcdef".parse().unwrap(),
        at: at(10),
        others_retire_at: at(10),
    };
    for to in 10..18 {
        apply(&store, 1, &at_once(to)).await;
    }
    assert_eq!(find(&store, 1).await, None);
    let numbers: Vec<_> = find(&store, 17)
        .await
        .unwrap()
        .secret_versions()
        .iter()
        .map(|version| (version.number(), version.retires_at()))
        .collect();
    let retired = |number| (number, Some(at(10)));
    assert_eq!(numbers[0], (9, None));
    assert_eq!(numbers[1..], [8, 7, 6, 5, 4, 3, 2].map(retired));
}

#[tokio::test]
async fn a_list_is_of_one_owner_to_the_byte_newest_first() {
    let directory = Directory::new();
    let store = directory.store().await;
    let owners = [
        "acct", "ACCT", "acct ", "acct\0", "acct\0x", "", "é", "e\u{301}",
    ];
    let mut number = 76;
    for _ in 0..3 {
        for owner in owners {
            number += 1;
            let of_owner = KeyRecord::new(id(number), owner, "CI", at(0))
                .with_secret_versions([version(1, number), version(2, 1_000 + number)]);
            store.insert(insert(of_owner)).await.unwrap();
        }
    }
    for (position, owner) in (0..).zip(owners) {
        let expected = [93, 85, 77].map(|first: u32| id(first + position));
        let ids = |page: &tower_api_key::store::KeyPage| -> Vec<_> {
            page.keys().iter().map(|record| record.id()).collect()
        };
        let whole = store.list(owner, &PageRequest::first(3)).await.unwrap();
        assert_eq!((ids(&whole), whole.next()), (expected.to_vec(), None));
        assert!(whole.keys().iter().all(|record| record.owner() == owner));
        assert!(
            whole
                .keys()
                .iter()
                .all(|record| record.secret_versions().len() == 2)
        );

        let first = store.list(owner, &PageRequest::first(2)).await.unwrap();
        assert_eq!(ids(&first), expected[..2]);
        assert_eq!(first.next(), Some(expected[1]));
        // The key at the cursor need not exist any more.
        let rest = PageRequest::first(2).after(expected[1]);
        apply(&store, 85 + position, &KeyChange::Delete).await;
        let last = store.list(owner, &rest).await.unwrap();
        assert_eq!((ids(&last), last.next()), (expected[2..].to_vec(), None));
    }
    let nobody = store
        .list("acct_42", &PageRequest::default())
        .await
        .unwrap();
    assert!(nobody.keys().is_empty() && nobody.next().is_none());
}

#[tokio::test]
async fn stores_with_other_prefixes_share_a_file() {
    let directory = Directory::new();
    let one = directory.store().await;
    let options = SqliteOptions::new().with_table_prefix("other_");
    let two = directory.store_with(options).await;
    one.insert(insert(record(1))).await.unwrap();
    assert_eq!(find(&two, 1).await, None);
    two.insert(insert(record(1))).await.unwrap();
    apply(&two, 1, &KeyChange::Delete).await;
    assert_eq!(*find(&one, 1).await.unwrap(), record(1));
}

#[tokio::test]
async fn lookups_on_a_thread_are_never_answered_at_once() {
    let directory = Directory::new();
    let options = SqliteOptions::new()
        .with_readers(3)
        .with_lookups_on_a_thread();
    let store = directory.store_with(options).await;
    store.insert(insert(record(1))).await.unwrap();
    for number in [1, 2] {
        assert!(store.try_find(&digest(number)).is_none());
    }
    let known = digest(1);
    let many = (0..100).map(|_| store.find(&known));
    for found in futures::future::join_all(many).await {
        assert_eq!(*found.unwrap().unwrap(), record(1));
    }
    assert_eq!(store.find(&digest(2)).await.unwrap(), None);
}

#[tokio::test]
async fn a_manager_and_a_verifier_work_on_it() {
    let directory = Directory::new();
    let keys = KeyManager::new(directory.store().await);
    let new = NewKey::new("acct_42", "CI").with_scopes([Scope::READ]);
    let issued = keys.issue(new).await.unwrap();
    let verifier = keys.verifier();
    let works =
        async |key: &tower_api_key::ApiKey| verifier.verify(key.expose_secret()).await.is_ok();
    assert!(works(&issued.key).await);
    let hour = std::time::Duration::from_secs(3_600);
    let rotated = keys.rotate(&issued.record.id(), hour).await.unwrap();
    assert!(works(&issued.key).await && works(&rotated.key).await);
    keys.revoke(&issued.record.id(), "lost").await.unwrap();
    assert!(!works(&issued.key).await && !works(&rotated.key).await);
}

#[tokio::test]
async fn a_path_opens_a_file() {
    let directory = Directory::new();
    let store = SqliteStore::open(directory.file()).await.unwrap();
    store.migrate().await.unwrap();
    store.insert(insert(record(1))).await.unwrap();
    assert!(directory.file().exists());
    let shown = format!("{store:?}");
    assert!(
        shown.contains("keys.db") && shown.contains("busy_timeout: 2s"),
        "{shown}"
    );
}
