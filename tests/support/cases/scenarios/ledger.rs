//! Keeps the books: every scenario of the contract has a test that bears its name, or is pending
//! with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::support::case;

/// Scenarios that no test of this crate covers.
const PENDING: [(&str, &str); 6] = [
    (
        "SC-OUT-4",
        "there is no circuit breaker: the cap on look-ups bounds them, queues none and refuses the \
         rest at once, but while the store hangs, up to 192 look-ups of new keys begin anew after \
         each deadline and their requests wait for it, and there is no half-open state",
    ),
    ("SC-CT-5", "a matrix of build profiles is for nightly CI"),
    ("SC-PR-2", "mutation testing is for nightly CI"),
    ("SC-PR-3", "the supply chain is checked by CI"),
    ("SC-PR-4", "miri and sanitizers need a nightly toolchain"),
    (
        "SC-PR-5",
        "papaya, whose map the cache is, has no build on loom's or shuttle's atomics, and tokio's \
         on loom's is for its own tests: a model would be of another cache; SC-REV-7 goes through \
         every order of the steps with gates, and through races of threads",
    ),
];

/// The files that hold the tests of scenarios, each with what keeps it from being built, if
/// something does.
const SOURCES: [(&str, Option<&str>); 17] = [
    (include_str!("config.rs"), None),
    (include_str!("fuzz.rs"), None),
    (include_str!("generation.rs"), None),
    (include_str!("logging.rs"), None),
    (include_str!("machine.rs"), None),
    (include_str!("management.rs"), NO_MANAGEMENT),
    (include_str!("matrix.rs"), None),
    (include_str!("revocation.rs"), None),
    (include_str!("service.rs"), None),
    (include_str!("../../../constant_time.rs"), None),
    (include_str!("../../../fork.rs"), None),
    (include_str!("../../../zeroize.rs"), None),
    (include_str!("../../../usage/layer.rs"), NO_FAULTS),
    (include_str!("cache/abuse.rs"), NO_CACHE),
    (include_str!("cache/outage.rs"), NO_CACHE),
    (include_str!("cache/partition.rs"), NO_FAULTS),
    (include_str!("cache/revocation.rs"), NO_CACHE),
];

const NO_CACHE: Option<&str> = if cfg!(feature = "cache") {
    None
} else {
    Some("its test needs the feature cache")
};

const NO_MANAGEMENT: Option<&str> = if cfg!(feature = "management") {
    None
} else {
    Some("its test needs the feature management")
};

const NO_FAULTS: Option<&str> = if cfg!(all(feature = "cache", feature = "test-util")) {
    None
} else {
    Some("its test needs the features cache and test-util")
};

#[test]
fn every_scenario_has_a_test_of_its_name_or_is_pending() {
    let (tested, off) = tested();
    let reasons = PENDING.map(|(id, reason)| (test_name(id), reason));
    let all = reasons.len() + off.len();
    let pending: BTreeMap<_, _> = reasons.into_iter().chain(off).collect();
    assert_eq!(pending.len(), all, "a scenario is pending twice");
    let mut known = 0;
    for id in ids() {
        let has_test = tested.contains(&test_name(&id));
        let is_pending = pending.contains_key(&test_name(&id));
        assert_ne!(
            has_test, is_pending,
            "{id}: has a test {has_test}, is pending {is_pending}"
        );
        known += 1;
    }
    // And none is booked that the contract does not have.
    let booked = pending.keys().cloned().chain(tested);
    let ids: Vec<_> = ids().iter().map(|id| test_name(id)).collect();
    for name in booked {
        assert!(ids.contains(&name), "no such scenario: {name}");
    }

    println!(
        "scenarios: {} with a test, {} pending",
        known - pending.len(),
        pending.len()
    );
    for (name, reason) in pending {
        let id = name.to_uppercase().replace('_', "-");
        println!("pending {id}: {reason}");
    }
}

fn ids() -> Vec<String> {
    let scenarios = fs::read_to_string(case::folder().join("scenarios.jsonl")).unwrap();
    scenarios
        .lines()
        .map(|line| {
            let scenario: Value = serde_json::from_str(line).unwrap();
            scenario["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// `sc_tow_1` for `SC-TOW-1`.
fn test_name(id: &str) -> String {
    id.to_lowercase().replace('-', "_")
}

/// The scenarios with a test, and those whose test needs a feature that is off.
///
/// A test is a function of that name that is marked as one, or in a file without a harness, called
/// by `main`.
fn tested() -> (BTreeSet<String>, BTreeMap<String, &'static str>) {
    let test = Regex::new(
        r"(?:#\[(?:tokio::)?test(?:\(.*\))?\]|// scenario)\n(?:#\[.*\]\n)*(?:async )?fn (sc_[a-z]+_\d+)_\w+\(",
    );
    let test = test.unwrap();
    let (mut tested, mut off) = (BTreeSet::new(), BTreeMap::new());
    for (source, obstacle) in SOURCES {
        for found in test.captures_iter(source) {
            let name = found[1].to_owned();
            match obstacle {
                Some(reason) => drop(off.insert(name, reason)),
                None => drop(tested.insert(name)),
            }
        }
    }
    off.retain(|name, _| !tested.contains(name));
    (tested, off)
}
