//! A bound on how often something happens.

use super::entry::Moment;

/// Lets so many through in a second: at most that many at once, and then one after the other.
pub(super) struct Rate {
    per_second: u64,
    /// The second's worth that has been let through ends then.
    spent_until: Moment,
}

const SECOND: u64 = 1_000_000_000;

impl Rate {
    /// So many a second, which must not be zero.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            spent_until: 0,
        }
    }

    /// Lets one more through if it may pass now, and says until when it counts.
    pub(super) fn admit(&mut self, now: Moment) -> Option<Moment> {
        let counts_until = self.spent_until.max(now) + self.each();
        let admits = counts_until <= now + SECOND;
        admits.then(|| {
            self.spent_until = counts_until;
            counts_until
        })
    }

    /// One that was let through and counts until then does not count any more.
    pub(super) fn take_back(&mut self, counts_until: Moment, now: Moment) {
        if now < counts_until {
            self.spent_until -= self.each();
        }
    }

    fn each(&self) -> u64 {
        SECOND / self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(rate: &mut Rate, now: Moment) -> usize {
        (0..10).filter(|_| rate.admit(now).is_some()).count()
    }

    #[test]
    fn a_second_admits_so_many_and_each_further_one_in_its_turn() {
        let mut rate = Rate::new(4);
        assert_eq!(admitted(&mut rate, 0), 4);
        assert_eq!(admitted(&mut rate, SECOND / 4 - 1), 0);
        assert_eq!(admitted(&mut rate, SECOND / 4), 1);
        assert_eq!(admitted(&mut rate, SECOND), 3);
        // Unused seconds are not saved up.
        assert_eq!(admitted(&mut rate, 100 * SECOND), 4);
    }

    #[test]
    fn what_is_taken_back_leaves_room_for_one_more_while_it_counts() {
        let mut rate = Rate::new(4);
        for _ in 0..100 {
            let counts_until = rate.admit(SECOND).unwrap();
            rate.take_back(counts_until, SECOND);
        }
        let first = rate.admit(SECOND).unwrap();
        assert_eq!(admitted(&mut rate, SECOND), 3);
        rate.take_back(first, first - 1);
        assert_eq!(admitted(&mut rate, SECOND), 1);
        assert_eq!(admitted(&mut rate, 100 * SECOND), 4);
        // It counts no more.
        rate.take_back(first, 100 * SECOND);
        assert_eq!(admitted(&mut rate, 100 * SECOND), 0);
    }
}
