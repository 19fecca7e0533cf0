//! Look-ups: who begins one, who joins it, and what is remembered of it.

use std::sync::Arc;

use super::core::{Core, State};
use super::entry::{Entry, Life, Moment, nanoseconds};
use super::flight::{Answer, Flight, Found, Landing};
use super::observer::CacheEvent;
use crate::key::digest::KeyDigest;
use crate::record::id::KeyId;
use crate::record::key::KeyRecord;
use crate::store::contract::error::{StoreError, StoreErrorKind};

/// What a request does for an answer that is not in memory.
pub(super) enum Way {
    /// It is there after all.
    Answered(Found),
    /// Waits for a look-up that is under way.
    Join(Flight),
    /// Makes a look-up, and waits for it.
    Begin(LookUp, Flight),
}

/// A look-up that has begun. Dropping it ends it without an answer.
pub(super) struct LookUp {
    core: Arc<Core>,
    digest: KeyDigest,
    number: u64,
    began: Moment,
    /// Until when it counts towards the rate, unless it finds a key.
    counts_until: Option<Moment>,
    /// The point before which changes are known to the store's answer.
    changes: u64,
    landing: Option<Landing>,
}

impl LookUp {
    /// Finds out what a request for this digest does.
    pub(super) fn way(core: &Arc<Core>, digest: &KeyDigest) -> Way {
        core.observe_feed();
        let mut state = core.state();
        // A look-up may have ended since the request has looked.
        if let Some(answer) = core.answer_now(digest) {
            return Way::Answered(Ok(answer));
        }
        let now = core.now();
        let deadline = nanoseconds(core.options.look_up_deadline);
        if let Some(flight) = state.flights.get(digest)
            && now < flight.began.saturating_add(deadline)
        {
            return Way::Join(flight.clone());
        }
        let counts_until = match admit(core, &mut state, digest, now) {
            Ok(counts_until) => counts_until,
            Err(refusal) => {
                state.refused += 1;
                let old = out_of_date(core, &mut state, digest, now, &refusal);
                drop(state);
                return Way::Answered(told(core, old, Err(refusal)));
            }
        };
        state.under_way += 1;
        state.look_ups += 1;
        let number = state.look_ups;
        let (flight, landing) = Flight::new(number, now);
        state.flights.insert(*digest, flight.clone());
        let look_up = Self {
            core: core.clone(),
            digest: *digest,
            number,
            began: now,
            counts_until,
            changes: state.changes.now(),
            landing: Some(landing),
        };
        Way::Begin(look_up, flight)
    }

    pub(super) fn digest(&self) -> &KeyDigest {
        &self.digest
    }

    /// Ends the look-up: remembers what was found, and tells those who wait.
    pub(super) fn land(mut self, found: Found) {
        let mut state = self.core.state();
        let now = self.core.now();
        let found = found.and_then(|answer| self.checked(answer));
        self.leave(&mut state);
        if let (Ok(Some(_)), Some(counts_until)) = (&found, self.counts_until)
            && let Some(rate) = &mut state.rate
        {
            rate.take_back(counts_until, now);
        }
        let old = match &found {
            Ok(answer) => {
                self.remember(&mut state, answer.as_ref());
                None
            }
            Err(error) => out_of_date(&self.core, &mut state, &self.digest, now, error),
        };
        drop(state);
        let found = told(&self.core, old, found);
        if let Some(landing) = self.landing.take() {
            landing.tell(found);
        }
    }

    /// The answer, unless it is another key's record: that says nothing about this key.
    fn checked(&self, answer: Answer) -> Found {
        match answer {
            Some(record) if record.secret_version(&self.digest).is_none() => {
                let message = "expected a record with the digest that was asked for, found another";
                Err(StoreError::new(StoreErrorKind::Corrupt, message))
            }
            answer => Ok(answer),
        }
    }

    /// Remembers what was found, unless the store may say otherwise by now.
    fn remember(&self, state: &mut State, found: Option<&Arc<KeyRecord>>) {
        let core = &*self.core;
        let read_later = |read_at: Moment| read_at > self.began;
        let known_later = |entry: &Entry| read_later(entry.life.read_at);
        let unknown_later = |life: &Life| read_later(life.read_at);
        if core.keys.peek(&self.digest, known_later) == Some(true)
            || core.unknown.peek(&self.digest, unknown_later) == Some(true)
        {
            return;
        }
        let before = core.keys.peek(&self.digest, |entry| entry.record.id());
        if let Some(id) = before
            && found.is_none_or(|record| record.id() != id)
        {
            // The key has lost this digest, so what was read of it before is out of date.
            self.replace_earlier(state, &id, None);
        }
        let concerned = match found {
            Some(record) => {
                state.changes.may_concern(&record.id(), self.changes)
                    || self.is_outdone(state, record)
            }
            None => state.changes.may_have_added(self.changes),
        };
        let zero = match found {
            Some(_) => core.options.time_to_live.is_zero(),
            None => core.options.negative_time_to_live.is_zero(),
        };
        // What was remembered before is out of date, whether the answer takes its place or not.
        let newer = found.filter(|_| !concerned && !zero);
        if let Some(record) = found {
            self.replace_earlier(state, &record.id(), newer);
        }
        match newer {
            Some(record) => self.hold(state, self.digest, record),
            None => state.forget_digest(&core.keys, &self.digest),
        }
        let slots = &mut state.unknown_slots;
        if found.is_none() && !concerned && !zero {
            let life = core.life_of_unknown(&self.digest, self.began);
            core.unknown.insert(slots, self.digest, life, |_, _| {});
        } else {
            core.unknown.remove(slots, &self.digest, |_, _| {});
        }
    }

