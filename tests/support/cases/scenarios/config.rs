//! What is refused when it is built, and not at the first request.

use std::process::Command;
use std::{env, str};

use jiff::Timestamp;
use tower_api_key::key::{ApiKey, EnvKeyErrorKind, KeyFormat, KeyHasher};
use tower_api_key::middleware::{ConfigErrorKind, KeySource};
use tower_api_key::record::{KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::StoreErrorKind;
use tower_api_key::{ApiKeyLayer, MemoryStore};

fn layer() -> ApiKeyLayer {
    ApiKeyLayer::new(MemoryStore::new())
}

#[test]
fn sc_cfg_1_a_layer_without_a_source_or_a_format_is_not_built() {
    let error = layer().with_sources([]).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Sources);
    assert_eq!(error.to_string(), "expected 1 to 8 key sources, found 0");
    let twice = [
        KeySource::BEARER,
        KeySource::header(http::header::AUTHORIZATION),
    ];
    assert_eq!(
        layer().with_sources(twice).unwrap_err().kind(),
        ConfigErrorKind::Sources
    );
    assert_eq!(
        layer().with_formats([]).unwrap_err().kind(),
        ConfigErrorKind::Formats
    );
    assert!(layer().with_sources([KeySource::X_API_KEY]).is_ok());
}

#[test]
fn sc_cfg_3_the_same_key_twice_is_refused_without_being_named() {
    let key = ApiKey::generate(&KeyFormat::default()).unwrap();
    let digest = KeyHasher::sha256().digest(&key);
    let record = |number| {
        let (id, now) = (KeyId::from_bytes([number; 16]), Timestamp::UNIX_EPOCH);
        let version = SecretVersion::new(1, digest, key.prefix(), now);
        KeyRecord::new(id, "acct_42", "CI", now).with_secret_versions([version])
    };
    let error = MemoryStore::from_records([record(1), record(2)]).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::AlreadyExists);
    let message = format!("{error} {error:?}");
    for secret in [
        &key.expose_secret()[3..],
        &hex::encode(digest.as_bytes()),
        key.prefix().as_str(),
    ] {
        assert!(!message.contains(secret), "{message}");
    }
    assert!(MemoryStore::from_records([record(1)]).is_ok());
}

/// Set in the process that reads its environment; nobody can set a variable of a running one safely.
const READER: &str = "SC_CFG_4_READS";
const VARIABLE: &str = "SC_CFG_4_API_KEY";

/// What a process whose variable has this value says of it.
fn read_in_a_process(value: Option<&str>) -> String {
    let mut reader = Command::new(env::current_exe().unwrap());
    reader
        .args([
            "--nocapture",
            "sc_cfg_4_a_key_from_the_environment_is_a_whole_key",
        ])
        .env(READER, "1")
        .env_remove(VARIABLE)
        .envs(value.map(|value| (VARIABLE, value)));
    let output = reader.output().unwrap();
    assert!(output.status.success());
    let text = str::from_utf8(&output.stdout).unwrap();
    let start = text.find("read: ").expect("what the process read");
    text[start..].lines().next().unwrap().to_owned()
}

#[test]
fn sc_cfg_4_a_key_from_the_environment_is_a_whole_key() {
    if env::var_os(READER).is_some() {
        match ApiKey::from_env(VARIABLE) {
            Ok(key) => println!("read: {}", key.prefix()),
            Err(error) => println!("read: {error} {error:?}"),
        }
        return;
    }
    let not_set = ApiKey::from_env("SC_CFG_4_NEVER_SET").unwrap_err();
    assert_eq!(not_set.kind(), EnvKeyErrorKind::NotSet);
    for (value, expected) in [
        (None, "which is not set"),
        (Some(""), "which is empty"),
        (Some(" \t\n"), "which is empty"),
        (Some("changeme"), "which holds something else"),
        (Some("$env://API_KEY"), "which holds something else"),
        (Some("tc_"), "which holds something else"),
    ] {
        let said = read_in_a_process(value);
        assert!(
            said.contains(expected) && said.contains(VARIABLE),
            "{value:?}: {said}"
        );
        let shown = value
            .filter(|value| value.len() > 2 && *value != "tc_")
            .unwrap_or("\0");
        assert!(
            !said.contains(shown.trim()) || shown.trim().is_empty(),
            "{value:?}: {said}"
        );
    }
    let key = format!("tc_{}", "0f".repeat(32));
    assert_eq!(read_in_a_process(Some(&key)), "read: 0f0f0f0f");
}

#[test]
fn sc_cfg_7_a_broad_or_unclear_public_path_is_refused() {
    for path in [
        "", "/", "*", "/%2e", "//", "/a//b", "/a/../b", "/.", "/a/*", "/{x}", "health", "/a?b",
    ] {
        let error = layer().with_public_path(path).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::PublicPath, "{path:?}");
        let error = layer()
            .with_public_path_for(http::Method::GET, path)
            .unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::PublicPath, "{path:?}");
    }
    for path in ["/health", "/v1/health", "/.well-known/openapi.json"] {
        assert!(layer().with_public_path(path).is_ok(), "{path}");
    }
}
