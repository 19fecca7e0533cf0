//! Advice on a key, at the edges of each rule.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use support::changes::batch;
use support::{issue, timed_keys};
use tower_api_key::key::{KeyDigest, KeyPrefix};
use tower_api_key::manage::{Advice, AdvicePolicy, ManageErrorKind, advise};
use tower_api_key::record::{KeyId, KeyRecord, Revocation, SecretVersion};
use tower_api_key::store::{KeyUse, UsageBucket, UsageStore};
use tower_api_key::{Scope, ScopeSet};

const NOW: &str = "2026-03-01T12:34:56Z";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The smallest step of a record's times.
const STEP: SignedDuration = SignedDuration::from_micros(1);

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The last whole hour.
fn last_hour() -> Timestamp {
    "2026-03-01T11:00:00Z".parse().unwrap()
}

fn version(number: u32, created_at: Timestamp) -> SecretVersion {
    let digest = KeyDigest::from_bytes([u8::try_from(number).unwrap(); 32]);
    SecretVersion::new(number, digest, KeyPrefix::UNKNOWN, created_at)
}

/// A key of a year, in use, that expires in a year: nothing to advise.
fn quiet() -> KeyRecord {
    let created_at = now() - DAY * 365;
    KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", created_at)
        .with_expires_at(Some(now() + DAY * 365))
        .with_secret_versions([version(1, created_at).with_last_used_at(Some(now() - HOUR))])
}

#[track_caller]
fn assert_advice(record: &KeyRecord, usage: &[UsageBucket], expected: &[Advice]) {
    let found = advise(record, usage, now(), &AdvicePolicy::new());
    assert_eq!(found, expected);
}

/// Requests of the hour that many hours before the last whole one.
fn bucket(hours_before: i32, version: u32, allowed: u64, refused: u64) -> UsageBucket {
    let hour = last_hour() - HOUR * hours_before;
    UsageBucket::new(hour, version, allowed, refused)
}

#[test]
fn a_quiet_key_needs_no_advice_and_one_that_does_not_work_gets_none() {
    assert_advice(&quiet(), &[], &[]);
    let eternal = quiet().with_expires_at(None);
    assert_advice(&eternal, &[], &[Advice::NoExpiration]);
    let revocation = Revocation::new(now(), "leaked");
    for record in [
        eternal.clone().with_revocation(Some(revocation)),
        eternal.with_disabled(true),
        quiet().with_expires_at(Some(now())),
    ] {
        assert_advice(&record, &[bucket(0, 1, 1_000_000, 0)], &[]);
    }
}

#[test]
fn a_key_that_was_never_used_is_told_after_two_weeks() {
    let unused = |created_at| {
        KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", created_at)
            .with_expires_at(Some(now() + DAY * 365))
            .with_secret_versions([version(1, created_at)])
    };
    let since = now() - DAY * 14;
    assert_advice(&unused(since + STEP), &[], &[]);
    assert_advice(&unused(since), &[], &[Advice::NeverUsed { since }]);
    // A version that a rotation dropped was used.
    assert_advice(&unused(since), &[bucket(5, 7, 1, 0)], &[]);
    let policy = AdvicePolicy::new().with_unused_after(Duration::MAX);
    assert_eq!(advise(&unused(since), &[], now(), &policy), []);
}

#[test]
fn a_key_is_idle_90_days_after_its_last_use() {
    let used = |at: Timestamp| {
        let version = version(1, at).with_last_used_at(Some(at));
        quiet().with_secret_versions([version])
    };
    let since = now() - DAY * 90;
    assert_advice(&used(since + STEP), &[], &[]);
    assert_advice(&used(since), &[], &[Advice::Idle { since }]);
    assert_advice(&used(since), &[bucket(5, 1, 0, 1)], &[]);
    let policy = AdvicePolicy::new().with_idle_after(Duration::from_secs(91 * 86_400));
    assert_eq!(advise(&used(since), &[], now(), &policy), []);
}

#[test]
fn an_end_is_soon_for_two_weeks() {
    let at = now() + DAY * 14;
    assert_advice(&quiet().with_expires_at(Some(at + STEP)), &[], &[]);
    let soon = quiet().with_expires_at(Some(at));
    assert_advice(&soon, &[], &[Advice::ExpiresSoon { at }]);
    let policy = AdvicePolicy::new().with_expiry_lead(Duration::MAX);
    assert_eq!(
        advise(&soon, &[], now(), &policy),
        [Advice::ExpiresSoon { at }]
    );
}

