//! The list of keys.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use tower_api_key::record::{KeyId, KeyRecord};
use tower_api_key::store::PageRequest;

use super::chart::{Chart, past};
use super::refusal::{Refusal, page};
use super::shown::{Frame, ShownKey};
use super::signed_in::SignedIn;

/// How many keys a page shows: what it costs does not grow with how many there are.
const PAGE: usize = 50;
/// What the advice of the list needs: two weeks and an hour, in whole days. Unused scopes, which need
/// more, are on the page of the key.
const USAGE_DAYS: i64 = 15;
/// How many keys' usage is asked for at once.
const AT_ONCE: usize = 8;

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
    cursor: Result<Query<Cursor>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(cursor) = cursor?;
    let mut request = PageRequest::first(PAGE);
    if let Some(after) = &cursor.after {
        let after: KeyId = after.parse().map_err(|_| Refusal::NotFound)?;
        request = request.after(after);
    }
    let found = signed_in.keys.list(signed_in.owner(), &request).await?;
    let rows = found.keys().iter().map(|record| row(&signed_in, record));
    let rows: Vec<_> = rows.collect();
    let rows = stream::iter(rows).buffered(AT_ONCE).try_collect().await?;
    Ok(page(&Page {
        frame: Frame::within(&signed_in, "keys"),
        rows,
        is_first: cursor.after.is_none(),
        next: found.next().map(|id| id.to_string()),
    }))
}

async fn row(signed_in: &SignedIn, record: &KeyRecord) -> Result<Row, Refusal> {
    let (id, span) = (record.id(), past(signed_in.now, USAGE_DAYS));
    let usage = signed_in.keys.usage(&id, span).await?;
    Ok(Row {
        key: ShownKey::new(record, &usage, signed_in.now),
        spark: Chart::sparkline(&usage, signed_in.now),
    })
}
