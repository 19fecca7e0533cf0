//! The ends that were enforced.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::record::id::KeyId;

/// The end of a key or of one of its secrets, as ordered by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// Microseconds since 1970: exact, since records keep times so.
    at: i64,
    key: KeyId,
    /// `None` when the whole key ends.
    secret: Option<u32>,
}

impl End {
    pub(super) fn of_key(key: KeyId, at: Timestamp) -> Self {
        let at = at.as_microsecond();
        Self {
            at,
            key,
            secret: None,
        }
    }

    pub(super) fn of_secret(key: KeyId, number: u32, at: Timestamp) -> Self {
        let secret = Some(number);
        Self {
            secret,
            ..Self::of_key(key, at)
        }
    }
}

/// Remembers which keys and secrets were refused because their end had come, so that a clock which
/// steps back revives none of them.
///
/// It remembers those and not the time itself: after a clock that ran ahead by mistake is set
/// right, what was not refused meanwhile works as if nothing had happened.
///
/// It keeps [`MOST`](Self::MOST) of them. When there are more, the earliest end is let go, and
/// from then on every end up to that one counts as enforced, whosever it is: nothing that was
/// refused is ever revived. As long as no clock steps back, such ends lie in the past anyway.
#[derive(Debug)]
pub(crate) struct EnforcedEnds {
    /// The latest end that was enforced; nothing later needs a look at the others.
    latest: AtomicI64,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    ends: BTreeSet<End>,
    /// Every end up to this one counts as enforced.
    floor: i64,
}

impl EnforcedEnds {
    /// How many ends are kept: about half a megabyte.
    pub(super) const MOST: usize = 8_192;

    pub(crate) const fn new() -> Self {
        let kept = Kept {
            ends: BTreeSet::new(),
            // No end is judged by a clock before 1970.
            floor: 0,
        };
        Self {
            latest: AtomicI64::new(0),
            kept: Mutex::new(kept),
        }
    }

    /// Whether an end has come by this clock, or had come before.
    #[inline]
    pub(super) fn have(&self, end: End, now: Timestamp) -> bool {
        if now.as_microsecond() >= end.at {
            self.keep(end);
            return true;
        }
        // Not unless the clock has stepped back: what was enforced lies in the past.
        end.at <= self.latest.load(Ordering::Acquire) && self.kept(|kept| kept.holds(&end))
    }

    #[cold]
    fn keep(&self, end: End) {
        self.kept(|kept| {
            if kept.holds(&end) {
                return;
            }
            kept.ends.insert(end);
            if kept.ends.len() > Self::MOST
                && let Some(earliest) = kept.ends.pop_first()
            {
                kept.floor = earliest.at;
            }
            self.latest.fetch_max(end.at, Ordering::Release);
        });
    }

    fn kept<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        // Each step of the work leaves a state that is as safe as the one before.
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Kept {
    fn holds(&self, end: &End) -> bool {
        end.at <= self.floor || self.ends.contains(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn end(number: i64, at: i64) -> End {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&number.to_be_bytes());
        End::of_key(KeyId::from_bytes(id), second(at))
    }

    #[test]
    fn when_more_are_refused_than_are_kept_the_earliest_ends_stand_for_all() {
        let ends = EnforcedEnds::new();
        let most = i64::try_from(EnforcedEnds::MOST).unwrap();
        for number in 1..=most {
            assert!(ends.have(end(number, 10 * number), second(10 * most)));
        }
        // Exactly as many as are kept: no other end suffers.
        assert!(!ends.have(end(0, 10), second(9)));
        assert!((1..=most).all(|number| ends.have(end(number, 10 * number), second(1))));

        assert!(ends.have(end(0, 10 * most), second(10 * most)));
        assert!(ends.have(end(0, 10), second(9)));
        assert!(!ends.have(end(0, 11), second(9)));
        assert!((1..=most).all(|number| ends.have(end(number, 10 * number), second(1))));
        assert!(ends.kept(|kept| kept.ends.len()) == EnforcedEnds::MOST);
    }
}
