//! Clocks that are unset, broken, set by hand, or step back.

use std::time::Duration;

use jiff::Timestamp;
use tower_api_key::Scope;
use tower_api_key::clock::{Clock, ManualClock, SystemClock};
use tower_api_key::denial::DenialKind;
use tower_api_key::record::KeyUpdate;

use super::support::{START, UNKNOWN, issue, keys, timed_keys};
use super::{HOUR, expiring, verdict};

#[tokio::test]
async fn a_clock_before_1970_judges_no_end() {
    let (keys, clock) = timed_keys();
    let (endless, ending) = (issue(&keys, Scope::READ).await, expiring(&keys, HOUR).await);
    let rotated = issue(&keys, Scope::READ).await;
    let new = keys.rotate(&rotated.record.id(), HOUR).await.unwrap();
    let verifier = keys.verifier();
    let earlier = Timestamp::UNIX_EPOCH - Duration::from_nanos(1);
    for unset in [Timestamp::MIN, earlier] {
        clock.set(unset);
        assert_eq!(verdict(&verifier, endless.key.expose_secret()).await, Ok(1));
        assert_eq!(verdict(&verifier, new.key.expose_secret()).await, Ok(2));
        for judged in [&ending, &rotated] {
            let denial = verifier
                .verify(judged.key.expose_secret())
                .await
                .unwrap_err();
            assert_eq!(denial.kind(), DenialKind::ClockUnset);
            assert_eq!(denial.key_id(), Some(judged.record.id()));
            assert_eq!(denial.to_string(), "the clock reads before 1970");
        }
        assert_eq!(verdict(&verifier, UNKNOWN).await, Err(DenialKind::Unknown));
    }
    keys.revoke(&ending.record.id(), "").await.unwrap();
    assert_eq!(
        verdict(&verifier, ending.key.expose_secret()).await,
        Err(DenialKind::Revoked)
    );
    clock.set(Timestamp::UNIX_EPOCH);
    assert_eq!(verdict(&verifier, rotated.key.expose_secret()).await, Ok(1));
}

/// A key without an end works whatever the clock says, or does.
#[tokio::test]
async fn the_clock_is_read_only_for_a_key_with_an_end() {
    struct Broken;

    impl Clock for Broken {
        fn now(&self) -> Timestamp {
            panic!("the clock was read")
        }
    }

    let keys = keys();
    let key = issue(&keys, Scope::READ).await.key;
    let verifier = keys.verifier().with_clock(Broken);
    assert_eq!(verdict(&verifier, key.expose_secret()).await, Ok(1));
}

#[tokio::test]
async fn a_clock_that_steps_back_revives_no_key() {
    let (keys, clock) = timed_keys();
    let (hour, day) = (
        expiring(&keys, HOUR).await,
        expiring(&keys, HOUR * 24).await,
    );
    let minute = expiring(&keys, HOUR / 60).await;
    let verifier = keys.verifier();
    let copy = verifier.clone();
    clock.advance(HOUR);
    assert_eq!(
        verdict(&verifier, hour.key.expose_secret()).await,
        Err(DenialKind::Expired)
    );
    clock.step_back(HOUR);
    // What was refused stays refused; what was not has an end that lies ahead again.
    for verifier in [&verifier, &copy] {
        assert_eq!(
            verdict(verifier, hour.key.expose_secret()).await,
            Err(DenialKind::Expired)
        );
        for unused in [&minute, &day] {
            assert_eq!(verdict(verifier, unused.key.expose_secret()).await, Ok(1));
        }
    }
    // Another verifier knows nothing of it.
    assert_eq!(
        verdict(&keys.verifier(), hour.key.expose_secret()).await,
        Ok(1)
    );
    let later = KeyUpdate::new().with_expires_at(Some(clock.now() + HOUR * 2));
    keys.update(&hour.record.id(), later).await.unwrap();
    assert_eq!(verdict(&verifier, hour.key.expose_secret()).await, Ok(1));
}

#[tokio::test]
async fn a_clock_that_steps_back_revives_no_superseded_secret() {
    let (keys, clock) = timed_keys();
    let (one, two) = (
        issue(&keys, Scope::READ).await,
        issue(&keys, Scope::READ).await,
    );
    let new = keys.rotate(&one.record.id(), HOUR).await.unwrap();
    keys.rotate(&two.record.id(), HOUR).await.unwrap();
    let verifier = keys.verifier();
    clock.advance(HOUR);
    let superseded = Err(DenialKind::Superseded);
    assert_eq!(
        verdict(&verifier, one.key.expose_secret()).await,
        superseded
    );
    clock.step_back(HOUR);
    assert_eq!(
        verdict(&verifier, one.key.expose_secret()).await,
        superseded
    );
    assert_eq!(verdict(&verifier, new.key.expose_secret()).await, Ok(2));
    assert_eq!(verdict(&verifier, two.key.expose_secret()).await, Ok(1));
}

/// Even where an end far ahead was enforced by mistake.
#[tokio::test]
async fn a_clock_that_ran_ahead_and_was_set_right_costs_only_the_keys_that_were_sent() {
    let (keys, clock) = timed_keys();
    let year = expiring(&keys, HOUR * 24 * 365).await;
    let month = expiring(&keys, HOUR * 24 * 30).await;
    let verifier = keys.verifier();
    clock.set(Timestamp::MAX);
    let expired = Err(DenialKind::Expired);
    assert_eq!(verdict(&verifier, year.key.expose_secret()).await, expired);
    clock.set(START.parse().unwrap());
    assert_eq!(verdict(&verifier, year.key.expose_secret()).await, expired);
    assert_eq!(verdict(&verifier, month.key.expose_secret()).await, Ok(1));
    let fresh = expiring(&keys, HOUR * 24 * 90).await;
    assert_eq!(verdict(&verifier, fresh.key.expose_secret()).await, Ok(1));
}

#[tokio::test]
async fn a_clock_that_ran_ahead_and_was_set_right_ends_no_later_key() {
    let (keys, clock) = timed_keys();
    let (hour, day) = (
        expiring(&keys, HOUR).await,
        expiring(&keys, HOUR * 24).await,
    );
    let verifier = keys.verifier();
    clock.set(Timestamp::MAX);
    assert_eq!(
        verdict(&verifier, hour.key.expose_secret()).await,
        Err(DenialKind::Expired)
    );
    clock.set(START.parse().unwrap());
    assert_eq!(verdict(&verifier, day.key.expose_secret()).await, Ok(1));
}

#[tokio::test]
async fn an_end_is_not_enforced_early_for_another_end_a_microsecond_before() {
    let (keys, clock) = timed_keys();
    let first = expiring(&keys, Duration::from_micros(1)).await;
    let second = expiring(&keys, Duration::from_micros(2)).await;
    let verifier = keys.verifier();
    clock.advance(Duration::from_nanos(1_500));
    assert_eq!(
        verdict(&verifier, first.key.expose_secret()).await,
        Err(DenialKind::Expired)
    );
    assert_eq!(verdict(&verifier, second.key.expose_secret()).await, Ok(1));
}

#[test]
fn clocks_tell_the_time() {
    let before = Timestamp::now();
    let now = SystemClock::new().now();
    assert!(before <= now && now <= Timestamp::now());
    let clock = ManualClock::at(Timestamp::MAX);
    clock.advance(HOUR);
    assert_eq!(clock.now(), Timestamp::MAX);
    clock.step_back(Duration::MAX);
    assert_eq!(clock.now(), Timestamp::MIN);
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), Timestamp::MAX);
}
