//! Who changes keys, when and why, and what must still hold; metadata, and counts of uses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use support::changes::batch;
use support::{START, issue, keys, timed_keys};
use tower_api_key::key::KeyFormat;
use tower_api_key::manage::{LegacyKey, ManageErrorKind};
use tower_api_key::record::{AuditEntry, KeyId, KeyUpdate, Metadata, Revocation};
use tower_api_key::store::{AuditPageRequest, KeyUse, PageRequest, UsageBucket, UsageStore};
use tower_api_key::{ApiKey, NewKey, Scope};

const HOUR: Duration = Duration::from_secs(3_600);

fn start() -> Timestamp {
    START.parse().unwrap()
}

fn told(entry: &AuditEntry) -> (String, &str, &str, &str) {
    let action = entry.action().to_string();
    (action, entry.actor(), entry.reason(), entry.detail())
}

#[tokio::test]
async fn every_change_leaves_who_what_when_and_why() {
    let (keys, clock) = timed_keys();
    let new = NewKey::new("acct_42", "CI \"1\"")
        .with_scopes([Scope::READ, Scope::WRITE])
        .expires_in(HOUR)
        .with_metadata(Metadata::new().with("team", "payments"));
    let jane = keys.acting_as("support:jane");
    let issued = jane.because("ticket 1").issue(new).await.unwrap();
    let id = issued.record.id();
    clock.advance(Duration::from_secs(1));
    let update = KeyUpdate::new()
        .with_name("Reporting")
        .with_scopes([Scope::READ, Scope::WRITE])
        .with_expires_at(None)
        .with_metadata(Metadata::new());
    keys.update(&id, update).await.unwrap();
    let rotated = keys.rotate(&id, HOUR).await.unwrap();
    let prefix = rotated.key.prefix();
    keys.disable(&id).await.unwrap();
    keys.enable(&id).await.unwrap();
    keys.revoke(&id, "leaked").await.unwrap();
    keys.revoke(&id, "again").await.unwrap();
    jane.because("cleaning up").delete(&id).await.unwrap();

    let trail = keys.audit("acct_42", &AuditPageRequest::default()).await;
    let trail = trail.unwrap();
    let mut entries: Vec<_> = trail.entries().iter().rev().map(told).collect();
    assert_eq!(entries.len(), 7);
    let rotation = format!(
        "{{\"version\":2,\"prefix\":\"{prefix}\",\
         \"others_retire_at\":\"2026-01-01T01:00:01Z\"}}"
    );
    assert_eq!(
        entries.remove(2),
        ("rotated".into(), "application", "", &*rotation)
    );
    assert_eq!(
        entries,
        [
            (
                "issued".into(),
                "support:jane",
                "ticket 1",
                r#"{"name":"CI \"1\"","scopes":["read","write"],"expires_at":"2026-01-01T01:00:00Z","metadata":{"team":"payments"}}"#
            ),
            (
                "updated".into(),
                "application",
                "",
                r#"{"name":{"from":"CI \"1\"","to":"Reporting"},"expires_at":{"from":"2026-01-01T01:00:00Z","to":null},"metadata":{"from":{"team":"payments"},"to":{}}}"#
            ),
            ("disabled".into(), "application", "", "{}"),
            ("enabled".into(), "application", "", "{}"),
            ("revoked".into(), "application", "leaked", "{}"),
            ("deleted".into(), "support:jane", "cleaning up", "{}"),
        ]
    );
    let first = trail.entries().last().unwrap();
    assert_eq!(
        (first.at(), first.key_id(), first.owner()),
        (start(), id, "acct_42")
    );
    let shown = format!("{trail:?}");
    let digest = hex::encode(issued.record.secret_versions()[0].digest().as_bytes());
    assert!(!shown.contains(&digest) && !shown.contains(&issued.key.expose_secret()[11..]));
}

