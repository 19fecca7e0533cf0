//! Rules for the audit trail.

use jiff::SignedDuration;

use super::expect::{
    commit_of, expect_change, expect_created, expect_eq, expect_error, insert, succeeded,
};
use super::fixture::{OWNER, at, context, inserting, key, key_of, revocation, rotation, version};
use super::odd;
use super::rule::Outcome;
use super::trail::{expect_entries, expect_trail, issued, pages, trail};
use crate::record::audit::AuditEntry;
use crate::record::change::KeyChange;
use crate::record::context::ChangeContext;
use crate::record::update::KeyUpdate;
use crate::scope::name::Scope;
use crate::store::contract::audit::AuditPageRequest;
use crate::store::contract::error::StoreErrorKind;
use crate::store::contract::store::Store;
use crate::store::contract::write::Insert;

rules! {
    "auditing: each insert and commit leaves its entry" => each_change,
    "auditing: odd texts read back" => odd_texts,
    "auditing: what is rejected leaves no entry" => nothing,
    "auditing: each of many keys leaves its entry" => many,
    "auditing: pages follow each other" => in_pages,
    "auditing: old entries are pruned" => pruned,
}

async fn each_change(store: &dyn Store) -> Outcome {
    expect_trail(store, "the trail of an empty store", OWNER, &[]).await?;
    let mut record = key(1);
    let bystander = key_of("acct_7", 5);
    insert(store, &record).await?;
    insert(store, &bystander).await?;
    let mut expected = vec![issued(&record)];
    for change in [
        KeyChange::Update(KeyUpdate::new().with_name("x").with_scopes(Scope::WRITE)),
        KeyChange::Disable,
        KeyChange::Enable,
        rotation(10),
        revocation(6, "leaked"),
        KeyChange::Delete,
    ] {
        expected.insert(0, commit_of(&record, &change)?.audit);
        record = expect_change(store, &record, &change).await?;
        let what = format!("the trail after {change:?}");
        expect_trail(store, &what, OWNER, &expected).await?;
    }
    // A key in place of the deleted one continues its trail.
    insert(store, &record).await?;
    expected.insert(0, issued(&record));
    expect_trail(store, "the trail of a deleted key", OWNER, &expected).await?;
    let other = [issued(&bystander)];
    expect_trail(store, "the trail of another owner", "acct_7", &other).await
}

async fn odd_texts(store: &dyn Store) -> Outcome {
    let record = key_of(odd::TEXT, 1)
        .with_scopes(odd::scopes())
        .with_metadata(odd::metadata());
    let context = ChangeContext::new(odd::MICROSECOND)
        .with_actor(odd::TEXT)
        .with_reason(odd::reason());
    let added = Insert::new(record.clone(), &context);
    let mut expected = vec![added.audit.clone()];
    expect_created("an insert with odd texts", store.insert(added).await)?;
    let mut commit = commit_of(&record, &KeyChange::Disable)?;
    // The detail stays as it is, byte for byte.
    commit.audit = commit
        .audit
        .with_actor("")
        .with_detail(r#"{ "b":1.0,  "a":"\u0041" }"#);
    expected.insert(0, commit.audit.clone());
    succeeded("a commit by nobody", store.commit(commit).await)?;
    expect_trail(store, "a trail of odd texts", odd::TEXT, &expected).await
}

async fn nothing(store: &dyn Store) -> Outcome {
    insert(store, &key(1)).await?;
    insert(store, &key(2)).await?;
    let expected = [issued(&key(2)), issued(&key(1))];
    let known = key(3).with_secret_versions([version(1, 1)]);
    for record in [key(1), known] {
        let answer = store.insert(inserting(&record)).await;
        expect_error(
            "an insert of what exists",
            answer,
            StoreErrorKind::AlreadyExists,
        )?;
    }
    let stale = key(1).with_changes(3);
    for (before, change, kind) in [
        (&stale, KeyChange::Disable, StoreErrorKind::Conflict),
        (&key(1), rotation(2), StoreErrorKind::AlreadyExists),
        (&key(9), KeyChange::Delete, StoreErrorKind::NotFound),
    ] {
        let answer = store.commit(commit_of(before, &change)?).await;
        expect_error(&change, answer, kind)?;
    }
    expect_trail(store, "a trail of rejected changes", OWNER, &expected).await
}

async fn many(store: &dyn Store) -> Outcome {
    insert(store, &key_of("acct_7", 1)).await?;
    let context = context().with_actor("import").with_reason("moving");
    let inserts: Vec<_> = (1..=5)
        .map(|number| Insert::new(key(number), &context))
        .collect();
    let mut expected: Vec<_> = inserts[1..].iter().map(|one| one.audit.clone()).collect();
    let answers = store.insert_many(inserts).await;
    let rejected = answers.iter().filter(|answer| answer.is_err()).count();
    expect_eq("the keys that are rejected", &rejected, &1)?;
    let mut found = trail(store, OWNER).await?;
    // Inserts of one call have no order.
    found.sort_by_key(AuditEntry::key_id);
    expected.sort_by_key(AuditEntry::key_id);
    expect_entries("the trail of many keys", &found, &expected)
}

async fn in_pages(store: &dyn Store) -> Outcome {
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

async fn pruned(store: &dyn Store) -> Outcome {
    for (number, second) in (1..).zip([-20, 10, 30, 20]) {
        for owner in [OWNER, "acct_7"] {
            let record = key_of(owner, number + if owner == OWNER { 0 } else { 100 });
            let insert = Insert::new(record, &ChangeContext::new(at(second)));
            expect_created("an insert", store.insert(insert).await)?;
        }
    }
    let last = trail(store, OWNER).await?.first().map(AuditEntry::number);
    let nanosecond = SignedDuration::from_nanos(1);
    for (before, pruned, left) in [
        (at(-20), 0, 4),
        (at(-20) + nanosecond, 0, 4),
        (at(20), 4, 2),
        (at(20), 0, 2),
        (at(1_000), 4, 0),
    ] {
        let count = succeeded(
            "`prune_audit_before`",
            store.prune_audit_before(before).await,
        )?;
        let what = format!("how many entries before {before} were pruned");
        expect_eq(what, &count, &pruned)?;
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
