//! Signing in with a management key, and out again.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use tower_api_key::Identity;
use tower_sessions::Session;

use super::forms::{Fields, random_token};
use super::refusal::{Refusal, page, rendered};
use super::router::Shared;
use super::shown::Frame;
use super::signed_in::{MANAGE, SignedIn, Ticket};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    frame: Frame,
    error: &'a str,
}

pub(super) async fn form() -> Response {
    let (frame, error) = (Frame::outside(), "");
    page(&Page { frame, error })
}

/// Attempts are not counted: a key has 256 random bits, and a count would let strangers lock its holder
/// out.
pub(super) async fn submit(
    State(shared): State<Shared>,
    session: Session,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (key, second) = (fields.one("key"), shared.clock.now().as_second());
    match shared.keys.verifier().verify(key).await {
        Ok(identity) if identity.has_scope(&MANAGE) => {
            // A key that was deleted meanwhile has nothing to manage.
            let Some(record) = shared.keys.get(&identity.key_id()).await? else {
                return Ok(refused(StatusCode::UNAUTHORIZED, INVALID));
            };
            start(&session, &identity, record.revision(), second).await?;
            Ok(Redirect::to("/dashboard/keys").into_response())
        }
        Ok(_) => {
            let text = "This key may not manage keys: it lacks the scope keys:manage.";
            Ok(refused(StatusCode::FORBIDDEN, text))
        }
        Err(denial) if denial.status() == StatusCode::SERVICE_UNAVAILABLE => {
            Err(Refusal::Unavailable)
        }
        Err(_) => Ok(refused(StatusCode::UNAUTHORIZED, INVALID)),
    }
}

const INVALID: &str = "This key is not valid. Check that all of it was pasted.";

/// A session of its own for each sign-in: an id that was planted before is worth nothing.
async fn start(
    session: &Session,
    identity: &Identity,
    revision: u64,
    second: i64,
) -> Result<(), Refusal> {
    session.clear().await;
    session.cycle_id().await?;
    let ticket = Ticket {
        key_id: identity.key_id().to_string(),
        secret_version: identity.secret_version(),
        revision,
        csrf: random_token()?,
        signed_in_at: second,
        seen_at: second,
    };
    ticket.keep(session).await?;
    Ok(session.save().await?)
}

pub(super) async fn sign_out(
    signed_in: SignedIn,
    fields: Fields,
) -> Result<impl IntoResponse, Refusal> {
    fields.check(&signed_in)?;
    signed_in.session.flush().await?;
    Ok((CLEAR, Redirect::to("/dashboard/sign-in")))
}

/// Removes pages that the browser keeps, for Back and for scripts. Not `"cookies"`: that would end the
/// sessions of every other site of the domain, and this session's cookie is removed by its own header.
const CLEAR: [(HeaderName, &str); 1] = [(
    HeaderName::from_static("clear-site-data"),
    "\"cache\", \"storage\"",
)];

fn refused(status: StatusCode, error: &str) -> Response {
    let frame = Frame::outside();
    rendered(status, &Page { frame, error })
}
