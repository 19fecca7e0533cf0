//! The audit trail, and what must hold for a change.

use futures::future::join_all;
use jiff::Timestamp;
use tower_api_key::record::{
    AuditAction, AuditEntry, ChangeContext, KeyChange, KeyRecord, KeyUpdate, Metadata, Revocation,
};
use tower_api_key::store::{
    ActingKey, AuditLog, AuditPageRequest, Insert, Inserted, RedisStore, StoreErrorKind,
};
use tower_api_key::testing::apply;
use tower_api_key::{KeyManager, KeyRegistry, NewKey};

use crate::kit::{
    RedisServer, adding, assert_empty, assert_fails, at, committing, context, digest, find, id,
    record, rotation, store, version,
};

const CONFLICT: &str = "the key has changed in between";
const TOO_MANY: &str = "the owner already has 5 keys, the most allowed";

async fn entries(store: &RedisStore, owner: &str) -> Vec<AuditEntry> {
    let page = AuditPageRequest::first(1_000);
    let page = store.audit(owner, &page).await.unwrap();
    assert_eq!(page.next(), None);
    page.entries().to_vec()
}

#[tokio::test]
async fn every_change_writes_one_entry_and_what_is_rejected_none() {
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
    let insert = Insert::new(expected.clone(), &context(0));
    store.insert(insert).await.unwrap();
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
        let context = context(second);
        trail.extend(AuditEntry::of_change(
            &change,
            &expected,
            Some(&after),
            &context,
        ));
        expected = after;
        let now = apply(&store, &id(1), &change, &context).await.unwrap();
        assert_eq!(*now, expected, "{change:?}");
        assert_eq!(find(&store, 1).await.unwrap(), now);
    }
    store
        .insert(Insert::new(expected.clone(), &context(90)))
        .await
        .unwrap_err();
    let deletion = committing(&expected, &KeyChange::Delete);
    let mut late = deletion.clone();
    late.expected_revision -= 1;
    let nobody = ActingKey {
        id: id(99),
        revision: 1,
    };
    for rejected in [late, deletion.with_acting(Some(nobody))] {
        let deleted = store.commit(rejected).await;
        assert_fails(deleted, StoreErrorKind::Conflict, CONFLICT);
    }
    let last = context(91);
    trail.extend(AuditEntry::of_change(
        &KeyChange::Delete,
        &expected,
        None,
        &last,
    ));
    apply(&store, &id(1), &KeyChange::Delete, &last)
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
        store.insert(adding(key)).await.unwrap();
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
async fn entries_are_pruned_by_their_time_to_the_microsecond() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let times = [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "1970-01-01T00:00:00.000002Z",
        "9999-12-30T21:59:59.999999Z",
    ];
    let times = times.map(|time| time.parse::<Timestamp>().unwrap());
    let issuing = |number: u32, owner: &str, key: u8, at| {
        let record = KeyRecord::new(id(number), owner, "CI", at);
        Insert::new(record, &ChangeContext::new(at)).with_idempotency_key(Some([key; 32]))
    };
    // Out of order.
    for (number, place) in [(1_u8, 2), (2, 0), (3, 3), (4, 1)] {
        let insert = issuing(number.into(), &format!("a:{place}"), number, times[place]);
        store.insert(insert).await.unwrap();
    }
    let mut left = 4;
    for (before, deleted) in [
        (times[0], 0),
        (times[1], 1),
        (times[1] + jiff::SignedDuration::from_nanos(999), 0),
        (times[2], 1),
        (times[3], 1),
    ] {
        assert_eq!(
            store.prune_audit_before(before).await.unwrap(),
            deleted,
            "{before}"
        );
        left -= deleted;
        let idempotency = server.command(&["ZCARD", "{tower_api_key}:idempotency"]);
        assert_eq!(idempotency, format!(":{left}\r\n"));
    }
    let again = store.insert(issuing(101, "a:2", 1, at(0))).await.unwrap();
    assert_eq!(again, Inserted::Created);
    let existing = store.get(&id(3)).await.unwrap().unwrap();
    let again = store.insert(issuing(103, "a:3", 3, at(0))).await.unwrap();
    assert_eq!(again, Inserted::Existing(existing));
    for number in [1, 2, 3, 4, 101] {
        apply(&store, &id(number), &KeyChange::Delete, &context())
            .await
            .unwrap();
    }
    let last = entries(&store, "a:3").await;
    let actions: Vec<_> = last.iter().map(AuditEntry::action).collect();
    assert_eq!(actions, [AuditAction::Deleted, AuditAction::Issued]);
    assert_empty(&server, &store).await;
}

