//! Changing a key: each form carries the revision that its page showed.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use tower_api_key::ScopeSet;
use tower_api_key::manage::{ManageError, ManageErrorKind};
use tower_api_key::record::{KeyRecord, KeyUpdate};

use super::create::{Choice, EXPIRATIONS, Input, is_about_input, issued_page};
use super::forms::{Fields, Path};
use super::key_page::conflict;
use super::refusal::{Refusal, page, rendered};
use super::router::Keys;
use super::shown::{Frame, ScopeBox, ShownKey, scope_boxes};
use super::signed_in::SignedIn;

#[derive(Template)]
#[template(path = "edit.html")]
struct EditPage {
    frame: Frame,
    key: ShownKey,
    input: Input,
    scopes: Vec<ScopeBox>,
    expirations: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "rotate.html")]
struct RotatePage {
    frame: Frame,
    key: ShownKey,
}

#[derive(Template)]
#[template(path = "revoke.html")]
struct RevokePage {
    frame: Frame,
    key: ShownKey,
    reason: String,
    error: &'static str,
}

pub(super) async fn form(signed_in: SignedIn, Path(id): Path) -> Result<Response, Refusal> {
    let record = signed_in.key(&id).await?;
    if record.revocation().is_some() {
        return Ok(to_key(&id));
    }
    let input = Input {
        name: record.name().to_owned(),
        scopes: record.scopes().clone(),
        expiration: "keep".to_owned(),
        ..Input::default()
    };
    let revision = record.revision();
    Ok(page(&edit_page(&signed_in, &record, input, revision)))
}

pub(super) async fn submit(
    signed_in: SignedIn,
    Path(id): Path,
    fields: Fields,
) -> Result<Response, Refusal> {
    fields.check(&signed_in)?;
    let record = signed_in.key(&id).await?;
    let revision = fields.revision()?;
    let mut input = Input::of(&fields, &signed_in.keys);
    let mut update = KeyUpdate::new()
        .with_name(input.name.as_str())
        .with_scopes(input.scopes.clone());
    if input.expiration != "keep" {
        update = update.with_expires_at(input.end(signed_in.now, signed_in.end));
    }
    if input.is_right() {
        let keys = signed_in.keys.if_revision(revision);
        match keys.update(&record.id(), update).await {
            Err(error) if is_about_input(error.kind()) => {
                input.explain(&error);
            }
            done => return answer(&signed_in, &id, done).await,
        }
    }
    let page = edit_page(&signed_in, &record, input, revision);
    Ok(rendered(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// Rotates a key. Without a grace period, it asks first.
pub(super) async fn rotate(
    signed_in: SignedIn,
    Path(id): Path,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (record, keys) = checked(&signed_in, &id, &fields).await?;
    let hours = match fields.one("grace") {
        "0" => 0,
        "1" => 1,
        "24" => 24,
        "168" => 168,
        _ => return Err(Refusal::Malformed),
    };
    if hours == 0 && fields.one("confirmed") != "yes" {
        let mut shown = ShownKey::new(&record, &[], signed_in.now);
        shown.revision = fields.revision()?;
        let frame = Frame::within(&signed_in, "keys");
        return Ok(page(&RotatePage { frame, key: shown }));
    }
    match keys
        .rotate(&record.id(), Duration::from_secs(hours * 3_600))
        .await
    {
        Ok(issued) => {
            let title = "API key rotated";
            Ok(page(&issued_page(
                &signed_in,
                title,
                Some(&issued.key),
                &issued.record,
            )))
        }
        Err(error) => answer(&signed_in, &id, Err::<(), _>(error)).await,
    }
}

/// Disables a key, or enables it again.
pub(super) async fn switch(
    signed_in: SignedIn,
    Path(id): Path,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (record, keys) = checked(&signed_in, &id, &fields).await?;
    let key = record.id();
    let done = match fields.one("to") {
        "disabled" => keys.disable(&key).await,
        "enabled" => keys.enable(&key).await,
        _ => return Err(Refusal::Malformed),
    };
    answer(&signed_in, &id, done).await
}

pub(super) async fn confirm(signed_in: SignedIn, Path(id): Path) -> Result<Response, Refusal> {
    let record = signed_in.key(&id).await?;
    if record.revocation().is_some() {
        return Ok(to_key(&id));
    }
    Ok(page(&RevokePage {
        frame: Frame::within(&signed_in, "keys"),
        key: ShownKey::new(&record, &[], signed_in.now),
        reason: String::new(),
        error: "",
    }))
}

pub(super) async fn revoke(
    signed_in: SignedIn,
    Path(id): Path,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (record, keys) = checked(&signed_in, &id, &fields).await?;
    let reason = fields.one("reason");
    let done = keys.revoke(&record.id(), reason).await;
    if done
        .as_ref()
        .is_err_and(|error| error.kind() == ManageErrorKind::InvalidInput)
    {
        let (reason, error) = if keys.looks_like_key(reason) {
            // The page must not show it again.
            ("", "Reason looks like an API key.")
        } else {
            let error = "Enter at most 1,024 bytes without control characters.";
            (reason, error)
        };
        let page = RevokePage {
            frame: Frame::within(&signed_in, "keys"),
            key: ShownKey::new(&record, &[], signed_in.now),
            reason: reason.to_owned(),
            error,
        };
        return Ok(rendered(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    answer(&signed_in, &id, done).await
}

async fn checked(
    signed_in: &SignedIn,
    id: &str,
    fields: &Fields,
) -> Result<(Arc<KeyRecord>, Keys), Refusal> {
    fields.check(signed_in)?;
    let record = signed_in.key(id).await?;
    Ok((record, signed_in.keys.if_revision(fields.revision()?)))
}

async fn answer<T>(
    signed_in: &SignedIn,
    id: &str,
    done: Result<T, ManageError>,
) -> Result<Response, Refusal> {
    match done {
        Ok(_) => Ok(to_key(id)),
        Err(error) if error.kind() == ManageErrorKind::RevisionMismatch => {
            conflict(signed_in, id).await
        }
        Err(error) => Err(error.into()),
    }
}

fn to_key(id: &str) -> Response {
    Redirect::to(&format!("/dashboard/keys/{id}")).into_response()
}

fn edit_page(signed_in: &SignedIn, record: &KeyRecord, input: Input, revision: u64) -> EditPage {
    let kept: &ScopeSet = record.scopes();
    let mut key = ShownKey::new(record, &[], signed_in.now);
    key.revision = revision;
    EditPage {
        frame: Frame::within(signed_in, "keys"),
        key,
        expirations: [&[("keep", "As it is")], &EXPIRATIONS[..]].concat(),
        scopes: scope_boxes(&input.scopes, signed_in.record.scopes(), kept),
        input,
    }
}
