//! The audit trail, the idempotency keys and the counts of a careless store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use tower_api_key::record::{AuditAction, AuditEntry, ChangeContext, KeyId};
use tower_api_key::store::{AuditPage, AuditPageRequest, KeyUse, UsageBatch, UsageBucket};

use super::altered::second;
use super::fault::Fault;

pub(crate) struct Books {
    fault: Fault,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    last_number: u64,
    trail: Vec<AuditEntry>,
    issued: BTreeMap<[u8; 32], (Timestamp, KeyId)>,
    sums: BTreeMap<(KeyId, Timestamp, u32), (u64, u64)>,
    writers: BTreeMap<[u8; 16], (u64, Timestamp)>,
}

impl Books {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            pages: Mutex::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap()
    }

    pub(crate) fn write(&self, entry: &AuditEntry) {
        let deletion = entry.action() == AuditAction::Deleted;
        if deletion && self.has(Fault::WritesNoEntryOfADeletion) {
            return;
        }
        let mut pages = self.pages();
        if deletion && self.has(Fault::ForgetsTheTrailOfADeletedKey) {
            let id = entry.key_id();
            pages.trail.retain(|one| one.key_id() != id);
        }
        pages.last_number += 1;
        if self.has(Fault::NumbersByTheCount) {
            pages.last_number = pages.trail.len() as u64 + 1;
        }
        let mut numbered = AuditEntry::new(
            pages.last_number,
            if self.has(Fault::TruncatesTimesOfEntries) {
                second(entry.at())
            } else {
                entry.at()
            },
            entry.action(),
            entry.key_id(),
            entry.owner(),
        );
        if !self.has(Fault::LosesTheActor) {
            numbered = numbered.with_actor(entry.actor());
        }
        if !self.has(Fault::LosesTheDetail) {
            numbered = numbered.with_detail(entry.detail());
        }
        pages.trail.push(numbered.with_reason(entry.reason()));
    }

    pub(crate) fn read(&self, owner: &str, page: &AuditPageRequest) -> AuditPage {
        let pages = self.pages();
        let inclusive = u64::from(self.has(Fault::RepeatsTheCursorsEntry));
        let limit = if self.has(Fault::ShowsOnePageOfTheTrail) {
            page.limit()
        } else {
            page.limit() + 1
        };
        let caseless = self.has(Fault::AuditsWithoutCase);
        let own = |entry: &&AuditEntry| {
            entry.owner() == owner || caseless && entry.owner().eq_ignore_ascii_case(owner)
        };
        let before = |entry: &&AuditEntry| {
            let cursor = page.cursor();
            cursor.is_none_or(|cursor| entry.number() < cursor + inclusive)
        };
        let mut entries: Vec<_> = pages.trail.iter().filter(own).filter(before).collect();
        if !self.has(Fault::AuditsOldestFirst) {
            entries.reverse();
        }
        AuditPage::new(page, entries.into_iter().take(limit).cloned())
    }

    pub(crate) fn forget_trail(&self, at: Timestamp) -> u64 {
        let mut pages = self.pages();
        let count = pages.trail.len();
        let at = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
        if self.has(Fault::ForgetsEntriesOfTheTime) {
            pages.trail.retain(|entry| entry.at() > at);
        } else {
            pages.trail.retain(|entry| entry.at() >= at);
        }
        if !self.has(Fault::KeepsOldIdempotencyKeys) {
            pages.issued.retain(|_, (issued_at, _)| *issued_at >= at);
        }
        (count - pages.trail.len()) as u64
    }

    pub(crate) fn issued(&self, context: &ChangeContext) -> Option<KeyId> {
        let (_, id) = *self.pages().issued.get(context.idempotency_key()?)?;
        Some(id)
    }

    pub(crate) fn remember(&self, id: KeyId, context: &ChangeContext) {
        if let Some(key) = context.idempotency_key() {
            self.pages().issued.insert(*key, (context.at(), id));
        }
    }

    pub(crate) fn delete(&self, id: &KeyId) {
        let mut pages = self.pages();
        if !self.has(Fault::KeepsTheIdempotencyKeyOfADeletedKey) {
            pages.issued.retain(|_, (_, issued)| issued != id);
        }
        if !self.has(Fault::KeepsCountsOfADeletedKey) {
            pages.sums.retain(|(key, _, _), _| key != id);
        }
    }

    /// Whether the batch is to be counted.
    pub(crate) fn is_new(&self, batch: &UsageBatch) -> bool {
        let sequence = batch.sequence();
        let pages = self.pages();
        let known = pages.writers.get(batch.writer());
        known.is_none_or(|(last, _)| match self.fault {
            Fault::CountsABatchAgain => true,
            Fault::CountsAnEarlierBatch => sequence != *last,
            _ => sequence > *last,
        })
    }

    /// Notes that the batch is counted.
    pub(crate) fn note(&self, batch: &UsageBatch) {
        let Some(heard_at) = batch.last_used_at() else {
            return;
        };
        let mut pages = self.pages();
        let known = pages.writers.get(batch.writer());
        let heard_at = match known {
            Some((_, earlier)) if !self.has(Fault::ForgetsWritersByTheirLastBatch) => {
                heard_at.max(*earlier)
            }
            _ => heard_at,
        };
        let noted = (batch.sequence(), heard_at);
        pages.writers.insert(*batch.writer(), noted);
    }

    pub(crate) fn count(&self, one: &KeyUse) {
        if one.allowed() == 0 && one.refused() == 0 && !self.has(Fault::MakesSumsOfNothing) {
            return;
        }
        let hour = if self.has(Fault::RoundsHoursTowards1970) {
            let second = one.last_used_at().as_second() / 3_600 * 3_600;
            Timestamp::from_second(second).unwrap()
        } else {
            one.hour()
        };
        let version = if self.has(Fault::MixesVersions) {
            1
        } else {
            one.secret_version()
        };
        let mut pages = self.pages();
        let sum = pages.sums.entry((one.key(), hour, version)).or_default();
        if self.has(Fault::OverwritesCounts) {
            *sum = (0, 0);
        }
        *sum = (sum.0 + one.allowed(), sum.1 + one.refused());
    }

    pub(crate) fn sums(&self, id: &KeyId, hours: &Range<Timestamp>) -> Vec<UsageBucket> {
        let pages = self.pages();
        let within = |hour: &Timestamp| {
            let end = self.has(Fault::CountsTheEndOfARange) && *hour == hours.end;
            hours.contains(hour) || end
        };
        let own = pages.sums.iter().filter(|((key, _, _), _)| key == id);
        own.filter(|((_, hour, _), _)| within(hour))
            .map(|((_, hour, version), (allowed, refused))| {
                UsageBucket::new(*hour, *version, *allowed, *refused)
            })
            .collect()
    }

    pub(crate) fn forget_sums(&self, hour: Timestamp) -> u64 {
        let mut pages = self.pages();
        let count = pages.sums.len();
        if self.has(Fault::ForgetsSumsOfTheHour) {
            pages.sums.retain(|(_, start, _), _| *start > hour);
        } else {
            pages.sums.retain(|(_, start, _), _| *start >= hour);
        }
        if !self.has(Fault::KeepsOldWriters) {
            pages.writers.retain(|_, (_, heard_at)| *heard_at >= hour);
        }
        (count - pages.sums.len()) as u64
    }
}
