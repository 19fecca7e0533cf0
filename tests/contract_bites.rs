//! The contract suite catches stores that break it, each by the rule that it breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

#[path = "contract_bites/careless.rs"]
mod careless;
#[path = "contract_bites/gossip.rs"]
mod gossip;

use std::panic::{AssertUnwindSafe, catch_unwind};

use careless::{Careless, Fault};
use futures::executor::block_on;
use gossip::{Flaw, Gossip};
use tower_api_key::testing::contract;

fn checked(fault: Fault) -> Result<(), String> {
    caught(|| block_on(contract::check(async || Careless::new(fault))))
}

fn checked_feed(flaw: Flaw) -> Result<(), String> {
    let fresh = async || {
        let store = Gossip::new(flaw);
        (store.clone(), store)
    };
    caught(|| block_on(contract::check_feed(fresh, async || {})))
}

fn caught(check: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check))
        .map_err(|panic| panic.downcast_ref::<String>().unwrap().clone())
}

#[track_caller]
fn assert_broken(found: Result<(), String>, rule: &str) {
    let message = found.expect_err(rule);
    let start = format!("the store breaks the rule `{rule}`: ");
    assert!(message.starts_with(&start), "{rule}: {message}");
}

#[test]
fn a_store_without_fault_passes() {
    assert_eq!(checked(Fault::None), Ok(()));
    assert_eq!(checked_feed(Flaw::None), Ok(()));
}

#[test]
fn each_fault_is_caught_by_its_rule() {
    let reads_back = "inserting: a key reads back as it was inserted";
    let revision = "committing: the key must have the expected revision";
    let acting = "conditions: the acting key must be unchanged";
    let limit = "conditions: an owner has no more keys than allowed";
    let pruned = "conditions: old idempotency keys are pruned";
    for (fault, rule) in [
        (
            Fault::InventsUnknownKeys,
            "inserting: an unknown key is not found",
        ),
        (Fault::TruncatesTimesToSeconds, reads_back),
        (Fault::LosesRecipients, reads_back),
        (Fault::HidesRevokedKeys, reads_back),
        (Fault::FindsNothingAtOnce, reads_back),
        (
            Fault::ShowsDigests,
            "inserting: an id and a digest are taken once",
        ),
        (
            Fault::AddsAllOrNothing,
            "inserting: each of many keys is added or rejected by itself",
        ),
        (Fault::IgnoresTheRevision, revision),
        (
            Fault::ChecksTheRevisionThenWrites,
            "racing: one commit of a revision wins",
        ),
        (
            Fault::FailsAtUnknownUsage,
            "committing: a deleted key leaves nothing",
        ),
        (Fault::IgnoresTheActingKey, acting),
        (Fault::IgnoresAMissingActingKey, acting),
        (
            Fault::ChecksTheActingKeyThenWrites,
            "racing: of two keys that change each other, one wins",
        ),
        (Fault::IgnoresTheLimit, limit),
        (Fault::CountsRevokedKeys, limit),
        (
            Fault::ChecksTheLimitThenInserts,
            "racing: an owner has no more keys than allowed",
        ),
        (
            Fault::IgnoresTheIdempotencyKey,
            "conditions: an idempotency key adds one key",
        ),
        (
            Fault::SharesIdempotencyKeys,
            "conditions: an idempotency key belongs to its owner",
        ),
        (Fault::ListsOldestFirst, "listing: keys come newest first"),
        (
            Fault::NeedsTheCursorsKey,
            "listing: a page may start after a key that is gone",
        ),
        (
            Fault::IgnoresTheFilter,
            "listing: a filter selects by status, scope and name",
        ),
        (Fault::LosesTheActor, revision),
        (Fault::LosesTheDetail, revision),
        (Fault::PrunesEntriesOfTheTime, pruned),
        (
            Fault::LosesScopes,
            "counting: a bucket has the scopes that were used",
        ),
        (
            Fault::CountsABatchAgain,
            "counting: a batch is counted once",
        ),
        (
            Fault::CountsTheEndOfARange,
            "counting: a range is half open",
        ),
        (Fault::PrunesTheHour, "counting: old buckets are pruned"),
    ] {
        println!("{fault:?}");
        assert_broken(checked(fault), rule);
    }
}

#[test]
fn each_flaw_of_a_feed_is_caught_by_its_rule() {
    let every_change = "feeding: every change is reported after a lookup returns it";
    for (flaw, rule) in [
        (Flaw::TellsNothingAtFirst, every_change),
        (Flaw::KeepsAdditionsBack, every_change),
        (Flaw::KeepsChangesBack, every_change),
        (Flaw::ReportsUsage, "feeding: usage is not reported"),
        (
            Flaw::TellsAfterTheProof,
            "feeding: no change is reported after the proof that it was",
        ),
        (
            Flaw::HoldsListeners,
            "feeding: each listener is called, for as long as it exists",
        ),
    ] {
        assert_broken(checked_feed(flaw), rule);
    }
}

#[test]
fn the_message_says_what_was_expected_and_found() {
    assert_eq!(
        checked(Fault::TruncatesTimesToSeconds).unwrap_err(),
        "the store breaks the rule `inserting: a key reads back as it was inserted`: the \
         expiration of a key with times to the microsecond, by its id: expected \
         Some(2026-01-01T00:00:00.123457Z), found Some(2026-01-01T00:00:00Z)"
    );
}
