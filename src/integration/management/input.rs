//! What a client asks for: the body of each change.

use std::time::Duration;

use super::fields::Fields;
use super::json::Json;
use super::problem::{FieldError, FieldErrorCode, Problem};
use crate::key::formats::KeyFormats;
use crate::manage::lifetime::DEFAULT_GRACE_PERIOD;
use crate::manage::new_key::NewKey;
use crate::record::update::KeyUpdate;

/// The longest lifetime that may be asked for in days.
pub(super) const MAX_DAYS: u64 = 36_500;
/// The longest grace period of a rotation, in seconds: 30 days.
pub(super) const MAX_GRACE: u64 = 30 * 86_400;

/// A key to be made for that owner.
pub(super) fn new_key(owner: &str, body: Json, formats: &KeyFormats) -> Result<NewKey, Problem> {
    let mut fields = Fields::of(body, formats);
    if !fields.has("/name") {
        fields.missing("/name");
    }
    if fields.has("/expires_at") && fields.has("/expires_in_days") {
        let message = "expected either expires_at or expires_in_days";
        fields.refuse(FieldError::value("/expires_in_days", message));
    }
    let name = fields.name("/name").unwrap_or_default();
    let scopes = fields.scopes("/scopes").unwrap_or_default();
    let metadata = fields.metadata("/metadata").unwrap_or_default();
    let mut new = NewKey::new(owner, name)
        .with_scopes(scopes)
        .with_metadata(metadata);
    if let Some(end) = fields.time_or_null("/expires_at").flatten() {
        new = new.expires_at(end);
    }
    if let Some(days) = fields.number("/expires_in_days", 1, MAX_DAYS) {
        new = new.expires_in(Duration::from_secs(days * 86_400));
    }
    fields.finish(new)
}

/// What a client changes of a key, in one step.
pub(super) fn patch(body: Json, formats: &KeyFormats) -> Result<KeyUpdate, Problem> {
    let mut fields = Fields::of(body, formats);
    let members = ["/name", "/scopes", "/expires_at", "/metadata", "/disabled"];
    if !members.into_iter().any(|member| fields.has(member)) {
        let message = "expected at least one of name, scopes, expires_at, metadata and disabled";
        fields.refuse(FieldError::new("", FieldErrorCode::Missing, message));
    }
    let mut update = KeyUpdate::new();
    if let Some(name) = fields.name("/name") {
        update = update.with_name(name);
    }
    if let Some(scopes) = fields.scopes("/scopes") {
        update = update.with_scopes(scopes);
    }
    if let Some(end) = fields.time_or_null("/expires_at") {
        update = update.with_expires_at(end);
    }
    if let Some(metadata) = fields.metadata("/metadata") {
        update = update.with_metadata(metadata);
    }
    if let Some(disabled) = fields.boolean("/disabled") {
        update = update.with_disabled(disabled);
    }
    fields.finish(update)
}

/// The grace period of a rotation.
pub(super) fn grace(body: Json, formats: &KeyFormats) -> Result<Duration, Problem> {
    let mut fields = Fields::of(body, formats);
    let seconds = fields.number("/grace_seconds", 0, MAX_GRACE);
    fields.finish(seconds.map_or(DEFAULT_GRACE_PERIOD, Duration::from_secs))
}

/// Why a key is revoked.
pub(super) fn reason(body: Json, formats: &KeyFormats) -> Result<String, Problem> {
    let mut fields = Fields::of(body, formats);
    let reason = fields.reason("/reason");
    fields.finish(reason.unwrap_or_default())
}
