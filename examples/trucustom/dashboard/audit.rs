//! The audit trail.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use serde::Deserialize;
use tower_api_key::store::AuditPageRequest;

use super::refusal::{Refusal, page};
use super::shown::{Frame, Time};
use super::signed_in::SignedIn;

const PAGE: usize = 50;

#[derive(Deserialize)]
pub(super) struct Cursor {
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<u64>,
}

struct Row {
    at: Time,
    action: &'static str,
    key_id: String,
    actor: String,
    reason: String,
    detail: String,
}

pub(super) async fn show(
    signed_in: SignedIn,
    cursor: Result<Query<Cursor>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(cursor) = cursor?;
    let mut request = AuditPageRequest::first(PAGE);
    if let Some(before) = cursor.before {
        request = request.before(before);
    }
    let found = signed_in.keys.audit(signed_in.owner(), &request).await?;
    let rows = found.entries().iter().map(|entry| Row {
        at: Time::of(entry.at()),
        action: entry.action().as_str(),
        key_id: entry.key_id().to_string(),
        actor: entry.actor().to_owned(),
        reason: entry.reason().to_owned(),
        detail: entry.detail().to_owned(),
    });
    Ok(page(&Page {
        frame: Frame::within(&signed_in, "audit"),
        rows: rows.collect(),
        is_first: cursor.before.is_none(),
        next: found.next(),
    }))
}
