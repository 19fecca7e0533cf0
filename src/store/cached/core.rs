//! What a cache remembers, and what makes it forget.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as StdInstant};

use foldhash::quality::RandomState;
use tokio::time::Instant;

use super::bounded::BoundedMap;
use super::changes::Changes;
use super::entry::{Entry, Life, Moment, NEVER, nanoseconds};
use super::flight::{Answer, Flight};
use super::observer::CacheEvent;
use super::options::CacheOptions;
use super::rate::Rate;
use super::slots::Slots;
use super::stats::{CacheStats, FeedState};
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::store::contain::contain;
use crate::store::contract::feed::{FeedEvent, Listeners};
use crate::store::replica;

/// All of a cache but the store. Answers from memory take no lock.
pub(super) struct Core {
    pub(super) options: CacheOptions,
    /// The start of the cache's time. It is tokio's, so that a test can pause and advance it.
    began: Instant,
    jitter: RandomState,
    has_feed: bool,
    pub(super) keys: BoundedMap<Entry>,
    pub(super) unknown: BoundedMap<Life>,
    /// Until when the last proof holds that all changes were told.
    proven_until: AtomicU64,
    /// No code of others runs under this lock, and it is held for moments only.
    state: Mutex<State>,
    /// Those who listen to this cache.
    pub(super) downstream: Listeners,
}

/// What misses and changes go by. Whoever holds its lock may write to the maps.
///
/// On cache lines of its own, so that no answer from memory waits for one.
#[repr(align(128))]
pub(super) struct State {
    key_slots: Slots,
    /// The slots of each key's digests, so that a change of the key finds them.
    slots_by_id: BTreeSet<(KeyId, u32)>,
    pub(super) unknown_slots: Slots,
    pub(super) changes: Changes,
    /// The look-ups that a request may join.
    pub(super) flights: HashMap<KeyDigest, Flight, RandomState>,
    /// How many look-ups are under way, whether they may be joined or not.
    pub(super) under_way: u32,
    pub(super) rate: Option<Rate>,
    pub(super) look_ups: u64,
    pub(super) refused: u64,
    pub(super) stale: u64,
    invalidations: u64,
    /// Whether the feed has said that it is lost.
    pub(super) feed_lost: bool,
    /// What the observer was told last.
    observed: FeedState,
}

