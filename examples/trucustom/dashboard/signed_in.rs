//! Who is signed in.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tower_api_key::Scope;
use tower_api_key::record::{KeyId, KeyRecord, KeyStatus};
use tower_sessions::Session;

use super::key_trail;
use super::refusal::Refusal;
use super::router::{Keys, Shared};
use crate::sessions::TICKET;

/// The scope that a key needs to sign in.
pub(super) const MANAGE: Scope = Scope::from_static("keys:manage");
/// A session that nobody uses ends after 30 minutes.
pub(super) const IDLE_SECONDS: i64 = 30 * 60;
/// However much it is used, a session ends after 12 hours.
pub(super) const LONGEST_SECONDS: i64 = 12 * 3_600;
/// How often use is noted at most.
const NOTED_SECONDS: i64 = 60;

/// What a session keeps: which key signed in, and nothing that could be used as a key.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Ticket {
    pub(super) key_id: String,
    pub(super) secret_version: u32,
    /// The revision of the key up to which it could sign in at every moment.
    pub(super) revision: u64,
    pub(super) csrf: String,
    pub(super) signed_in_at: i64,
    pub(super) seen_at: i64,
}

impl Ticket {
    pub(super) async fn keep(&self, session: &Session) -> Result<(), Refusal> {
        Ok(session.insert(TICKET, self).await?)
    }
}

/// A session whose key works still, at this very request.
pub(super) struct SignedIn {
    pub(super) session: Session,
    pub(super) record: Arc<KeyRecord>,
    pub(super) csrf: String,
    /// What acts in the name of the key, and within its bounds.
    pub(super) keys: Keys,
    pub(super) now: Timestamp,
    /// The end of the key, or of the secret that signed in.
    pub(super) end: Option<Timestamp>,
}

impl SignedIn {
    pub(super) fn owner(&self) -> &str {
        self.record.owner()
    }

    /// A key of the owner's; any other is not there.
    pub(super) async fn key(&self, id: &str) -> Result<Arc<KeyRecord>, Refusal> {
        let id: KeyId = id.parse().map_err(|_| Refusal::NotFound)?;
        let record = self.keys.get(&id).await?;
        record
            .filter(|record| record.owner() == self.owner())
            .ok_or(Refusal::NotFound)
    }
}

impl FromRequestParts<Shared> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, shared).await;
        let session = session.map_err(IntoResponse::into_response)?;
        let found = signed_in(&session, shared).await;
        if let Some(found) = found.map_err(IntoResponse::into_response)? {
            return Ok(found);
        }
        if session.id().is_some() {
            let flushed = session.flush().await;
            flushed.map_err(|error| Refusal::from(error).into_response())?;
        }
        Err(Redirect::to("/dashboard/sign-in").into_response())
    }
}

async fn signed_in(session: &Session, shared: &Shared) -> Result<Option<SignedIn>, Refusal> {
    let Some(mut ticket) = session.get::<Ticket>(TICKET).await? else {
        return Ok(None);
    };
    let now = shared.clock.now();
    let seconds = now.as_second();
    let is_old = seconds - ticket.signed_in_at >= LONGEST_SECONDS;
    if is_old || seconds - ticket.seen_at >= IDLE_SECONDS {
        return Ok(None);
    }
    let Ok(id) = ticket.key_id.parse::<KeyId>() else {
        return Ok(None);
    };
    let Some(record) = shared.keys.get(&id).await? else {
        return Ok(None);
    };
    let mut secrets = record.secret_versions().iter();
    let Some(secret) = secrets.find(|one| one.number() == ticket.secret_version) else {
        return Ok(None);
    };
    let end = [record.expires_at(), secret.retires_at()]
        .into_iter()
        .flatten()
        .min();
    let works = record.status(now) == KeyStatus::Active && end.is_none_or(|end| now < end);
    if !works || !record.scopes().contains(&MANAGE) {
        return Ok(None);
    }
    let is_changed = record.revision() != ticket.revision;
    if is_changed && !key_trail::could_sign_in(&shared.keys, &record, ticket.revision).await? {
        return Ok(None);
    }
    if is_changed || seconds - ticket.seen_at >= NOTED_SECONDS {
        ticket.revision = record.revision();
        ticket.seen_at = seconds;
        ticket.keep(session).await?;
    }
    Ok(Some(SignedIn {
        session: session.clone(),
        keys: shared.keys.on_behalf_of_key(&id, ticket.secret_version),
        record,
        csrf: ticket.csrf,
        now,
        end,
    }))
}
