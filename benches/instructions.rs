//! How many instructions a request costs, counted by valgrind's callgrind.
//!
//! `cargo bench --bench instructions`
//!
//! The count repeats within one in a hundred, whatever else the machine does; keys are random, and with
//! them the places that they share. Valgrind hides the processor's SHA extensions, so what the SHA-256
//! block function takes is counted by itself and left out of the figures. Each is the difference of
//! two runs, which leaves out what it takes to start and to get warm.

use std::env;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use http::HeaderMap;
use tower::Layer;
use tower_api_key::ApiKeyLayer;
use tower_api_key::usage::UsageMonitor;
use tower_http::auth::AsyncRequireAuthorizationLayer;

mod fixture;
use fixture::bare::Bare;
use fixture::hand_written::HandWritten;
use fixture::{Keys, Server, Shuffle, headers, keys, send, unknown_key};

const VARIANTS: [&str; 9] = [
    "no layer",
    "tower-api-key",
    "with usage",
    "hand-written",
    "bare",
    "missing",
    "malformed",
    "wrong length",
    "unknown",
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, run, variant, requests] = arguments.as_slice()
        && run == "run"
    {
        return repeat(variant, requests.parse().expect("a number"));
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    let base = count("no layer");
    let hand_written = count("hand-written") - base;
    println!("instructions a request, without the SHA-256 block function:");
    println!("  {:<16}{base:>8}", "no layer");
    let mut nets = Vec::new();
    for variant in &VARIANTS[1..] {
        let net = count(variant) - base;
        nets.push(net);
        let percent = 100 * net / hand_written;
        println!("  {variant:<16}{net:>8} more, {percent:>3} % of hand-written");
    }
    let (without, with) = (nets[0], nets[1]);
    println!(
        "with usage: {} % of the layer without",
        100 * with / without
    );
}

/// Instructions a request of that variant.
fn count(variant: &str) -> i64 {
    const FEW: i64 = 20_000;
    const MANY: i64 = 24_000;
    (total(variant, MANY) - total(variant, FEW)) / (MANY - FEW)
}

fn total(variant: &str, requests: i64) -> i64 {
    let program = env::current_exe().expect("has a path");
    let folder = env::temp_dir().join(format!("instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("can be made");
    let output = folder.join("callgrind.out");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(program)
        .args(["run", variant, &requests.to_string()])
        .status()
        .expect("starts");
    assert!(status.success(), "{variant}: {status}");
    let counted = annotated(&output);
    std::fs::remove_dir_all(&folder).expect("can be removed");
    counted
}

/// The total of a callgrind file, less what its SHA-256 block functions took.
fn annotated(output: &Path) -> i64 {
    let listing = Command::new("callgrind_annotate")
        .args(["--threshold=100", "--auto=no"])
        .arg(output)
        .output()
        .expect("starts");
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let number = |line: &str| -> i64 {
        let digits: String = line.split('(').next().unwrap_or_default().replace(',', "");
        digits.trim().parse().unwrap_or_default()
    };
    let lines = || listing.lines();
    let all = lines()
        .find(|line| line.contains("PROGRAM TOTALS"))
        .map_or(0, number);
    let is_block = |line: &&str| line.contains("compress") && line.contains("sha");
    all - lines().filter(is_block).map(number).sum::<i64>()
}

fn repeat(variant: &str, requests: usize) {
    let Keys { store, plaintexts } = keys();
    let one = |credential: &str| vec![headers(Some(credential))];
    let sent: Vec<HeaderMap> = match variant {
        "missing" => vec![headers(None)],
        "malformed" => one(&format!("tc_{}", "g".repeat(64))),
        "wrong length" => one("sk_live_1234567890"),
        "unknown" => one(&unknown_key()),
        _ => plaintexts.iter().map(|key| headers(Some(key))).collect(),
    };
    let mut shuffle = Shuffle::new(7);
    macro_rules! serve {
        ($service:expr) => {{
            let mut service = $service;
            for _ in 0..requests {
                black_box(send(&mut service, &sent[shuffle.step() % sent.len()]));
            }
        }};
    }
    match variant {
        "no layer" => serve!(Server),
        "bare" => serve!(Bare::new(&plaintexts)),
        "hand-written" => {
            serve!(
                AsyncRequireAuthorizationLayer::new(HandWritten::new(&plaintexts)).layer(Server)
            );
        }
        "with usage" => {
            let layer = ApiKeyLayer::new(store).with_usage(UsageMonitor::new());
            serve!(layer.layer(Server));
        }
        _ => serve!(ApiKeyLayer::new(store).layer(Server)),
    }
}
