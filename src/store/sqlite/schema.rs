//! The tables, in numbered versions.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::failure::Fault;
use super::sql::Sql;
use crate::store::error::{StoreError, StoreErrorKind};

/// Brings the tables to the newest version. Whoever comes second waits for the first, and finds
/// its work done.
pub(crate) fn migrate(
    database: &mut Connection,
    sql: &Sql,
    prefix: &str,
    name: &str,
) -> Result<(), Fault> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction, sql)?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(steps) = STEPS.get(done..) else {
        return Err(wrong_version(found, name));
    };
    if steps.is_empty() {
        return Ok(());
    }
    for step in steps {
        transaction.execute_batch(&step.replace("{prefix}", prefix))?;
    }
    let record = format!(
        "INSERT INTO {} (name, value) VALUES ('schema_version', ?1) \
         ON CONFLICT DO UPDATE SET value = excluded.value",
        sql.meta
    );
    transaction.execute(&record, [newest()])?;
    Ok(transaction.commit()?)
}

/// Whether the tables are those that this crate knows.
pub(crate) fn check(database: &Connection, sql: &Sql, name: &str) -> Result<(), Fault> {
    match version(database, sql)? {
        found if found == newest() => Ok(()),
        0 => Err(misconfigured(format!(
            "expected the tables of version {}, found none with the name {}, in the database \
             {name}; call migrate() first",
            newest(),
            sql.keys,
        ))),
        found => Err(wrong_version(found, name)),
    }
}

/// The version of the tables; 0 when there are none.
fn version(database: &Connection, sql: &Sql) -> Result<i64, Fault> {
    let exists = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let exists: i64 = database.query_row(exists, [&sql.meta], |row| row.get(0))?;
    if exists == 0 {
        return Ok(0);
    }
    let query = format!(
        "SELECT value FROM {} WHERE name = 'schema_version'",
        sql.meta
    );
    let found = database.query_row(&query, [], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

fn newest() -> i64 {
    // OK because there are few steps.
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

fn wrong_version(found: i64, name: &str) -> Fault {
    let newest = newest();
    let advice = if (1..newest).contains(&found) {
        "call migrate() first"
    } else {
        "a newer version of this crate made them"
    };
    misconfigured(format!(
        "expected the tables of version {newest}, found version {found}, in the database {name}; \
         {advice}"
    ))
}

fn misconfigured(message: String) -> Fault {
    StoreError::new(StoreErrorKind::Misconfigured, message).into()
}

/// What makes each version from the one before it. A step that was released never changes.
const STEPS: &[&str] = &[
    "
    CREATE TABLE {prefix}meta (
        name TEXT NOT NULL PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- A number is never given again: else a secret whose key was deleted by hand, without its
    -- secrets, would become one of the next key.
    CREATE TABLE {prefix}keys (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        disabled INTEGER NOT NULL DEFAULT 0,
        revoked_at INTEGER,
        revoked_reason TEXT NOT NULL DEFAULT '',
        changes INTEGER NOT NULL DEFAULT 0,
        secret_count INTEGER NOT NULL,
        -- Last, so that nothing has to be read past a long one.
        metadata TEXT
    ) STRICT;

    -- With the revocation, so that the keys of an owner are counted in the index alone.
    CREATE INDEX {prefix}keys_by_owner ON {prefix}keys (owner, id, revoked_at);

    CREATE TABLE {prefix}secrets (
        digest BLOB NOT NULL PRIMARY KEY,
        key INTEGER NOT NULL REFERENCES {prefix}keys (key) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        prefix TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        retires_at INTEGER,
        last_used_at INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX {prefix}secrets_by_key ON {prefix}secrets (key, number);

    CREATE TABLE {prefix}idempotency (
        idempotency_key BLOB NOT NULL PRIMARY KEY,
        key INTEGER NOT NULL UNIQUE REFERENCES {prefix}keys (key) ON DELETE CASCADE,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX {prefix}idempotency_by_time ON {prefix}idempotency (at);

    -- A number is never given again, not even when all entries are forgotten.
    CREATE TABLE {prefix}audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        action TEXT NOT NULL,
        key_id BLOB NOT NULL,
        owner TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;

    -- And by number, as every index is in the end.
    CREATE INDEX {prefix}audit_by_owner ON {prefix}audit (owner);

    CREATE INDEX {prefix}audit_by_time ON {prefix}audit (at);

    CREATE TABLE {prefix}usage (
        key INTEGER NOT NULL REFERENCES {prefix}keys (key) ON DELETE CASCADE,
        hour INTEGER NOT NULL,
        version INTEGER NOT NULL,
        allowed INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        PRIMARY KEY (key, hour, version)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX {prefix}usage_by_hour ON {prefix}usage (hour);

    CREATE TABLE {prefix}writers (
        writer BLOB NOT NULL PRIMARY KEY,
        sequence INTEGER NOT NULL,
        last_used_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE {prefix}scope_uses (
        key INTEGER NOT NULL REFERENCES {prefix}keys (key) ON DELETE CASCADE,
        scope TEXT NOT NULL,
        first_hour INTEGER NOT NULL,
        last_hour INTEGER NOT NULL,
        PRIMARY KEY (key, scope)
    ) STRICT, WITHOUT ROWID;
",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What SQLite does for a statement, step by step.
    fn plan(database: &Connection, statement: &str) -> Vec<String> {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let mut explain = database.prepare(&explain).unwrap();
        let values = vec![None::<i64>; explain.parameter_count()];
        let values = rusqlite::params_from_iter(values);
        let steps = explain.query_map(values, |row| row.get(3)).unwrap();
        steps.map(Result::unwrap).collect()
    }

    #[test]
    fn no_statement_reads_a_table_that_grows_from_end_to_end() {
        let mut database = Connection::open_in_memory().unwrap();
        let sql = Sql::new("t_");
        assert!(migrate(&mut database, &sql, "t_", "memory").is_ok());
        for statement in [
            &sql.find,
            &sql.whole,
            &sql.get,
            &sql.list,
            &sql.update_key,
            &sql.retire_secret,
            &sql.delete_secret,
            &sql.delete_key,
            &sql.count_of_owner,
            &sql.issued,
            &sql.forget_issued,
            &sql.audit.page,
            &sql.audit.forget,
            &sql.usage.used,
            &sql.usage.note,
            &sql.usage.buckets,
            &sql.usage.forget,
            &sql.usage.scopes,
            &sql.usage.forget_scopes,
        ] {
            let plan = plan(&database, statement);
            assert!(!plan.is_empty(), "{statement}");
            // The part of a table that was read by an index already.
            let part = |step: &str| step.contains("SCAN page") || step.contains("SCAN (subquery");
            let scans = plan.iter().any(|step| step.contains("SCAN") && !part(step));
            assert!(!scans, "{statement}: {plan:?}");
        }
        for (statement, step) in [
            (
                &sql.count_of_owner,
                "SEARCH t_keys USING COVERING INDEX t_keys_by_owner (owner=?)",
            ),
            (
                &sql.audit.page,
                "SEARCH t_audit USING INDEX t_audit_by_owner (owner=? AND rowid<?)",
            ),
            (
                &sql.usage.buckets,
                "SEARCH u USING PRIMARY KEY (key=? AND hour>? AND hour<?)",
            ),
        ] {
            let plan = plan(&database, statement);
            assert!(plan.iter().any(|found| found == step), "{plan:?}");
            let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(!sorts, "{plan:?}");
        }
    }
}
