//! A thread's own copies of its hottest records.
//!
//! Handing out an `Arc` writes to its count, and when two cores do that to one record, each waits
//! for the other's cache line. So a thread that is asked for the same record again and again makes
//! a copy of its own and hands that out. A copy answers only while its store would answer the same:
//! as long as the [generation](super::generation) has the number under which the record was found,
//! and the answer's time is not over.

use std::cell::RefCell;
use std::sync::Arc;

use super::generation::Number;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;

/// The calling thread's copy of the record that was found for this digest under this number, if the
/// thread has one that answers now, by the store's own clock.
#[inline]
pub(super) fn recall(
    digest: &KeyDigest,
    number: Option<Number>,
    now: u64,
) -> Option<Arc<KeyRecord>> {
    let number = number?;
    let recalled = REPLICAS.try_with(|replicas| {
        let mut slots = replicas.try_borrow_mut().ok()?;
        slots.get_mut(slot_of(digest))?.recall(digest, number, now)
    });
    // A thread that is ending has none.
    recalled.ok().flatten()
}

/// A handle of the record that was found for this digest under this number: the calling thread's
/// own, if the record is hot there, which it can [`recall`] from then on until that moment.
pub(super) fn remember(
    digest: &KeyDigest,
    number: Option<Number>,
    until: u64,
    record: &Arc<KeyRecord>,
) -> Arc<KeyRecord> {
    let replica = REPLICAS.try_with(|replicas| {
        let mut slots = replicas.try_borrow_mut().ok()?;
        if slots.is_empty() {
            slots.resize_with(SLOTS, Slot::default);
        }
        slots[slot_of(digest)].hand_out(digest, number, until, record)
    });
    // The thread is ending, or the record is not hot.
    replica.ok().flatten().unwrap_or_else(|| record.clone())
}

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
    /// The digest last asked for without a copy; only a hint.
    last: u32,
    times: u32,
    copy: Option<Copied>,
}

struct Copied {
    /// The first octets of the digest that it was asked for by.
    word: u64,
    /// Under which number the record was found; none if a change was under way.
    number: Option<Number>,
    /// From when on it does not answer, by the store's own clock.
    until: u64,
    /// Keeps the snapshot's address from being used again, so that equal addresses mean the same.
    original: Arc<KeyRecord>,
    replica: Arc<KeyRecord>,
}

impl Slot {
    #[inline]
    fn recall(&mut self, digest: &KeyDigest, number: Number, now: u64) -> Option<Arc<KeyRecord>> {
        let copy = self.copy.as_ref()?;
        if copy.word != digest.first_word() || copy.number != Some(number) || now >= copy.until {
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
        number: Option<Number>,
        until: u64,
        record: &Arc<KeyRecord>,
    ) -> Option<Arc<KeyRecord>> {
        let word = digest.first_word();
        if let Some(copy) = &mut self.copy
            && Arc::ptr_eq(&copy.original, record)
        {
            (copy.word, copy.number, copy.until) = (word, number, until);
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
            number,
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
        let (hot, number) = (record("hot", &digest), Generation::default().current());
        for asked in 1..20 {
            let handle = remember(&digest, number, 1, &hot);
            assert_eq!(handle, hot);
            assert_eq!(Arc::ptr_eq(&handle, &hot), asked < HOT);
            let recalled = recall(&digest, number, 0);
            assert_eq!(recalled.is_some(), asked >= HOT);
            assert!(recalled.is_none_or(|recalled| Arc::ptr_eq(&recalled, &handle)));
        }
    }

    #[test]
    fn a_copy_answers_for_its_own_digest_under_its_own_number_only() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let hot = record("hot", &digest);
        let generation = Generation::default();
        let number = generation.current();
        for _ in 0..HOT {
            remember(&digest, number, 1, &hot);
        }
        assert!(recall(&digest, number, 0).is_some());
        let mut octets = [7; 32];
        octets[31] = 8;
        assert!(recall(&KeyDigest::from_bytes(octets), number, 0).is_none());

        generation.change(|| ());
        let later = generation.current();
        assert!(recall(&digest, later, 0).is_none());
        assert!(recall(&digest, Generation::default().current(), 0).is_none());
        // The store still has the snapshot, so the copy goes on.
        assert!(!Arc::ptr_eq(&remember(&digest, later, 1, &hot), &hot));
        assert!(recall(&digest, later, 0).is_some());
        assert!(recall(&digest, number, 0).is_none());
        // Nobody knows while it changes.
        assert!(!Arc::ptr_eq(&remember(&digest, None, 1, &hot), &hot));
        assert!(recall(&digest, None, 0).is_none());
        // It has another, which is not hot yet.
        let other = record("other", &digest);
        assert!(Arc::ptr_eq(&remember(&digest, later, 1, &other), &other));
    }

    #[test]
    fn a_copy_answers_until_its_moment() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let (hot, number) = (record("hot", &digest), Generation::default().current());
        for _ in 0..HOT {
            remember(&digest, number, 100, &hot);
        }
        assert!(recall(&digest, number, 99).is_some());
        assert!(recall(&digest, number, 100).is_none());
        // The store has prolonged it.
        remember(&digest, number, 200, &hot);
        assert!(recall(&digest, number, 199).is_some());
        assert!(recall(&digest, number, 200).is_none());
    }

    #[test]
    fn another_snapshot_is_never_answered_by_the_copy_of_an_older_one() {
        let digest = KeyDigest::from_bytes([7; 32]);
        let number = Generation::default().current();
        let mut current = record("0", &digest);
        for change in 1..2_000 {
            for _ in 0..12 {
                assert_eq!(remember(&digest, number, 1, &current), current);
            }
            assert!(!Arc::ptr_eq(
                &remember(&digest, number, 1, &current),
                &current
            ));
            // The old snapshot is dropped, so that its address may be used again.
            current = record(&change.to_string(), &digest);
        }
    }
}