impl Core {
    pub(super) fn new(options: CacheOptions, has_feed: bool) -> Self {
        let state = State {
            key_slots: Slots::new(options.capacity),
            slots_by_id: BTreeSet::new(),
            unknown_slots: Slots::new(options.negative_capacity),
            changes: Changes::new(),
            flights: HashMap::default(),
            under_way: 0,
            rate: options.unknown_keys_per_second.map(Rate::new),
            look_ups: 0,
            refused: 0,
            stale: 0,
            invalidations: 0,
            feed_lost: false,
            observed: if has_feed {
                FeedState::Current
            } else {
                FeedState::Absent
            },
        };
        Self {
            began: Instant::now(),
            jitter: RandomState::default(),
            has_feed,
            keys: BoundedMap::new(options.capacity),
            unknown: BoundedMap::new(options.negative_capacity),
            // Without a feed, there is nothing to wait for.
            proven_until: AtomicU64::new(if has_feed { 0 } else { NEVER }),
            state: Mutex::new(state),
            downstream: Listeners::new(FeedEvent::Lost),
            options,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // OK after a panic: none can happen under the lock, since no code of others runs there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(super) fn now(&self) -> Moment {
        nanoseconds(self.began.elapsed())
    }

    /// The moment of an instant, or one before; the first, for what was earlier.
    pub(super) fn moment(&self, instant: StdInstant) -> Moment {
        // Now first, so that what passes until the instant's age is known makes it older.
        let now = self.now();
        now.saturating_sub(nanoseconds(Instant::from_std(instant).elapsed()))
    }

    /// The answer from memory, if there is one.
    #[inline]
    pub(super) fn answer_now(&self, digest: &KeyDigest) -> Option<Answer> {
        let now = self.now();
        // Before anything is read that it stands for.
        let number = self.keys.generation().current();
        // Before the entry is read: a proof that comes later may follow upon a change of it.
        let proven_until = self.proven_until.load(Ordering::Acquire);
        let record = replica::recall(digest, number, now).or_else(|| {
            self.keys.read(digest, |entry| {
                let until = entry.life.answers_until(proven_until);
                (now < until).then(|| replica::remember(digest, number, until, &entry.record))
            })
        });
        if record.is_some() {
            return Some(record);
        }
        self.unknown.read(digest, |life| {
            let answers = life.answers(now, proven_until);
            answers.then_some(None)
        })
    }

    /// The life of a record that a look-up found which began then.
    pub(super) fn life_of_key(&self, digest: &KeyDigest, read_at: Moment) -> Life {
        self.life(digest, read_at, self.options.time_to_live)
    }

    /// The life of the knowledge that a key is unknown, which a look-up found which began then.
    pub(super) fn life_of_unknown(&self, digest: &KeyDigest, read_at: Moment) -> Life {
        self.life(digest, read_at, self.options.negative_time_to_live)
    }

    fn life(&self, digest: &KeyDigest, read_at: Moment, most: Duration) -> Life {
        let most = nanoseconds(most);
        let cut = u128::from(most) * JITTER_PERCENT / 100;
        let random = self.jitter.hash_one((digest, read_at));
        // Between none of the cut and all of it.
        let cut = (cut * u128::from(random)) >> 64;
        let lasts = most - u64::try_from(cut).unwrap_or(most);
        let fallback = nanoseconds(self.options.fallback_time_to_live);
        Life {
            read_at,
            proof_needed_from: read_at.saturating_add(fallback),
            ends_at: read_at.saturating_add(lasts),
        }
    }

    /// Forgets these keys, which have changed. `added`: a secret that was unknown may be known.
    ///
    /// No look-up that is under way is joined any more, and none that finds one of these keys, or
    /// that the added secret is unknown, is remembered.
    pub(super) fn forget(&self, ids: &[KeyId], added: bool) {
        for some in ids.chunks(FORGOTTEN_AT_ONCE) {
            let mut state = self.state();
            for id in some {
                if added {
                    state.changes.note_added(*id);
                } else {
                    state.changes.note(*id);
                }
                state.forget_key(&self.keys, id);
            }
            if added {
                self.unknown.forget_all();
            }
            state.flights.clear();
            state.invalidations += some.len() as u64;
        }
    }

    /// Forgets everything, at once: what is still held is of the past.
    pub(super) fn forget_all(&self) {
        let mut state = self.state();
        state.changes.note_all();
        self.keys.forget_all();
        self.unknown.forget_all();
        state.flights.clear();
        state.invalidations += 1;
    }

    /// From now on, no proof is needed.
    pub(super) fn note_in_step(&self) {
        let mut state = self.state();
        state.feed_lost = false;
        self.set_proven_until(NEVER);
    }

    /// All changes before that moment were told.
    pub(super) fn note_proof(&self, as_of: Moment) {
        let mut state = self.state();
        state.feed_lost = false;
        let proven_until = self.end_of_proof(as_of.min(self.now()));
        let before = match self.proven_until.load(Ordering::Relaxed) {
            NEVER => 0,
            before => before,
        };
        self.set_proven_until(before.max(proven_until));
    }

    /// From now on, changes may go untold; those before were told as far as was proven.
    pub(super) fn note_lost(&self) {
        let mut state = self.state();
        state.feed_lost = true;
        if self.proven_until.load(Ordering::Relaxed) == NEVER {
            let proven_until = self.end_of_proof(self.now());
            self.set_proven_until(proven_until);
        }
    }

    /// For whoever holds the lock of the state.
    fn set_proven_until(&self, until: Moment) {
        let set = || self.proven_until.store(until, Ordering::Release);
        if until < self.proven_until.load(Ordering::Relaxed) {
            // What was read may answer less long than it seemed.
            self.keys.generation().change(set);
        } else {
            set();
        }
    }

    fn end_of_proof(&self, as_of: Moment) -> Moment {
        let fallback = nanoseconds(self.options.fallback_time_to_live);
        // A proof that ends holds a moment less than for ever.
        as_of.saturating_add(fallback).min(NEVER - 1)
    }

    pub(super) fn feed_state(&self, state: &State) -> FeedState {
        if !self.has_feed {
            FeedState::Absent
        } else if state.feed_lost || self.now() >= self.proven_until.load(Ordering::Relaxed) {
            FeedState::Behind
        } else {
            FeedState::Current
        }
    }

    /// Tells the observer if the feed stands otherwise than it was told last.
    pub(super) fn observe_feed(&self) {
        let mut state = self.state();
        let now = self.feed_state(&state);
        let before = std::mem::replace(&mut state.observed, now);
        drop(state);
        match now {
            FeedState::Behind if before != now => self.observe(CacheEvent::FeedLost),
            FeedState::Current if before != now => self.observe(CacheEvent::FeedRestored),
            _ => {}
        }
    }

    /// Tells the observer. No lock may be held.
    pub(super) fn observe(&self, event: CacheEvent) {
        // A panic of the observer is its own affair.
        let _ = contain(|| self.options.observer.event(event));
    }

    pub(super) fn stats(&self) -> CacheStats {
        let state = self.state();
        CacheStats {
            keys: state.key_slots.len(),
            unknown_keys: state.unknown_slots.len(),
            under_way: state.under_way as usize,
            look_ups: state.look_ups,
            refused: state.refused,
            stale: state.stale,
            invalidations: state.invalidations,
        }
    }
}

impl State {
    /// Remembers a record.
    pub(super) fn hold(&mut self, keys: &BoundedMap<Entry>, digest: KeyDigest, entry: Entry) {
        let (id, by_id) = (entry.record.id(), &mut self.slots_by_id);
        let slot = keys.insert(&mut self.key_slots, digest, entry, |slot, gone| {
            by_id.remove(&(gone.record.id(), slot));
        });
        self.slots_by_id.insert((id, slot));
    }

