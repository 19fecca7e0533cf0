//! A process that is copied makes keys of its own.

#![cfg(unix)]
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "fork is unsafe, and a test may fail"
)]

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;

use tower_api_key::key::{ApiKey, KeyFormat};

/// How many keys each process makes.
const KEYS: usize = 16;

/// The keys that this process makes now.
fn keys() -> Vec<String> {
    let key = |_| {
        ApiKey::generate(&KeyFormat::default())
            .unwrap()
            .expose_secret()
            .to_owned()
    };
    (0..KEYS).map(key).collect()
}

#[test]
fn sc_gen_3_parent_and_child_make_different_keys() {
    // Fills whatever a generator might keep in a buffer, so that both would go on from it.
    let before = keys();
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: both were just opened, and nothing else has them.
    let [mut reader, mut writer] = ends.map(|end| unsafe { File::from_raw_fd(end) });

    // SAFETY: this is the only test of its process, so no other thread holds a lock that the child
    // would wait for; the child leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let written = writer.write_all(keys().concat().as_bytes());
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(i32::from(written.is_err())) };
    }
    drop(writer);
    let of_parent = keys();
    let mut of_child = String::new();
    reader.read_to_string(&mut of_child).unwrap();
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");

    let of_child: Vec<_> = of_child
        .as_bytes()
        .chunks(KeyFormat::default().key_len())
        .collect();
    assert_eq!(of_child.len(), KEYS);
    let of_child = of_child
        .into_iter()
        .map(|key| str::from_utf8(key).unwrap().to_owned());
    let all: HashSet<_> = before
        .into_iter()
        .chain(of_parent)
        .chain(of_child)
        .collect();
    assert_eq!(all.len(), 3 * KEYS, "a key was made twice");
}
