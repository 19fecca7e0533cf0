//! A thread's own copies of its hottest records.
//!
//! Handing out an `Arc` writes to its count, and when two cores do that to one record, each waits
//! for the other's cache line. So a thread that is asked for the same record again and again makes
//! a copy of its own and hands that out. A copy stands for one snapshot only: the store is asked
//! for every request, and a changed record is another snapshot.

use std::cell::RefCell;
use std::sync::Arc;

use crate::record::key::KeyRecord;

/// A handle of this record: the calling thread's own, if the record is hot there.
pub(crate) fn of(record: &Arc<KeyRecord>) -> Arc<KeyRecord> {
    REPLICAS
        .try_with(|replicas| match replicas.try_borrow_mut() {
            Ok(mut slots) => {
                if slots.is_empty() {
                    slots.resize_with(SLOTS, Slot::new);
                }
                slots[slot_of(record)].hand_out(record)
            }
            Err(_) => record.clone(),
        })
        // The thread is ending.
        .unwrap_or_else(|_| record.clone())
}

/// How many records a thread can have copies of.
const SLOTS: usize = 4_096;

/// How often in a row a slot is asked for one record before the record counts as hot there.
const HOT: u8 = 8;

thread_local! {
    /// Empty until the thread's first look-up.
    static REPLICAS: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
}

struct Slot {
    /// The address of the record that was last asked for. Only a hint: it is never followed.
    last: usize,
    times: u8,
    copy: Option<Copied>,
}

struct Copied {
    /// Keeps the snapshot's address from being used again, so that equal addresses mean the same.
    original: Arc<KeyRecord>,
    replica: Arc<KeyRecord>,
}

impl Slot {
    const fn new() -> Self {
        Self {
            last: 0,
            times: 0,
            copy: None,
        }
    }

    fn hand_out(&mut self, record: &Arc<KeyRecord>) -> Arc<KeyRecord> {
        if let Some(copy) = &self.copy
            && Arc::ptr_eq(&copy.original, record)
        {
            self.times = 0;
            return copy.replica.clone();
        }
        let address = Arc::as_ptr(record).addr();
        if self.last != address {
            (self.last, self.times) = (address, 0);
        }
        self.times += 1;
        if self.times < HOT {
            return record.clone();
        }
        self.times = 0;
        let replica = Arc::new(KeyRecord::clone(record));
        self.copy = Some(Copied {
            original: record.clone(),
            replica: replica.clone(),
        });
        replica
    }
}

/// The slot of a record, from its address, whose lowest bits are the same for all.
fn slot_of(record: &Arc<KeyRecord>) -> usize {
    let address = Arc::as_ptr(record).addr();
    (address >> 4 ^ address >> 10) % SLOTS
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::record::id::KeyId;

    fn record(owner: &str) -> Arc<KeyRecord> {
        let id = KeyId::from_bytes([1; 16]);
        Arc::new(KeyRecord::new(id, owner, "name", Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn a_hot_record_is_copied_and_its_count_left_alone() {
        let hot = record("hot");
        let handles: Vec<_> = (0..20).map(|_| of(&hot)).collect();
        assert!(handles.iter().all(|handle| **handle == *hot));
        let copies = handles
            .iter()
            .filter(|handle| !Arc::ptr_eq(handle, &hot))
            .count();
        assert_eq!(copies, 20 - (usize::from(HOT) - 1));
    }

    #[test]
    fn another_snapshot_is_never_answered_by_the_copy_of_an_older_one() {
        let mut current = record("0");
        for change in 1..2_000 {
            for _ in 0..12 {
                assert_eq!(*of(&current), *current);
            }
            // The old snapshot is dropped, so that its address may be used again.
            current = record(&change.to_string());
        }
    }
}
