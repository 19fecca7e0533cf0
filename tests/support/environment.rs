//! Keys from the environment, each read in a process of its own.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use tower_api_key::ApiKey;
use tower_api_key::key::{EnvKeyErrorKind, KeyFormat};

use super::support::UNKNOWN;

const VARIABLE: &str = "TOWER_API_KEY_TEST";

/// What a child says of the variable, which has this value, or none.
fn reading(value: Option<&OsStr>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "--nocapture",
        "environment::the_child",
    ]);
    match value {
        Some(value) => command.env(VARIABLE, value),
        None => command.env_remove(VARIABLE),
    };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.split_once("<<").unwrap().1;
    line.split_once(">>").unwrap().0.to_owned()
}

#[test]
#[ignore = "runs as the child of the other tests here"]
fn the_child() {
    match ApiKey::from_env(VARIABLE) {
        Ok(key) if key.expose_secret() == UNKNOWN => println!("<<the key>>"),
        Ok(key) => println!("<<another key: {}>>", key.expose_secret()),
        Err(error) => {
            let source = std::error::Error::source(&error);
            println!("<<{error}; {:?}; {source:?}>>", error.kind());
        }
    }
}

const EXPECTED: &str = "expected an API key in the environment variable \"TOWER_API_KEY_TEST\", ";

#[test]
fn a_key_is_read_without_the_white_space_around_it() {
    for value in [
        UNKNOWN,
        &format!("{UNKNOWN}\n"),
        &format!(" \t{UNKNOWN}\r\n"),
    ] {
        assert_eq!(reading(Some(OsStr::new(value))), "the key");
    }
}

#[test]
fn a_variable_that_is_not_set_or_empty_is_told_apart() {
    assert_eq!(
        reading(None),
        format!("{EXPECTED}which is not set; NotSet; None")
    );
    for empty in ["", " \n"] {
        let expected = format!("{EXPECTED}which is empty; Empty; None");
        assert_eq!(reading(Some(OsStr::new(empty))), expected);
    }
}

#[test]
fn any_other_value_is_refused_and_never_shown() {
    for (value, defect) in [
        (&b"changeme"[..], "Length { expected: 67, found: 8 }"),
        (&UNKNOWN.to_uppercase().into_bytes(), "Prefix"),
        (&UNKNOWN.replace("00", "zz").into_bytes(), "Digits"),
        (
            b"\xff\xfe-not-unicode",
            "Length { expected: 67, found: 14 }",
        ),
        (
            &format!("{UNKNOWN} {UNKNOWN}").into_bytes(),
            "Length { expected: 67, found: 135 }",
        ),
    ] {
        let kind = format!("InvalidKey({defect})");
        let expected =
            format!("{EXPECTED}which holds something else; NotAKey({kind}); Some({kind})");
        assert_eq!(reading(Some(OsStr::from_bytes(value))), expected);
    }
}

#[test]
fn variables_that_every_process_has_hold_no_key() {
    let error = ApiKey::from_env("PATH").unwrap_err();
    assert_eq!(error.variable(), "PATH");
    assert!(matches!(error.kind(), EnvKeyErrorKind::NotAKey(_)));
    let path = std::env::var("PATH").unwrap();
    assert!(!format!("{error:?} {error}").contains(&path));
    // The digits of a key, given in the place of a name.
    let digits = &UNKNOWN[3..];
    let error = ApiKey::from_env(digits).unwrap_err();
    assert_eq!(error.variable(), "…");
    assert!(!format!("{error:?} {error}").contains(digits));
    let name = &digits[1..];
    assert_eq!(ApiKey::from_env(name).unwrap_err().variable(), name);
    // Names that no variable can have.
    for name in ["", "A=B", "A\0B", "TOWER_API_KEY_TEST_NOT_SET"] {
        let error = KeyFormat::default().read_env(name).unwrap_err();
        assert_eq!(error.kind(), EnvKeyErrorKind::NotSet, "{name:?}");
    }
}
