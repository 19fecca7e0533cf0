//! Rules for lists.

use super::expect::{commit, expect_created, expect_eq, expect_stored, insert, list, succeeded};
use super::fixture::{OWNER, at, digest, id, inserting, key, key_of, prefix, revocation};
use super::rule::Outcome;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::status::KeyStatus;
use crate::scope::name::Scope;
use crate::store::contract::page::{KeyFilter, KeyPage, PageRequest};
use crate::store::contract::store::Store;

rules! {
    "listing: keys come newest first" => order,
    "listing: pages follow each other" => pages,
    "listing: a page may start after a key that is gone" => gone_cursor,
    "listing: owners are compared byte by byte" => owners,
    "listing: a filter selects by status, scope and name" => filters,
    "listing: a call examines at most 1,000 keys" => examined,
}

async fn order(store: &dyn Store) -> Outcome {
    // Neither as text nor as signed numbers in another order.
    let bytes = [0x80, 0x00, 0xff, 0x7f, 0x0a, 0x10, 0x09, 0xa0, 0x20];
    for (byte, number) in bytes.into_iter().zip(1..) {
        let mut id = [0; KeyId::LEN];
        (id[0], id[15]) = (byte, 0xff - byte);
        let created_at = key(1).created_at();
        let version = SecretVersion::new(1, digest(number), prefix(number), created_at);
        let record = KeyRecord::new(KeyId::from_bytes(id), OWNER, "CI", created_at)
            .with_secret_versions([version]);
        insert(store, &record).await?;
    }
    let mut sorted = bytes.to_vec();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    let listed = list(store, OWNER).await?;
    let found: Vec<_> = listed.iter().map(|key| key.id().as_bytes()[0]).collect();
    expect_eq("the first bytes of the ids", &found, &sorted)
}

async fn pages(store: &dyn Store) -> Outcome {
    const COUNT: u64 = 25;
    let nothing = page(store, OWNER, &PageRequest::default()).await?;
    expect_page("the list of an owner without keys", &nothing, &[], None)?;
    for number in 1..=COUNT {
        // Not in their order, and between keys of others.
        let number = number * 7 % (COUNT + 1);
        insert(store, &key(number * 2)).await?;
        insert(store, &key_of("acct_7", number * 2 + 1)).await?;
    }
    let all: Vec<u64> = (1..=COUNT).rev().map(|number| number * 2).collect();
    for limit in [1, 4, 5, 24, 25, 26, PageRequest::MAX_LIMIT] {
        let mut request = PageRequest::first(limit);
        let mut chunks = all.chunks(limit).peekable();
        while let Some(chunk) = chunks.next() {
            let found = page(store, OWNER, &request).await?;
            let next = chunks.peek().and(chunk.last()).map(|last| id(*last));
            expect_page(&format!("a page of {limit}"), &found, chunk, next)?;
            request = match next {
                Some(next) => request.after(next),
                None => break,
            };
        }
    }
    commit(store, &key(48), &KeyChange::Disable).await?;
    commit(store, &key(46), &revocation(1, "r")).await?;
    let found = page(store, OWNER, &PageRequest::first(4)).await?;
    expect_page("a page with changed keys", &found, &all[..4], Some(id(44)))
}

async fn gone_cursor(store: &dyn Store) -> Outcome {
    for number in [2, 4, 6, 8] {
        insert(store, &key(number)).await?;
    }
    let first = page(store, OWNER, &PageRequest::first(2)).await?;
    expect_page("the first page", &first, &[8, 6], Some(id(6)))?;
    commit(store, &key(6), &KeyChange::Delete).await?;
    // One that comes before the cursor is not on a later page.
    insert(store, &key(7)).await?;
    // The cursor may be another owner's key.
    insert(store, &key_of("acct_7", 3)).await?;
    for (cursor, expected) in [
        (6, [4, 2].as_slice()),
        (99, &[8, 7, 4, 2]),
        (5, &[4, 2]),
        (3, &[2]),
        (2, &[]),
        (0, &[]),
    ] {
        let request = PageRequest::first(10).after(id(cursor));
        let found = page(store, OWNER, &request).await?;
        expect_page("a page after a cursor", &found, expected, None)?;
    }
    Ok(())
}

