//! Calls of a store, and what is expected of them.

use std::error::Error;
use std::fmt::{Debug, Display, Write};
use std::sync::Arc;

use super::fixture::{MARK, another_writer, context};
use super::rule::{Broken, Outcome};
use crate::key::digest::KeyDigest;
use crate::record::change::KeyChange;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::error::{StoreError, StoreErrorKind};
use crate::store::page::PageRequest;
use crate::store::registry::KeyRegistry;
use crate::store::usage::{KeyUse, UsageBatch};

pub(super) async fn insert(store: &dyn KeyRegistry, record: &KeyRecord) -> Outcome {
    let answer = store.insert(record.clone(), &context()).await;
    let inserted = succeeded("an insert", answer)?;
    expect_record("the answer to an insert", &inserted, record)
}

/// Notes uses, as a writer that nobody has heard of.
pub(super) async fn note(store: &dyn KeyRegistry, uses: &[KeyUse]) -> Outcome {
    let batch = UsageBatch::new(another_writer(), 1, uses.iter().cloned());
    send(store, &batch).await
}

pub(super) async fn send(store: &dyn KeyRegistry, batch: &UsageBatch) -> Outcome {
    succeeded("a note of uses", store.record_usage(batch).await)
}

/// What both ways to find a key answer.
pub(super) async fn find(
    store: &dyn KeyRegistry,
    digest: &KeyDigest,
) -> Outcome<Option<Arc<KeyRecord>>> {
    let at_once = store.find_now(digest).transpose();
    let at_once = succeeded("`find_now`", at_once)?;
    let found = succeeded("`find`", store.find(digest).await)?;
    match (&at_once, &found) {
        (None, _) | (Some(None), None) => {}
        (Some(Some(at_once)), Some(found)) => {
            expect_looked_up("what `find_now` finds and `find` does", at_once, found)?;
        }
        (Some(at_once), _) => {
            let [at_once, found] = [at_once, &found].map(|one| present(one.is_some()));
            let message =
                format!("expected `find_now` to answer {found} as `find`, found {at_once}");
            return Err(Broken::new(message));
        }
    }
    Ok(found)
}

pub(super) async fn get(store: &dyn KeyRegistry, id: KeyId) -> Outcome<Option<Arc<KeyRecord>>> {
    succeeded("`get`", store.get(&id).await)
}

/// Every key of an owner.
pub(super) async fn list(store: &dyn KeyRegistry, owner: &str) -> Outcome<Vec<Arc<KeyRecord>>> {
    let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
    let mut keys = Vec::new();
    loop {
        let part = succeeded("`list`", store.list(owner, &page).await)?;
        keys.extend_from_slice(part.keys());
        match part.next() {
            Some(next) if page.cursor().is_none_or(|cursor| cursor < next) => {
                page = page.after(next);
            }
            Some(_) => return Err(Broken::new("expected a later page, found its cursor again")),
            None => return Ok(keys),
        }
    }
}

/// The record is what its id, each of its digests and its owner's list give; by its digests, the
/// last uses may be older ones.
pub(super) async fn expect_stored(
    store: &dyn KeyRegistry,
    what: &str,
    expected: &KeyRecord,
) -> Outcome {
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
pub(super) async fn expect_absent(
    store: &dyn KeyRegistry,
    what: &str,
    record: &KeyRecord,
) -> Outcome {
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
pub(super) async fn expect_unknown(
    store: &dyn KeyRegistry,
    what: &str,
    digest: &KeyDigest,
) -> Outcome {
    let found = find(store, digest).await?;
    expect_eq(format!("{what}, by a digest"), &found, &None)
}

/// The change does what [`KeyChange::applied_to`] says, and all look-ups show it. Returns the
/// record after it.
pub(super) async fn expect_change(
    store: &dyn KeyRegistry,
    before: &KeyRecord,
    change: &KeyChange,
) -> Outcome<KeyRecord> {
    let answer = store.apply(&before.id(), change, &context()).await;
    match change.applied_to(before) {
        Ok(Some(after)) => {
            let answer = succeeded(change, answer)?;
            expect_record(&format!("the answer to {change:?}"), &answer, &after)?;
            expect_stored(store, &format!("the key after {change:?}"), &after).await?;
            for gone in before.secret_versions() {
                if after.secret_version(gone.digest()).is_none() {
                    expect_unknown(store, "a secret that was dropped", gone.digest()).await?;
                }
            }
            Ok(after)
        }
        Ok(None) => {
            let answer = succeeded(change, answer)?;
            expect_record("the answer to a deletion", &answer, before)?;
            expect_absent(store, "a deleted key", before).await?;
            Ok(before.clone())
        }
        Err(refused) => {
            expect_error(change, answer, StoreErrorKind::Refused(refused))?;
            let what = format!("the key after a refused {change:?}");
            expect_stored(store, &what, before).await?;
            Ok(before.clone())
        }
    }
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

/// The call failed with an error of this kind, which tells no digest.
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
    let told = format!("{} {error:?}", chain(&error)).to_lowercase();
    let hex = hex::encode(&MARK[..4]);
    let decimal = format!("{:?}", &MARK[..4]);
    if [hex.as_str(), decimal.trim_matches(['[', ']'])]
        .iter()
        .any(|digest| told.contains(digest))
    {
        let message = format!("expected an error without digests for {what:?}, found one: {told}");
        return Err(Broken::new(message));
    }
    Ok(())
}

/// The records are equal; a difference is told by its field.
pub(super) fn expect_record(what: &str, found: &KeyRecord, expected: &KeyRecord) -> Outcome {
    let the = |field: &str| format!("the {field} of {what}");
    expect_eq(the("id"), &found.id(), &expected.id())?;
    expect_eq(the("owner"), found.owner(), expected.owner())?;
    expect_eq(the("name"), found.name(), expected.name())?;
    expect_eq(the("scopes"), found.scopes(), expected.scopes())?;
    expect_eq(the("creation"), &found.created_at(), &expected.created_at())?;
    expect_eq(the("end"), &found.expires_at(), &expected.expires_at())?;
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
        expect_eq(the("end"), &found.retires_at(), &expected.retires_at())?;
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

/// The records are equal, but that the one which was found by a digest may lack late uses: they
/// are not told to caches.
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
