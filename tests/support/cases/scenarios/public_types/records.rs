//! Records, and what changes and imports them.

use jiff::Timestamp;
use tower_api_key::manage::LegacyKey;
use tower_api_key::record::{KeyChange, KeyId, KeyUpdate, Revocation};
use tower_api_key::store::KeyUse;

use super::marker::Marker;
use super::print::{Printed, both, debug};
use crate::scenarios::kit::new_key;

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let record = &*marker.fresh.record;
    let version = &record.secret_versions()[0];
    let now = Timestamp::UNIX_EPOCH;
    let key = marker.fresh.key.expose_secret();
    let rotate = KeyChange::Rotate {
        digest: *version.digest(),
        prefix: version.prefix(),
        at: now,
        others_retire_at: now,
    };
    let revoked = record
        .clone()
        .with_revocation(Some(Revocation::new(now, "leaked")));
    let legacy = [
        LegacyKey::new("acct_42", "CI", *version.digest()),
        // A column taken for another.
        LegacyKey::from_hex("acct_42", "CI", key),
    ];
    let report = marker.keys.import(legacy.clone()).await.unwrap();
    vec![
        debug("KeyRecord", record),
        debug("SecretVersion", version),
        debug("KeyChange", &rotate),
        both(
            "ChangeRefused",
            &KeyChange::Enable.applied_to(&revoked).unwrap_err(),
        ),
        debug("KeyUpdate", &KeyUpdate::new().with_name("CI")),
        debug("Revocation", &Revocation::new(now, "leaked")),
        both("KeyId", &record.id()),
        both("InvalidKeyId", &key.parse::<KeyId>().unwrap_err()),
        debug("KeyUse", &KeyUse::new(record.id(), 1, now)),
        debug("NewKey", &new_key()),
        debug("IssuedKey", &marker.fresh),
        debug("LegacyKey", &legacy),
        debug("ImportReport", &report),
        both("ImportRefusal", &report.refused()[0]),
        both("ImportRefusal", &report.refused()[1]),
    ]
}
