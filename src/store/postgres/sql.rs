//! The statements, with the names of a store's tables.

use super::reading::{AUDIT, FIND, GET, LIST, SCOPE_USES, STANDING, USAGE};
use super::tables::STEPS;
use super::writing::{CHANGE, DELETE, FORGET, INSERT, USE};

/// The version of the tables that these statements fit.
pub(super) const VERSION: i32 = 2;

/// A statement that is prepared once per connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    /// The version of the tables.
    Version,
    /// A key and all its secret versions, by any of their digests.
    Find,
    /// A key and all its secret versions, by its id.
    Get,
    /// A page of an owner's keys.
    List,
    /// A page of an owner's audit trail.
    Audit,
    /// The sums of a key.
    Usage,
    /// The scopes that a key has exercised.
    ScopeUses,
    /// What an insert with conditions goes by.
    Standing,
    /// Adds keys that share neither ids nor digests.
    Insert,
    /// Writes a key that nobody has changed since it was read.
    Change,
    /// Deletes a key that nobody has changed since it was read.
    Delete,
    /// Counts and notes uses.
    Use,
    /// Forgets some old entries of audit trails.
    ForgetAudit,
    /// Forgets some old idempotency keys.
    ForgetIdempotency,
    /// Forgets some old sums.
    ForgetUsage,
    /// Forgets some writers that were not heard of for long.
    ForgetWriters,
}

impl Query {
    /// How many there are.
    pub(super) const COUNT: usize = Self::ForgetWriters as usize + 1;

    fn template(self) -> String {
        let forget = |table, time| FORGET.replace("{table}", table).replace("{time}", time);
        match self {
            Self::Version => "SELECT version FROM {p}meta".to_owned(),
            Self::Find => FIND.to_owned(),
            Self::Get => GET.to_owned(),
            Self::List => LIST.to_owned(),
            Self::Audit => AUDIT.to_owned(),
            Self::Usage => USAGE.to_owned(),
            Self::ScopeUses => SCOPE_USES.to_owned(),
            Self::Standing => STANDING.to_owned(),
            Self::Insert => INSERT.to_owned(),
            Self::Change => CHANGE.to_owned(),
            Self::Delete => DELETE.to_owned(),
            Self::Use => USE.to_owned(),
            Self::ForgetAudit => forget("audit", "at"),
            Self::ForgetIdempotency => forget("idempotency", "at"),
            Self::ForgetUsage => forget("usage", "hour"),
            Self::ForgetWriters => forget("writers", "heard_at"),
        }
    }
}

/// The statements of one store.
#[derive(Debug)]
pub(super) struct Sql {
    prefix: Box<str>,
}

impl Sql {
    /// The statements for tables with this prefix, which has been checked.
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The text of a statement.
    pub(super) fn text(&self, query: Query) -> String {
        self.fill(&query.template())
    }

    /// What makes the newest tables of those of that version; 0 when there are none. `None` when
    /// the version is not known.
    pub(super) fn steps_from(&self, version: i32) -> Option<String> {
        let steps = STEPS.get(usize::try_from(version).ok()?..)?;
        Some(self.fill(&steps.concat()))
    }

    /// The name of a table or channel.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What a table or channel name begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn fill(&self, template: &str) -> String {
        template
            .replace("{columns}", COLUMNS)
            .replace("{p}", &self.prefix)
    }
}

/// What [`rows`](super::rows) reads, in its order.
const COLUMNS: &str = "\
k.id, k.owner, k.name, k.scopes, k.created_at, k.expires_at, k.disabled, k.revoked_at, \
k.revoked_reason, k.metadata, k.changes, s.number, s.digest, s.prefix, s.created_at, \
s.retires_at, s.last_used_at";
