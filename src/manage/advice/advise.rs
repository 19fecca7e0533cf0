//! From what a store knows of a key to advice on it.

use std::time::Duration;

use jiff::Timestamp;

use super::kind::Advice;
use super::policy::AdvicePolicy;
use super::unusual::excess;
use crate::manage::lifetime::earlier;
use crate::record::key::KeyRecord;
use crate::record::status::KeyStatus;
use crate::scope::set::ScopeSet;
use crate::store::contract::usage::UsageBucket;

/// The advice on a key, in a fixed order; none on a key that is revoked, disabled or expired.
///
/// `usage` is what [`usage`](crate::store::UsageStore::usage) returns for the key: two weeks and an hour
/// of it show what is [unusual](AdvicePolicy#unusual-activity), twice the time of
/// [`with_unused_scopes_after`](AdvicePolicy::with_unused_scopes_after) which scopes are unused.
pub fn advise(
    record: &KeyRecord,
    usage: &[UsageBucket],
    now: Timestamp,
    policy: &AdvicePolicy,
) -> Vec<Advice> {
    if record.status(now) != KeyStatus::Active {
        return Vec::new();
    }
    let created_at = record.created_at();
    let unusual = |floor, count| excess(usage, created_at, now, (policy, floor), count);
    let requests = |bucket: &UsageBucket| bucket.allowed().saturating_add(bucket.refused());
    let mut advice = Vec::new();
    advice.extend(disuse(record, usage, now, policy));
    advice.extend(end(record, now, policy));
    advice.extend(superseded(record, now));
    advice.extend(unused_scopes(record, usage, now, policy));
    advice.extend(unusual(policy.floor, requests).map(Advice::UnusualTraffic));
    advice.extend(unusual(policy.refusal_floor, UsageBucket::refused).map(Advice::UnusualRefusals));
    advice
}

fn disuse(
    record: &KeyRecord,
    usage: &[UsageBucket],
    now: Timestamp,
    policy: &AdvicePolicy,
) -> Option<Advice> {
    // The record knows nothing of versions that a rotation dropped; the sums do, to the hour.
    let hours = usage.iter().map(UsageBucket::hour);
    if let Some(since) = record.last_used_at().max(hours.max()) {
        return has_passed(now, since, policy.idle_after).then_some(Advice::Idle { since });
    }
    let since = record.created_at();
    has_passed(now, since, policy.unused_after).then_some(Advice::NeverUsed { since })
}

fn end(record: &KeyRecord, now: Timestamp, policy: &AdvicePolicy) -> Option<Advice> {
    let Some(at) = record.expires_at() else {
        return Some(Advice::NoExpiration);
    };
    // A lead beyond the calendar means always.
    let begins = earlier(at, policy.expiry_lead);
    let is_soon = begins.is_none_or(|begins| now >= begins);
    is_soon.then_some(Advice::ExpiresSoon { at })
}

/// The secrets that work still, and were used after the next one was made.
fn superseded(record: &KeyRecord, now: Timestamp) -> impl Iterator<Item = Advice> {
    // Newest first.
    let pairs = record.secret_versions().windows(2);
    pairs.filter_map(move |pair| {
        let [newer, older] = pair else { return None };
        let retires_at = older.retires_at().filter(|end| now < *end)?;
        let last_used_at = older
            .last_used_at()
            .filter(|used| *used > newer.created_at())?;
        Some(Advice::SupersededSecretInUse {
            secret_version: older.number(),
            last_used_at,
            retires_at,
        })
    })
}

fn unused_scopes(
    record: &KeyRecord,
    usage: &[UsageBucket],
    now: Timestamp,
    policy: &AdvicePolicy,
) -> Option<Advice> {
    let known = || usage.iter().filter(|bucket| !bucket.scopes().is_empty());
    let since = known().map(UsageBucket::hour).min()?;
    let since = since.max(record.created_at());
    if !has_passed(now, since, policy.unused_scopes_after) {
        return None;
    }
    let used: ScopeSet = known()
        .flat_map(|bucket| bucket.scopes().iter().cloned())
        .collect();
    let others = policy.watched.difference(&used);
    let held = others.iter().filter(|one| record.scopes().contains(one));
    let scopes: ScopeSet = held.cloned().collect();
    (!scopes.is_empty()).then_some(Advice::UnusedScopes { scopes, since })
}

fn has_passed(now: Timestamp, since: Timestamp, wait: Duration) -> bool {
    earlier(now, wait).is_some_and(|latest| since <= latest)
}
