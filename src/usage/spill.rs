//! The counts of keys that have no slot.

use std::collections::HashMap;
use std::mem;

use foldhash::quality::RandomState;

use super::slot::{Counts, Used};
use crate::scope::set::ScopeSet;

/// Counts of keys that had to leave their slot to others, up to a bound; and exercised scopes that
/// have no bit.
#[derive(Default)]
pub(super) struct Spill {
    counts: Spilled,
    scopes: Exercised,
}

pub(super) type Exercised = HashMap<Used, ScopeSet, RandomState>;

pub(super) type Spilled = HashMap<Used, Counts, RandomState>;

impl Spill {
    /// How many keys can have counts here: some 6 MiB.
    pub(super) const MAX: usize = 65_536;

    /// How many keys can have scopes here.
    pub(super) const MAX_WITH_SCOPES: usize = 4_096;

    /// Adds counts, if there is room.
    pub(super) fn add(&mut self, used: Used, counts: Counts) -> Result<(), NoRoom> {
        let has_room = self.counts.len() < Self::MAX;
        match self.counts.get_mut(&used) {
            Some(sum) => sum.add(counts),
            None if has_room => {
                self.counts.insert(used, counts);
            }
            None => return Err(NoRoom),
        }
        Ok(())
    }

    /// Notes scopes, if there is room.
    pub(super) fn exercise(&mut self, used: Used, scopes: &ScopeSet) {
        let has_room = self.scopes.len() < Self::MAX_WITH_SCOPES;
        match self.scopes.get_mut(&used) {
            Some(known) if known.contains_all(scopes) => {}
            Some(known) => *known = known.union(scopes),
            None if has_room => {
                self.scopes.insert(used, scopes.clone());
            }
            None => {}
        }
    }

    /// Takes the scopes.
    pub(super) fn take_scopes(&mut self) -> Exercised {
        mem::take(&mut self.scopes)
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Takes everything, and goes on with that empty map.
    pub(super) fn replace(&mut self, empty: Spilled) -> Spilled {
        mem::replace(&mut self.counts, empty)
    }
}

pub(super) struct NoRoom;
