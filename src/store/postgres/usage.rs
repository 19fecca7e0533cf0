//! Counts the usage of keys.

use std::ops::Range;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::rows::Defect;
use super::store::PostgresStore;
use crate::record::id::KeyId;
use crate::scope::set::ScopeSet;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::usage::{KeyUse, UsageBatch, UsageBucket, UsageStore};

/// Writes nothing where the writer's batch was counted before. Rows are locked in one order, so that
/// two batches at once do not wait for each other; keys are locked so that none is deleted
/// meanwhile, which keeps no change waiting. Counters stop at the greatest number.
const RECORD: &str = "\
WITH accepted AS (
    INSERT INTO {p}writers AS w (writer, sequence, last_used_at) VALUES ($1, $2, $3)
    ON CONFLICT (writer) DO UPDATE SET
        sequence = EXCLUDED.sequence,
        last_used_at = GREATEST(w.last_used_at, EXCLUDED.last_used_at)
    WHERE w.sequence < EXCLUDED.sequence
    RETURNING writer
), due AS (
    SELECT s.digest, u.*
    FROM accepted
    CROSS JOIN unnest($4::bytea[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::text[])
    AS u (key_id, number, used_at, hour, allowed, denied, scopes)
    JOIN {p}keys k ON k.id = u.key_id
    JOIN {p}secrets s ON s.key_id = u.key_id AND s.number = u.number
    ORDER BY u.key_id, u.number, u.hour
    FOR KEY SHARE OF k FOR NO KEY UPDATE OF s
), latest AS (
    SELECT digest, max(used_at) AS used_at FROM due GROUP BY digest
), noted AS (
    UPDATE {p}secrets s SET last_used_at = l.used_at
    FROM latest l
    WHERE s.digest = l.digest AND (s.last_used_at IS NULL OR s.last_used_at < l.used_at)
)
INSERT INTO {p}usage AS u (key_id, hour, number, allowed, denied, scopes)
SELECT key_id, hour, number, allowed, denied, string_to_array(scopes, ' ')
FROM due WHERE allowed > 0 OR denied > 0 OR scopes <> ''
ON CONFLICT (key_id, hour, number) DO UPDATE SET
    allowed = LEAST(u.allowed, 9223372036854775807 - EXCLUDED.allowed) + EXCLUDED.allowed,
    denied = LEAST(u.denied, 9223372036854775807 - EXCLUDED.denied) + EXCLUDED.denied,
    scopes = CASE
        WHEN u.scopes @> EXCLUDED.scopes THEN u.scopes
        ELSE ARRAY(SELECT DISTINCT unnest(u.scopes || EXCLUDED.scopes) ORDER BY 1)
    END";

const USAGE: &str = "\
SELECT hour, number, allowed, denied, scopes FROM {p}usage
WHERE key_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour, number";

/// It waits for nobody: a row that somebody else has locked is in use, or deleted by another process.
const PRUNE_USAGE: &str = "\
DELETE FROM {p}usage WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {p}usage WHERE hour < $1 ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED
)) RETURNING true";

const PRUNE_WRITERS: &str = "\
DELETE FROM {p}writers WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {p}writers WHERE last_used_at < $1 ORDER BY last_used_at LIMIT $2 FOR UPDATE SKIP LOCKED
)) RETURNING true";

#[async_trait]
impl UsageStore for PostgresStore {
    /// In one statement, which has the deadline of a call: the default is enough for some ten thousand
    /// uses.
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), StoreError> {
        let Some(last_used_at) = batch.last_used_at() else {
            return Ok(());
        };
        let sequence = i64::try_from(batch.sequence()).unwrap_or(i64::MAX);
        let uses = Uses::of(batch.uses());
        let parameters: [&(dyn ToSql + Sync); 10] = [
            &&batch.writer()[..],
            &sequence,
            &last_used_at.as_microsecond(),
            &uses.keys,
            &uses.numbers,
            &uses.used_at,
            &uses.hours,
            &uses.allowed,
            &uses.denied,
            &uses.scopes,
        ];
        self.database().write(None, RECORD, &parameters).await?;
        Ok(())
    }

    async fn usage(
        &self,
        id: &KeyId,
        hours: Range<Timestamp>,
    ) -> Result<Vec<UsageBucket>, StoreError> {
        let (start, end) = (hours.start.as_microsecond(), hours.end.as_microsecond());
        let bytes = &id.as_bytes()[..];
        let found = self.database().read(USAGE, &[&bytes, &start, &end]).await?;
        let buckets: Result<Vec<_>, _> = found.iter().map(bucket).collect();
        buckets.map_err(|defect| {
            let message = format!("the usage of key {id}: {defect}");
            StoreError::new(StoreErrorKind::Corrupt, message).with_source(defect)
        })
    }

    /// Deletes some thousand rows at a time, as
    /// [`prune_audit_before`](crate::store::AuditLog::prune_audit_before) does.
    async fn prune_usage_before(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let pruned = self.database().prune(PRUNE_USAGE, hour).await?;
        self.database().prune(PRUNE_WRITERS, hour).await?;
        Ok(pruned)
    }
}

fn bucket(row: &Row) -> Result<UsageBucket, Defect> {
    let count = |column| Ok::<_, Defect>(u64::try_from(row.try_get::<_, i64>(column)?)?);
    let hour = Timestamp::from_microsecond(row.try_get(0)?)?;
    let number = u32::try_from(row.try_get::<_, i64>(1)?)?;
    let scopes: Vec<&str> = row.try_get(4)?;
    let scopes = ScopeSet::from_stored_lossy(scopes);
    Ok(UsageBucket::new(hour, number, count(2)?, count(3)?).with_scopes(scopes))
}

/// The columns of uses.
#[derive(Default)]
struct Uses {
    keys: Vec<Vec<u8>>,
    numbers: Vec<i64>,
    used_at: Vec<i64>,
    hours: Vec<i64>,
    allowed: Vec<i64>,
    denied: Vec<i64>,
    /// Scopes with spaces between them, since PostgreSQL has no arrays of different lengths.
    scopes: Vec<String>,
}

impl Uses {
    fn of(uses: &[KeyUse]) -> Self {
        let mut columns = Self::default();
        // OK because no count of a use is above 2^53.
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        for one in uses {
            columns.keys.push(one.key().as_bytes().to_vec());
            columns.numbers.push(one.secret_version().into());
            columns.used_at.push(one.last_used_at().as_microsecond());
            columns.hours.push(one.hour().as_microsecond());
            columns.allowed.push(count(one.allowed()));
            columns.denied.push(count(one.refused()));
            columns.scopes.push(one.exercised().to_string());
        }
        columns
    }
}
