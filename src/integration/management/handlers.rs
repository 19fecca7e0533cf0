//! The requests of the API.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{OriginalUri, Path, Request, State};
use axum::response::Response;
use http::header::{HeaderValue, LOCATION};
use http::request::Parts;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use utoipa::openapi::Server;

use super::call::{Call, Shared};
use super::conditions::{IfMatch, idempotency_key};
use super::problem::{FieldError, Problem, ProblemCode};
use super::query::Parameters;
use super::reading::read;
use super::refused::Refused;
use super::resource::{
    AdviceListResource, AuditPageResource, IssuedResource, KeyPageResource, KeyResource, Status,
    UsageResource,
};
use super::respond::{json, ok, tagged};
use super::schema::{CreateKey, PatchKey, RevokeKey, RotateKey};
use super::{input, resource};
use crate::manage::issued::IssuedKey;
use crate::record::key::KeyRecord;
use crate::store::contract::audit::AuditPageRequest;
use crate::store::contract::page::{KeyFilter, PageRequest};
use crate::store::contract::usage::{UsageBucket, start_of_hour};

pub(super) type Answer = Result<Response, Refused>;

/// The default and the largest page of keys and of audit entries.
pub(super) const PAGE: (usize, usize) = (50, 100);
/// What is told of the usage where nothing else is asked for: 7 days.
const USAGE_SPAN: Duration = Duration::from_secs(7 * 86_400);
/// The longest span of usage: 92 days.
const MAX_USAGE_SPAN: Duration = Duration::from_secs(92 * 86_400);

/// Makes a key, and shows its plaintext once.
#[utoipa::path(
    post, path = "/keys", tag = "Keys",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        pattern = "^[!-~]+$",
        description = "Makes no second key when it is sent again; the answer is then 409 with `key_id`.")),
    request_body(content = CreateKey, content_type = "application/json"),
    responses((status = 201, description = "The key, with its plaintext", body = IssuedResource<'static>,
        headers(("ETag" = String, description = "The revision of the key"),
                ("Location" = String, description = "Where the key is")))),
)]
pub(super) async fn create(State(api): State<Shared>, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let call = api.call(&head)?;
    Parameters::of(&head.uri, &[]).finish(())?;
    let idempotency_key = idempotency_key(&head.headers)?;
    let body = read(&head, body, false, None).await?;
    let mut new = input::new_key(call.owner(), body, call.keys().formats())?;
    if let Some(key) = idempotency_key {
        new = new.with_idempotency_key(key);
    }
    let issued = call.keys().issue(new).await?;
    let mut response = with_plaintext(&call, StatusCode::CREATED, &issued);
    let location = format!("{}/{}", original(&head).path(), issued.record.id());
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Lists the keys of the caller's owner, newest first.
#[utoipa::path(
    get, path = "/keys", tag = "Keys",
    params(
        ("status" = Option<Status>, Query, description = "Only keys with this status"),
        ("scope" = Option<String>, Query, min_length = 1, max_length = 128,
            pattern = r"^[!#-\[\]-~]+$", description = "Only keys with this scope"),
        ("name" = Option<String>, Query, description = "Only keys whose name contains this text, without regard to case"),
        ("cursor" = Option<String>, Query, pattern = "^key_[0-9a-f]{32}$",
            description = "The `next_cursor` of the page before"),
        ("limit" = Option<u8>, Query, minimum = 1, maximum = 100,
            description = "How many keys at most; 50 without it"),
    ),
    responses((status = 200, description = "One page", body = KeyPageResource)),
)]
pub(super) async fn list(State(api): State<Shared>, request: Request) -> Answer {
    let (head, _) = request.into_parts();
    let call = api.call(&head)?;
    let now = call.now();
    let names = ["status", "scope", "name", "cursor", "limit"];
    let mut query = Parameters::of(&head.uri, &names);
    let mut filter = KeyFilter::new();
    if let Some(status) = query.value("status", Status::NAMES, Status::parse) {
        filter = filter.with_status(status.into(), now);
    }
    if let Some(scope) = query.value("scope", SCOPE, |text| text.parse().ok()) {
        filter = filter.with_scope(scope);
    }
    if let Some(name) = query.value("name", "expected a text", |text| Some(text.to_owned())) {
        filter = filter.with_name_part(&name);
    }
    let cursor = query.value("cursor", CURSOR, |text| text.parse().ok());
    let mut page = PageRequest::first(query.limit(PAGE.0, PAGE.1)).with_filter(filter);
    if let Some(cursor) = cursor {
        page = page.after(cursor);
    }
    let page = query.finish(page)?;
    let page = call.keys().list(call.owner(), &page).await?;
    let prefix = call.keys().format().prefix();
    let keys = page.keys().iter();
    Ok(ok(&KeyPageResource {
        keys: keys
            .map(|record| KeyResource::of(record, prefix, now))
            .collect(),
        next_cursor: page.next().map(|id| id.to_string()),
    }))
}

