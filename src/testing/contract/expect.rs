//! Calls of a store, and what is expected of them.

use std::error::Error;
use std::fmt::{Debug, Display, Write};
use std::sync::Arc;

use super::fixture::{MARK, another_writer, context, inserting};
use super::rule::{Broken, Outcome};
use crate::key::digest::KeyDigest;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::record::transition::Transition;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::key_store::KeyStore;
use crate::store::contract::page::PageRequest;
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::store::Store;
use crate::store::contract::usage::{KeyUse, UsageBatch, UsageStore};
use crate::store::contract::write::{Commit, Insert, Inserted};

/// Adds a key.
pub(super) async fn insert(store: &(impl KeyRegistry + ?Sized), record: &KeyRecord) -> Outcome {
    expect_created("an insert", store.insert(inserting(record)).await)
}

/// The insert succeeded, and added the key.
pub(super) fn expect_created(what: impl Debug, answer: Result<Inserted, StoreError>) -> Outcome {
    match succeeded(&what, answer)? {
        Inserted::Created => Ok(()),
        Inserted::Existing(_) => {
            let message = format!("expected {what:?} to add a key, found an existing one");
            Err(Broken::new(message))
        }
    }
}

/// The insert was answered with this key, which an earlier one added.
pub(super) async fn expect_existing(
    store: &dyn Store,
    what: &str,
    insert: Insert,
    expected: &KeyRecord,
) -> Outcome {
    match succeeded(what, store.insert(insert).await)? {
        Inserted::Existing(found) => expect_record(what, &found, expected),
        Inserted::Created => {
            let message = format!("expected {what} to return an existing key, found it added");
            Err(Broken::new(message))
        }
    }
}

/// The commit of a change of that record, which must change it.
pub(super) fn commit_of(before: &KeyRecord, change: &KeyChange) -> Outcome<Commit> {
    let transition = Transition::of(change, before, &context())
        .map_err(|refused| Broken::new(refused.to_string()))?;
    Commit::of(before, transition)
        .ok_or_else(|| Broken::new(format!("expected {change:?} to change the key")))
}

/// Commits a change, and returns the record after it, or before its deletion.
pub(super) async fn commit(
    store: &(impl KeyRegistry + ?Sized),
    before: &KeyRecord,
    change: &KeyChange,
) -> Outcome<KeyRecord> {
    let commit = commit_of(before, change)?;
    let after = commit.next.clone();
    succeeded(change, store.commit(commit).await)?;
    Ok(after.map_or_else(|| before.clone(), Arc::unwrap_or_clone))
}

/// Commits a change; every lookup then returns what it makes of the key.
pub(super) async fn expect_change(
    store: &dyn Store,
    before: &KeyRecord,
    change: &KeyChange,
) -> Outcome<KeyRecord> {
    let after = commit(store, before, change).await?;
    if *change == KeyChange::Delete {
        expect_absent(store, "a deleted key", before).await?;
        return Ok(after);
    }
    expect_stored(store, &format!("the key after {change:?}"), &after).await?;
    for gone in before.secret_versions() {
        if after.secret_version(gone.digest()).is_none() {
            expect_unknown(store, "a secret that was dropped", gone.digest()).await?;
        }
    }
    Ok(after)
}

/// Records usage, as a writer that the store does not know.
pub(super) async fn note(store: &(impl UsageStore + ?Sized), uses: &[KeyUse]) -> Outcome {
    let batch = UsageBatch::new(another_writer(), 1, uses.iter().cloned());
    send(store, &batch).await
}

pub(super) async fn send(store: &(impl UsageStore + ?Sized), batch: &UsageBatch) -> Outcome {
    succeeded("`record_usage`", store.record_usage(batch).await)
}

