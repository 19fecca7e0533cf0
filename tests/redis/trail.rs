//! The audit trail, and what must hold for a change.

use futures::future::join_all;
use jiff::Timestamp;
use tower_api_key::record::{
    AuditAction, AuditEntry, ChangeContext, ChangeRefused, KeyChange, KeyRecord, KeyUpdate,
    Metadata, Revocation,
};
use tower_api_key::store::{AuditPageRequest, RedisStore, StoreErrorKind};
use tower_api_key::{KeyManager, KeyRegistry, NewKey};

use crate::kit::{
    RedisServer, assert_empty, assert_fails, at, context, digest, find, id, record, rotation,
    store, version,
};

const REVOKED: &str = "the key is revoked, which is never undone";
const TOO_MANY: &str = "the owner has as many keys as are allowed";

async fn entries(store: &RedisStore, owner: &str) -> Vec<AuditEntry> {
    let page = AuditPageRequest::first(1_000);
    let page = store.audit(owner, &page).await.unwrap();
    assert_eq!(page.next(), None);
    page.entries().to_vec()
}

#[tokio::test]
async fn every_change_writes_one_entry_and_what_is_refused_none() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let context = |second| {
        ChangeContext::new(at(second))
            .with_actor("a {\"b\"} \\ \u{0} \u{1F511}")
            .with_reason("1{}\n\u{2028}")
    };
    let mut expected = record(1).with_metadata(Metadata::new().with("n}", "\"v\u{0}"));
    store.insert(expected.clone(), &context(0)).await.unwrap();
    let mut trail = vec![AuditEntry::of_insert(&expected, &context(0))];
    let changes = [
        KeyChange::Update(KeyUpdate::new().with_name("Reports")),
        KeyChange::Update(KeyUpdate::new().with_name("Reports")),
        KeyChange::Update(KeyUpdate::new().with_metadata(Metadata::new())),
        KeyChange::Disable,
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(digest(2), at(20)),
        KeyChange::Revoke(Revocation::new(at(30), "lost")),
        KeyChange::Revoke(Revocation::new(at(31), "again")),
    ];
    for (second, change) in (1..).zip(changes) {
        let after = change.applied_to(&expected).unwrap().unwrap();
        let context = context(second).with_expected_revision(expected.revision());
        trail.extend(AuditEntry::of_change(
            &change,
            &expected,
            Some(&after),
            &context,
        ));
        expected = after;
        let now = store.apply(&id(1), &change, &context).await.unwrap();
        assert_eq!(*now, expected, "{change:?}");
        assert_eq!(find(&store, 1).await.unwrap(), now);
    }
    let enabled = store.apply(&id(1), &KeyChange::Enable, &context(90)).await;
    assert_fails(
        enabled,
        StoreErrorKind::Refused(ChangeRefused::Revoked),
        REVOKED,
    );
    store
        .insert(expected.clone(), &context(90))
        .await
        .unwrap_err();
    let late = context(90).with_expected_revision(1);
    let deleted = store.apply(&id(1), &KeyChange::Delete, &late).await;
    assert_fails(
        deleted,
        StoreErrorKind::RevisionMismatch,
        &format!(
            "expected revision 1 of the key, found {}",
            expected.revision()
        ),
    );
    let last = context(91).with_expected_revision(expected.revision());
    trail.extend(AuditEntry::of_change(
        &KeyChange::Delete,
        &expected,
        None,
        &last,
    ));
    store
        .apply(&id(1), &KeyChange::Delete, &last)
        .await
        .unwrap();

    let found = entries(&store, "acct_42").await;
    assert!(
        found
            .iter()
            .map(AuditEntry::number)
            .is_sorted_by(|later, earlier| later > earlier)
    );
    let unnumbered = found.iter().rev().map(|entry| entry.clone().with_number(0));
    assert_eq!(unnumbered.collect::<Vec<_>>(), trail);
    assert_eq!(trail.len(), 8);
}

