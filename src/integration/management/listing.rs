//! Lists of keys by status.

use jiff::Timestamp;

use super::resource::{KeyPageResource, KeyResource, Status};
use crate::manage::error::ManageError;
use crate::manage::manager::KeyManager;
use crate::record::id::KeyId;
use crate::store::page::PageRequest;
use crate::store::registry::KeyRegistry;

/// How many keys one request looks at, whatever their status.
const MAX_SEEN: usize = 1_000;

/// Which keys are wanted.
pub(super) struct Wanted {
    pub(super) status: Option<Status>,
    pub(super) after: Option<KeyId>,
    pub(super) limit: usize,
}

/// One page of those of an owner's keys; it looks at a bounded number, so that it may have fewer
/// than the limit where most have another status.
pub(super) async fn page<S: KeyRegistry>(
    keys: &KeyManager<S>,
    owner: &str,
    wanted: Wanted,
    now: Timestamp,
) -> Result<KeyPageResource, ManageError> {
    let prefix = keys.format().prefix();
    let mut shown = Vec::new();
    let mut cursor = wanted.after;
    let mut seen = 0;
    loop {
        let room = match wanted.status {
            None => wanted.limit,
            // Few may have the status, so that one look takes more.
            Some(_) => 200,
        };
        let request = PageRequest::first(room);
        let request = match cursor {
            Some(id) => request.after(id),
            None => request,
        };
        let page = keys.list(owner, &request).await?;
        seen += page.keys().len();
        for record in page.keys() {
            let status = Status::of(record, now);
            if wanted.status.is_none_or(|wanted| wanted == status) {
                shown.push((record.id(), KeyResource::of(record, prefix, now)));
            }
        }
        cursor = page.next();
        if shown.len() > wanted.limit {
            // There are more: the page ends with the last that is shown.
            shown.truncate(wanted.limit);
            cursor = shown.last().map(|(id, _)| *id);
            break;
        }
        if cursor.is_none() || shown.len() == wanted.limit || seen >= MAX_SEEN {
            break;
        }
    }
    Ok(KeyPageResource {
        keys: shown.into_iter().map(|(_, key)| key).collect(),
        next_cursor: cursor.map(|id| id.to_string()),
    })
}