/// What `find` and `try_find` return.
pub(super) async fn find(
    store: &(impl KeyStore + ?Sized),
    digest: &KeyDigest,
) -> Outcome<Option<Arc<KeyRecord>>> {
    let at_once = store.try_find(digest).transpose();
    let at_once = succeeded("`try_find`", at_once)?;
    let found = succeeded("`find`", store.find(digest).await)?;
    match (&at_once, &found) {
        (None, _) | (Some(None), None) => {}
        (Some(Some(at_once)), Some(found)) => {
            expect_looked_up("what `try_find` finds and `find` does", at_once, found)?;
        }
        (Some(at_once), _) => {
            let [at_once, found] = [at_once, &found].map(|one| present(one.is_some()));
            let message =
                format!("expected `try_find` to answer {found} as `find`, found {at_once}");
            return Err(Broken::new(message));
        }
    }
    Ok(found)
}

pub(super) async fn get(
    store: &(impl KeyRegistry + ?Sized),
    id: KeyId,
) -> Outcome<Option<Arc<KeyRecord>>> {
    succeeded("`get`", store.get(&id).await)
}

/// Every key of an owner.
pub(super) async fn list(store: &dyn Store, owner: &str) -> Outcome<Vec<Arc<KeyRecord>>> {
    let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
    let mut keys = Vec::new();
    loop {
        let part = succeeded("`list`", store.list(owner, &page).await)?;
        keys.extend_from_slice(part.keys());
        match part.next() {
            Some(next) if page.cursor().is_none_or(|cursor| next < cursor) => {
                page = page.after(next);
            }
            Some(_) => return Err(Broken::new("expected a later page, found its cursor again")),
            None => return Ok(keys),
        }
    }
}

/// The record is what its id, each of its digests and its owner's list give; by a digest, the last uses
/// may be older.
pub(super) async fn expect_stored(store: &dyn Store, what: &str, expected: &KeyRecord) -> Outcome {
    let got = get(store, expected.id()).await?;
    expect_found(&format!("{what}, by its id"), got.as_deref(), expected)?;
    for version in expected.secret_versions() {
        let found = find(store, version.digest()).await?;
        let what = format!("{what}, by the digest of version {}", version.number());
        let found = found.ok_or_else(|| no_key(&what))?;
        expect_looked_up(&what, &found, expected)?;
    }
    let listed = list(store, expected.owner()).await?;
    let listed = listed.iter().find(|record| record.id() == expected.id());
    let what = format!("{what}, in its owner's list");
    expect_found(&what, listed.map(Arc::as_ref), expected)
}

/// Neither the record's id, nor one of its digests, nor its owner's list give it.
pub(super) async fn expect_absent(store: &dyn Store, what: &str, record: &KeyRecord) -> Outcome {
    let got = get(store, record.id()).await?;
    expect_eq(format!("{what}, by its id"), &got, &None)?;
    for version in record.secret_versions() {
        expect_unknown(store, what, version.digest()).await?;
    }
    let listed = list(store, record.owner()).await?;
    let listed = listed.iter().find(|other| other.id() == record.id());
    expect_eq(format!("{what}, in its owner's list"), &listed, &None)
}

/// No key has this digest.
pub(super) async fn expect_unknown(store: &dyn Store, what: &str, digest: &KeyDigest) -> Outcome {
    let found = find(store, digest).await?;
    expect_eq(format!("{what}, by a digest"), &found, &None)
}

/// The answer of a call that must succeed.
pub(super) fn succeeded<T>(what: impl Debug, answer: Result<T, StoreError>) -> Outcome<T> {
    answer.map_err(|error| {
        let kind = error.kind();
        Broken::new(format!(
            "expected success of {what:?}, found {kind:?}: {}",
            chain(&error)
        ))
    })
}

/// The call failed with an error of this kind, which shows no digest.
pub(super) fn expect_error<T>(
    what: impl Debug,
    answer: Result<T, StoreError>,
    kind: StoreErrorKind,
) -> Outcome {
    let Err(error) = answer else {
        return Err(Broken::new(format!(
            "expected {kind:?} for {what:?}, found success"
        )));
    };
    expect_eq(format!("the failure of {what:?}"), &error.kind(), &kind)?;
    let shown = format!("{} {error:?}", chain(&error)).to_lowercase();
    let hex = hex::encode(&MARK[..4]);
    let decimal = format!("{:?}", &MARK[..4]);
    if [hex.as_str(), decimal.trim_matches(['[', ']'])]
        .iter()
        .any(|digest| shown.contains(digest))
    {
        let message = format!("expected an error without digests for {what:?}, found one: {shown}");
        return Err(Broken::new(message));
    }
    Ok(())
}