#[tokio::test]
async fn trails_are_pages_of_exactly_one_owner() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    for number in 0..10 {
        let owner = ["acct", "a:b{"][number as usize % 2];
        let key = KeyRecord::new(id(number), owner, "CI", at(0));
        store.insert(key, &context()).await.unwrap();
    }
    for (owner, odd) in [("acct", 0), ("a:b{", 1)] {
        let mut page = AuditPageRequest::first(2);
        let mut keys = Vec::new();
        loop {
            let read = store.audit(owner, &page).await.unwrap();
            keys.extend(read.entries().iter().map(AuditEntry::key_id));
            let Some(next) = read.next() else { break };
            page = page.before(next);
        }
        assert_eq!(keys, [8, 6, 4, 2, 0].map(|number: u32| id(number + odd)));
    }
    for (before, count) in [(0, 0), (1, 0), (2, 1), (u64::MAX, 5)] {
        let page = AuditPageRequest::default().before(before);
        let page = store.audit("acct", &page).await.unwrap();
        assert_eq!(page.entries().len(), count, "{before}");
    }
    assert!(entries(&store, "acct:").await.is_empty());
}

#[tokio::test]
async fn entries_are_forgotten_by_their_time_to_the_microsecond() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let times = [
        "-009999-01-02T02:00:00Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",
    ];
    let mut times: Vec<Timestamp> = times.map(|time| time.parse().unwrap()).to_vec();
    times.push(Timestamp::MAX);
    // Out of order.
    for (number, place) in [(1_u8, 2), (2, 0), (3, 3), (4, 1)] {
        let context = ChangeContext::new(times[place]).with_idempotency_key([number; 32]);
        let key = KeyRecord::new(id(number.into()), format!("a:{place}"), "CI", at(0));
        store.insert(key, &context).await.unwrap();
    }
    let mut left = 4;
    for (before, forgotten) in [
        (times[0], 0),
        (times[1], 1),
        (times[1] + jiff::SignedDuration::from_nanos(999), 0),
        (times[2], 1),
        (times[3], 1),
    ] {
        assert_eq!(
            store.forget_audit_before(before).await.unwrap(),
            forgotten,
            "{before}"
        );
        left -= forgotten;
        let idempotency = server.command(&["ZCARD", "{tower_api_key}:idempotency"]);
        assert_eq!(idempotency, format!(":{left}\r\n"));
    }
    let context = ChangeContext::new(at(0));
    for (number, again) in [(1, 101), (3, 3)] {
        let context = context.clone().with_idempotency_key([number; 32]);
        let key = KeyRecord::new(id(100 + u32::from(number)), "a", "CI", at(0));
        assert_eq!(store.insert(key, &context).await.unwrap().id(), id(again));
    }
    for number in [1, 2, 3, 4, 101] {
        store
            .apply(&id(number), &KeyChange::Delete, &context)
            .await
            .unwrap();
    }
    let last = entries(&store, "a:3").await;
    let actions: Vec<_> = last.iter().map(AuditEntry::action).collect();
    assert_eq!(actions, [AuditAction::Deleted, AuditAction::Issued]);
    // All but the entry at the latest time, which nothing is later than.
    store.forget_audit_before(Timestamp::MAX).await.unwrap();
    assert_eq!(
        entries(&store, "a:3").await[0].action(),
        AuditAction::Issued
    );
    server.command(&["DEL", "{tower_api_key}:audit", "{tower_api_key}:audit:a:3"]);
    assert_empty(&server, &store).await;
}

