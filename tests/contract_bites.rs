//! The contract suite catches stores that break it, each by the rule that it breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "test-util")]

#[path = "contract_bites/altered.rs"]
mod altered;
#[path = "contract_bites/books.rs"]
mod books;
#[path = "contract_bites/broken.rs"]
mod broken;
#[path = "contract_bites/careless.rs"]
mod careless;
#[path = "contract_bites/exercised.rs"]
mod exercised;
#[path = "contract_bites/fault.rs"]
mod fault;
#[path = "contract_bites/gossip.rs"]
mod gossip;
#[path = "contract_bites/keeping.rs"]
mod keeping;

use std::panic::{AssertUnwindSafe, catch_unwind};

use broken::BROKEN;
use careless::Careless;
use fault::Fault;
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
    let mut others = Vec::new();
    for (fault, rule) in BROKEN {
        let found = checked(*fault);
        let start = format!("the store breaks the rule `{rule}`: ");
        if !matches!(&found, Err(message) if message.starts_with(&start)) {
            others.push(format!("{fault:?}: expected {rule}, found {found:?}"));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
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