async fn owners(store: &dyn Store) -> Outcome {
    const OWNERS: [&str; 24] = [
        "acct_42",
        "acct_4",
        "acct_421",
        "ACCT_42",
        "Acct_42",
        " acct_42",
        "acct_42 ",
        "acct-42",
        "acctx42",
        "acct%",
        "acct_4_",
        "%",
        "_",
        "*",
        "acct*",
        "acct:42",
        "{acct_42}",
        "acct'",
        "acct\\",
        "\u{e9}",
        "e\u{301}",
        "e",
        "\u{130}",
        "\u{1f511}",
    ];
    for (owner, number) in OWNERS.into_iter().zip(1..) {
        insert(store, &key_of(owner, number)).await?;
    }
    for (owner, number) in OWNERS.into_iter().zip(1..) {
        let found = page(store, owner, &PageRequest::default()).await?;
        expect_page(&format!("the list of {owner:?}"), &found, &[number], None)?;
        expect_stored(store, "the key of an owner", &key_of(owner, number)).await?;
    }
    for unknown in [
        "",
        "acct",
        "aCCT_42",
        "acct_4 ",
        "\u{1f512}",
        "i",
        "acct_42\u{200b}",
    ] {
        let found = page(store, unknown, &PageRequest::default()).await?;
        expect_page(&format!("the list of {unknown:?}"), &found, &[], None)?;
    }
    Ok(())
}

async fn filters(store: &dyn Store) -> Outcome {
    let named = |number, name: &str| {
        KeyRecord::new(id(number), OWNER, name, at(0))
            .with_scopes([Scope::READ, Scope::from_static("orders:refund")])
    };
    for record in [
        key(1),
        key(2).with_expires_at(Some(at(10))),
        key(3).with_disabled(true),
        key(4).with_scopes([Scope::READ, Scope::WRITE]),
        named(5, "Deploy to production"),
        named(6, "re-DEPLOY"),
        named(7, "deplo y%_"),
    ] {
        insert(store, &record).await?;
    }
    commit(store, &key(1), &revocation(1, "leaked")).await?;
    let status = |status, second| KeyFilter::new().with_status(status, at(second));
    for (filter, expected) in [
        (KeyFilter::new(), &[7, 6, 5, 4, 3, 2, 1][..]),
        (status(KeyStatus::Active, 9), &[7, 6, 5, 4, 2]),
        (status(KeyStatus::Active, 10), &[7, 6, 5, 4]),
        (status(KeyStatus::Expired, 10), &[2]),
        (status(KeyStatus::Disabled, 10), &[3]),
        (status(KeyStatus::Revoked, 10), &[1]),
        (KeyFilter::new().with_scope(Scope::WRITE), &[4]),
        (KeyFilter::new().with_scope(Scope::DELETE), &[]),
        (KeyFilter::new().with_name_part("deploy"), &[6, 5]),
        (KeyFilter::new().with_name_part("%_"), &[7]),
        (
            status(KeyStatus::Active, 10)
                .with_scope(Scope::from_static("orders:refund"))
                .with_name_part("PROD"),
            &[5],
        ),
    ] {
        for limit in [1, 2, 7, 100] {
            let mut request = PageRequest::first(limit).with_filter(filter.clone());
            let mut found = Vec::new();
            loop {
                let part = page(store, OWNER, &request).await?;
                let fits = part.keys().len() <= limit;
                expect_eq("whether a page has at most its limit", &fits, &true)?;
                found.extend(part.keys().iter().map(|record| record.id()));
                match part.next() {
                    Some(next) => request = request.after(next),
                    None => break,
                }
            }
            let expected: Vec<_> = expected.iter().copied().map(id).collect();
            expect_eq(format!("the keys of {filter:?}"), &found, &expected)?;
        }
    }
    Ok(())
}

async fn examined(store: &dyn Store) -> Outcome {
    let records = (1..=1_005).map(|number| match number {
        1 | 1_003 => key(number).with_scopes(Scope::DELETE),
        _ => key(number),
    });
    let inserts = records.map(|record| inserting(&record)).collect();
    for answer in store.insert_many(inserts).await {
        expect_created("one of many inserts", answer)?;
    }
    let filter = KeyFilter::new().with_scope(Scope::DELETE);
    let request = PageRequest::first(2).with_filter(filter);
    let found = page(store, OWNER, &request).await?;
    expect_page("a short page", &found, &[1_003], Some(id(6)))?;
    let found = page(store, OWNER, &request.clone().after(id(1_002))).await?;
    expect_page("an empty page", &found, &[], Some(id(2)))?;
    let found = page(store, OWNER, &request.after(id(2))).await?;
    expect_page("the last page", &found, &[1], None)
}

async fn page(store: &dyn Store, owner: &str, request: &PageRequest) -> Outcome<KeyPage> {
    succeeded("`list`", store.list(owner, request).await)
}

fn expect_page(what: &str, page: &KeyPage, numbers: &[u64], next: Option<KeyId>) -> Outcome {
    let found: Vec<_> = page.keys().iter().map(|record| record.id()).collect();
    let expected: Vec<_> = numbers.iter().copied().map(id).collect();
    expect_eq(what, &found, &expected)?;
    expect_eq(format!("the next cursor of {what}"), &page.next(), &next)
}
