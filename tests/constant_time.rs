//! Two digests are compared in the same number of instructions, wherever they differ.
//!
//! No clock is read. The test runs itself under `valgrind --tool=callgrind`, which counts the
//! instructions of many comparisons; a comparison that stops at the first difference is counted
//! too, to prove that the count would tell.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "support/heavy.rs"]
mod heavy;

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::{env, str};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tower_api_key::key::KeyDigest;

/// What the process under valgrind compares.
const PATTERN: &str = "SC_CT_1_PATTERN";

/// Where the digests of a pair differ.
const PATTERNS: [&str; 4] = ["nowhere", "first", "last", "random"];

/// How many pairs there are.
const PAIRS: usize = 256;

/// How often each pair is compared.
fn rounds() -> usize {
    heavy::size(100, 400)
}

/// Less than an instruction for twenty comparisons: what differs between two processes that do the
/// same, such as the length of their environment.
fn noise() -> u64 {
    (PAIRS * rounds() / 20) as u64
}

fn main() -> ExitCode {
    if let Ok(pattern) = env::var(PATTERN) {
        return compare(&pattern);
    }
    let name = "sc_ct_1_a_comparison_takes_the_same_instructions_wherever_digests_differ";
    let trial = Trial::ignorable_test(name, || {
        if Command::new("valgrind").arg("--version").output().is_err() {
            return without_valgrind();
        }
        sc_ct_1_a_comparison_takes_the_same_instructions_wherever_digests_differ()?;
        Ok(Completion::Completed)
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn without_valgrind() -> Result<Completion, Failed> {
    if env::var("CI").is_ok_and(|ci| ci == "true") {
        return Err("valgrind is not installed, and in CI nothing is skipped".into());
    }
    println!("skipped: valgrind is not installed");
    Ok(Completion::ignored_with(
        "skipped: valgrind is not installed",
    ))
}

// scenario
fn sc_ct_1_a_comparison_takes_the_same_instructions_wherever_digests_differ() -> Result<(), Failed>
{
    let counts = PATTERNS.map(|pattern| (pattern, instructions(pattern)));
    let least = counts.iter().map(|(_, count)| *count).min().unwrap();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap();
    let found = format!("{counts:?}");
    let noise = noise();
    if most - least > noise {
        return Err(format!("expected equal counts but for {noise}, found {found}").into());
    }
    // Proof that it would be seen: an early exit saves more than noise.
    let (early, late) = (instructions("leaky first"), instructions("leaky last"));
    if late < early + 10 * noise {
        return Err(format!("expected a leak to be counted, found {early} and {late}").into());
    }
    println!("instructions of {} comparisons: {found}", PAIRS * rounds());
    Ok(())
}

/// Counts the instructions of a process that compares such pairs.
fn instructions(pattern: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .env(PATTERN, pattern)
        .output()
        .unwrap();
    let report = str::from_utf8(&output.stderr).unwrap();
    assert!(output.status.success(), "{report}");
    let count = report
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    count
        .expect("a count of instructions")
        .1
        .trim()
        .parse()
        .unwrap()
}

/// The process under valgrind.
fn compare(pattern: &str) -> ExitCode {
    let (equal, place): (fn(&KeyDigest, &KeyDigest) -> bool, _) =
        match pattern.strip_prefix("leaky ") {
            Some(place) => (leaky_equal, place),
            None => (KeyDigest::eq, pattern),
        };
    // Looked up once: in the loops, the names would be most of the difference.
    let place = PATTERNS.iter().position(|known| *known == place).unwrap();
    let pairs: Vec<_> = (0..PAIRS).map(|number| pair(number, place)).collect();
    for _ in 0..rounds() {
        for (one, two) in &pairs {
            black_box(equal(black_box(one), black_box(two)));
        }
    }
    ExitCode::SUCCESS
}

/// Stops at the first difference, as no comparison of digests may.
fn leaky_equal(one: &KeyDigest, two: &KeyDigest) -> bool {
    one.as_bytes()
        .iter()
        .zip(two.as_bytes())
        .all(|(one, two)| one == two)
}

/// Two digests that differ where that pattern says.
fn pair(number: usize, place: usize) -> (KeyDigest, KeyDigest) {
    // Any octets do, as long as they are the same for every pattern.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
    let one: [u8; KeyDigest::LEN] = std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    });
    let random = usize::from(one[0]) % KeyDigest::LEN;
    let (at, mask) = [
        (0, 0),
        (0, 0x40),
        (KeyDigest::LEN - 1, 0x40),
        (random, 0x40),
    ][place];
    let mut two = one;
    two[at] ^= mask;
    (KeyDigest::from_bytes(one), KeyDigest::from_bytes(two))
}
