//! The keys of the cases, one for each state, and the records that stand for them in a store.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tower_api_key::key::{KeyDigest, KeyPrefix};
use tower_api_key::record::{KeyId, KeyRecord, Revocation, SecretVersion};
use tower_api_key::{Scope, ScopeSet};

use super::case::{Expiry, Setup};

/// Every state that a `{KEY:…}` may name.
pub(crate) const STATES: [&str; 9] = [
    "read", "write", "delete", "all", "none", "expired", "revoked", "unknown", "disabled",
];

/// The time at which the clock of every case stands.
pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// The key of a state. It is the same in every run, so that a failure can be repeated.
///
/// # Panics
///
/// When there is no such state.
pub(crate) fn key(state: &str) -> String {
    assert!(STATES.contains(&state), "no such key state: {state}");
    format!("tc_{}", sha256_hex(&format!("request case: {state}")))
}

/// The lower-case hexadecimal SHA-256 of a text.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// What a log, a panic or a trace must never hold: each key's digits, its base64, and its digest
/// as hexadecimal text and as a list of octets. All in lower case.
pub(crate) fn secrets() -> Vec<String> {
    STATES
        .iter()
        .flat_map(|state| {
            let key = key(state);
            let digest = Sha256::digest(key.as_bytes());
            [
                key["tc_".len()..].to_owned(),
                super::template::base64(key.as_bytes()).to_ascii_lowercase(),
                hex::encode(digest),
                format!("{:?}", digest.as_slice()),
            ]
        })
        .collect()
}

/// The records of all states but `unknown`, changed as the case's setup says.
pub(crate) fn records(setup: &Setup) -> Vec<KeyRecord> {
    STATES
        .iter()
        .filter(|state| **state != "unknown")
        .zip(1..)
        .map(|(state, number)| record(state, number, setup))
        .collect()
}

fn record(state: &str, number: u8, setup: &Setup) -> KeyRecord {
    let scopes = match &setup.record_scopes {
        Some(names) => ScopeSet::from_stored_lossy(names.iter().map(String::as_str)),
        None => scopes(state),
    };
    let created_at = now() - SignedDuration::from_hours(24);
    KeyRecord::new(
        KeyId::from_bytes([number; 16]),
        "acct_42",
        state,
        created_at,
    )
    .with_scopes(scopes)
    .with_expires_at(expires_at(state, setup))
    .with_disabled(state == "disabled")
    .with_revocation(revocation(state, setup))
    .with_secret_versions([version(&key(state), created_at)])
}

/// The secret version of a key's text.
pub(crate) fn version(key: &str, created_at: Timestamp) -> SecretVersion {
    let digest = KeyDigest::from_hex(&sha256_hex(key)).unwrap();
    let prefix: KeyPrefix = key["tc_".len()..][..KeyPrefix::LEN].parse().unwrap();
    SecretVersion::new(1, digest, prefix, created_at)
}

fn scopes(state: &str) -> ScopeSet {
    match state {
        "read" => Scope::READ.into(),
        "write" => Scope::WRITE.into(),
        "delete" => Scope::DELETE.into(),
        "none" => ScopeSet::new(),
        _ => [Scope::READ, Scope::WRITE, Scope::DELETE].into(),
    }
}

fn expires_at(state: &str, setup: &Setup) -> Option<Timestamp> {
    match setup.expiry {
        Expiry::In(seconds) => Some(after(seconds)),
        Expiry::OfState if state == "expired" => Some(after(-3600.0)),
        Expiry::OfState | Expiry::Never => None,
    }
}

fn revocation(state: &str, setup: &Setup) -> Option<Revocation> {
    let revoked_in = match setup.revoked_in_s {
        Some(seconds) => seconds,
        None if setup.also_revoked || state == "revoked" => -60.0,
        None => return None,
    };
    Some(Revocation::new(after(revoked_in), "a request case"))
}

fn after(seconds: f64) -> Timestamp {
    now() + SignedDuration::from_secs_f64(seconds)
}
