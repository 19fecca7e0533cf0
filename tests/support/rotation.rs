//! New secrets for old keys.

use std::time::Duration;

use futures::future::join;
use jiff::Timestamp;
use tower_api_key::Scope;
use tower_api_key::denial::DenialKind;
use tower_api_key::manage::{IssuedKey, ManageErrorKind};
use tower_api_key::record::{KeyChange, SecretVersion};

use super::support::{issue, keys, timed_keys};
use super::{HOUR, start, verdict};

/// The numbers of a key's secret versions.
fn numbers(issued: &IssuedKey) -> Vec<u32> {
    let versions = issued.record.secret_versions().iter();
    versions.map(SecretVersion::number).collect()
}

/// The ends of a key's secret versions.
fn ends(issued: &IssuedKey) -> Vec<Option<Timestamp>> {
    let versions = issued.record.secret_versions().iter();
    versions.map(SecretVersion::retires_at).collect()
}

#[tokio::test]
async fn a_rotation_lets_both_secrets_work_for_the_overlap() {
    let (keys, clock) = timed_keys();
    let old = issue(&keys, Scope::READ).await;
    let id = old.record.id();
    let new = keys.rotate(&id, HOUR).await.unwrap();
    assert_eq!(new.record.id(), id);
    assert_eq!(numbers(&new), [2, 1]);
    assert_eq!(new.record.scopes(), old.record.scopes());
    assert_eq!(new.record.created_at(), start());

    clock.advance(Duration::new(3_599, 999_999_999));
    assert_eq!(verdict(&keys, &old).await, None);
    let identity = keys
        .verifier()
        .verify(old.key.expose_secret())
        .await
        .unwrap();
    assert_eq!(identity.secret_version(), 1);
    assert_eq!(
        identity.secret_retires_at(),
        Some("2026-01-01T01:00:00Z".parse().unwrap())
    );
    assert_eq!(identity.key_prefix(), old.key.prefix());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(verdict(&keys, &old).await, Some(DenialKind::Superseded));
    assert_eq!(verdict(&keys, &new).await, None);
}

#[tokio::test]
async fn a_rotation_without_overlap_ends_the_old_secret_at_once() {
    let (keys, _) = timed_keys();
    let old = issue(&keys, Scope::READ).await;
    let new = keys.rotate(&old.record.id(), Duration::ZERO).await.unwrap();
    assert_eq!(verdict(&keys, &old).await, Some(DenialKind::Superseded));
    assert_eq!(verdict(&keys, &new).await, None);
    assert_eq!(ends(&new), [None, Some(start())]);
}

#[tokio::test]
async fn a_rotation_never_gives_a_secret_a_later_end() {
    let (keys, clock) = timed_keys();
    let first = issue(&keys, Scope::READ).await;
    let id = first.record.id();
    keys.rotate(&id, HOUR).await.unwrap();
    clock.advance(HOUR / 2);
    let third = keys.rotate(&id, Duration::MAX).await.unwrap();
    let after_third = ends(&third);
    let latest = Timestamp::MAX - Duration::from_nanos(999);
    let first_end = "2026-01-01T01:00:00Z".parse().unwrap();
    assert_eq!(after_third, [None, Some(latest), Some(first_end)]);
    let fourth = keys.rotate(&id, Duration::from_secs(60)).await.unwrap();
    let after_fourth = ends(&fourth);
    let minute = Some("2026-01-01T00:31:00Z".parse().unwrap());
    assert_eq!(after_fourth, [None, minute, minute, minute]);
}

#[tokio::test]
async fn eight_secrets_are_kept_and_retired_ones_make_room() {
    let (keys, clock) = timed_keys();
    let first = issue(&keys, Scope::READ).await;
    let id = first.record.id();
    for _ in 1..KeyChange::MAX_SECRET_VERSIONS {
        keys.rotate(&id, HOUR).await.unwrap();
    }
    let before = keys.get(&id).await.unwrap().unwrap();
    assert_eq!(before.secret_versions().len(), 8);
    let error = keys.rotate(&id, HOUR).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::Refused);
    let message = "8 secret versions of the key still work; expected fewer before a rotation";
    assert_eq!(error.to_string(), message);
    assert_eq!(keys.get(&id).await.unwrap(), Some(before));
    assert_eq!(verdict(&keys, &first).await, None);

    clock.advance(HOUR);
    let ninth = keys.rotate(&id, HOUR).await.unwrap();
    assert_eq!(numbers(&ninth), [9, 8, 7, 6, 5, 4, 3, 2]);
    assert_eq!(verdict(&keys, &first).await, Some(DenialKind::Unknown));

    // Without overlap, even eight that work make room: they all end now.
    let tenth = keys.rotate(&id, Duration::ZERO).await.unwrap();
    assert_eq!(tenth.record.secret_versions().len(), 8);
    assert_eq!(verdict(&keys, &ninth).await, Some(DenialKind::Superseded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rotations_at_the_same_time_all_count() {
    for _ in 0..50 {
        let keys = keys();
        let old = issue(&keys, Scope::READ).await;
        let id = old.record.id();
        let rotate = || {
            let keys = keys.clone();
            tokio::spawn(async move { keys.rotate(&id, HOUR).await.unwrap() })
        };
        let (one, two) = join(rotate(), rotate()).await;
        let (one, two) = (one.unwrap(), two.unwrap());
        for issued in [&old, &one, &two] {
            assert_eq!(verdict(&keys, issued).await, None);
        }
        let record = keys.get(&id).await.unwrap().unwrap();
        let numbers: Vec<_> = record
            .secret_versions()
            .iter()
            .map(SecretVersion::number)
            .collect();
        assert_eq!(numbers, [3, 2, 1]);
    }
}