#[test]
fn a_superseded_secret_is_in_use_when_it_was_used_after_the_rotation() {
    let rotated_at = now() - DAY;
    let retires_at = now() + DAY;
    let record = |used_at, retires_at| {
        let old = version(1, now() - DAY * 365)
            .with_retires_at(Some(retires_at))
            .with_last_used_at(Some(used_at));
        quiet().with_secret_versions([old, version(2, rotated_at)])
    };
    assert_advice(&record(rotated_at, retires_at), &[], &[]);
    let last_used_at = rotated_at + STEP;
    let expected = Advice::SupersededSecretInUse {
        secret_version: 1,
        last_used_at,
        retires_at,
    };
    assert_advice(&record(last_used_at, retires_at), &[], &[expected]);
    // It is refused already.
    assert_advice(&record(last_used_at, now()), &[], &[]);
}

/// The advice on a quiet key with these scopes, after scopes were used in these hours.
fn unused(held: &str, uses: &[(&str, Timestamp)], policy: &AdvicePolicy) -> Vec<Advice> {
    let record = quiet().with_scopes(scopes(held));
    let usage = uses
        .iter()
        .map(|(names, hour)| UsageBucket::new(*hour, 1, 1, 0).with_scopes(scopes(names)));
    advise(&record, &usage.collect::<Vec<_>>(), now(), policy)
}

fn scopes(names: &str) -> ScopeSet {
    names.parse().unwrap()
}

fn unused_since(names: &str, since: Timestamp) -> [Advice; 1] {
    let scopes = scopes(names);
    [Advice::UnusedScopes { scopes, since }]
}

#[test]
fn scopes_that_no_request_needed_for_30_days_are_unused() {
    let policy = AdvicePolicy::new();
    // 34 minutes and 56 seconds less, since usage is counted by the hour.
    let since = last_hour() + HOUR - DAY * 30;
    let found = |uses: &[_]| unused("read write delete", uses, &policy);
    assert_eq!(found(&[]), []);
    assert_eq!(found(&[("", since)]), [], "no scopes are known");
    assert_eq!(found(&[("read", since + HOUR)]), []);
    let both = unused_since("write delete", since);
    assert_eq!(found(&[("read", since)]), both);
    // The first hour with scopes is since when used scopes are known.
    let later = ("write", since + DAY * 20);
    let one = unused_since("delete", since);
    assert_eq!(found(&[("read", since), later]), one);
    assert_eq!(found(&[later, ("read", since)]), one);
    assert_eq!(found(&[("read write", since)]), one);
    let all = [("read", since), later, ("delete", last_hour())];
    assert_eq!(found(&all), []);
    // Scopes that the key does not have are not reported.
    let other = [("reports", since)];
    assert_eq!(unused("read", &other, &policy), unused_since("read", since));
    assert_eq!(unused("", &other, &policy), []);
}

#[test]
fn advice_on_scopes_waits_and_watches_as_configured() {
    const REPORTS: Scope = Scope::from_static("reports");
    let since = last_hour();
    let held = "read write reports";
    let uses = [("read", since)];
    let soon = AdvicePolicy::new().with_unused_scopes_after(Duration::from_secs(3_600));
    assert_eq!(unused(held, &uses, &soon), unused_since("write", since));
    let watched = soon
        .clone()
        .with_watched_scopes([Scope::READ, REPORTS, Scope::DELETE]);
    assert_eq!(
        unused(held, &uses, &watched),
        unused_since("reports", since)
    );
    assert_eq!(unused(held, &uses, &soon.with_watched_scopes([])), []);
    let never = AdvicePolicy::new().with_unused_scopes_after(Duration::MAX);
    assert_eq!(unused(held, &uses, &never), []);

    let [advice] = unused_since("write reports", since);
    assert_eq!(advice.code(), "unused_scopes");
    assert_eq!(
        advice.to_string(),
        "no request since 2026-03-01T11:00:00Z needed these of its scopes: write reports"
    );
}