/// Shows a key.
#[utoipa::path(
    get, path = "/keys/{id}", tag = "Keys",
    params(("id" = String, Path, description = "The id of the key")),
    responses((status = 200, description = "The key", body = KeyResource,
        headers(("ETag" = String, description = "The revision of the key")))),
)]
pub(super) async fn show(State(api): State<Shared>, id: KeyPath, request: Request) -> Answer {
    let (head, _) = request.into_parts();
    let call = api.call(&head)?;
    let record = call.record(text(&id)).await?;
    Parameters::of(&head.uri, &[]).finish(())?;
    Ok(one(&call, &record))
}

/// Changes name, scopes, expiration date and metadata, and disables or enables a key, in one step.
///
/// What a key is given is bounded by what the calling key has.
#[utoipa::path(
    patch, path = "/keys/{id}", tag = "Keys",
    params(("id" = String, Path, description = "The id of the key")),
    request_body(content(
        (PatchKey = "application/json"),
        (PatchKey = "application/merge-patch+json"),
    )),
    responses((status = 200, description = "The key after the change", body = KeyResource,
        headers(("ETag" = String, description = "The revision of the key")))),
)]
pub(super) async fn change(State(api): State<Shared>, id: KeyPath, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let call = api.call(&head)?;
    let record = call.record(text(&id)).await?;
    Parameters::of(&head.uri, &[]).finish(())?;
    let body = read(&head, body, false, Some("application/merge-patch+json")).await?;
    let update = input::patch(body, call.keys().formats())?;
    let call = condition(call, &head, &record)?;
    let record = call.keys().update(&record.id(), update).await?;
    Ok(one(&call, &record))
}

/// Gives a key a new secret, and shows it once; previous secrets stay valid for the grace period.
#[utoipa::path(
    post, path = "/keys/{id}/rotate", tag = "Keys",
    params(("id" = String, Path, description = "The id of the key")),
    request_body(content = RotateKey, content_type = "application/json"),
    responses((status = 200, description = "The key, with its new plaintext", body = IssuedResource<'static>,
        headers(("ETag" = String, description = "The revision of the key")))),
)]
pub(super) async fn rotate(State(api): State<Shared>, id: KeyPath, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let call = api.call(&head)?;
    let record = call.record(text(&id)).await?;
    Parameters::of(&head.uri, &[]).finish(())?;
    let body = read(&head, body, true, None).await?;
    let grace = input::grace(body, call.keys().formats())?;
    let call = condition(call, &head, &record)?;
    let issued = call.keys().rotate(&record.id(), grace).await?;
    Ok(with_plaintext(&call, StatusCode::OK, &issued))
}

/// Refuses a key for ever.
#[utoipa::path(
    post, path = "/keys/{id}/revoke", tag = "Keys",
    params(("id" = String, Path, description = "The id of the key")),
    request_body(content = RevokeKey, content_type = "application/json"),
    responses((status = 200, description = "The key after the change", body = KeyResource,
        headers(("ETag" = String, description = "The revision of the key")))),
)]
pub(super) async fn revoke(State(api): State<Shared>, id: KeyPath, request: Request) -> Answer {
    let (head, body) = request.into_parts();
    let call = api.call(&head)?;
    let record = call.record(text(&id)).await?;
    Parameters::of(&head.uri, &[]).finish(())?;
    let body = read(&head, body, true, None).await?;
    let reason = input::reason(body, call.keys().formats())?;
    let call = condition(call, &head, &record)?;
    let record = call.keys().revoke(&record.id(), &reason).await?;
    Ok(one(&call, &record))
}

/// Tells how often a key was used, by hour.
#[utoipa::path(
    get, path = "/keys/{id}/usage", tag = "Monitoring",
    params(
        ("id" = String, Path, description = "The id of the key"),
        ("from" = Option<String>, Query, format = DateTime,
            description = "From the hour of this time on; without it, 7 days before `to`"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "Hours that start before this; without it, now. At most 92 days after `from`"),
    ),
    responses(
        (status = 200, description = "The hours with any use", body = UsageResource),
        (status = 422, description = "The span is too long, or ends before it begins",
            body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn usage(State(api): State<Shared>, id: KeyPath, request: Request) -> Answer {
    let (head, _) = request.into_parts();
    let call = api.call(&head)?;
    let record = call.record(text(&id)).await?;
    let (from, to) = span(&head.uri, call.now())?;
    let hours = call.keys().usage(&record.id(), from..to).await?;
    Ok(ok(&UsageResource {
        from,
        to,
        allowed: hours.iter().map(UsageBucket::allowed).sum(),
        refused: hours.iter().map(UsageBucket::refused).sum(),
        hours: hours.iter().map(resource::HourResource::from).collect(),
    }))
}

/// Tells what the holder of a key should look at.
#[utoipa::path(
    get, path = "/keys/{id}/advice", tag = "Monitoring",
    params(("id" = String, Path, description = "The id of the key")),
    responses((status = 200, description = "The advice, if any", body = AdviceListResource)),
)]
pub(super) async fn advice(State(api): State<Shared>, id: KeyPath, request: Request) -> Answer {
    let (head, _) = request.into_parts();
    let call = api.call(&head)?;
    let record = call.record(text(&id)).await?;
    Parameters::of(&head.uri, &[]).finish(())?;
    let advice = call.keys().advice(&record.id()).await?;
    Ok(ok(&AdviceListResource {
        advice: advice.iter().map(resource::AdviceResource::from).collect(),
    }))
}

