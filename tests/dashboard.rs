//! The dashboard of the whole product, as a browser meets it, and as an attacker does.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "dashboard/browser.rs"]
mod browser;
#[path = "../examples/trucustom/dashboard/mod.rs"]
mod dashboard;

#[path = "dashboard/attacks.rs"]
mod attacks;
#[path = "dashboard/counted.rs"]
mod counted;
#[path = "dashboard/keys.rs"]
mod keys;
#[path = "dashboard/signing_in.rs"]
mod signing_in;
