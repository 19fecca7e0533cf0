//! What is made of a key's text.

use tower_api_key::key::{ApiKey, KeyDigest, KeyFormat, KeyHasher, KeyPrefix};
use tower_api_key::{MemoryStore, Scope, Verifier};

use super::marker::{Marker, PEPPER};
use super::print::{Printed, both, debug};

pub(crate) fn printed(marker: &Marker) -> Printed {
    let key = marker.fresh.key.expose_secret();
    let format = KeyFormat::default();
    let hasher = KeyHasher::hmac_sha256(PEPPER.as_bytes()).unwrap();
    let twice = Verifier::new(MemoryStore::new()).with_formats([format; 2]);
    vec![
        debug("ApiKey", &marker.fresh.key),
        both("KeyPrefix", &marker.fresh.key.prefix()),
        debug("KeyDigest", &KeyHasher::sha256().digest(&marker.fresh.key)),
        debug("KeyHasher", &hasher),
        debug("KeyFormat", &format),
        both("InvalidKey", &format.parse(&format!("{key}0")).unwrap_err()),
        both(
            "InvalidKey",
            &format.parse(&key.to_uppercase()).unwrap_err(),
        ),
        both("InvalidKeyFormat", &KeyFormat::new("TC_").unwrap_err()),
        both("InvalidKeyFormats", &twice.unwrap_err()),
        both("InvalidKeyPrefix", &key.parse::<KeyPrefix>().unwrap_err()),
        both("InvalidDigest", &KeyDigest::from_hex(key).unwrap_err()),
        both(
            "PepperTooShort",
            &KeyHasher::hmac_sha256(&PEPPER.as_bytes()[1..]).unwrap_err(),
        ),
        both(
            "EnvKeyError",
            &ApiKey::from_env("SC_LOG_3_NEVER_SET").unwrap_err(),
        ),
        both("InvalidScope", &Scope::new(format!("{key} ")).unwrap_err()),
        both("Scope", &Scope::READ),
        both("ScopeSet", marker.fresh.record.scopes()),
    ]
}
