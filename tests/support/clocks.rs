//! Clocks that are unset, broken, set by hand, or step back.

use std::time::Duration;

use jiff::Timestamp;
use tower_api_key::Scope;
use tower_api_key::clock::{Clock, ManualClock, SystemClock};
use tower_api_key::denial::DenialKind;

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

/// For keys and for secrets, and whatever the verifier has answered before.
#[tokio::test]
async fn expiration_follows_the_clock_forwards_and_back() {
    let (keys, clock) = timed_keys();
    let hour = expiring(&keys, HOUR).await;
    let rotated = issue(&keys, Scope::READ).await;
    keys.rotate(&rotated.record.id(), HOUR).await.unwrap();
    let verifier = keys.verifier();
    for _ in 0..3 {
        clock.advance(HOUR);
        let expired = verdict(&verifier, hour.key.expose_secret()).await;
        assert_eq!(expired, Err(DenialKind::Expired));
        let superseded = verdict(&verifier, rotated.key.expose_secret()).await;
        assert_eq!(superseded, Err(DenialKind::Superseded));
        clock.step_back(Duration::from_nanos(1));
        for valid in [&hour, &rotated] {
            assert_eq!(verdict(&verifier, valid.key.expose_secret()).await, Ok(1));
        }
        clock.set(Timestamp::MAX);
        let expired = verdict(&verifier, hour.key.expose_secret()).await;
        assert_eq!(expired, Err(DenialKind::Expired));
        clock.set(START.parse().unwrap());
    }
}

#[tokio::test]
async fn an_expiration_does_not_count_for_another_a_microsecond_later() {
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
