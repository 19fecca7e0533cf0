//! Records by the digests of their secrets.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use foldhash::fast::FixedState;
use foldhash::quality::RandomState;

use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;
use crate::store::generation::{Generation, Number};
use crate::store::replica;

/// Finds records by a digest. Look-ups wait for nobody; whoever changes it must be alone in that.
///
/// The digests are spread over buckets of some ten, under a random seed, so that nobody can aim at
/// one. A bucket never changes: another takes its place at once. To have a few digests in each
/// halves the memory that an entry for each would take, and the digest itself is in the record only.
#[derive(Default)]
pub(super) struct Digests {
    seed: RandomState,
    /// By how many bits of its hash a digest finds its bucket.
    bits: AtomicU32,
    len: AtomicUsize,
    generation: Generation,
    /// By the hash's first `bits` bits, after a 1 that tells how many they are.
    buckets: papaya::HashMap<u32, Bucket, FixedState>,
}

type Bucket = Box<[Entry]>;

#[derive(Clone)]
struct Entry {
    hash: u64,
    record: Arc<KeyRecord>,
}

/// How many digests a bucket has on average before there are twice as many buckets.
const MOST: usize = 16;

impl Digests {
    /// A handle of the record that has this digest.
    #[inline]
    pub(super) fn record(&self, digest: &KeyDigest) -> Option<Arc<KeyRecord>> {
        let number = self.generation.current();
        replica::recall(digest, number, 0).or_else(|| self.read(digest, number))
    }

    /// Out of line, so that the way to a copy is short.
    #[inline(never)]
    fn read(&self, digest: &KeyDigest, number: Option<Number>) -> Option<Arc<KeyRecord>> {
        self.find(digest, |record| {
            // What is found stays true until it is changed.
            replica::remember(digest, number, u64::MAX, record)
        })
    }

    /// What `take` makes of the record that has this digest.
    #[inline]
    pub(super) fn find<T>(
        &self,
        digest: &KeyDigest,
        take: impl FnOnce(&Arc<KeyRecord>) -> T,
    ) -> Option<T> {
        let hash = self.seed.hash_one(digest);
        let buckets = self.buckets.pin();
        loop {
            let bits = self.bits.load(Ordering::Acquire);
            let bucket = buckets.get(&place(hash, bits));
            let entry = bucket.and_then(|bucket| bucket.iter().find(|one| one.is(hash, digest)));
            if let Some(entry) = entry {
                return Some(take(&entry.record));
            }
            // A bucket may be gone because there are more now, and its digests are in those.
            if self.bits.load(Ordering::Acquire) == bits {
                return None;
            }
        }
    }

    pub(super) fn contain(&self, digest: &KeyDigest) -> bool {
        self.find(digest, |_| ()).is_some()
    }

    /// Makes a digest find this record, and no other any more.
    pub(super) fn put(&self, digest: &KeyDigest, record: &Arc<KeyRecord>) {
        let hash = self.seed.hash_one(digest);
        let place = place(hash, self.bits.load(Ordering::Relaxed));
        let buckets = self.buckets.pin();
        let before = buckets.get(&place).map_or(&[][..], |bucket| bucket);
        let is_new = !before.iter().any(|one| one.is(hash, digest));

        let mut after = Vec::with_capacity(before.len() + usize::from(is_new));
        after.extend(before.iter().filter(|one| !one.is(hash, digest)).cloned());
        after.push(Entry {
            hash,
            record: record.clone(),
        });
        if is_new {
            buckets.insert(place, after.into());
        } else {
            self.generation
                .change(|| buckets.insert(place, after.into()));
        }
        if is_new
            && self.len.fetch_add(1, Ordering::Relaxed) >= MOST << self.bits.load(Ordering::Relaxed)
        {
            self.grow();
        }
    }

    pub(super) fn remove(&self, digest: &KeyDigest) {
        let hash = self.seed.hash_one(digest);
        let place = place(hash, self.bits.load(Ordering::Relaxed));
        let buckets = self.buckets.pin();
        let Some(before) = buckets.get(&place) else {
            return;
        };
        let others = before.iter().filter(|one| !one.is(hash, digest));
        let after: Bucket = others.cloned().collect();
        self.len
            .fetch_sub(before.len() - after.len(), Ordering::Relaxed);
        self.generation.change(|| {
            if after.is_empty() {
                buckets.remove(&place);
            } else {
                buckets.insert(place, after);
            }
        });
    }

    /// Makes two buckets of each.
    ///
    /// Until the last is there, look-ups go by the old ones, which nobody changes meanwhile.
    fn grow(&self) {
        let bits = self.bits.load(Ordering::Relaxed);
        let buckets = self.buckets.pin();
        for old in 1 << bits..2 << bits {
            let Some(bucket) = buckets.get(&old) else {
                continue;
            };
            for half in [2 * old, 2 * old + 1] {
                let own = bucket
                    .iter()
                    .filter(|one| place(one.hash, bits + 1) == half);
                let own: Bucket = own.cloned().collect();
                if !own.is_empty() {
                    buckets.insert(half, own);
                }
            }
        }
        self.bits.store(bits + 1, Ordering::Release);
        for old in 1 << bits..2 << bits {
            buckets.remove(&old);
        }
    }
}

