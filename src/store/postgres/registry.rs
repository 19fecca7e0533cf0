//! Reads and writes keys.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::payload;
use super::rows;
use super::store::PostgresStore;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::record::secret::SecretVersion;
use crate::store::contract::error::{StoreError, StoreErrorKind};
use crate::store::contract::feed::FeedEvent;
use crate::store::contract::key_store::KeyStore;
use crate::store::contract::page::{KeyPage, PageRequest};
use crate::store::contract::registry::KeyRegistry;
use crate::store::contract::write::{Commit, Insert, Inserted};

const FIND: &str = "\
SELECT k.id, k.document::text, k.revision FROM {p}secrets s JOIN {p}keys k ON k.id = s.key_id
WHERE s.digest = $1";

const GET: &str = "SELECT {record} FROM {p}keys k WHERE k.id = $1";

const LIST: &str = "\
SELECT {record} FROM {p}keys k WHERE k.owner = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3";

/// It runs under the owner's lock where it has conditions on the owner's other keys. An id or digest
/// that somebody else adds at the same moment fails it.
const INSERT: &str = "\
WITH earlier AS MATERIALIZED (
    SELECT key_id FROM {p}idempotency WHERE owner = $2 AND idempotency_key = $9
), acting AS MATERIALIZED (
    SELECT id FROM {p}keys WHERE id = $10 AND revision = $11 FOR SHARE
), verdict AS MATERIALIZED (
    SELECT CASE
        WHEN EXISTS (SELECT FROM earlier) THEN 'existing'
        WHEN $10::bytea IS NOT NULL AND NOT EXISTS (SELECT FROM acting) THEN 'conflict'
        WHEN $12::bigint <= (
            SELECT count(*) FROM (
                SELECT FROM {p}keys WHERE owner = $2 AND NOT revoked LIMIT coalesce($12, 0)
            ) counted
        ) THEN 'too many keys'
        WHEN EXISTS (SELECT FROM {p}keys WHERE id = $1) THEN 'id'
        WHEN EXISTS (SELECT FROM {p}secrets WHERE digest = ANY ($6)) THEN 'digest'
    END AS rejected
), added AS (
    INSERT INTO {p}keys (id, owner, revision, revoked, document)
    SELECT $1::bytea, $2::text, $3::bigint, $4::boolean, $5::text::jsonb
    FROM verdict WHERE rejected IS NULL
    RETURNING id
), secrets AS (
    INSERT INTO {p}secrets (key_id, digest, number, last_used_at)
    SELECT a.id, u.* FROM added a CROSS JOIN unnest($6::bytea[], $7::bigint[], $8::bigint[]) u
), idempotency AS (
    INSERT INTO {p}idempotency (owner, idempotency_key, key_id, at)
    SELECT $2, $9::bytea, id, $13::bigint FROM added WHERE $9 IS NOT NULL
), audit AS (
    INSERT INTO {p}audit (at, action, key_id, owner, actor, reason, detail)
    SELECT $13::bigint, $14::text, id, $2, $15::text, $16::text, $17::text FROM added
)
SELECT {record}, v.rejected, (SELECT pg_notify('{p}changes', $18::text || encode(id, 'hex')) FROM added)
FROM verdict v LEFT JOIN earlier e ON true LEFT JOIN {p}keys k ON k.id = e.key_id";

/// The changed key and the acting one are locked in the order of their ids, so that two keys that
/// change each other do not wait for each other. What else there is of a deleted key goes by its
/// references.
const COMMIT: &str = "\
WITH locked AS MATERIALIZED (
    SELECT id, revision FROM {p}keys WHERE id = ANY (ARRAY[$1::bytea, $3::bytea]) ORDER BY id
    FOR NO KEY UPDATE
), verdict AS MATERIALIZED (
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM locked WHERE id = $1) THEN 'missing'
        WHEN NOT EXISTS (SELECT FROM locked WHERE id = $1 AND revision = $2) THEN 'conflict'
        WHEN $3::bytea IS NOT NULL
            AND NOT EXISTS (SELECT FROM locked WHERE id = $3 AND revision = $4) THEN 'conflict'
        WHEN EXISTS (SELECT FROM {p}secrets WHERE digest = ANY ($8) AND key_id <> $1) THEN 'digest'
    END AS rejected
), changed AS (
    UPDATE {p}keys SET revision = $5, revoked = $6, document = $7::text::jsonb
    WHERE id = $1::bytea AND $7::text IS NOT NULL AND (SELECT rejected FROM verdict) IS NULL
    RETURNING id
), deleted AS (
    DELETE FROM {p}keys
    WHERE id = $1 AND $7 IS NULL AND (SELECT rejected FROM verdict) IS NULL
    RETURNING id
), done AS (
    SELECT id FROM changed UNION ALL SELECT id FROM deleted
), dropped AS (
    DELETE FROM {p}secrets s USING changed c WHERE s.key_id = c.id AND s.digest <> ALL ($8)
), added AS (
    INSERT INTO {p}secrets (key_id, digest, number)
    SELECT c.id, u.digest, u.number
    FROM changed c CROSS JOIN unnest($8::bytea[], $9::bigint[]) u (digest, number)
    WHERE NOT EXISTS (SELECT FROM {p}secrets s WHERE s.digest = u.digest)
), audit AS (
    INSERT INTO {p}audit (at, action, key_id, owner, actor, reason, detail)
    SELECT $10::bigint, $11::text, id, $12::text, $13::text, $14::text, $15::text FROM done
)
SELECT rejected, (SELECT pg_notify('{p}changes', $16::text || encode(id, 'hex')) FROM done)
FROM verdict";

