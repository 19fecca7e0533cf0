//! Reading audit trails.

use super::expect::{expect_eq, succeeded};
use super::fixture::context;
use super::rule::{Broken, Outcome};
use crate::record::audit::AuditEntry;
use crate::record::key::KeyRecord;
use crate::store::contract::audit::AuditPageRequest;
use crate::store::contract::store::Store;

/// The whole trail of an owner, newest first.
pub(super) async fn trail(store: &dyn Store, owner: &str) -> Outcome<Vec<AuditEntry>> {
    let page = AuditPageRequest::first(AuditPageRequest::MAX_LIMIT);
    pages(store, owner, page).await
}

/// The trail of an owner, read in pages like that.
pub(super) async fn pages(
    store: &dyn Store,
    owner: &str,
    mut page: AuditPageRequest,
) -> Outcome<Vec<AuditEntry>> {
    let mut entries = Vec::<AuditEntry>::new();
    loop {
        let part = succeeded("`audit`", store.audit(owner, &page).await)?;
        for entry in part.entries() {
            let last = entries.last().map(AuditEntry::number);
            if last.is_some_and(|last| entry.number() >= last) {
                let found = entry.number();
                let message = format!("expected an entry before {last:?}, found number {found}");
                return Err(Broken::new(message));
            }
            entries.push(entry.clone());
        }
        let most = part.entries().len() <= page.limit();
        expect_eq("whether a page has at most its limit", &most, &true)?;
        match part.next() {
            None => return Ok(entries),
            Some(next) if page.cursor().is_none_or(|cursor| next < cursor) => {
                expect_eq(
                    "the cursor of the next page",
                    &Some(next),
                    &entries.last().map(AuditEntry::number),
                )?;
                page = page.before(next);
            }
            Some(_) => {
                let message = "expected an earlier page, found its cursor again";
                return Err(Broken::new(message));
            }
        }
    }
}

/// The owner's trail has these entries, newest first, whatever their numbers.
pub(super) async fn expect_trail(
    store: &dyn Store,
    what: &str,
    owner: &str,
    expected: &[AuditEntry],
) -> Outcome {
    let found: Vec<_> = trail(store, owner).await?;
    expect_entries(what, &found, expected)
}

pub(super) fn expect_entries(what: &str, found: &[AuditEntry], expected: &[AuditEntry]) -> Outcome {
    for (found, expected) in found.iter().zip(expected) {
        let what = format!("an entry of {what}");
        expect_eq(what, &found.clone().with_number(0), expected)?;
    }
    let count = format!("the number of entries of {what}");
    expect_eq(count, &found.len(), &expected.len())
}

/// The entry of an insert, unnumbered.
pub(super) fn issued(record: &KeyRecord) -> AuditEntry {
    AuditEntry::of_insert(record, &context())
}