#[tokio::test]
async fn much_is_forgotten_in_steps() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    for first in (0..2_000).step_by(500) {
        let records = (first..first + 500).map(record).collect();
        for inserted in store.insert_many(records, &context()).await {
            inserted.unwrap();
        }
    }
    let begun = server.command(&["INFO", "commandstats"]);
    assert_eq!(store.forget_audit_before(at(1)).await.unwrap(), 2_000);
    let done = server.command(&["INFO", "commandstats"]);
    let scripts = |statistics: &str| {
        let line = statistics
            .lines()
            .find(|line| line.contains("_evalsha:"))
            .unwrap();
        line.split(['=', ','])
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    // And one that finds nothing left; the first may be unknown to the server.
    assert!((5..=6).contains(&(scripts(&done) - scripts(&begun))));
    assert_eq!(store.forget_audit_before(at(1)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_insertions_keep_to_the_limit_and_to_one_key() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stores = [store(&server).await, store(&server).await];
    let revoked = record(900).with_revocation(Some(Revocation::new(at(0), "lost")));
    stores[0].insert(revoked, &context()).await.unwrap();
    let insertions = (0..32_u32).map(|number| {
        let store = stores[number as usize % 2].clone();
        let context = context().with_max_keys_of_owner(5);
        tokio::spawn(async move { store.insert(record(number), &context).await })
    });
    let mut won = Vec::new();
    for done in join_all(insertions).await {
        match done.unwrap() {
            Ok(record) => won.push(record.id()),
            Err(error) => {
                let kind = StoreErrorKind::Refused(ChangeRefused::TooManyKeys);
                assert_eq!((error.kind(), &*error.to_string()), (kind, TOO_MANY));
            }
        }
    }
    assert_eq!(won.len(), 5);
    assert_eq!(entries(&stores[0], "acct_42").await.len(), 6);
    // A revoked key makes room, a disabled one does not, and deleting either counts once.
    let limit = context().with_max_keys_of_owner(5);
    let disabled = KeyChange::Disable;
    stores[0]
        .apply(&won[0], &disabled, &context())
        .await
        .unwrap();
    stores[0].insert(record(50), &limit).await.unwrap_err();
    let lost = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    stores[0].apply(&won[0], &lost, &context()).await.unwrap();
    stores[0].insert(record(50), &limit).await.unwrap();
    stores[0]
        .apply(&won[0], &KeyChange::Delete, &context())
        .await
        .unwrap();
    stores[0].insert(record(51), &limit).await.unwrap_err();
    stores[0]
        .apply(&won[1], &KeyChange::Delete, &context())
        .await
        .unwrap();
    stores[0].insert(record(51), &limit).await.unwrap();
    let none = context().with_max_keys_of_owner(u64::MAX);
    stores[0].insert(record(52), &none).await.unwrap();
    // The limit and the idempotency key are for one key, not for many.
    let one = limit.clone().with_idempotency_key([7; 32]);
    for added in stores[0]
        .insert_many(vec![record(60), record(61)], &one)
        .await
    {
        added.unwrap();
    }

    let insertions = (100..132_u32).map(|number| {
        let store = stores[number as usize % 2].clone();
        let context = context().with_idempotency_key([7; 32]);
        tokio::spawn(async move { store.insert(record(number), &context).await })
    });
    let mut ids = Vec::new();
    for done in join_all(insertions).await {
        ids.push(done.unwrap().unwrap().id());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_leads_to_the_key_as_it_is_now() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let once = context().with_idempotency_key([7; 32]);
    // An insert that fails takes none.
    store.insert(record(1), &context()).await.unwrap();
    store.insert(record(1), &once).await.unwrap_err();
    store.insert(record(2), &once).await.unwrap();
    let disabled = store
        .apply(&id(2), &KeyChange::Disable, &once)
        .await
        .unwrap();
    let limit = once.clone().with_max_keys_of_owner(0);
    assert_eq!(store.insert(record(1), &limit).await.unwrap(), disabled);
    assert_eq!(find(&store, 2).await, Some(disabled));
    // With another digest, the key is deleted and comes again.
    store
        .apply(&id(2), &KeyChange::Delete, &once)
        .await
        .unwrap();
    let again = record(2).with_secret_versions([version(1, digest(9))]);
    assert_eq!(*store.insert(again.clone(), &once).await.unwrap(), again);
    // A key that was lost is no answer, and what follows it keeps its idempotency key.
    server.command(&[
        "DEL",
        "{tower_api_key}:key:00000000000000000000000000000002",
    ]);
    let later = ChangeContext::new(at(9)).with_idempotency_key([7; 32]);
    assert_eq!(store.insert(record(3), &later).await.unwrap().id(), id(3));
    store.forget_audit_before(at(5)).await.unwrap();
    assert_eq!(store.insert(record(4), &once).await.unwrap().id(), id(3));

    let keys = KeyManager::new(store);
    let new = || NewKey::new("acct_7", "CI").with_idempotency_key("order 4711");
    let issued = keys.issue(new()).await.unwrap();
    let error = keys.issue(new()).await.unwrap_err();
    assert_eq!(error.key_id(), Some(issued.record.id()));
}