/// The first hour began before the key was issued.
#[test]
fn scopes_are_unused_since_the_key_was_issued_at_the_earliest() {
    let created_at = now() - DAY * 30;
    let record = |created_at| {
        KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", created_at)
            .with_expires_at(Some(now() + DAY * 365))
            .with_scopes([Scope::READ, Scope::WRITE])
            .with_secret_versions([version(1, created_at).with_last_used_at(Some(now()))])
    };
    let hour = last_hour() + HOUR - DAY * 30 - HOUR;
    let usage = [UsageBucket::new(hour, 1, 1, 0).with_scopes(Scope::READ)];
    let found = |created_at| advise(&record(created_at), &usage, now(), &AdvicePolicy::new());
    assert_eq!(found(created_at), unused_since("write", created_at));
    assert_eq!(found(created_at + STEP), []);
}

/// What was found in the last hour, and what would not have stood out.
fn excess(usage: &[UsageBucket], record: &KeyRecord) -> Vec<(&'static str, u64, u64)> {
    let found = advise(record, usage, now(), &AdvicePolicy::new());
    let found = found.into_iter().map(|advice| match advice {
        Advice::UnusualTraffic(excess) | Advice::UnusualRefusals(excess) => {
            assert_eq!(excess.hour, last_hour());
            (advice.code(), excess.found, excess.limit)
        }
        other => panic!("{other:?}"),
    });
    found.collect()
}

#[test]
fn an_hour_is_unusual_beyond_the_floor_and_three_times_the_busiest_before() {
    let unusual = |usage: &[UsageBucket]| excess(usage, &quiet());
    let traffic = "unusual_traffic";
    assert_eq!(unusual(&[bucket(0, 1, 1_000, 0)]), []);
    assert_eq!(
        unusual(&[bucket(0, 1, 1_001, 0)]),
        [(traffic, 1_001, 1_000)]
    );
    // All secrets together, let in or refused.
    let both = [bucket(0, 1, 900, 50), bucket(0, 2, 51, 0)];
    assert_eq!(unusual(&both), [(traffic, 1_001, 1_000)]);
    // Three times the busiest hour, whose sum is of all secrets too.
    let busy = [
        bucket(7, 1, 300, 0),
        bucket(7, 2, 100, 0),
        bucket(8, 1, 399, 0),
    ];
    let with = |last| [&busy[..], &[bucket(0, 1, last, 0)]].concat();
    assert_eq!(unusual(&with(1_200)), []);
    assert_eq!(unusual(&with(1_201)), [(traffic, 1_201, 1_200)]);
}

#[test]
fn only_the_last_whole_hour_and_the_14_days_before_it_count() {
    let many = |hours_before| bucket(hours_before, 1, 9_000, 0);
    let unusual = |usage: &[UsageBucket]| excess(usage, &quiet());
    // The present hour is not whole, and the one before the last is over.
    assert_eq!(unusual(&[many(-1)]), []);
    assert_eq!(unusual(&[many(1)]), []);
    let traffic = |limit| [("unusual_traffic", 9_000, limit)];
    assert_eq!(unusual(&[many(0)]), traffic(1_000));
    assert_eq!(unusual(&[many(0), many(1)]), []);
    // The first of the 336 hours before counts, and the one before that does not.
    assert_eq!(unusual(&[many(0), many(336)]), []);
    assert_eq!(unusual(&[many(0), many(337)]), traffic(1_000));
    assert_eq!(unusual(&[many(0), many(-1)]), traffic(1_000));
}

#[test]
fn nothing_is_unusual_on_a_keys_first_day() {
    let usage = [bucket(0, 1, 9_000, 0)];
    let created = |at| {
        let version = version(1, at).with_last_used_at(Some(now()));
        KeyRecord::new(KeyId::from_bytes([1; 16]), "acct_42", "CI", at)
            .with_expires_at(Some(now() + DAY * 365))
            .with_secret_versions([version])
    };
    let settled = last_hour() - DAY;
    assert_eq!(excess(&usage, &created(settled + STEP)), []);
    let expected = [("unusual_traffic", 9_000, 1_000)];
    assert_eq!(excess(&usage, &created(settled)), expected);
}