    /// Whether something that was read later is remembered of this key, under any of its digests.
    fn is_outdone(&self, state: &State, record: &KeyRecord) -> bool {
        let core = &*self.core;
        let held = state.held_of(&core.keys, &record.id());
        let mut versions = record.secret_versions().iter();
        held.iter().any(|(_, read_at)| *read_at > self.began)
            || versions.any(|version| {
                let later = |life: &Life| life.read_at > self.began;
                core.unknown.peek(version.digest(), later) == Some(true)
            })
    }

    /// Has the newer record take the place of what was read before of this key, under each other
    /// digest that it still has: what is known of a key under one digest holds under all of them.
    ///
    /// Rather than forget the other digests, since the secrets of a key that is being rotated are
    /// used in turn, and each look-up would cause the next.
    fn replace_earlier(&self, state: &mut State, id: &KeyId, newer: Option<&Arc<KeyRecord>>) {
        let keys = &self.core.keys;
        for (digest, read_at) in state.held_of(keys, id) {
            if digest == self.digest || read_at > self.began {
                continue;
            }
            match newer.filter(|record| record.secret_version(&digest).is_some()) {
                Some(record) => self.hold(state, digest, record),
                None => state.forget_digest(keys, &digest),
            }
        }
    }

    fn hold(&self, state: &mut State, digest: KeyDigest, record: &Arc<KeyRecord>) {
        let life = self.core.life_of_key(&digest, self.began);
        let record = record.clone();
        state.hold(&self.core.keys, digest, Entry { record, life });
    }

    /// Makes room for other look-ups.
    fn leave(&self, state: &mut State) {
        state.under_way -= 1;
        let joined = state.flights.get(&self.digest);
        if joined.is_some_and(|flight| flight.number == self.number) {
            state.flights.remove(&self.digest);
        }
    }
}

impl Drop for LookUp {
    fn drop(&mut self) {
        if self.landing.is_some() {
            self.leave(&mut self.core.state());
        }
    }
}

/// Has a look-up begin if it may; until when it counts towards the rate, if it does.
fn admit(
    core: &Core,
    state: &mut State,
    digest: &KeyDigest,
    now: Moment,
) -> Result<Option<Moment>, StoreError> {
    let held = core.keys.holds(digest);
    let max = core.options.max_look_ups;
    let most = if held { max } else { max - max / 4 };
    if state.under_way >= most {
        let message = format!("expected fewer than {most} look-ups under way, found as many");
        return Err(StoreError::new(StoreErrorKind::Overloaded, message));
    }
    let Some(rate) = state.rate.as_mut().filter(|_| !held) else {
        return Ok(None);
    };
    rate.admit(now).map(Some).ok_or_else(|| {
        let most = core.options.unknown_keys_per_second.unwrap_or(u32::MAX);
        let message = format!("expected at most {most} unknown keys a second, found more");
        StoreError::new(StoreErrorKind::Overloaded, message)
    })
}

/// A record that is out of date and answers in place of this error, if there is one.
///
/// That it is still held shows that no change of it was heard of.
fn out_of_date(
    core: &Core,
    state: &mut State,
    digest: &KeyDigest,
    now: Moment,
    error: &StoreError,
) -> Option<Arc<KeyRecord>> {
    let max_age = nanoseconds(core.options.stale_if_error?);
    let kinds = [
        StoreErrorKind::Unavailable,
        StoreErrorKind::TimedOut,
        StoreErrorKind::Overloaded,
    ];
    if !kinds.contains(&error.kind()) {
        return None;
    }
    let mut entry = core.keys.peek(digest, Entry::clone)?;
    let end = entry.life.read_at.saturating_add(max_age);
    if now >= end {
        return None;
    }
    entry.life.prolong(now.saturating_add(SPARED).min(end));
    let record = entry.record.clone();
    state.hold(&core.keys, *digest, entry);
    state.stale += 1;
    Some(record)
}

/// How long a store that failed is spared a look-up of the same key: one second.
const SPARED: Moment = 1_000_000_000;

/// The answer, once the observer was told that it is out of date, if it is.
fn told(core: &Core, old: Option<Arc<KeyRecord>>, found: Found) -> Found {
    match (old, found) {
        (Some(record), Err(error)) => {
            core.observe(CacheEvent::Stale {
                id: record.id(),
                failure: error.kind(),
            });
            Ok(Some(record))
        }
        (_, found) => found,
    }
}