    /// Forgets the record of one digest.
    pub(super) fn forget_digest(&mut self, keys: &BoundedMap<Entry>, digest: &KeyDigest) {
        let by_id = &mut self.slots_by_id;
        keys.remove(&mut self.key_slots, digest, |slot, gone| {
            by_id.remove(&(gone.record.id(), slot));
        });
    }

    /// The digests of a key that are held, and when the record of each was read.
    pub(super) fn held_of(&self, keys: &BoundedMap<Entry>, id: &KeyId) -> Vec<(KeyDigest, Moment)> {
        let slots = self.slots_by_id.range((*id, 0)..=(*id, u32::MAX));
        let digests = slots.filter_map(|(_, slot)| self.key_slots.digest(*slot));
        let read_at = |digest| keys.peek(&digest, |entry| (digest, entry.life.read_at));
        digests.filter_map(read_at).collect()
    }

    /// Forgets all digests of a key.
    fn forget_key(&mut self, keys: &BoundedMap<Entry>, id: &KeyId) {
        while let Some(&(found, slot)) = self.slots_by_id.range((*id, 0)..).next()
            && found == *id
        {
            self.slots_by_id.remove(&(found, slot));
            if let Some(digest) = self.key_slots.digest(slot) {
                keys.remove(&mut self.key_slots, &digest, |_, _| {});
            }
        }
    }
}

/// By up to how many percent lives are shortened, at random, so that what was read together is not
/// read again together.
const JITTER_PERCENT: u128 = 10;

/// How many keys are forgotten at once at most, so that no request waits long for a batch.
const FORGOTTEN_AT_ONCE: usize = 256;
