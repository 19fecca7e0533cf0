//! The contract suite catches stores that break it, each by the rule that it breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

#[path = "contract_bites/careless.rs"]
mod careless;
#[path = "contract_bites/fault.rs"]
mod fault;
#[path = "contract_bites/gossip.rs"]
mod gossip;

use std::panic::{AssertUnwindSafe, catch_unwind};

use careless::Careless;
use fault::Fault;
use futures::executor::block_on;
use gossip::{Flaw, Gossip};
use tower_api_key::testing::contract;

/// The rule that a store with this fault breaks first.
const BROKEN: &[(Fault, &str)] = &[
    (
        Fault::TruncatesTimesToSeconds,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::HidesRevokedKeys,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::TrimsNames,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::FindsNowWhatWasBefore,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::FindsByTheFirstOctets,
        "inserting: a look-up goes by the whole digest",
    ),
    (
        Fault::InventsUnknownKeys,
        "inserting: an unknown key is not found",
    ),
    (Fault::OverwritesAnId, "inserting: an id is taken once"),
    (
        Fault::LeavesADigestOfARefusedKey,
        "inserting: an id is taken once",
    ),
    (Fault::TellsDigests, "inserting: a digest is taken once"),
    (
        Fault::UpdatesTheEndUnasked,
        "changing: an update changes only what it names",
    ),
    (
        Fault::ForgetsUsesByAChange,
        "changing: a disabled key can be enabled",
    ),
    (
        Fault::OverwritesTheReason,
        "changing: a revocation is final",
    ),
    (Fault::ChangesRevokedKeys, "changing: a revocation is final"),
    (
        Fault::LeavesADigestOfADeletedKey,
        "changing: a deleted key leaves nothing",
    ),
    (
        Fault::RevivesByAUse,
        "changing: a deleted key leaves nothing",
    ),
    (Fault::ExtendsAnEnd, "rotating: an end never moves later"),
    (
        Fault::RotatesToAKnownDigest,
        "rotating: a digest is taken once",
    ),
    (
        Fault::LeavesADroppedSecret,
        "rotating: what has retired makes room",
    ),
    (
        Fault::DropsSecretsThatWork,
        "rotating: what works makes no room",
    ),
    (
        Fault::ListsInAnotherOrder,
        "listing: keys come in the order of their ids",
    ),
    (
        Fault::AlwaysHasANextPage,
        "listing: pages follow each other",
    ),
    (
        Fault::NeedsTheCursorsKey,
        "listing: a page may start after a key that is gone",
    ),
    (
        Fault::ListsWithoutCase,
        "listing: owners are compared octet by octet",
    ),
    (
        Fault::MovesTheLastUseBack,
        "using: the last use only moves forwards",
    ),
    (
        Fault::NotesOneUseOfABatch,
        "using: a batch may be large and hold a key often",
    ),
    (
        Fault::FailsAtUnknownUses,
        "changing: a deleted key leaves nothing",
    ),
    (
        Fault::NotesUsesOfAnySecret,
        "using: the last use only moves forwards",
    ),
    (Fault::EnablesByAUse, "using: a late use undoes no change"),
    (
        Fault::AnswersManyInAnotherOrder,
        "bulk: each key is added or refused by itself",
    ),
    (
        Fault::AddsAllOrNothing,
        "bulk: each key is added or refused by itself",
    ),
    (
        Fault::ChecksThenInserts,
        "racing: one insert of a digest wins",
    ),
    (
        Fault::WritesBackByAChange,
        "racing: one rotation to a digest wins",
    ),
    (
        Fault::WritesBackByAUse,
        "racing: all changes of a key take effect",
    ),
    (
        Fault::ForgetsTheOldSecret,
        "rotating: both secrets are found",
    ),
    (
        Fault::AddsAThousandAtMost,
        "bulk: a batch may be empty or large",
    ),
    (
        Fault::ChecksTheIdThenInserts,
        "racing: one insert of an id wins",
    ),
    (
        Fault::EnablesFromBefore,
        "racing: a revocation holds against every change",
    ),
    (
        Fault::DeletesWhatWasBefore,
        "racing: a deleted key stays deleted",
    ),
    (
        Fault::HidesSecretsWhileRotating,
        "racing: a secret is found during changes",
    ),
];

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
    for (fault, rule) in BROKEN {
        assert_broken(checked(*fault), rule);
    }
}

#[test]
fn each_flaw_of_a_feed_is_caught_by_its_rule() {
    let every_change = "feeding: every change is told after a look-up shows it";
    for (flaw, rule) in [
        (Flaw::TellsNothingAtFirst, every_change),
        (Flaw::KeepsAdditionsBack, every_change),
        (Flaw::KeepsChangesBack, every_change),
        (Flaw::TellsUses, "feeding: uses are not told"),
        (
            Flaw::TellsAfterTheProof,
            "feeding: no change is told after the proof that it was",
        ),
        (
            Flaw::HoldsListeners,
            "feeding: each listener is told, for as long as it exists",
        ),
    ] {
        assert_broken(checked_feed(flaw), rule);
    }
}

#[test]
fn the_message_says_what_was_expected_and_found() {
    assert_eq!(
        checked(Fault::MovesTheLastUseBack).unwrap_err(),
        "the store breaks the rule `using: the last use only moves forwards`: the last use of \
         version 1 of a key after a use of version 1 at 2026-01-01T00:00:04Z, by its id: expected \
         Some(2026-01-01T00:00:10Z), found Some(2026-01-01T00:00:04Z)"
    );
}
