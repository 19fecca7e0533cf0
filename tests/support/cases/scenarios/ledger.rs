//! Keeps the books: every scenario of the contract has a test that bears its name, or is pending
//! with a reason.

use std::collections::BTreeMap;
use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::support::case;

/// Scenarios whose feature does not exist yet.
const PENDING: [(&str, &str); 18] = [
    ("SC-REV-2", "there is no cache yet"),
    ("SC-REV-7", "there is no cache yet"),
    ("SC-NEG-3", "there is no cache yet"),
    ("SC-NEG-4", "there is no cache yet, so no look-up is shared"),
    ("SC-NEG-5", "there is no cache yet, so no look-up is shared"),
    ("SC-NEG-7", "there is no cache yet, so no look-up is shared"),
    ("SC-NEG-8", "there is no cache yet"),
    (
        "SC-OUT-2",
        "there is no cache yet, so nothing stale to serve",
    ),
    ("SC-OUT-4", "there is no circuit breaker yet"),
    ("SC-OUT-5", "there is no store behind a network yet"),
    ("SC-OUT-8", "there is no usage flusher yet"),
    ("SC-GEN-9", "there is no management API yet"),
    ("SC-CT-5", "a matrix of build profiles is for nightly CI"),
    ("SC-CLK-3", "there is no cache yet, so no time to live"),
    ("SC-PR-2", "mutation testing is for nightly CI"),
    ("SC-PR-3", "the supply chain is checked by CI"),
    ("SC-PR-4", "miri and sanitizers need a nightly toolchain"),
    ("SC-PR-5", "there is no cache yet, so nothing for loom"),
];

/// The files that hold the tests of scenarios.
const SOURCES: [&str; 11] = [
    include_str!("config.rs"),
    include_str!("fuzz.rs"),
    include_str!("generation.rs"),
    include_str!("logging.rs"),
    include_str!("machine.rs"),
    include_str!("matrix.rs"),
    include_str!("revocation.rs"),
    include_str!("service.rs"),
    include_str!("../../../constant_time.rs"),
    include_str!("../../../fork.rs"),
    include_str!("../../../zeroize.rs"),
];

#[test]
fn every_scenario_has_a_test_of_its_name_or_is_pending() {
    let pending: BTreeMap<_, _> = PENDING.into_iter().collect();
    assert_eq!(pending.len(), PENDING.len(), "a scenario is pending twice");
    let tested = tested();
    let mut known = 0;
    for id in ids() {
        let has_test = tested.contains(&test_name(&id));
        let is_pending = pending.contains_key(id.as_str());
        assert_ne!(
            has_test, is_pending,
            "{id}: has a test {has_test}, is pending {is_pending}"
        );
        known += 1;
    }
    // And none is booked that the contract does not have.
    let booked: Vec<_> = pending
        .keys()
        .map(|id| test_name(id))
        .chain(tested)
        .collect();
    let ids: Vec<_> = ids().iter().map(|id| test_name(id)).collect();
    for name in booked {
        assert!(ids.contains(&name), "no such scenario: {name}");
    }

    println!(
        "scenarios: {} with a test, {} pending",
        known - pending.len(),
        pending.len()
    );
    for (id, reason) in PENDING {
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

/// The scenarios with a test: a function of that name that is marked as a test, or in a file
/// without a harness, called by `main`.
fn tested() -> Vec<String> {
    let test = Regex::new(
        r"(?:#\[(?:tokio::)?test\]|// scenario)\n(?:#\[.*\]\n)*(?:async )?fn (sc_[a-z]+_\d+)_\w+\(",
    );
    let test = test.unwrap();
    let mut names: Vec<_> = SOURCES
        .iter()
        .flat_map(|source| test.captures_iter(source).map(|found| found[1].to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}