/// The records are equal; the message names the field that differs.
pub(super) fn expect_record(what: &str, found: &KeyRecord, expected: &KeyRecord) -> Outcome {
    let the = |field: &str| format!("the {field} of {what}");
    expect_eq(the("id"), &found.id(), &expected.id())?;
    expect_eq(the("owner"), found.owner(), expected.owner())?;
    expect_eq(the("name"), found.name(), expected.name())?;
    expect_eq(the("scopes"), found.scopes(), expected.scopes())?;
    expect_eq(the("creation"), &found.created_at(), &expected.created_at())?;
    expect_eq(
        the("expiration"),
        &found.expires_at(),
        &expected.expires_at(),
    )?;
    expect_eq(the("metadata"), found.metadata(), expected.metadata())?;
    expect_eq(the("revision"), &found.revision(), &expected.revision())?;
    expect_eq(
        the("disabling"),
        &found.is_disabled(),
        &expected.is_disabled(),
    )?;
    expect_eq(
        the("revocation"),
        &found.revocation(),
        &expected.revocation(),
    )?;
    let numbers = |record: &KeyRecord| -> Vec<u32> {
        let versions = record.secret_versions().iter();
        versions.map(SecretVersion::number).collect()
    };
    expect_eq(the("version numbers"), &numbers(found), &numbers(expected))?;
    let both = found
        .secret_versions()
        .iter()
        .zip(expected.secret_versions());
    for (found, expected) in both {
        let the = |field: &str| format!("the {field} of version {} of {what}", expected.number());
        if found.digest() != expected.digest() {
            return Err(Broken::new(format!(
                "expected {}, found another",
                the("digest")
            )));
        }
        expect_eq(the("prefix"), &found.prefix(), &expected.prefix())?;
        expect_eq(the("creation"), &found.created_at(), &expected.created_at())?;
        expect_eq(
            the("expiration"),
            &found.retires_at(),
            &expected.retires_at(),
        )?;
        expect_eq(the("recipient"), &found.recipient(), &expected.recipient())?;
        expect_eq(
            the("last use"),
            &found.last_used_at(),
            &expected.last_used_at(),
        )?;
    }
    Ok(())
}

pub(super) fn expect_eq<T: Debug + PartialEq + ?Sized>(
    what: impl Display,
    found: &T,
    expected: &T,
) -> Outcome {
    if found == expected {
        return Ok(());
    }
    let message = format!("{what}: expected {expected:?}, found {found:?}");
    Err(Broken::new(message))
}

fn expect_found(what: &str, found: Option<&KeyRecord>, expected: &KeyRecord) -> Outcome {
    expect_record(what, found.ok_or_else(|| no_key(what))?, expected)
}

/// The records are equal, but one found by a digest may lack the last uses.
pub(super) fn expect_looked_up(what: &str, found: &KeyRecord, expected: &KeyRecord) -> Outcome {
    let mut versions = Vec::new();
    for version in found.secret_versions() {
        let same = expected.secret_version(version.digest());
        let last = same.and_then(SecretVersion::last_used_at);
        if version.last_used_at() > last {
            return expect_record(what, found, expected);
        }
        versions.push(version.clone().with_last_used_at(last));
    }
    expect_record(
        what,
        &found.clone().with_secret_versions(versions),
        expected,
    )
}

fn no_key(what: &str) -> Broken {
    Broken::new(format!("expected {what}, found no key"))
}

fn present(is: bool) -> &'static str {
    if is { "a key" } else { "no key" }
}

/// The error and its sources.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // OK because writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