/// It comes after every id.
const NO_CURSOR: [u8; 17] = [0xff; 17];

#[async_trait]
impl KeyStore for PostgresStore {
    async fn find(&self, digest: &KeyDigest) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let digest = &digest.as_bytes()[..];
        let found = self.database().read(FIND, &[&digest]).await?;
        found.first().map(rows::verified_record).transpose()
    }
}

#[async_trait]
impl KeyRegistry for PostgresStore {
    async fn insert(&self, insert: Insert) -> Result<Inserted, StoreError> {
        let (id, record, audit) = (insert.record.id(), &insert.record, &insert.audit);
        let secrets = Secrets::of(record);
        let idempotency_key = insert.idempotency_key.as_ref().map(|key| &key[..]);
        let acting_id = insert
            .acting
            .as_ref()
            .map(|acting| &acting.id.as_bytes()[..]);
        let max = insert.max_keys_per_owner;
        // Other inserts of the owner may change these conditions, so they wait for each other.
        let lock = (idempotency_key.is_some() || max.is_some()).then(|| record.owner());
        let parameters: [&(dyn ToSql + Sync); 18] = [
            &&id.as_bytes()[..],
            &record.owner(),
            &record.revision().cast_signed(),
            &record.revocation().is_some(),
            &record.to_document(),
            &secrets.digests,
            &secrets.numbers,
            &secrets.last_uses,
            &idempotency_key,
            &acting_id,
            &insert.acting.map(|acting| acting.revision.cast_signed()),
            &max.map(|max| i64::try_from(max).unwrap_or(i64::MAX)),
            &audit.at().as_microsecond(),
            &audit.action().as_str(),
            &audit.actor(),
            &audit.reason(),
            &audit.detail(),
            &payload::ADDED,
        ];
        let rows = self.database().write(lock, INSERT, &parameters).await?;
        // OK because the statement returns one row, whatever became of the key.
        let row = rows.first().ok_or_else(StoreError::conflict)?;
        match rejection(row, 4)? {
            None => {
                self.tell(FeedEvent::Added(id));
                Ok(Inserted::Created)
            }
            Some("existing") => rows::record(row).map(Inserted::Existing),
            Some("too many keys") => Err(StoreError::too_many_keys(max.unwrap_or_default())),
            Some("conflict") => Err(StoreError::conflict()),
            Some(what) => Err(StoreError::already_exists(what)),
        }
    }

    async fn get(&self, id: &KeyId) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let id = &id.as_bytes()[..];
        let found = self.database().read(GET, &[&id]).await?;
        found.first().map(rows::record).transpose()
    }

    async fn list(&self, owner: &str, page: &PageRequest) -> Result<KeyPage, StoreError> {
        let cursor = page.cursor();
        let cursor = cursor.as_ref().map_or(&NO_CURSOR[..], |id| id.as_bytes());
        // OK because a page has at most 1,000 keys.
        let limit = i64::try_from(page.examined()).unwrap_or(i64::MAX);
        let found = self
            .database()
            .read(LIST, &[&owner, &cursor, &limit])
            .await?;
        let records = found.iter().map(rows::record);
        Ok(KeyPage::new(page, records.collect::<Result<Vec<_>, _>>()?))
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let (next, audit) = (commit.next.as_deref(), &commit.audit);
        let secrets = next.map(Secrets::of).unwrap_or_default();
        let acting_id = commit
            .acting
            .as_ref()
            .map(|acting| &acting.id.as_bytes()[..]);
        let event = commit.event();
        let parameters: [&(dyn ToSql + Sync); 16] = [
            &&commit.id.as_bytes()[..],
            &commit.expected_revision.cast_signed(),
            &acting_id,
            &commit.acting.map(|acting| acting.revision.cast_signed()),
            &next.map(|next| next.revision().cast_signed()),
            &next.map(|next| next.revocation().is_some()),
            &next.map(KeyRecord::to_document),
            &secrets.digests,
            &secrets.numbers,
            &audit.at().as_microsecond(),
            &audit.action().as_str(),
            &audit.owner(),
            &audit.actor(),
            &audit.reason(),
            &audit.detail(),
            &payload::letter(event),
        ];
        let rows = self.database().write(None, COMMIT, &parameters).await?;
        // OK because the statement returns one row, whatever became of the change.
        let row = rows.first().ok_or_else(StoreError::conflict)?;
        match rejection(row, 0)? {
            None => {
                self.tell(event);
                Ok(())
            }
            Some("missing") => Err(StoreError::not_found()),
            Some("conflict") => Err(StoreError::conflict()),
            Some(what) => Err(StoreError::already_exists(what)),
        }
    }
}

/// Why a statement wrote nothing.
fn rejection(row: &Row, column: usize) -> Result<Option<&str>, StoreError> {
    row.try_get(column).map_err(|error| {
        let message = "the verdict of a statement is not a text";
        StoreError::new(StoreErrorKind::Corrupt, message).with_source(error)
    })
}

/// The columns of a key's secrets.
#[derive(Default)]
struct Secrets<'a> {
    digests: Vec<&'a [u8]>,
    numbers: Vec<i64>,
    last_uses: Vec<Option<i64>>,
}

impl<'a> Secrets<'a> {
    fn of(record: &'a KeyRecord) -> Self {
        let secrets = record.secret_versions();
        let last_uses = secrets.iter().map(SecretVersion::last_used_at);
        Self {
            digests: secrets
                .iter()
                .map(|one| &one.digest().as_bytes()[..])
                .collect(),
            numbers: secrets.iter().map(|one| one.number().into()).collect(),
            last_uses: last_uses
                .map(|at| at.map(Timestamp::as_microsecond))
                .collect(),
        }
    }
}
