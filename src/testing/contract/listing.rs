//! Rules for lists.

use super::expect::{expect_eq, expect_stored, insert, list, succeeded};
use super::fixture::{OWNER, context, digest, id, key, key_of, prefix, revocation};
use super::rule::{Outcome, Rule};
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::page::{KeyPage, PageRequest};
use crate::store::registry::KeyRegistry;

pub(super) const RULES: &[Rule] = &[
    Rule::new("listing: keys come in the order of their ids", |store| {
        Box::pin(order(store))
    }),
    Rule::new("listing: pages follow each other", |store| {
        Box::pin(pages(store))
    }),
    Rule::new(
        "listing: a page may start after a key that is gone",
        |store| Box::pin(gone_cursor(store)),
    ),
    Rule::new("listing: owners are compared octet by octet", |store| {
        Box::pin(owners(store))
    }),
];

async fn order(store: &dyn KeyRegistry) -> Outcome {
    // Neither as text nor as signed numbers in another order.
    let octets = [0x80, 0x00, 0xff, 0x7f, 0x0a, 0x10, 0x09, 0xa0, 0x20];
    for (octet, number) in octets.into_iter().zip(1..) {
        let mut id = [0; KeyId::LEN];
        (id[0], id[15]) = (octet, 0xff - octet);
        let created_at = key(1).created_at();
        let version = SecretVersion::new(1, digest(number), prefix(number), created_at);
        let record = KeyRecord::new(KeyId::from_bytes(id), OWNER, "CI", created_at)
            .with_secret_versions([version]);
        insert(store, &record).await?;
    }
    let mut sorted = octets;
    sorted.sort_unstable();
    let listed = list(store, OWNER).await?;
    let found: Vec<_> = listed
        .iter()
        .map(|record| record.id().as_bytes()[0])
        .collect();
    expect_eq(
        "the first octets of the ids",
        &found.as_slice(),
        &sorted.as_slice(),
    )
}

async fn pages(store: &dyn KeyRegistry) -> Outcome {
    const COUNT: u64 = 25;
    let nothing = page(store, OWNER, PageRequest::default()).await?;
    expect_page("the list of an owner without keys", &nothing, &[], None)?;
    for number in 1..=COUNT {
        // Not in their order, and between keys of others.
        let number = number * 7 % (COUNT + 1);
        insert(store, &key(number * 2)).await?;
        insert(store, &key_of("acct_7", number * 2 + 1)).await?;
    }
    let all: Vec<u64> = (1..=COUNT).map(|number| number * 2).collect();
    for limit in [1, 4, 5, 24, 25, 26, PageRequest::MAX_LIMIT] {
        let mut request = PageRequest::first(limit);
        let mut chunks = all.chunks(limit).peekable();
        while let Some(chunk) = chunks.next() {
            let found = page(store, OWNER, request).await?;
            let next = chunks.peek().and(chunk.last()).map(|last| id(*last));
            expect_page(&format!("a page of {limit}"), &found, chunk, next)?;
            request = next.map_or(request, |next| request.after(next));
        }
    }
    let changed = [KeyChange::Disable, revocation(1, "r")];
    for (change, number) in changed.iter().zip([4, 6]) {
        succeeded(change, store.apply(&id(number), change, &context()).await)?;
    }
    let found = page(store, OWNER, PageRequest::first(4)).await?;
    expect_page("a page with changed keys", &found, &all[..4], Some(id(8)))
}

async fn gone_cursor(store: &dyn KeyRegistry) -> Outcome {
    for number in [2, 4, 6, 8] {
        insert(store, &key(number)).await?;
    }
    let first = page(store, OWNER, PageRequest::first(2)).await?;
    expect_page("the first page", &first, &[2, 4], Some(id(4)))?;
    succeeded(
        "a deletion",
        store.apply(&id(4), &KeyChange::Delete, &context()).await,
    )?;
    // One that comes before the cursor is not on a later page.
    insert(store, &key(3)).await?;
    let after = |number| PageRequest::first(10).after(id(number));
    for (cursor, expected) in [
        (4, [6, 8].as_slice()),
        (0, &[2, 3, 6, 8]),
        (5, &[6, 8]),
        (8, &[]),
        (99, &[]),
    ] {
        let found = page(store, OWNER, after(cursor)).await?;
        expect_page("a page after a cursor", &found, expected, None)?;
    }
    // The cursor may be another owner's key.
    insert(store, &key_of("acct_7", 7)).await?;
    let found = page(store, OWNER, after(7)).await?;
    expect_page("a page after another owner's key", &found, &[8], None)
}

async fn owners(store: &dyn KeyRegistry) -> Outcome {
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
        let found = page(store, owner, PageRequest::default()).await?;
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
        let found = page(store, unknown, PageRequest::default()).await?;
        expect_page(&format!("the list of {unknown:?}"), &found, &[], None)?;
    }
    Ok(())
}

async fn page(store: &dyn KeyRegistry, owner: &str, request: PageRequest) -> Outcome<KeyPage> {
    succeeded("`list`", store.list(owner, &request).await)
}

fn expect_page(what: &str, page: &KeyPage, numbers: &[u64], next: Option<KeyId>) -> Outcome {
    let found: Vec<_> = page.keys().iter().map(|record| record.id()).collect();
    let expected: Vec<_> = numbers.iter().copied().map(id).collect();
    expect_eq(what, &found, &expected)?;
    expect_eq(format!("the next cursor of {what}"), &page.next(), &next)
}
