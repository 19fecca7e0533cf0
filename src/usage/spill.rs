//! The counts of keys that have no slot.

use std::collections::HashMap;
use std::mem;

use foldhash::quality::RandomState;

use super::slot::{Counts, Used};

/// Counts of keys that had to leave their slot to others, up to a bound.
#[derive(Default)]
pub(super) struct Spill {
    counts: Spilled,
}

pub(super) type Spilled = HashMap<Used, Counts, RandomState>;

impl Spill {
    /// How many keys can have counts here: some 5 MiB.
    pub(super) const MAX: usize = 65_536;

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

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Takes everything, and goes on with that empty map.
    pub(super) fn replace(&mut self, empty: Spilled) -> Spilled {
        mem::replace(&mut self.counts, empty)
    }
}

pub(super) struct NoRoom;