#[tokio::test]
async fn a_change_of_another_revision_is_not_made() {
    let keys = keys();
    let seen = issue(&keys, Scope::READ).await.record;
    let id = seen.id();
    let mine = keys.if_revision(seen.revision());
    let after = keys.disable(&id).await.unwrap();
    assert_eq!(after.revision(), seen.revision() + 1);
    assert_eq!(
        keys.disable(&id).await.unwrap().revision(),
        after.revision()
    );
    for result in [
        mine.update(&id, KeyUpdate::new().with_name("x"))
            .await
            .map(drop),
        mine.rotate(&id, HOUR).await.map(drop),
        mine.enable(&id).await.map(drop),
        mine.revoke(&id, "").await.map(drop),
        mine.delete(&id).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ManageErrorKind::RevisionMismatch);
        let message = "the key has another revision than expected";
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(keys.get(&id).await.unwrap(), Some(after.clone()));
    mine.issue(NewKey::new("acct_42", "another")).await.unwrap();
    let mine = keys.if_revision(after.revision());
    assert!(!mine.enable(&id).await.unwrap().is_disabled());
}

#[tokio::test]
async fn a_stale_revision_is_a_mismatch_for_a_key_that_changes_others_too() {
    let keys = keys();
    let maker = issue(&keys, [Scope::READ, Scope::WRITE]).await;
    let maker = keys.verifier().verify(maker.key.expose_secret()).await;
    let seen = issue(&keys, Scope::READ).await.record;
    let id = seen.id();
    let mine = keys.on_behalf_of(&maker.unwrap());
    let stale = mine.if_revision(seen.revision());
    let after = keys.disable(&id).await.unwrap();
    let trail = async || {
        let page = keys.audit("acct_42", &AuditPageRequest::default()).await;
        page.unwrap().entries().to_vec()
    };
    let before = trail().await;
    for result in [
        stale
            .update(&id, KeyUpdate::new().with_name("x"))
            .await
            .map(drop),
        stale.rotate(&id, HOUR).await.map(drop),
        stale.enable(&id).await.map(drop),
        stale.revoke(&id, "").await.map(drop),
        stale.delete(&id).await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ManageErrorKind::RevisionMismatch);
    }
    assert_eq!(keys.get(&id).await.unwrap(), Some(after.clone()));
    assert_eq!(trail().await, before);
    // The revision alone was wrong.
    let fresh = mine.if_revision(after.revision());
    assert!(!fresh.enable(&id).await.unwrap().is_disabled());
}

