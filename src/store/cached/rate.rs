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

    /// Whether one more may pass now.
    pub(super) fn admits(&mut self, now: Moment) -> bool {
        let each = SECOND / self.per_second;
        let spent_until = self.spent_until.max(now) + each;
        let admits = spent_until <= now + SECOND;
        if admits {
            self.spent_until = spent_until;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_admits_so_many_and_each_further_one_in_its_turn() {
        let mut rate = Rate::new(4);
        let mut admitted = |now| (0..10).filter(|_| rate.admits(now)).count();
        assert_eq!(admitted(0), 4);
        assert_eq!(admitted(SECOND / 4 - 1), 0);
        assert_eq!(admitted(SECOND / 4), 1);
        assert_eq!(admitted(SECOND), 3);
        // Unused seconds are not saved up.
        assert_eq!(admitted(100 * SECOND), 4);
    }
}
