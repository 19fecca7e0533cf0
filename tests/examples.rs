//! Runs every example as a reader would: starts it, and pastes the requests that it prints.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "examples/mod.rs"]
mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use support::{Example, Request, assert_does_not_start, examples};
use tower_api_key::key::{ApiKey, KeyFormat, KeyHasher};

#[test]
fn axum_serves_what_it_prints() {
    let example = Example::start("axum", &[]);
    example.paste_all(PRODUCT_STATUSES);
    example.stop();
}

#[test]
fn hyper_serves_what_it_prints_over_both_versions() {
    let example = Example::start("hyper", &[]);
    let uses = |option| {
        let requests = example.requests.iter();
        requests.filter(|one| one.line.contains(option)).count()
    };
    assert_eq!(uses("--http1.1"), example.requests.len() / 2);
    assert_eq!(uses("--http2-prior-knowledge"), example.requests.len() / 2);
    example.paste_all(PRODUCT_STATUSES);
    example.stop();
}

#[test]
fn custom_store_serves_what_it_prints() {
    let example = Example::start("custom_store", &[]);
    example.paste_all(&[200, 401, 403]);
    example.stop();
}

#[test]
fn custom_store_reads_a_file() {
    let key = ApiKey::generate(&KeyFormat::default()).unwrap();
    let digest = hex::encode(KeyHasher::sha256().digest(&key).as_bytes());
    let list = format!("# keys\n\n{} {digest} acct_9 read,reports\n", key.prefix());
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys.txt");
    let keys = ("KEYS", path.to_str().unwrap());

    fs::write(&path, list).unwrap();
    let mut example = Example::start("custom_store", &[keys]);
    let secret = key.expose_secret();
    example.requests = vec![Request {
        status: 200,
        body: Some("acct_9 may read reports".to_owned()),
        line: format!("curl -si {}/whoami -H 'X-API-Key: {secret}'", example.base),
    }];
    example.paste_all(&[200]);
    example.stop();

    fs::write(&path, "tc_not a line\n").unwrap();
    let message = "error: expected 'prefix digest owner scope,scope' in line 1 of the keys\n";
    assert_does_not_start("custom_store", &[("LISTEN", "127.0.0.1:0"), keys], message);
}

#[test]
fn a_bad_address_or_a_taken_port_is_a_clear_error() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for name in examples() {
        let message =
            "error: expected an address such as 127.0.0.1:3000 in LISTEN, found \"localhost\"\n";
        assert_does_not_start(name, &[("LISTEN", "localhost")], message);
        let message = format!("error: cannot listen on {taken}: ");
        assert_does_not_start(name, &[("LISTEN", &taken)], &message);
    }
}

#[cfg(feature = "full")]
#[test]
fn sqlite_serves_what_it_prints_and_keeps_its_key() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example.db");
    let remove = || {
        for beside in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{beside}", path.display()));
        }
    };
    remove();
    let database = ("DATABASE", path.to_str().unwrap());
    let example = Example::start("sqlite", &[database]);
    example.paste_all(&[200, 401, 403]);
    let (base, requests) = (example.base.clone(), example.requests.clone());
    example.stop();

    let mut again = Example::start("sqlite", &[database]);
    again.paste_all(&[401]);
    again.take_over(&base, &requests);
    again.paste_all(&[200, 401, 403]);
    again.stop();
    remove();
}

#[cfg(feature = "full")]
#[test]
fn management_serves_what_it_prints() {
    let example = Example::start("management", &[]);
    example.paste_all(&[200, 201, 401, 422]);
    example.stop();
}

/// The statuses that a product server's requests show.
const PRODUCT_STATUSES: &[u16] = &[200, 201, 204, 400, 401, 403, 404, 422];
