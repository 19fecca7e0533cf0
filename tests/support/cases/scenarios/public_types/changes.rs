//! What the types of changes, trails and counts print.

use jiff::Timestamp;
use tower_api_key::Scope;
use tower_api_key::record::{
    AuditAction, AuditEntry, ChangeContext, KeyChange, KeyRecord, Metadata, Recipient, Transition,
};
use tower_api_key::store::{
    AuditLog, AuditPageRequest, Commit, Insert, Inserted, KeyFilter, KeyUse, UsageBatch,
    UsageBucket,
};

use super::marker::Marker;
use super::print::{Printed, both, debug};

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let record = &*marker.fresh.record;
    let version = &record.secret_versions()[0];
    let now = Timestamp::UNIX_EPOCH;
    let context = ChangeContext::new(now).with_reason("routine");
    let rotation = KeyChange::Rotate {
        digest: *version.digest(),
        prefix: version.prefix(),
        at: now,
        others_retire_at: now,
    };
    let request = AuditPageRequest::default();
    let page = marker
        .keys
        .store()
        .audit("acct_42", &request)
        .await
        .unwrap();
    assert_eq!(page.entries().len(), 1);
    let key = marker.fresh.key.expose_secret();
    let used = KeyUse::new(record.id(), 1, now).with_allowed(1);
    vec![
        debug("ChangeContext", &context),
        debug("Metadata", &Metadata::new().with("team", "payments")),
        debug("AuditEntry", &AuditEntry::of_insert(record, &context)),
        both("AuditAction", &AuditAction::Rotated),
        both(
            "InvalidAuditAction",
            &key.parse::<AuditAction>().unwrap_err(),
        ),
        debug("AuditPage", &page),
        debug("AuditPageRequest", &request),
        debug(
            "Transition",
            &Transition::of(&rotation, record, &context).unwrap(),
        ),
        debug("UsageBatch", &UsageBatch::new([1; 16], 1, [used])),
        debug("UsageBucket", &UsageBucket::new(now, 1, 1, 0)),
        debug("Recipient", &Recipient::new(Scope::READ, Some(now))),
        debug("KeyFilter", &KeyFilter::new().with_name_part("CI")),
        debug("Insert", &Insert::new(record.clone(), &context)),
        debug("Inserted", &Inserted::Existing(record.clone().into())),
        debug(
            "Commit",
            &Commit::of(record, Transition::of(&rotation, record, &context).unwrap()),
        ),
        both(
            "InvalidDocument",
            &KeyRecord::from_document(key.as_bytes()).unwrap_err(),
        ),
    ]
}
