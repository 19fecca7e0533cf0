//! The audit trail in the file.

use jiff::Timestamp;
use tower_api_key::record::{
    AuditAction, AuditEntry, ChangeContext, KeyChange, KeyRecord, KeyUpdate, Metadata, Revocation,
};
use tower_api_key::store::{AuditLog, AuditPageRequest, Insert, SqliteStore, StoreErrorKind};
use tower_api_key::{KeyRegistry, testing};

use super::kit::{
    Directory, OWNER, apply, assert_fails, at, commit, context, id, insert, inserts, record,
    rotation, rows, try_apply, version,
};

/// The whole trail of an owner, newest first.
async fn trail(store: &SqliteStore, owner: &str) -> Vec<AuditEntry> {
    let page = AuditPageRequest::first(1_000);
    let page = store.audit(owner, &page).await.unwrap();
    assert_eq!(page.next(), None);
    page.entries().to_vec()
}

#[tokio::test]
async fn every_change_leaves_one_entry_that_outlives_a_restart_and_the_key() {
    let directory = Directory::new();
    let store = directory.store().await;
    let odd = ChangeContext::new(at(1))
        .with_actor("\u{1F511}\0'")
        .with_reason("\"};\n");
    let new = record(1).with_metadata(Metadata::new().with("a\0", "\u{1F511}"));
    let mut expected = vec![AuditEntry::of_insert(&new, &odd)];
    let mut before = new.clone();
    store.insert(Insert::new(new, &odd)).await.unwrap();
    let update = KeyUpdate::new().with_name("näme").with_expires_at(None);
    for change in [
        KeyChange::Update(update),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(2),
        KeyChange::Revoke(Revocation::new(at(7), "lost")),
        KeyChange::Delete,
    ] {
        let after = change.applied_to(&before).unwrap();
        expected.extend(AuditEntry::of_change(
            &change,
            &before,
            after.as_ref(),
            context(),
        ));
        before = after.unwrap_or(before);
        apply(&store, 1, &change).await;
    }
    drop(store);
    let store = directory.store().await;
    let found = trail(&store, OWNER).await;
    assert_eq!(found.len(), 7);
    let numbers: Vec<_> = found.iter().map(AuditEntry::number).collect();
    assert!(
        numbers.is_sorted_by(|newer, older| newer > older),
        "{numbers:?}"
    );
    let found: Vec<_> = found
        .into_iter()
        .rev()
        .map(|one| one.with_number(0))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(found[5].reason(), "lost");
    assert_eq!(trail(&store, "").await, []);
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_entry() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    store.insert(insert(record(2))).await.unwrap();
    let revoke = |second| KeyChange::Revoke(Revocation::new(at(second), "lost"));
    apply(&store, 1, &revoke(1)).await;
    let before = store.get(&id(1)).await.unwrap().unwrap();
    apply(&store, 1, &revoke(2)).await;
    let late = commit(&record(1), &KeyChange::Disable);
    store.commit(late).await.unwrap_err();
    try_apply(&store, 2, &rotation(1)).await.unwrap_err();
    store.insert(insert(record(1))).await.unwrap_err();
    let taken = record(3).with_secret_versions([version(1, 30), version(2, 1)]);
    store.insert(insert(taken.clone())).await.unwrap_err();
    let many = store.insert_many(inserts(vec![taken, record(4), record(2)]));
    assert_eq!(many.await.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(store.get(&id(1)).await.unwrap().unwrap(), before);
    let found: Vec<_> = trail(&store, OWNER).await;
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.action(), one.key_id()))
        .collect();
    let expected = [
        (AuditAction::Issued, id(4)),
        (AuditAction::Revoked, id(1)),
        (AuditAction::Issued, id(2)),
        (AuditAction::Issued, id(1)),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_change_and_its_entry_are_made_together_or_not_at_all() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    let damage = "CREATE TRIGGER full BEFORE INSERT ON tower_api_key_audit \
                  BEGIN SELECT raise(ABORT, 'no'); END";
    directory.other().execute_batch(damage).unwrap();
    let message = format!("the database {} failed", directory.name());
    let changed = try_apply(&store, 1, &KeyChange::Disable).await;
    assert_fails(changed, StoreErrorKind::Unavailable, &message);
    let added = store.insert(insert(record(2))).await;
    assert_fails(added, StoreErrorKind::Unavailable, &message);
    assert_eq!(*store.get(&id(1)).await.unwrap().unwrap(), record(1));
    assert_eq!(store.get(&id(2)).await.unwrap(), None);
}

