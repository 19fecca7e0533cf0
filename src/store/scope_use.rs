//! Which scopes a key has exercised.

use jiff::Timestamp;

use super::usage::start_of_hour;
use crate::record::moment::Moment;
use crate::scope::name::Scope;

/// When requests with a key first and last needed a scope, to the hour.
///
/// Where the key was given other scopes, this tells of the time since then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeUse {
    scope: Scope,
    first_hour: Moment,
    last_hour: Moment,
}

impl ScopeUse {
    /// The first and the last hour in which that scope was needed; of any time, the hour
    /// that it is in.
    pub fn new(scope: Scope, first_hour: Timestamp, last_hour: Timestamp) -> Self {
        let hour = |time| Moment::floor(start_of_hour(time));
        Self {
            scope,
            first_hour: hour(first_hour),
            last_hour: hour(last_hour),
        }
    }

    /// The scope.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The start of the first hour, in UTC.
    pub fn first_hour(&self) -> Timestamp {
        self.first_hour.timestamp()
    }

    /// The start of the last hour, in UTC.
    pub fn last_hour(&self) -> Timestamp {
        self.last_hour.timestamp()
    }
}
