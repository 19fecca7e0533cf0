//! A thread's own copies of its hottest records.
//!
//! Handing out an `Arc` writes to its count, and when two cores do that to one record, each waits
//! for the other's cache line. So a thread that is asked for the same record again and again makes
//! a copy of its own and hands that out. A copy answers only while its store would answer the same:
//! as long as the store is in the state in which it was asked, and the answer's time is not over.

use std::cell::RefCell;
use std::sync::Arc;

use super::generation::Number;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;

/// The calling thread's copy of the record that a store in this state has for this digest, if the
/// thread has one that answers now.
#[inline]
pub(super) fn recall(digest: &KeyDigest, state: Number, now: Moment) -> Option<Arc<KeyRecord>> {
    let recalled = REPLICAS.try_with(|replicas| {
        let mut slots = replicas.try_borrow_mut().ok()?;
        slots.get_mut(slot_of(digest))?.recall(digest, state, now)
    });
    // A thread that is ending has none.
    recalled.ok().flatten()
}

/// A handle of the record that a store in this state has for this digest: the calling thread's own,
/// if the record is hot there, which it can [`recall`] from then on until that moment.
pub(super) fn remember(
    digest: &KeyDigest,
    state: Number,
    until: Moment,
    record: &Arc<KeyRecord>,
) -> Arc<KeyRecord> {
    let replica = REPLICAS.try_with(|replicas| {
        let mut slots = replicas.try_borrow_mut().ok()?;
        if slots.is_empty() {
            slots.resize_with(SLOTS, Slot::default);
        }
        slots[slot_of(digest)].hand_out(digest, state, until, record)
    });
    // The thread is ending, or the record is not hot.
    replica.ok().flatten().unwrap_or_else(|| record.clone())
}

/// A moment on a store's own clock.
pub(super) type Moment = u64;

/// How many records a thread can have copies of.
const SLOTS: usize = 4_096;

/// How often in a row a slot is asked for one digest before its record counts as hot there.
const HOT: u32 = 8;

thread_local! {
    /// Empty until the thread's first look-up.
    static REPLICAS: RefCell<Vec<Slot>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
struct Slot {
    /// Of which digest without a copy the record was last asked for; only a hint.
    last: u32,
    times: u32,
    copy: Option<Copied>,
}

struct Copied {
    /// The first octets of the digest that it was asked for by.
    word: u64,
    /// The state of the store that has this record for that digest.
    state: Number,
    until: Moment,
    /// Keeps the snapshot's address from being used again, so that equal addresses mean the same.
    original: Arc<KeyRecord>,
    replica: Arc<KeyRecord>,
}

impl Slot {
    #[inline]
    fn recall(&mut self, digest: &KeyDigest, state: Number, now: Moment) -> Option<Arc<KeyRecord>> {
        let copy = self.copy.as_ref()?;
        if copy.word != digest.first_word() || copy.state != state || now >= copy.until {
            return None;
        }
        // Another digest may begin with the same octets.
        copy.replica.secret_version(digest)?;
        self.times = 0;
        Some(copy.replica.clone())
    }

    fn hand_out(
        &mut self,
        digest: &KeyDigest,
        state: Number,
        until: Moment,
        record: &Arc<KeyRecord>,
    ) -> Option<Arc<KeyRecord>> {
        let word = digest.first_word();
        if let Some(copy) = &mut self.copy
            && Arc::ptr_eq(&copy.original, record)
        {
            (copy.word, copy.state, copy.until) = (word, state, until);
            self.times = 0;
            return Some(copy.replica.clone());
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is only a hint")]
        let hint = (word / SLOTS as u64) as u32;
        if self.last != hint {
            (self.last, self.times) = (hint, 0);
        }
        self.times += 1;
        if self.times < HOT {
            return None;
        }
        self.times = 0;
        let replica = Arc::new(KeyRecord::clone(record));
        self.copy = Some(Copied {
            word,
            state,
            until,
            original: record.clone(),
            replica: replica.clone(),
        });
        Some(replica)
    }
}

/// The slot for a digest, of which any octets are as good as the others.
#[inline]
fn slot_of(digest: &KeyDigest) -> usize {
    usize::try_from(digest.first_word() % SLOTS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::record::id::KeyId;
    use crate::record::secret::SecretVersion;
    use crate::store::generation::Generation;

    fn record(owner: &str, digest: &KeyDigest) -> Arc<KeyRecord> {
        let (id, time) = (KeyId::from_bytes([1; 16]), Timestamp::UNIX_EPOCH);
        let version = SecretVersion::new(1, *digest, "0123abcd".parse().unwrap(), time);
        let record = KeyRecord::new(id, owner, "name", time);
        Arc::new(record.with_secret_versions([version]))
    }

    #[test]
    fn a_hot_record_is_copied_and_its_count_left_alone() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let (hot, state) = (record("hot", &digest), Generation::default().current());
        for asked in 1..20 {
            let handle = remember(&digest, state, 1, &hot);
            assert_eq!(handle, hot);
            assert_eq!(Arc::ptr_eq(&handle, &hot), asked < HOT);
            let recalled = recall(&digest, state, 0);
            assert_eq!(recalled.is_some(), asked >= HOT);
            assert!(recalled.is_none_or(|recalled| Arc::ptr_eq(&recalled, &handle)));
        }
    }

    #[test]
    fn a_copy_answers_for_its_own_digest_in_its_own_state_only() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let hot = record("hot", &digest);
        let generation = Generation::default();
        let state = generation.current();
        for _ in 0..HOT {
            remember(&digest, state, 1, &hot);
        }
        assert!(recall(&digest, state, 0).is_some());
        let mut octets = [7; 32];
        octets[31] = 8;
        assert!(recall(&KeyDigest::from_bytes(octets), state, 0).is_none());

        generation.renew();
        let later = generation.current();
        assert!(recall(&digest, later, 0).is_none());
        assert!(recall(&digest, Generation::default().current(), 0).is_none());
        // The store still has the snapshot, so the copy goes on.
        assert!(!Arc::ptr_eq(&remember(&digest, later, 1, &hot), &hot));
        assert!(recall(&digest, later, 0).is_some());
        assert!(recall(&digest, state, 0).is_none());
        // It has another, which is not hot yet.
        let other = record("other", &digest);
        assert!(Arc::ptr_eq(&remember(&digest, later, 1, &other), &other));
    }

    #[test]
    fn a_copy_answers_until_its_moment() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let (hot, state) = (record("hot", &digest), Generation::default().current());
        for _ in 0..HOT {
            remember(&digest, state, 100, &hot);
        }
        assert!(recall(&digest, state, 99).is_some());
        assert!(recall(&digest, state, 100).is_none());
        // The store has prolonged it.
        remember(&digest, state, 200, &hot);
        assert!(recall(&digest, state, 199).is_some());
        assert!(recall(&digest, state, 200).is_none());
    }

    #[test]
    fn another_snapshot_is_never_answered_by_the_copy_of_an_older_one() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let state = Generation::default().current();
        let mut current = record("0", &digest);
        for change in 1..2_000 {
            for _ in 0..12 {
                assert_eq!(remember(&digest, state, 1, &current), current);
            }
            assert!(!Arc::ptr_eq(
                &remember(&digest, state, 1, &current),
                &current
            ));
            // The old snapshot is dropped, so that its address may be used again.
            current = record(&change.to_string(), &digest);
        }
    }
}