#[tokio::test]
async fn an_idempotency_key_issues_one_key_of_its_owner() {
    let keys = keys();
    let new = |owner: &str, sent: &[u8]| NewKey::new(owner, "CI").with_idempotency_key(sent);
    let first = keys.issue(new("acct_42", b"1")).await.unwrap();
    let error = keys.issue(new("acct_42", b"1")).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::AlreadyIssued);
    assert_eq!(error.key_id(), Some(first.record.id()));
    let id = first.record.id();
    let message = format!("expected a new idempotency key, found that of {id}");
    assert_eq!(error.to_string(), message);
    for (owner, sent) in [
        ("acct_42", &b"2"[..]),
        ("acct_4", b"21"),
        ("acct_421", b""),
        ("acct_7", b"1"),
    ] {
        keys.issue(new(owner, sent)).await.unwrap();
    }
    assert_eq!(keys.store().len(), 5);

    let racing = (0..8).map(|_| keys.issue(new("acct_42", b"3")));
    let issued = join_all(racing).await;
    assert_eq!(issued.iter().filter(|one| one.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_owner_has_no_more_keys_than_allowed() {
    let keys = keys();
    let new = || NewKey::new("acct_42", "CI").with_max_keys_of_owner(2);
    let first = keys.issue(new()).await.unwrap().record.id();
    keys.issue(new()).await.unwrap();
    let error = keys.issue(new()).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::TooManyKeys);
    assert_eq!(
        error.to_string(),
        "the owner already has 2 keys, the most allowed"
    );
    assert_eq!(error.key_id(), None);
    keys.revoke(&first, "").await.unwrap();
    keys.issue(new()).await.unwrap();
    let all = keys.list("acct_42", &PageRequest::default()).await.unwrap();
    assert_eq!(all.keys().len(), 3);
}

#[tokio::test]
async fn texts_out_of_their_bounds_are_refused() {
    let keys = keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    let entries = |count: usize| (0..count).map(|one| (one.to_string(), "")).collect();
    let one = |name: &str, value: &str| Metadata::new().with(name, value);
    let (longest, value) = ("n".repeat(64), "v".repeat(256));
    for metadata in [entries(16), one(&longest, &value)] {
        let new = NewKey::new("acct_42", "CI").with_metadata(metadata.clone());
        let record = keys.issue(new).await.unwrap().record;
        assert_eq!(record.metadata(), &metadata);
    }
    for (metadata, message) in [
        (
            entries(17),
            "expected metadata of at most 16 entries, found 17",
        ),
        (
            one("", "v"),
            "expected a name in metadata, found an empty text",
        ),
        (
            one(&"n".repeat(65), ""),
            "expected a name in metadata of at most 64 octets, found 65",
        ),
        (
            one("n", &"v".repeat(257)),
            "expected a value in metadata of at most 256 octets, found 257",
        ),
        (
            one("a\nb", ""),
            "expected a name in metadata without control characters",
        ),
        (
            one("a", "\u{0}"),
            "expected a value in metadata without control characters",
        ),
    ] {
        let new = NewKey::new("acct_42", "CI").with_metadata(metadata.clone());
        let update = KeyUpdate::new().with_metadata(metadata.clone());
        for result in [
            keys.issue(new).await.map(drop),
            keys.update(&id, update).await.map(drop),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
            assert_eq!(error.to_string(), message);
        }
        let row = LegacyKey::from_hex("acct_42", "CI", &"0".repeat(64))
            .with_format("tc_")
            .with_metadata(metadata);
        let report = keys.import([row]).await.unwrap();
        assert_eq!(report.refused()[0].to_string(), format!("key 0: {message}"));
    }
    let reason = "r".repeat(1_025);
    for (manager, message) in [
        (keys.acting_as(""), "expected an actor, found an empty text"),
        (
            keys.acting_as(&"a".repeat(257)),
            "expected an actor of at most 256 octets, found 257",
        ),
        (
            keys.because(&reason),
            "expected a reason of at most 1024 octets, found 1025",
        ),
    ] {
        for result in [
            manager.issue(NewKey::new("acct_42", "CI")).await.map(drop),
            manager.disable(&id).await.map(drop),
            manager.import([]).await.map(drop),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
            assert_eq!(error.to_string(), message);
        }
    }
    assert!(!keys.get(&id).await.unwrap().unwrap().is_disabled());
}

/// A key of the manager's formats, by itself and within more text, is stored nowhere.
#[tokio::test]
async fn text_that_looks_like_an_api_key_is_rejected() {
    let (keys, _) = timed_keys();
    let acme = KeyFormat::new("acme_").unwrap().with_checksum();
    let keys = keys.with_formats([KeyFormat::default(), acme]).unwrap();
    let id = issue(&keys, Scope::READ).await.record.id();
    let stored = async || {
        let listed = keys.list("acct_42", &PageRequest::default()).await;
        let trail = keys.audit("acct_42", &AuditPageRequest::default()).await;
        format!("{:?} {:?}", listed.unwrap(), trail.unwrap())
    };
    let before = stored().await;
    let plain = |format| {
        let key = ApiKey::generate(&format).unwrap();
        key.expose_secret().to_owned()
    };
    for key in [plain(KeyFormat::default()), plain(acme)] {
        for text in [key.clone(), format!("é {key}…"), format!("tc_{key}0")] {
            let new = || NewKey::new("acct_42", "CI");
            let named = || Metadata::new().with("n", &*text);
            let naming = || Metadata::new().with(&*text, "v");
            let row = |owner: &str, name: &str| {
                LegacyKey::from_hex(owner, name, &"0".repeat(64)).with_format("tc_")
            };
            let revocation = Revocation::new(start(), &*text);
            let update = KeyUpdate::new;
            for (field, result) in [
                (
                    "name",
                    keys.issue(NewKey::new("acct_42", &*text)).await.map(drop),
                ),
                (
                    "owner",
                    keys.issue(NewKey::new(&*text, "CI")).await.map(drop),
                ),
                (
                    "metadata",
                    keys.issue(new().with_metadata(named())).await.map(drop),
                ),
                (
                    "metadata",
                    keys.issue(new().with_metadata(naming())).await.map(drop),
                ),
                (
                    "name",
                    keys.update(&id, update().with_name(&*text)).await.map(drop),
                ),
                (
                    "metadata",
                    keys.update(&id, update().with_metadata(named()))
                        .await
                        .map(drop),
                ),
                ("reason", keys.revoke(&id, &text).await.map(drop)),
                (
                    "reason",
                    keys.because(&text).revoke(&id, "").await.map(drop),
                ),
                ("reason", keys.because(&text).issue(new()).await.map(drop)),
                (
                    "reason",
                    keys.because(&text).rotate(&id, HOUR).await.map(drop),
                ),
                ("reason", keys.because(&text).import([]).await.map(drop)),
                ("actor", keys.acting_as(&text).delete(&id).await.map(drop)),
                ("actor", keys.acting_as(&text).import([]).await.map(drop)),
            ] {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ManageErrorKind::InvalidInput);
                assert_eq!(error.field(), Some(field));
                assert_eq!(error.to_string(), format!("{field} looks like an API key"));
                assert!(!format!("{error:?}").contains(&key[5..]));
            }
            for (field, row) in [
                ("name", row("acct_42", &text)),
                ("owner", row(&text, "CI")),
                ("metadata", row("acct_42", "CI").with_metadata(named())),
                (
                    "reason",
                    row("acct_42", "CI").with_revocation(Some(revocation)),
                ),
            ] {
                let report = keys.import([row]).await.unwrap();
                assert!(!format!("{report:?}").contains(&key[5..]));
                let told = report.refused()[0].to_string();
                assert_eq!(told, format!("key 0: {field} looks like an API key"));
            }
        }
    }
    assert_eq!(stored().await, before);
    // Parts of a key, and keys of formats that are not configured, are text like any other.
    let other = plain(KeyFormat::new("other_").unwrap());
    for name in ["tc_", "tc_89abcdef", &other] {
        keys.issue(NewKey::new("acct_42", name)).await.unwrap();
    }
}