/// Tells who did what to the keys of the caller's owner, newest first.
#[utoipa::path(
    get, path = "/audit", tag = "Monitoring",
    params(
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,16}$", description = "The `next_cursor` of the page before"),
        ("limit" = Option<u8>, Query, minimum = 1, maximum = 100,
            description = "How many entries at most; 50 without it"),
    ),
    responses((status = 200, description = "One page", body = AuditPageResource)),
)]
pub(super) async fn audit(State(api): State<Shared>, request: Request) -> Answer {
    let (head, _) = request.into_parts();
    let call = api.call(&head)?;
    let mut query = Parameters::of(&head.uri, &["cursor", "limit"]);
    let before = query.value("cursor", CURSOR, entry_number);
    let page = AuditPageRequest::first(query.limit(PAGE.0, PAGE.1));
    let page = query.finish(match before {
        Some(number) => page.before(number),
        None => page,
    })?;
    let page = call.keys().audit(call.owner(), &page).await?;
    let entries = page.entries().iter().map(resource::AuditResource::from);
    Ok(ok(&AuditPageResource {
        entries: entries.collect(),
        next_cursor: page.next().map(|number| number.to_string()),
    }))
}

/// Describes this API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Description",
    responses((status = 200, description = "This document", body = Object)),
)]
pub(super) async fn document(State(api): State<Shared>, request: Request) -> Answer {
    let (head, _) = request.into_parts();
    api.call(&head)?;
    Parameters::of(&head.uri, &[]).finish(())?;
    let mut document = api.document.clone();
    let path = original(&head).path().strip_suffix("/openapi.json");
    // Where the router is mounted at the root, the document's default is right.
    if let Some(path) = path.filter(|path| !path.is_empty()) {
        document.servers = Some(vec![Server::new(path)]);
    }
    Ok(ok(&document))
}

pub(super) async fn not_found() -> Refused {
    ProblemCode::NotFound.into()
}

pub(super) async fn method_not_allowed() -> Refused {
    ProblemCode::MethodNotAllowed.into()
}

/// Numbers of entries are below 2^53.
fn entry_number(text: &str) -> Option<u64> {
    let is_plain = text.len() <= 16 && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// The target before a router that mounts this one cut it.
fn original(head: &Parts) -> &Uri {
    let original = head.extensions.get::<OriginalUri>();
    original.map_or(&head.uri, |OriginalUri(uri)| uri)
}

type KeyPath = Result<Path<String>, PathRejection>;

/// What stands in the place of an id. What is no text is the id of no key.
fn text(id: &KeyPath) -> &str {
    id.as_ref().map_or("", |Path(id)| id)
}

const CURSOR: &str = "expected the next_cursor of a page";
const SCOPE: &str = "expected a scope";

/// The call, whose changes hold for the revisions that the client named; judged last, as RFC 9110,
/// section 13.2.1, asks.
fn condition(call: Call, head: &Parts, record: &KeyRecord) -> Result<Call, Refused> {
    match IfMatch::of(&head.headers, record) {
        IfMatch::Absent => Ok(call),
        IfMatch::Matches => Ok(call.if_revision(record.revision())),
        IfMatch::Differs => Err(ProblemCode::RevisionMismatch.into()),
    }
}

/// The hours that are asked for.
fn span(uri: &Uri, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let mut query = Parameters::of(uri, &["from", "to"]);
    // The hour that has begun is told too.
    let to = query.time("to").unwrap_or(now).max(Timestamp::UNIX_EPOCH);
    let default = to.checked_sub(USAGE_SPAN).unwrap_or(Timestamp::MIN);
    let from = query.time("from").unwrap_or(default);
    // Nothing was counted before 1970.
    let from = start_of_hour(from.max(Timestamp::UNIX_EPOCH));
    let longest = to.checked_sub(MAX_USAGE_SPAN).unwrap_or(Timestamp::MIN);
    query.finish(())?;
    let message = if from > to {
        "expected a time before that of to"
    } else if from < start_of_hour(longest) {
        "expected a span of at most 92 days"
    } else {
        return Ok((from, to));
    };
    let errors = vec![FieldError::value("from", message)];
    Err(Problem::new(ProblemCode::InvalidSpan).with_errors(errors))
}

fn one(call: &Call, record: &KeyRecord) -> Response {
    tagged(ok(&call.resource(record)), record)
}

fn with_plaintext(call: &Call, status: StatusCode, issued: &IssuedKey) -> Response {
    let body = IssuedResource {
        key: issued.key.expose_secret(),
        resource: call.resource(&issued.record),
    };
    tagged(json(status, "application/json", &body), &issued.record)
}
