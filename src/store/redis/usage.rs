//! The usage of keys in Redis.

use std::ops::Range;

use ::redis::Value;
use async_trait::async_trait;
use jiff::Timestamp;

use super::link::Repeat;
use super::names::VERSION;
use super::names::id_hex;
use super::rows::digits_of_time;
use super::script::STEP;
use super::store::RedisStore;
use crate::record::id::KeyId;
use crate::scope::set::ScopeSet;
use crate::store::contract::error::StoreError;
use crate::store::contract::usage::{UsageBatch, UsageBucket, UsageStore};

#[async_trait]
impl UsageStore for RedisStore {
    /// Counts the whole batch in one step, in which Redis does nothing else: about a millisecond
    /// for 100 usage records. One of a key whose value in Redis is corrupt is ignored.
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let shared = &*self.0;
        let Some(latest) = batch.last_used_at() else {
            return Ok(());
        };
        let script = &shared.scripts.record_usage;
        let mut command = script.command(1);
        command
            .arg(&shared.names.version)
            .arg(VERSION)
            .arg(&shared.names.start)
            .arg(hex::encode(batch.writer()))
            .arg(format!("{:020}", batch.sequence()))
            .arg(digits_of_time(latest));
        for one in batch.uses() {
            command
                .arg(id_hex(&one.key()))
                .arg(one.secret_version())
                .arg(digits_of_time(one.last_used_at()))
                .arg(digits_of_hour(one.hour()))
                .arg(one.allowed())
                .arg(one.refused())
                .arg(one.exercised().to_string());
        }
        let reply = shared.link.run(script, &command, Repeat::Once).await?;
        shared.items(reply).map(|_| ())
    }

    /// Reads 500 buckets in one step; what happens meanwhile may be in some of them, and not in
    /// others.
    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let shared = &*self.0;
        let script = &shared.scripts.usage;
        let end = digits_of_hour(hours.end);
        let mut after = digits_of_hour(hours.start).into_bytes();
        let mut buckets = Vec::new();
        loop {
            let mut command = script.command(3);
            command
                .arg(&shared.names.version)
                .arg(&shared.names.usage(id))
                .arg(VERSION)
                .arg([b"(", &*after].concat())
                .arg(format!("({end}"))
                .arg(STEP);
            let reply = shared.link.run(script, &command, Repeat::Once).await?;
            let items = shared.items(reply)?;
            let (places, values) = (shared.array(items.first())?, shared.array(items.get(1))?);
            for (place, values) in places.iter().zip(values.chunks_exact(3)) {
                let bucket = bucket_of(place, values);
                let corrupt = || shared.corrupt(&format!("{id}: a usage bucket is invalid"));
                buckets.push(bucket.ok_or_else(corrupt)?);
            }
            match places.last() {
                Some(Value::BulkString(last)) if places.len() == STEP => after.clone_from(last),
                _ => break,
            }
        }
        buckets.sort_unstable_by_key(|bucket| (bucket.hour(), bucket.secret_version()));
        Ok(buckets)
    }

    /// Deletes 500 buckets in one step, each with a deadline of its own. If one fails, those before
    /// it stay deleted.
    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let shared = &*self.0;
        let script = &shared.scripts.prune_usage;
        let mut command = script.command(1);
        command
            .arg(&shared.names.version)
            .arg(VERSION)
            .arg(&shared.names.start)
            .arg(digits_of_hour(hour))
            .arg(digits_of_time(hour))
            .arg(STEP);
        shared.prune(script, &command).await
    }
}

/// The first hour that starts at that time or later, from 1970: 8 digits for every hour, so that
/// strings compare as hours.
fn digits_of_hour(time: Timestamp) -> String {
    let hour = (time.as_microsecond() + HOUR - 1).div_euclid(HOUR);
    format!("{:08}", hour.max(0))
}

/// The bucket of a place and its counters and scopes, if they are one.
fn bucket_of(place: &Value, values: &[Value]) -> Option<UsageBucket> {
    let (hour, secret) = text_of(place)?.split_once(':')?;
    let hour = hour.parse::<i64>().ok()?.checked_mul(HOUR)?;
    let hour = Timestamp::from_microsecond(hour).ok()?;
    let [allowed, denied, scopes] = values else {
        return None;
    };
    let scopes: ScopeSet = text_of(scopes)?.parse().ok()?;
    let (allowed, denied) = (count_of(allowed)?, count_of(denied)?);
    let bucket = UsageBucket::new(hour, secret.parse().ok()?, allowed, denied);
    Some(bucket.with_scopes(scopes))
}

/// A counter; there is none where nothing was counted.
fn count_of(value: &Value) -> Option<u64> {
    match text_of(value)? {
        "" => Some(0),
        digits => digits.parse().ok(),
    }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Nil => Some(""),
        Value::BulkString(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// In microseconds.
const HOUR: i64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_starts_and_ends_with_whole_hours() {
        for (time, hour) in [
            ("1970-01-01T00:00:00Z", "00000000"),
            ("1970-01-01T00:00:00.000000999Z", "00000000"),
            ("1970-01-01T00:00:00.000001Z", "00000001"),
            ("1970-01-01T01:00:00Z", "00000001"),
            ("2026-01-01T00:00:00Z", "00490896"),
            ("9999-12-30T22:00:00Z", "70389502"),
        ] {
            assert_eq!(digits_of_hour(time.parse().unwrap()), hour, "{time}");
        }
    }

    #[test]
    fn only_what_a_script_writes_is_a_bucket() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let values = [text("1"), Value::Nil, text("read write")];
        let expected = UsageBucket::new("2026-01-01T00:00:00Z".parse().unwrap(), 7, 1, 0)
            .with_scopes("read write".parse::<ScopeSet>().unwrap());
        assert_eq!(bucket_of(&text("00490896:7"), &values), Some(expected));
        for other in [
            "",
            "00490896",
            "00490896:",
            "x:1",
            "99999999:1",
            "00490896:-1",
        ] {
            assert_eq!(bucket_of(&text(other), &values), None, "{other}");
        }
        for other in ["x", "-1"] {
            let values = [text(other), Value::Nil, Value::Nil];
            assert_eq!(bucket_of(&text("00490896:7"), &values), None, "{other}");
        }
        assert_eq!(bucket_of(&text("00490896:7"), &values[..2]), None);
    }
}
