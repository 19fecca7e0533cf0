//! Runs every request case of `cases/requests.jsonl`: in process, and over real sockets.
//!
//! A case is one request and the answer that it must get; `cases/README.md` says what each field
//! means. The last lines of the output say how many passed, and name what is pending.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "support/cases/mod.rs"]
mod support;

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use support::case::{self, Case, Via};
use support::{log, run, wire};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = case::load();
    let tally = Arc::new(Tally::default());
    let mut trials: Vec<_> = cases
        .iter()
        .map(|case| trial(case.clone(), tally.clone()))
        .collect();
    trials.push(Trial::test(
        "the_committed_cases_are_those_of_the_contract",
        compare_copies,
    ));

    log::install_panic_hook();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        summarize(&cases, &tally);
    }
    conclusion.exit_code()
}

#[derive(Default)]
struct Tally {
    passed: AtomicUsize,
    failed: AtomicUsize,
}

fn trial(case: Case, tally: Arc<Tally>) -> Trial {
    let name = case.id.clone();
    Trial::ignorable_test(name, move || {
        if let Some(reason) = &case.pending {
            return Ok(Completion::ignored_with(format!("pending: {reason}")));
        }
        // Counted as failed until it has passed, so that a panic counts too.
        tally.failed.fetch_add(1, Ordering::SeqCst);
        run::run(&case).map_err(Failed::from)?;
        tally.failed.fetch_sub(1, Ordering::SeqCst);
        tally.passed.fetch_add(1, Ordering::SeqCst);
        Ok(Completion::Completed)
    })
}

/// A package has the committed copy only; where the contract is at hand, they must be the same.
fn compare_copies() -> Result<(), Failed> {
    let (shared, committed) = (case::shared_folder(), case::committed_folder());
    for name in ["requests.jsonl", "scenarios.jsonl", "README.md"] {
        let copy = fs::read(committed.join(name))?;
        if shared.is_dir() && fs::read(shared.join(name))? != copy {
            let folder = shared.display();
            return Err(format!("tests/cases/{name} differs from {folder}/{name}: copy it").into());
        }
    }
    Ok(())
}

fn summarize(cases: &[Case], tally: &Tally) {
    let pending: Vec<_> = cases.iter().filter(|case| case.pending.is_some()).collect();
    println!(
        "request cases: {} passed, {} pending, {} failed",
        tally.passed.load(Ordering::SeqCst),
        pending.len(),
        tally.failed.load(Ordering::SeqCst),
    );
    for case in pending {
        println!(
            "pending {}: {}",
            case.id,
            case.pending.as_deref().unwrap_or_default()
        );
    }
    summarize_replays(cases);
}

/// Cases of the service also go over the wire, but for those that no wire can say.
fn summarize_replays(cases: &[Case]) {
    let of_service = || {
        let runs = |case: &&Case| case.via == Via::Tower && case.pending.is_none();
        cases.iter().filter(runs)
    };
    for (protocol, obstacle) in [
        (
            "HTTP/1.1",
            wire::obstacle_h1 as fn(&Case) -> Option<&'static str>,
        ),
        ("HTTP/2", wire::obstacle_h2),
    ] {
        let kept_back = of_service().filter(|case| obstacle(case).is_some()).count();
        let replayed = of_service().count() - kept_back;
        println!(
            "in-process cases replayed over {protocol}: {replayed}, not expressible: {kept_back}"
        );
        for case in of_service() {
            if let Some(reason) = obstacle(case) {
                println!("not over {protocol} {}: {reason}", case.id);
            }
        }
    }
}
