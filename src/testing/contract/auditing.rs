//! Rules for the audit trail.

use jiff::{SignedDuration, Timestamp};

use super::expect::{expect_eq, expect_error, insert, succeeded};
use super::fixture::{
    OWNER, at, context, id, key, key_of, revocation, rotation, rotation_at, version,
};
use super::odd;
use super::rule::{Outcome, Rule};
use super::trail::{changed, expect_entries, expect_trail, issued, pages, trail};
use crate::record::audit::AuditEntry;
use crate::record::change::{ChangeRefused, KeyChange};
use crate::record::context::ChangeContext;
use crate::record::metadata::Metadata;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::store::audit_page::AuditPageRequest;
use crate::store::error::StoreErrorKind;
use crate::store::registry::KeyRegistry;

pub(super) const RULES: &[Rule] = &[
    Rule::new("auditing: each change leaves one entry", |store| {
        Box::pin(each_change(store))
    }),
    Rule::new("auditing: odd texts and times read back", |store| {
        Box::pin(odd_texts(store))
    }),
    Rule::new("auditing: what changes nothing leaves no entry", |store| {
        Box::pin(nothing(store))
    }),
    Rule::new("auditing: each of many keys leaves its entry", |store| {
        Box::pin(many(store))
    }),
    Rule::new("auditing: pages follow each other", |store| {
        Box::pin(in_pages(store))
    }),
    Rule::new("auditing: old entries are forgotten", |store| {
        Box::pin(forgotten(store))
    }),
];

async fn each_change(store: &dyn KeyRegistry) -> Outcome {
    let nobodys = trail(store, OWNER).await?.len();
    expect_eq("the entries of an empty store", &nobodys, &0)?;
    let mut record = key(1).with_metadata(Metadata::new().with("team", "payments"));
    let bystander = key_of("acct_7", 5);
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    let mut expected = vec![issued(&record)];
    let update = KeyUpdate::new;
    let changes = [
        KeyChange::Update(update().with_name("Reporting")),
        KeyChange::Update(update().with_scopes([Scope::WRITE, Scope::DELETE])),
        KeyChange::Update(update().with_expires_at(Some(at(9_000)))),
        KeyChange::Update(update().with_metadata(Metadata::new().with("a", "b"))),
        KeyChange::Update(update().with_disabled(true)),
        KeyChange::Update(update().with_name("Back").with_disabled(false)),
        KeyChange::Update(
            update()
                .with_name("All")
                .with_scopes(Scope::READ)
                .with_expires_at(None)
                .with_metadata(Metadata::new()),
        ),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(10),
        rotation_at(5, 10, 11),
        revocation(6, "leaked"),
        KeyChange::Delete,
    ];
    for (change, second) in changes.iter().zip(1..) {
        let context = ChangeContext::new(at(second)).with_actor(format!("actor {second}"));
        let context = match second % 3 {
            0 => context.with_reason(format!("reason {second}")),
            _ => context,
        };
        let (after, entry) = changed(change, &record, &context)?;
        succeeded(change, store.apply(&record.id(), change, &context).await)?;
        expected.insert(0, entry);
        let what = format!("the trail after {change:?}");
        expect_trail(store, &what, OWNER, &expected).await?;
        record = after.unwrap_or(record);
    }
    // A key in place of the deleted one goes on with its trail.
    insert(store, &record).await?;
    expected.insert(0, issued(&record));
    expect_trail(store, "the trail of a deleted key", OWNER, &expected).await?;
    let other = [issued(&bystander)];
    expect_trail(store, "the trail of another owner", "acct_7", &other).await
}

async fn odd_texts(store: &dyn KeyRegistry) -> Outcome {
    let mut expected = Vec::new();
    for (number, at) in (1..).zip([
        odd::FIRST,
        odd::BEFORE_1970,
        odd::MICROSECOND,
        odd::LAST,
        Timestamp::MIN,
        Timestamp::MAX,
    ]) {
        let context = ChangeContext::new(at)
            .with_actor(odd::TEXT)
            .with_reason(odd::reason());
        let record = key_of(odd::TEXT, number)
            .with_scopes(odd::scopes())
            .with_metadata(odd::metadata());
        let answer = store.insert(record.clone(), &context).await;
        succeeded("an insert with odd texts", answer)?;
        expected.insert(0, AuditEntry::of_insert(&record, &context));
    }
    expect_trail(store, "a trail of odd texts", odd::TEXT, &expected).await?;
    let empty = ChangeContext::new(at(0)).with_actor("");
    let answer = store.apply(&id(1), &KeyChange::Disable, &empty).await;
    let record = succeeded("a change by nobody", answer)?;
    let newest = trail(store, odd::TEXT).await?.into_iter().next();
    let newest = newest.map(|entry| (entry.key_id(), entry.actor().to_owned()));
    let expected = Some((record.id(), String::new()));
    expect_eq("the newest entry", &newest, &expected)
}