impl Entry {
    #[inline]
    fn is(&self, hash: u64, digest: &KeyDigest) -> bool {
        self.hash == hash && self.record.secret_version(digest).is_some()
    }
}

/// The key of the bucket for a hash.
#[inline]
fn place(hash: u64, bits: u32) -> u32 {
    // In two steps, since a shift by 64 is none. OK because it leaves 32 bits at most.
    let first = hash >> 1 >> (63 - bits);
    (1 << bits) | u32::try_from(first).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use jiff::Timestamp;

    use super::*;
    use crate::record::id::KeyId;
    use crate::record::secret::SecretVersion;

    const MANY: u32 = 20_000;

    fn digest(number: u32) -> KeyDigest {
        let mut octets = [0; KeyDigest::LEN];
        octets[..4].copy_from_slice(&number.to_ne_bytes());
        KeyDigest::from_bytes(octets)
    }

    fn record(name: &str, digests: impl IntoIterator<Item = KeyDigest>) -> Arc<KeyRecord> {
        let prefix = "0123abcd".parse().unwrap();
        let versions = digests
            .into_iter()
            .zip(1..)
            .map(|(digest, number)| SecretVersion::new(number, digest, prefix, Timestamp::MIN));
        let id = KeyId::from_bytes([1; 16]);
        let record = KeyRecord::new(id, "acct_42", name, Timestamp::MIN);
        Arc::new(record.with_secret_versions(versions))
    }

    fn name_of(digests: &Digests, digest: &KeyDigest) -> Option<String> {
        digests.find(digest, |record| record.name().to_owned())
    }

    #[test]
    fn look_ups_miss_nothing_while_there_are_more_and_more() {
        let digests = Digests::default();
        let there = AtomicU32::new(0);
        let start = Barrier::new(3);
        thread::scope(|scope| {
            for seed in 1..3_u32 {
                let (digests, there, start) = (&digests, &there, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut any = seed;
                    while there.load(Ordering::Acquire) < MANY {
                        any = any.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                        let number = any >> 8;
                        let count = there.load(Ordering::Acquire);
                        if count > 0 {
                            assert!(digests.contain(&digest(number % count)));
                        }
                        assert!(!digests.contain(&digest(MANY + number)));
                    }
                });
            }
            start.wait();
            for number in 0..MANY {
                digests.put(&digest(number), &record("", [digest(number)]));
                there.store(number + 1, Ordering::Release);
            }
        });
        assert!(digests.bits.load(Ordering::Relaxed) > 8);
        for number in 0..MANY {
            assert!(digests.contain(&digest(number)));
            digests.remove(&digest(number));
            assert!(!digests.contain(&digest(number)));
        }
        assert_eq!(digests.len.load(Ordering::Relaxed), 0);
        assert_eq!(digests.buckets.len(), 0);
    }

    #[test]
    fn a_record_takes_the_place_of_the_one_before() {
        let digests = Digests::default();
        digests.put(&digest(1), &record("before", [digest(1)]));
        digests.put(&digest(1), &record("after", [digest(1)]));
        assert_eq!(name_of(&digests, &digest(1)).as_deref(), Some("after"));
        assert_eq!(digests.len.load(Ordering::Relaxed), 1);
        digests.remove(&digest(2));
        assert_eq!(digests.len.load(Ordering::Relaxed), 1);
    }

    /// Only eight octets of a digest are hashed; the others tell two apart all the same.
    #[test]
    fn digests_with_the_same_hash_are_told_apart() {
        let digests = Digests::default();
        let mut octets = *digest(1).as_bytes();
        octets[31] = 1;
        let (one, two) = (digest(1), KeyDigest::from_bytes(octets));
        digests.put(&one, &record("one", [one]));
        assert!(!digests.contain(&two));
        digests.put(&two, &record("two", [two]));
        assert_eq!(name_of(&digests, &one).as_deref(), Some("one"));
        assert_eq!(name_of(&digests, &two).as_deref(), Some("two"));
        digests.remove(&one);
        assert!(!digests.contain(&one));

        // Both of one record.
        let both = record("both", [one, two]);
        digests.put(&one, &both);
        digests.put(&two, &both);
        assert_eq!(name_of(&digests, &one).as_deref(), Some("both"));
        assert_eq!(name_of(&digests, &two).as_deref(), Some("both"));
        digests.remove(&one);
        digests.remove(&two);
        assert!(!digests.contain(&one) && !digests.contain(&two));
    }
}