#[test]
fn refusals_for_a_scope_have_a_floor_of_their_own() {
    let unusual = |usage: &[UsageBucket]| excess(usage, &quiet());
    let refusals = "unusual_refusals";
    assert_eq!(unusual(&[bucket(0, 1, 0, 50)]), []);
    assert_eq!(unusual(&[bucket(0, 1, 0, 51)]), [(refusals, 51, 50)]);
    let usual = bucket(3, 1, 0, 20);
    assert_eq!(unusual(&[usual.clone(), bucket(0, 1, 0, 60)]), []);
    assert_eq!(
        unusual(&[usual.clone(), bucket(0, 1, 0, 61)]),
        [(refusals, 61, 60)]
    );
    let both = unusual(&[bucket(0, 1, 0, u64::MAX), bucket(0, 2, 1, 1)]);
    assert_eq!(both.len(), 2);

    let policy = AdvicePolicy::new()
        .with_unusual_floor(9)
        .with_refusal_floor(4)
        .with_unusual_factor(0);
    let found = advise(
        &quiet(),
        &[usual.clone(), bucket(0, 1, 5, 5)],
        now(),
        &policy,
    );
    let codes: Vec<_> = found.iter().map(Advice::code).collect();
    assert_eq!(codes, ["unusual_traffic", refusals]);
}

#[test]
fn times_at_the_ends_of_the_calendar_are_survived() {
    for now in [Timestamp::MIN, Timestamp::MAX] {
        let record = quiet().with_expires_at(None);
        let usage = [bucket(0, 1, 9_000, 9_000)];
        let found = advise(&record, &usage, now, &AdvicePolicy::new());
        assert!(found.contains(&Advice::NoExpiration));
    }
}

#[test]
fn advice_has_a_text_and_a_code() {
    let policy = AdvicePolicy::new()
        .with_unusual_floor(0)
        .with_idle_after(Duration::ZERO);
    let old = version(1, now() - DAY * 9)
        .with_retires_at(Some(now() + DAY))
        .with_last_used_at(Some(now() - HOUR));
    let record = quiet()
        .with_expires_at(Some(now() + DAY))
        .with_secret_versions([old, version(2, now() - DAY)]);
    let found = advise(&record, &[bucket(0, 1, 5, 60)], now(), &policy);
    let texts: Vec<_> = found
        .iter()
        .map(|advice| format!("{}: {advice}", advice.code()))
        .collect();
    assert_eq!(
        texts,
        [
            "idle: not used since 2026-03-01T11:34:56Z",
            "expires_soon: it expires at 2026-03-02T12:34:56Z",
            "superseded_secret_in_use: superseded secret 1 was used at 2026-03-01T11:34:56Z, and is \
             refused from 2026-03-02T12:34:56Z on",
            "unusual_traffic: 65 requests in the hour from 2026-03-01T11:00:00Z, expected at most 0",
            "unusual_refusals: 60 requests refused for a scope in the hour from \
             2026-03-01T11:00:00Z, expected at most 50",
        ]
    );
    let since = now();
    let never = Advice::NeverUsed { since };
    assert_eq!(
        never.to_string(),
        format!("never used since it was issued at {NOW}")
    );
    assert_eq!(
        Advice::NoExpiration.to_string(),
        "it has no expiration date"
    );
    assert_eq!(
        (never.code(), Advice::NoExpiration.code()),
        ("never_used", "no_expiration")
    );
}

#[tokio::test]
async fn a_manager_reads_record_and_usage() {
    let (keys, clock) = timed_keys();
    let id = issue(&keys, Scope::READ).await.record.id();
    assert_eq!(keys.advice(&id).await.unwrap(), [Advice::NoExpiration]);
    clock.set(now());
    let since: Timestamp = support::START.parse().unwrap();
    let never_used = Advice::NeverUsed { since };
    assert_eq!(
        keys.advice(&id).await.unwrap(),
        [never_used, Advice::NoExpiration]
    );

    let one = |at, times| KeyUse::new(id, 1, at).with_allowed(times);
    let uses = [one(last_hour() - DAY * 14, 500), one(last_hour(), 1_501)];
    keys.store().record_usage(&batch(uses)).await.unwrap();
    let found = keys.advice(&id).await.unwrap();
    let [Advice::NoExpiration, Advice::UnusualTraffic(excess)] = found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((excess.found, excess.limit), (1_501, 1_500));
    let calm = keys
        .clone()
        .with_advice_policy(AdvicePolicy::new().with_unusual_factor(4));
    assert_eq!(calm.advice(&id).await.unwrap(), [Advice::NoExpiration]);

    keys.delete(&id).await.unwrap();
    let error = keys.advice(&id).await.unwrap_err();
    assert_eq!(error.kind(), ManageErrorKind::NotFound);
}
