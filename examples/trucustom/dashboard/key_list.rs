//! The list of keys.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use tower_api_key::record::KeyId;
use tower_api_key::store::PageRequest;

use super::chart::{Chart, past};
use super::refusal::{Refusal, page};
use super::shown::{Frame, ShownKey};
use super::signed_in::SignedIn;

/// How many keys a page shows: what it costs does not grow with how many there are.
const PAGE: usize = 50;
/// What the advice needs: two weeks and an hour, in whole days.
const USAGE_DAYS: i64 = 15;

#[derive(Deserialize)]
pub(super) struct Cursor {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

struct Row {
    key: ShownKey,
    spark: Chart,
}

pub(super) async fn show(
    signed_in: SignedIn,
    Query(cursor): Query<Cursor>,
) -> Result<Response, Refusal> {
    let mut request = PageRequest::first(PAGE);
    if let Some(after) = &cursor.after {
        let after: KeyId = after.parse().map_err(|_| Refusal::NotFound)?;
        request = request.after(after);
    }
    let found = signed_in.keys.list(signed_in.owner(), &request).await?;
    let mut rows = Vec::with_capacity(found.keys().len());
    for record in found.keys() {
        let span = past(signed_in.now, USAGE_DAYS);
        let usage = signed_in.keys.usage(&record.id(), span).await?;
        rows.push(Row {
            key: ShownKey::new(record, (&usage, &[]), signed_in.now),
            spark: Chart::sparkline(&usage, signed_in.now),
        });
    }
    Ok(page(&Page {
        frame: Frame::within(&signed_in, "keys"),
        rows,
        is_first: cursor.after.is_none(),
        next: found.next().map(|id| id.to_string()),
    }))
}