#[tokio::test]
async fn much_is_pruned_in_steps() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    for inserted in store
        .insert_many((0..2_000).map(record).map(adding).collect())
        .await
    {
        inserted.unwrap();
    }
    let begun = server.command(&["INFO", "commandstats"]);
    assert_eq!(store.prune_audit_before(at(1)).await.unwrap(), 2_000);
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
    // And one that finds nothing left; the server may not know the script at first.
    assert!((5..=6).contains(&(scripts(&done) - scripts(&begun))));
    assert_eq!(store.prune_audit_before(at(1)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_insertions_keep_to_the_limit_and_to_one_key() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let stores = [store(&server).await, store(&server).await];
    let revoked = record(900).with_revocation(Some(Revocation::new(at(0), "lost")));
    stores[0].insert(adding(revoked)).await.unwrap();
    let limited = |number| adding(record(number)).with_max_keys_per_owner(Some(5));
    let insertions = (0..32_u32).map(|number| {
        let store = stores[number as usize % 2].clone();
        tokio::spawn(async move { (id(number), store.insert(limited(number)).await) })
    });
    let mut won = Vec::new();
    for done in join_all(insertions).await {
        match done.unwrap() {
            (id, Ok(_)) => won.push(id),
            (_, rejected) => assert_fails(rejected, StoreErrorKind::TooManyKeys, TOO_MANY),
        }
    }
    assert_eq!(won.len(), 5);
    assert_eq!(entries(&stores[0], "acct_42").await.len(), 6);
    // A revoked key makes room, a disabled one does not, and deleting either counts once.
    let change = async |id, change| {
        apply(&stores[0], &id, &change, &context()).await.unwrap();
    };
    change(won[0], KeyChange::Disable).await;
    stores[0].insert(limited(50)).await.unwrap_err();
    let lost = KeyChange::Revoke(Revocation::new(at(1), "lost"));
    change(won[0], lost).await;
    stores[0].insert(limited(50)).await.unwrap();
    change(won[0], KeyChange::Delete).await;
    stores[0].insert(limited(51)).await.unwrap_err();
    change(won[1], KeyChange::Delete).await;
    stores[0].insert(limited(51)).await.unwrap();
    let unlimited = adding(record(52)).with_max_keys_per_owner(Some(u64::MAX));
    stores[0].insert(unlimited).await.unwrap();

    let insertions = (100..132_u32).map(|number| {
        let store = stores[number as usize % 2].clone();
        let insert = adding(record(number)).with_idempotency_key(Some([7; 32]));
        tokio::spawn(async move { (id(number), store.insert(insert).await) })
    });
    let (mut created, mut existing) = (Vec::new(), Vec::new());
    for done in join_all(insertions).await {
        let (id, answer) = done.unwrap();
        match answer.unwrap() {
            Inserted::Created => created.push(id),
            Inserted::Existing(key) => existing.push(key.id()),
        }
    }
    existing.dedup();
    assert_eq!((created.len(), existing), (1, created));
}

#[tokio::test]
async fn an_idempotency_key_leads_to_the_key_as_it_is_now() {
    let Some(server) = RedisServer::start() else {
        return;
    };
    let store = store(&server).await;
    let once = |record: KeyRecord| adding(record).with_idempotency_key(Some([7; 32]));
    // An insert that fails takes none.
    store.insert(adding(record(1))).await.unwrap();
    store.insert(once(record(1))).await.unwrap_err();
    store.insert(once(record(2))).await.unwrap();
    let disabled = apply(&store, &id(2), &KeyChange::Disable, &context())
        .await
        .unwrap();
    let limited = once(record(1)).with_max_keys_per_owner(Some(0));
    assert_eq!(
        store.insert(limited).await.unwrap(),
        Inserted::Existing(disabled)
    );
    // Another owner may use the same bytes, and an owner may contain what separates it from them.
    for (number, owner) in [(60, "acct_7"), (61, ":acct_42")] {
        let other = KeyRecord::new(id(number), owner, "CI", at(0));
        let inserted = store.insert(once(other)).await.unwrap();
        assert_eq!(inserted, Inserted::Created, "{owner}");
    }
    // With another digest, the key is deleted and comes again.
    apply(&store, &id(2), &KeyChange::Delete, &context())
        .await
        .unwrap();
    let again = record(2).with_secret_versions([version(1, digest(9))]);
    let inserted = store.insert(once(again)).await.unwrap();
    assert_eq!(inserted, Inserted::Created);
    // A key that was lost is no answer, and what follows it keeps its idempotency key.
    server.command(&[
        "DEL",
        "{tower_api_key}:key:00000000000000000000000000000002",
    ]);
    let later = Insert::new(record(3), &ChangeContext::new(at(9)));
    let later = later.with_idempotency_key(Some([7; 32]));
    assert_eq!(store.insert(later).await.unwrap(), Inserted::Created);
    store.prune_audit_before(at(5)).await.unwrap();
    let third = store.get(&id(3)).await.unwrap().unwrap();
    assert_eq!(
        store.insert(once(record(4))).await.unwrap(),
        Inserted::Existing(third)
    );

    let keys = KeyManager::new(store);
    let new = || NewKey::new("acct_7", "CI").with_idempotency_key("order 4711");
    let issued = keys.issue(new()).await.unwrap();
    let error = keys.issue(new()).await.unwrap_err();
    assert_eq!(error.key_id(), Some(issued.record.id()));
}
