//! Records that a careless store does not read back as they were.

use jiff::Timestamp;

use super::fixture::{at, digest, id, key, version};
use crate::key::token::KeyPrefix;
use crate::record::key::KeyRecord;
use crate::record::metadata::Metadata;
use crate::record::recipient::Recipient;
use crate::record::revocation::Revocation;
use crate::record::secret::SecretVersion;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;

/// Emoji, combining marks, right-to-left text, four-byte characters, and what means something in
/// SQL, JSON, patterns and keys of Redis.
pub(super) const TEXT: &str = " \u{1f511}\u{1f469}\u{200d}\u{1f52c} \u{e9} e\u{301} \u{5e9}\u{5dc}\u{202e}\u{627} \u{10348} \u{10ffff} '\"\\%_;--/*{}[]:$1?\\u0000 ";

pub(super) const MICROSECOND: Timestamp = Timestamp::constant(1_767_225_600, 123_457_000);

/// One record for each oddity, named; all have ids and digests of their own.
pub(super) fn records() -> Vec<(&'static str, KeyRecord)> {
    vec![
        ("a plain key", key(1)),
        (
            "a key without secret",
            KeyRecord::new(id(2), "o", "n", at(0)),
        ),
        (
            "a second key without secret",
            KeyRecord::new(id(3), "o", "n", at(0)),
        ),
        (
            "a key with odd texts",
            KeyRecord::new(id(4), TEXT, TEXT, at(0)).with_secret_versions([version(1, 4)]),
        ),
        (
            "a key with the longest texts",
            KeyRecord::new(id(5), "\u{1f511}".repeat(64), "\u{e9}".repeat(128), at(0))
                .with_secret_versions([version(1, 5)]),
        ),
        ("a key with 64 scopes", key(6).with_scopes(scopes())),
        (
            "a key with times to the microsecond",
            with_times(9, MICROSECOND),
        ),
        ("a disabled key", key(10).with_disabled(true)),
        ("an expired key", key(11).with_expires_at(Some(at(-1)))),
        (
            "a revoked key",
            key(12).with_revocation(Some(Revocation::new(at(9), reason()))),
        ),
        (
            "a key revoked without a reason",
            key(13)
                .with_disabled(true)
                .with_revocation(Some(Revocation::new(at(9), ""))),
        ),
        ("a key with 8 secrets", with_eight_versions()),
        (
            "a key whose prefix is unknown",
            key(18).with_secret_versions([SecretVersion::new(
                1,
                digest(18),
                KeyPrefix::UNKNOWN,
                at(0),
            )]),
        ),
        (
            "a key with secrets of other keys' holders",
            with_recipients(),
        ),
        ("a key with metadata", key(19).with_metadata(metadata())),
        ("a key after most changes", key(20).with_changes(u32::MAX)),
        (
            "a key with everything that is rare",
            key(21)
                .with_changes(3)
                .with_disabled(true)
                .with_metadata(Metadata::new().with("a", ""))
                .with_revocation(Some(Revocation::new(at(9), "r"))),
        ),
        (
            "a key with great version numbers",
            key(15).with_secret_versions([
                version(7, 15),
                version(1_000, 16),
                version(u32::MAX, 17),
            ]),
        ),
    ]
}

/// A reason of 1,024 bytes.
pub(super) fn reason() -> String {
    let mut reason = TEXT.to_owned();
    while reason.len() < 1_024 {
        reason.push('.');
    }
    reason
}

/// 16 entries of the longest names and values, two of which differ in case only.
pub(super) fn metadata() -> Metadata {
    let value = "\u{1f511}\"\\".chars().cycle();
    let longest = |start: String| format!("{start}{}", "n".repeat(64 - start.len()));
    let names = (0..12).map(|number| longest(number.to_string()));
    let short = ["a", "A", "\u{1f511}'\"\\%_", "__proto__"].map(str::to_owned);
    names
        .chain(short)
        .map(|name| (name, value.clone().take(128).collect::<String>()))
        .collect()
}

/// 64 scopes, with every character that a scope may have and names that differ in case only.
pub(super) fn scopes() -> ScopeSet {
    let allowed = || ('!'..='~').filter(|letter| !matches!(letter, '"' | '\\'));
    let all: String = allowed().collect();
    let longest: String = all.chars().cycle().take(Scope::MAX_LEN).collect();
    let singles = allowed().rev().take(60).map(String::from);
    let names = singles.chain([all, longest, "null".to_owned(), "Read".to_owned()]);
    names.filter_map(|name| Scope::new(name).ok()).collect()
}

fn with_times(number: u64, time: Timestamp) -> KeyRecord {
    let version = version(1, number)
        .with_retires_at(Some(time))
        .with_last_used_at(Some(time));
    KeyRecord::new(id(number), "acct_42", "CI", time)
        .with_expires_at(Some(time))
        .with_revocation(Some(Revocation::new(time, "r")))
        .with_secret_versions([version])
}

fn with_recipients() -> KeyRecord {
    let versions = (1..).zip([
        Recipient::new(ScopeSet::new(), None),
        Recipient::new(scopes(), Some(MICROSECOND)),
    ]);
    let versions = versions.map(|(number, recipient)| {
        version(number, 120 + u64::from(number)).with_recipient(Some(recipient))
    });
    key(22).with_secret_versions(versions)
}

fn with_eight_versions() -> KeyRecord {
    let versions = (1_u32..=8).map(|number| {
        let second = i64::from(number);
        let retires = (number < 8).then(|| at(1_000 - second));
        version(number, 100 + u64::from(number))
            .with_retires_at(retires)
            .with_last_used_at((number % 2 == 0).then(|| at(second)))
    });
    key(14).with_secret_versions(versions)
}
