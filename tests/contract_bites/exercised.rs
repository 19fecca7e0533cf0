//! The exercised scopes of a careless store.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tower_api_key::Scope;
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::{KeyUse, ScopeUse};

use super::fault::Fault;

pub(crate) struct Exercised {
    fault: Fault,
    by_key: Mutex<BTreeMap<KeyId, Hours>>,
}

/// The first and the last hour of each scope.
pub(crate) type Hours = BTreeMap<Scope, (Timestamp, Timestamp)>;

impl Exercised {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            by_key: Mutex::default(),
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn by_key(&self) -> MutexGuard<'_, BTreeMap<KeyId, Hours>> {
        self.by_key.lock().unwrap()
    }

    pub(crate) fn note(&self, one: &KeyUse) {
        let is_counted = one.allowed() > 0 || one.refused() > 0;
        if !is_counted && self.has(Fault::LosesScopesWithoutCounts) {
            return;
        }
        let mut by_key = self.by_key();
        let scopes = by_key.entry(one.key()).or_default();
        if self.has(Fault::ForgetsTheOtherScopes) {
            scopes.clear();
        }
        for scope in one.exercised().iter() {
            let scope = if self.has(Fault::FoldsScopes) {
                Scope::new(scope.as_str().to_lowercase()).unwrap()
            } else {
                scope.clone()
            };
            let hour = one.hour();
            let (first, last) = scopes.entry(scope).or_insert((hour, hour));
            if !self.has(Fault::KeepsTheHourFirstTold) {
                *first = hour.min(*first);
            }
            if self.has(Fault::KeepsTheHourLastTold) {
                *last = hour;
            }
            *last = hour.max(*last);
        }
    }

    /// What is known of a key.
    pub(crate) fn hours(&self, id: &KeyId) -> Hours {
        self.by_key().get(id).cloned().unwrap_or_default()
    }

    /// Makes that what is known of a key.
    pub(crate) fn write_back(&self, id: KeyId, hours: Hours) {
        self.by_key().insert(id, hours);
    }

    pub(crate) fn change(&self, before: &KeyRecord, after: Option<&KeyRecord>) {
        let has_others = after.is_some_and(|after| after.scopes() != before.scopes());
        let is_deleted = after.is_none();
        if has_others && !self.has(Fault::KeepsScopesOfASmallerSet)
            || is_deleted && !self.has(Fault::KeepsScopesOfADeletedKey)
            || self.has(Fault::ForgetsScopesByAnyChange)
        {
            self.by_key().remove(&before.id());
        }
    }

    pub(crate) fn forget_sums(&self) {
        if self.has(Fault::ForgetsScopesWithCounts) {
            self.by_key().clear();
        }
    }

    pub(crate) fn read(&self, id: &KeyId) -> Vec<ScopeUse> {
        let by_key = self.by_key();
        let scopes = by_key.get(id).into_iter().flatten();
        let mut uses: Vec<_> = scopes
            .map(|(scope, (first, last))| ScopeUse::new(scope.clone(), *first, *last))
            .collect();
        if self.has(Fault::TellsTheLastScopeFirst) {
            uses.sort_by_key(|one| std::cmp::Reverse(one.last_hour()));
        }
        uses
    }
}