#[tokio::test]
async fn an_import_has_an_actor_and_metadata() {
    let keys = keys();
    let digest = "1".repeat(64);
    let metadata = Metadata::new().with("old_id", "7");
    let row = LegacyKey::from_hex("acct_42", "CI", &digest)
        .with_format("tc_")
        .with_metadata(metadata.clone());
    let importer = keys.acting_as("migration").because("moving");
    assert_eq!(importer.import([row]).await.unwrap().imported(), 1);
    let page = keys.list("acct_42", &PageRequest::default()).await.unwrap();
    assert_eq!(page.keys()[0].metadata(), &metadata);
    let trail = keys.audit("acct_42", &AuditPageRequest::default()).await;
    let trail = trail.unwrap();
    let (action, actor, reason, _) = told(&trail.entries()[0]);
    assert_eq!((&*action, actor, reason), ("issued", "migration", "moving"));
}

#[tokio::test]
async fn the_usage_of_a_key_is_told() {
    let keys = keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    let used = KeyUse::new(id, 1, start()).with_allowed(3).with_refused(2);
    keys.store().record_usage(&batch([used])).await.unwrap();
    let always = || Timestamp::MIN..Timestamp::MAX;
    let expected = [UsageBucket::new(start(), 1, 3, 2)];
    assert_eq!(keys.usage(&id, always()).await.unwrap(), expected);
    let nobody = KeyId::from_bytes([7; 16]);
    assert_eq!(keys.usage(&nobody, always()).await.unwrap(), []);
}

#[test]
fn most_of_a_key_looks_like_a_key() {
    let (keys, _) = timed_keys();
    let key = format!("tc_{}", "0123456789abcdef".repeat(4));
    let half = &key[..3 + 32];
    for text in [
        key.clone(),
        key[..key.len() - 1].to_owned(),
        key.to_uppercase(),
        format!("key of CI: {half}, revoke it"),
    ] {
        assert!(keys.looks_like_key(&text), "{text}");
    }
    let digest = "0123456789abcdef".repeat(4);
    for text in [&key[..3 + 31], "tc_01234567", &*digest, "tc_", ""] {
        assert!(!keys.looks_like_key(text), "{text}");
    }
    // A checksum tells nothing that is secret.
    let format = KeyFormat::new("acme_").unwrap().with_checksum();
    let keys = keys.with_format(format);
    let key = ApiKey::generate(&format).unwrap();
    let secret = &key.expose_secret()[..key.expose_secret().len() - 8];
    assert!(keys.looks_like_key(secret));
}
