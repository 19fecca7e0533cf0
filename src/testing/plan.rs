//! Which calls fail, and how.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::fault::Fault;
use crate::key::digest::KeyDigest;
use crate::record::key::KeyRecord;

/// Faults and the per cent of calls that each is put in.
#[derive(Clone, Debug, Default)]
pub(super) struct Odds(Vec<(Fault, u8)>);

impl Odds {
    #[track_caller]
    pub(super) fn add(&mut self, fault: Fault, per_cent: u8) {
        let before: u32 = self.0.iter().map(|(_, odds)| u32::from(*odds)).sum();
        let all = before + u32::from(per_cent);
        assert!(
            all <= 100,
            "expected faults in at most 100 per cent of the calls, found {all}"
        );
        self.0.push((fault, per_cent));
    }

    fn at(&self, point: u8) -> Option<Fault> {
        let mut rest = point;
        for (fault, odds) in &self.0 {
            match rest.checked_sub(*odds) {
                Some(less) => rest = less,
                None => return Some(*fault),
            }
        }
        None
    }
}

/// What a faulty store has done, and the sequence that it goes by.
#[derive(Debug)]
pub(super) struct Course {
    random: Xoshiro256PlusPlus,
    injected: Vec<(Fault, usize)>,
    /// Records that were found, to be answered in place of others; the newest last.
    found: VecDeque<Arc<KeyRecord>>,
}

impl Course {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            injected: Vec::new(),
            found: VecDeque::new(),
        }
    }

    /// The fault of the next call, which stays the next.
    pub(super) fn peek(&self, odds: &Odds) -> Option<Fault> {
        odds.at(self.random.clone().random_range(0..100))
    }

    /// The fault of the next call.
    pub(super) fn take(&mut self, odds: &Odds) -> Option<Fault> {
        let fault = odds.at(self.random.random_range(0..100))?;
        match self.injected.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, count)) => *count += 1,
            None => self.injected.push((fault, 1)),
        }
        Some(fault)
    }

    pub(super) fn injected(&self) -> &[(Fault, usize)] {
        &self.injected
    }

    pub(super) fn remember(&mut self, record: &Arc<KeyRecord>) {
        if self.found.iter().all(|known| known.id() != record.id()) {
            if self.found.len() == MAX_FOUND {
                self.found.pop_front();
            }
            self.found.push_back(record.clone());
        }
    }

    /// The newest record without this digest.
    pub(super) fn other_than(&self, digest: &KeyDigest) -> Option<Arc<KeyRecord>> {
        let mut newest = self.found.iter().rev();
        newest
            .find(|record| record.secret_version(digest).is_none())
            .cloned()
    }
}

/// How many records are kept for wrong answers.
const MAX_FOUND: usize = 8;
