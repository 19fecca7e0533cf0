//! Whether an hour stands out.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::kind::HourlyExcess;
use super::policy::AdvicePolicy;
use crate::manage::lifetime::earlier;
use crate::store::contract::usage::{SECONDS_PER_HOUR, UsageBucket, start_of_hour};

/// The last whole hour, if it stands out; `count` says what is counted, and `floor` how many of it
/// never stand out.
pub(super) fn excess(
    usage: &[UsageBucket],
    created_at: Timestamp,
    now: Timestamp,
    (policy, floor): (&AdvicePolicy, u64),
    count: fn(&UsageBucket) -> u64,
) -> Option<HourlyExcess> {
    let hour = last_whole_hour(now)?;
    let settled_from = earlier(hour, AdvicePolicy::SETTLING)?;
    if created_at > settled_from {
        return None;
    }
    let mut sums = BTreeMap::<Timestamp, u64>::new();
    for bucket in usage {
        let sum = sums.entry(bucket.hour()).or_default();
        *sum = sum.saturating_add(count(bucket));
    }
    let begin = earlier(hour, AdvicePolicy::HISTORY)?;
    let busiest = sums.range(begin..hour).map(|(_, sum)| *sum).max();
    let usual = busiest.unwrap_or(0).saturating_mul(policy.factor);
    let limit = usual.max(floor);
    let found = sums.get(&hour).copied().unwrap_or(0);
    (found > limit).then_some(HourlyExcess { hour, found, limit })
}

/// The start of the last hour that is over.
pub(super) fn last_whole_hour(now: Timestamp) -> Option<Timestamp> {
    let hour = Duration::from_secs(SECONDS_PER_HOUR.unsigned_abs());
    earlier(start_of_hour(now), hour)
}
