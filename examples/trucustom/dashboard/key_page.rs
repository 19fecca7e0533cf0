//! One key: what it is, how it is used, and what can be done with it.

use std::sync::Arc;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use tower_api_key::record::{KeyRecord, SecretVersion};

use super::chart::{Chart, past};
use super::forms::Path;
use super::refusal::{Refusal, rendered};
use super::shown::{Frame, ShownKey, Time};
use super::signed_in::SignedIn;

#[derive(Template)]
#[template(path = "key.html")]
struct Page {
    frame: Frame,
    /// What went wrong before the page was shown.
    alert: &'static str,
    key: ShownKey,
    revocation: Option<(Time, String)>,
    metadata: Vec<(String, String)>,
    secrets: Vec<Secret>,
    charts: [Chart; 2],
}

struct Secret {
    number: u32,
    prefix: String,
    created: Time,
    /// `expires` or `expired`, and when; of a revoked key nothing, since none of its secrets is valid.
    expiration: Option<(&'static str, Time)>,
    last_used: Option<Time>,
}

impl Secret {
    fn of(secret: &SecretVersion, key: &KeyRecord, now: Timestamp) -> Self {
        let expires_at = secret.retires_at().filter(|_| key.revocation().is_none());
        Self {
            number: secret.number(),
            prefix: format!("tc_{}…", secret.prefix()),
            created: Time::of(secret.created_at()),
            expiration: expires_at.map(|at| {
                let word = if now >= at { "expired" } else { "expires" };
                (word, Time::of(at))
            }),
            last_used: secret.last_used_at().map(Time::of),
        }
    }
}

pub(super) async fn show(signed_in: SignedIn, Path(id): Path) -> Result<Response, Refusal> {
    let record = signed_in.key(&id).await?;
    of(&signed_in, &record, StatusCode::OK, "").await
}

/// The page after somebody else changed the key: what it is now.
pub(super) async fn conflict(signed_in: &SignedIn, id: &str) -> Result<Response, Refusal> {
    let record = signed_in.key(id).await?;
    let alert = "Somebody changed this key after your page was shown, so nothing was done. \
                 This is how the key is now.";
    of(signed_in, &record, StatusCode::CONFLICT, alert).await
}

async fn of(
    signed_in: &SignedIn,
    record: &Arc<KeyRecord>,
    status: StatusCode,
    alert: &'static str,
) -> Result<Response, Refusal> {
    let now = signed_in.now;
    let usage = signed_in.keys.usage(&record.id(), past(now, 60)).await?;
    let revocation = record.revocation();
    let metadata = record.metadata().iter();
    Ok(rendered(
        status,
        &Page {
            frame: Frame::within(signed_in, "keys"),
            alert,
            key: ShownKey::new(record, &usage, now),
            revocation: revocation.map(|one| (Time::of(one.at()), one.reason().to_owned())),
            metadata: metadata
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            secrets: (record.secret_versions().iter())
                .map(|secret| Secret::of(secret, record, now))
                .collect(),
            charts: [Chart::hours(&usage, now), Chart::days(&usage, now)],
        },
    ))
}
