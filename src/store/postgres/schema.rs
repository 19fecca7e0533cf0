//! The tables and their names.

use super::address::Address;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// The version of the tables that the statements fit.
pub(super) const VERSION: i32 = 1;

/// The statements that make the tables, with the default prefix.
const TABLES: &str = include_str!("schema/v1.sql");

/// Id, document, revision, and the last use of each secret, by its number.
const RECORD: &str = "\
k.id, k.document::text, k.revision, (
    SELECT jsonb_object_agg(s.number, s.last_used_at)::text FROM {p}secrets s
    WHERE s.key_id = k.id AND s.last_used_at IS NOT NULL
)";

/// What the names of the tables start with, unless an option says otherwise.
pub(super) const DEFAULT_PREFIX: &str = "tower_api_key_";

/// The names of one store's tables.
#[derive(Debug)]
pub(super) struct Schema {
    prefix: Box<str>,
}

impl Schema {
    /// Tables with this prefix, which was checked.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// A statement with the names of the tables, for one with `{p}` in front of each, and with the
    /// columns of a record of the table `k` for `{record}`.
    pub(super) fn statement(&self, template: &str) -> String {
        template
            .replace("{record}", RECORD)
            .replace("{p}", &self.prefix)
    }

    /// The statements that make the tables.
    pub(super) fn tables(&self) -> String {
        TABLES.replace(DEFAULT_PREFIX, &self.prefix)
    }

    /// The name of a table or channel.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What the name of each table or channel starts with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The error of tables of another version; 0 means that there are none.
    pub(super) fn mismatch(&self, found: i32, address: &Address) -> StoreError {
        let (name, advice) = (self.name("*"), "call migrate()");
        let message = if found == 0 {
            format!("{address}: the tables {name} do not exist; {advice}")
        } else {
            format!(
                "{address}: the tables {name} have version {found}; this release needs version \
                 {VERSION}"
            )
        };
        StoreError::new(StoreErrorKind::Misconfigured, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_schema_has_the_prefix() {
        let tables = Schema::new("billing_").tables();
        assert!(!tables.contains(DEFAULT_PREFIX));
        for line in tables.lines().filter(|line| line.starts_with("CREATE")) {
            assert!(line.contains(" billing_"), "{line}");
        }
    }
}