#[tokio::test]
async fn pages_go_back_in_time_and_are_of_one_owner() {
    let directory = Directory::new();
    let store = directory.store().await;
    for number in 0..7 {
        let owner = if number % 2 == 0 { OWNER } else { "ACCT_42" };
        let one = KeyRecord::new(id(number), owner, "CI", at(0));
        store.insert(insert(one)).await.unwrap();
    }
    let ids =
        |entries: &[AuditEntry]| -> Vec<_> { entries.iter().map(AuditEntry::key_id).collect() };
    let request = AuditPageRequest::first(3);
    let first = store.audit(OWNER, &request).await.unwrap();
    assert_eq!(ids(first.entries()), [6, 4, 2].map(id));
    let cursor = first.next().unwrap();
    // What comes meanwhile is on no later page.
    store.insert(insert(record(8))).await.unwrap();
    let rest = store.audit(OWNER, &request.before(cursor)).await.unwrap();
    assert_eq!((ids(rest.entries()), rest.next()), ([id(0)].to_vec(), None));
    for (cursor, count) in [(0, 0), (u64::MAX, 5)] {
        let request = AuditPageRequest::default().before(cursor);
        let page = store.audit(OWNER, &request).await.unwrap();
        assert_eq!(page.entries().len(), count);
    }
}

#[tokio::test]
async fn old_entries_are_pruned_by_the_thousand_and_no_number_comes_again() {
    let directory = Directory::new();
    let store = directory.store().await;
    let early = ChangeContext::new(at(10));
    let many = (0..2_500).map(|number| Insert::new(record(number), &early));
    store.insert_many(many.collect()).await;
    store.insert(insert(record(3_000))).await.unwrap();
    // By the clock, not by the number.
    testing::apply(&store, &id(1), &KeyChange::Disable, &early)
        .await
        .unwrap();
    let nanosecond = jiff::SignedDuration::from_nanos(1);
    let none = store.prune_audit_before(at(10) + nanosecond).await;
    assert_eq!(none.unwrap(), 0);
    let pruned = store.prune_audit_before(at(20)).await;
    assert_eq!(pruned.unwrap(), 2_501);
    let left = trail(&store, OWNER).await;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].key_id(), left[0].number()), (id(3_000), 2_501));
    let pruned = store.prune_audit_before(Timestamp::MAX).await;
    assert_eq!((pruned.unwrap(), rows(&directory, "audit")), (1, 0));
    apply(&store, 1, &KeyChange::Enable).await;
    assert_eq!(trail(&store, OWNER).await[0].number(), 2_503);
    assert_eq!(rows(&directory, "keys"), 2_501);
}

#[tokio::test]
async fn an_entry_that_is_none_is_an_error() {
    let directory = Directory::new();
    let store = directory.store().await;
    store.insert(insert(record(1))).await.unwrap();
    for set in [
        "action = 'stolen'",
        "action = 'issued', key_id = x'01'",
        "key_id = zeroblob(16), at = 9223372036854775807",
        "at = 0, number = -1",
        "number = 1, owner = 'acct_42', actor = CAST(x'ff' AS TEXT)",
    ] {
        let other = directory.other();
        other
            .execute_batch(&format!("UPDATE tower_api_key_audit SET {set}"))
            .unwrap();
        let message = format!(
            "a column of the database {} has a value that cannot be read",
            directory.name()
        );
        let page = store.audit(OWNER, &AuditPageRequest::default()).await;
        assert_fails(page, StoreErrorKind::Corrupt, &message);
    }
}