async fn nothing(store: &dyn KeyRegistry) -> Outcome {
    let (live, dead) = (key(1), key(2));
    insert(store, &live).await?;
    insert(store, &dead).await?;
    let context = context();
    let revoked = revocation(1, "leaked");
    let (_, entry) = changed(&revoked, &dead, &context)?;
    let answer = store.apply(&dead.id(), &revoked, &context).await;
    let dead = succeeded("a revocation", answer)?;
    let expected = [entry, issued(&key(2)), issued(&live)];

    for (record, change) in [
        (&*dead, revocation(2, "again")),
        (&live, KeyChange::Enable),
        (&live, KeyChange::Update(KeyUpdate::new())),
        (
            &live,
            KeyChange::Update(
                KeyUpdate::new()
                    .with_name("CI")
                    .with_scopes(Scope::READ)
                    .with_expires_at(None)
                    .with_metadata(Metadata::new()),
            ),
        ),
    ] {
        let answer = store.apply(&record.id(), &change, &context).await;
        let after = succeeded("a change that changes nothing", answer)?;
        let what = format!("the revision after {change:?}");
        expect_eq(what, &after.revision(), &record.revision())?;
    }
    let refused = StoreErrorKind::Refused(ChangeRefused::Revoked);
    let exists = StoreErrorKind::AlreadyExists;
    for (number, change, kind) in [
        (2, KeyChange::Disable, refused),
        (2, rotation(20), refused),
        (1, rotation(2), exists),
        (9, KeyChange::Disable, StoreErrorKind::NotFound),
        (9, KeyChange::Delete, StoreErrorKind::NotFound),
    ] {
        let answer = store.apply(&id(number), &change, &context).await;
        expect_error(&change, answer, kind)?;
    }
    let known = key(3).with_secret_versions([version(1, 1)]);
    for record in [key(1), known] {
        let answer = store.insert(record, &context).await;
        expect_error("an insert of what exists", answer, exists)?;
    }
    expect_trail(store, "a trail of changes", OWNER, &expected).await
}

async fn many(store: &dyn KeyRegistry) -> Outcome {
    insert(store, &key_of("acct_7", 1)).await?;
    let context = context().with_actor("import").with_reason("moving");
    let records: Vec<_> = (1..=5).map(key).collect();
    let answers = store.insert_many(records.clone(), &context).await;
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    expect_eq("the keys that are refused", &refused, &1)?;
    let added = records.iter().skip(1);
    let mut expected: Vec<_> = added
        .map(|record| AuditEntry::of_insert(record, &context))
        .collect();
    let mut found = trail(store, OWNER).await?;
    // A batch has no order among its own.
    found.sort_by_key(AuditEntry::key_id);
    expected.sort_by_key(AuditEntry::key_id);
    expect_entries("the trail of many keys", &found, &expected)
}

async fn in_pages(store: &dyn KeyRegistry) -> Outcome {
    for owner in [OWNER, "ACCT_42", "acct_4", "acct_42 "] {
        let none = pages(store, owner, AuditPageRequest::default()).await?;
        expect_eq("the entries of an owner without keys", &none.len(), &0)?;
    }
    let mut expected = Vec::new();
    for number in 1..=7 {
        insert(store, &key(number)).await?;
        insert(store, &key_of("ACCT_42", 100 + number)).await?;
        expected.insert(0, issued(&key(number)));
    }
    for limit in [1, 2, 3, 6, 7, 8, 1_000] {
        let page = AuditPageRequest::first(limit);
        let found = pages(store, OWNER, page).await?;
        let what = format!("a trail in pages of {limit}");
        expect_entries(&what, &found, &expected)?;
    }
    let all = trail(store, OWNER).await?;
    let others = trail(store, "ACCT_42").await?;
    // A cursor may be any number.
    for (cursor, skipped) in [
        (u64::MAX >> 11, 0),
        (all[0].number(), 1),
        (others[0].number(), 0),
        (others[3].number(), 3),
        (all[6].number(), 7),
        (0, 7),
    ] {
        let page = AuditPageRequest::first(10).before(cursor);
        let found = pages(store, OWNER, page).await?;
        let what = format!("a trail before number {cursor}");
        expect_entries(&what, &found, &expected[skipped..])?;
    }
    Ok(())
}

async fn forgotten(store: &dyn KeyRegistry) -> Outcome {
    for (number, second) in (1..).zip([-20, 10, 30, 20]) {
        for owner in [OWNER, "acct_7"] {
            let record = key_of(owner, number + if owner == OWNER { 0 } else { 100 });
            let context = ChangeContext::new(at(second));
            succeeded("an insert", store.insert(record, &context).await)?;
        }
    }
    let last = trail(store, OWNER).await?.first().map(AuditEntry::number);
    let nanosecond = SignedDuration::from_nanos(1);
    for (before, forgotten, left) in [
        (at(-20), 0, 4),
        (at(-20) + nanosecond, 0, 4),
        (at(20), 4, 2),
        (at(20), 0, 2),
        (Timestamp::MAX, 4, 0),
    ] {
        let count = succeeded(
            "`forget_audit_before`",
            store.forget_audit_before(before).await,
        )?;
        let what = format!("how many entries before {before} were forgotten");
        expect_eq(what, &count, &forgotten)?;
        for owner in [OWNER, "acct_7"] {
            let entries = trail(store, owner).await?;
            let what = format!("the entries that are left after {before}");
            expect_eq(what, &entries.len(), &left)?;
            let cut = entries.iter().any(|entry| entry.at() + nanosecond < before);
            expect_eq("whether an old entry is left", &cut, &false)?;
        }
    }
    // No number comes again.
    insert(store, &key(9)).await?;
    let next = trail(store, OWNER).await?.first().map(AuditEntry::number);
    expect_eq("whether numbers go on", &(next > last), &true)
}
