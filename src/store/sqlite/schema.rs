//! The tables.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::failure::Fault;
use super::options::DEFAULT_PREFIX;
use super::sql::Sql;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// The tables of the default prefix, and their version.
const TABLES: &str = include_str!("schema/tables.sql");

const VERSION: i64 = 1;

/// Makes the tables where there are none. Whoever comes second waits for the first, and finds its
/// work done.
pub(crate) fn migrate(
    database: &mut Connection,
    sql: &Sql,
    prefix: &str,
    name: &str,
) -> Result<(), Fault> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&transaction, sql)? {
        VERSION => Ok(()),
        0 => {
            transaction.execute_batch(&TABLES.replace(DEFAULT_PREFIX, prefix))?;
            Ok(transaction.commit()?)
        }
        found => Err(wrong_version(found, name)),
    }
}

/// Whether the tables are those that this crate knows.
pub(crate) fn check(database: &Connection, sql: &Sql, name: &str) -> Result<(), Fault> {
    match version(database, sql)? {
        VERSION => Ok(()),
        0 => Err(misconfigured(format!(
            "the database {name} has no table {}; call migrate() first",
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

fn wrong_version(found: i64, name: &str) -> Fault {
    misconfigured(format!(
        "the tables in the database {name} have version {found}, and this version of the crate \
         uses version {VERSION}"
    ))
}

fn misconfigured(message: String) -> Fault {
    StoreError::new(StoreErrorKind::Misconfigured, message).into()
}

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
            &sql.get,
            &sql.list,
            &sql.last_uses,
            &sql.revision,
            &sql.update_key,
            &sql.delete_key,
            &sql.secrets,
            &sql.delete_secret,
            &sql.count_of_owner,
            &sql.inserted,
            &sql.prune_inserted,
            &sql.audit,
            &sql.prune_audit,
            &sql.usage.used,
            &sql.usage.note,
            &sql.usage.add_scopes,
            &sql.usage.buckets,
            &sql.usage.prune,
        ] {
            let plan = plan(&database, statement);
            assert!(!plan.is_empty(), "{statement}");
            // The part of a table that was read by an index already.
            let part = |step: &str| step.contains("SCAN (subquery");
            let scans = plan.iter().any(|step| step.contains("SCAN") && !part(step));
            assert!(!scans, "{statement}: {plan:?}");
        }
        for (statement, step) in [
            (
                &sql.count_of_owner,
                "SEARCH t_keys USING COVERING INDEX t_keys_by_owner (owner=?)",
            ),
            (
                &sql.audit,
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
