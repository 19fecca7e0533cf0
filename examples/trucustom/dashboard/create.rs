//! Making keys, and showing each once.

use std::borrow::Cow;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tower_api_key::manage::{ManageError, ManageErrorKind};
use tower_api_key::record::KeyRecord;
use tower_api_key::{ApiKey, NewKey, Scope, ScopeSet};

use super::chart::DAY;
use super::forms::{Fields, random_token};
use super::refusal::{Refusal, page, rendered, sentence};
use super::router::Keys;
use super::shown::{Frame, ScopeBox, ShownKey, scope_boxes};
use super::signed_in::SignedIn;

/// What a form about a key holds, and what is wrong with it.
#[derive(Default)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) scopes: ScopeSet,
    pub(super) expiration: String,
    pub(super) date: String,
    pub(super) name_error: Text,
    pub(super) scopes_error: Text,
    pub(super) expiration_error: Text,
    pub(super) error: Text,
}

type Text = Cow<'static, str>;

const LACKED: &str = "The key you signed in with can give only scopes that it has.";
const TOO_LATE: &str = "Choose a date no later than that of the key you signed in with.";

impl Input {
    pub(super) fn of(fields: &Fields, keys: &Keys) -> Self {
        let mut input = Self {
            name: fields.one("name").to_owned(),
            expiration: fields.one("expiration").to_owned(),
            date: fields.one("date").to_owned(),
            ..Self::default()
        };
        if input.name.is_empty() {
            input.name_error = "Enter a name.".into();
        }
        if keys.looks_like_key(&input.name) {
            input.name_error = "Name looks like an API key.".into();
            // The page must not show it again.
            input.name.clear();
        }
        match fields
            .all("scope")
            .map(Scope::new)
            .collect::<Result<ScopeSet, _>>()
        {
            Ok(scopes) => input.scopes = scopes,
            Err(_) => input.scopes_error = "Choose among the scopes that are shown.".into(),
        }
        input
    }

    pub(super) fn is_right(&self) -> bool {
        let errors = [
            &self.name_error,
            &self.scopes_error,
            &self.expiration_error,
            &self.error,
        ];
        errors.into_iter().all(|error| error.is_empty())
    }

    /// Takes up why a key was not made or changed.
    pub(super) fn explain(&mut self, error: &ManageError) {
        let exceeds = error.kind() == ManageErrorKind::Exceeds;
        let text = || sentence(&error.to_string()).into();
        match error.field() {
            Some("name") => self.name_error = text(),
            Some("scopes") if exceeds => self.scopes_error = LACKED.into(),
            Some("scopes") => self.scopes_error = text(),
            Some("expires_at") if exceeds => self.expiration_error = TOO_LATE.into(),
            Some("expires_at") => self.expiration_error = text(),
            _ => self.error = text(),
        }
    }

    /// The chosen end; `latest` is that of the key that gives it.
    pub(super) fn end(&mut self, now: Timestamp, latest: Option<Timestamp>) -> Option<Timestamp> {
        let in_days = |days: i64| Timestamp::from_second(now.as_second() + days * DAY).ok();
        let end = match self.expiration.as_str() {
            "30" => in_days(30),
            "90" => in_days(90),
            "365" => in_days(365),
            "never" => {
                if latest.is_some() {
                    self.expiration_error = "The key you signed in with expires, so it can make no key that never does.".into();
                }
                return None;
            }
            "date" => end_of_day(&self.date),
            _ => None,
        };
        match end {
            None => self.expiration_error = "Choose an expiration date.".into(),
            Some(end) if end <= now => {
                self.expiration_error = "Choose a date in the future.".into();
            }
            Some(end) if latest.is_some_and(|latest| end > latest) => {
                self.expiration_error = TOO_LATE.into();
            }
            Some(_) => {}
        }
        end
    }
}

/// The last second of a day, in UTC.
fn end_of_day(date: &str) -> Option<Timestamp> {
    let day: Date = date.parse().ok()?;
    let end = TimeZone::UTC.to_timestamp(day.at(23, 59, 59, 0));
    end.ok()
}

#[derive(Template)]
#[template(path = "create.html")]
struct FormPage {
    frame: Frame,
    input: Input,
    scopes: Vec<ScopeBox>,
    expirations: Vec<Choice>,
    token: String,
}

pub(super) type Choice = (&'static str, &'static str);

/// The choices of a form, as it sends them and as it shows them.
pub(super) const EXPIRATIONS: [Choice; 5] = [
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "365 days"),
    ("never", "Never"),
    ("date", "On this date:"),
];

#[derive(Template)]
#[template(path = "issued.html")]
pub(super) struct IssuedPage<'a> {
    frame: Frame,
    title: &'static str,
    /// Nothing where the key was shown before.
    plaintext: Option<&'a str>,
    key: ShownKey,
}

pub(super) async fn form(signed_in: SignedIn) -> Result<Response, Refusal> {
    let input = Input {
        scopes: ScopeSet::from([Scope::READ]),
        expiration: "90".to_owned(),
        ..Input::default()
    };
    Ok(page(&form_page(&signed_in, input, random_token()?)))
}

/// Makes a key. The form's token makes one key: sent again, it makes and shows nothing.
pub(super) async fn submit(signed_in: SignedIn, fields: Fields) -> Result<Response, Refusal> {
    fields.check(&signed_in)?;
    let mut input = Input::of(&fields, &signed_in.keys);
    let end = input.end(signed_in.now, signed_in.end);
    let token = fields.one("token").to_owned();
    if token.len() != 32 {
        return Err(Refusal::Malformed);
    }
    if !signed_in.record.scopes().contains_all(&input.scopes) {
        input.scopes_error = LACKED.into();
    }
    if !input.is_right() {
        let page = form_page(&signed_in, input, token);
        return Ok(rendered(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let mut new = NewKey::new(signed_in.owner(), input.name.as_str())
        .with_scopes(input.scopes.clone())
        .with_idempotency_key(&token);
    if let Some(end) = end {
        new = new.expires_at(end);
    }
    match signed_in.keys.issue(new).await {
        Ok(issued) => {
            let page = issued_page(
                &signed_in,
                "API key created",
                Some(&issued.key),
                &issued.record,
            );
            Ok(rendered(StatusCode::CREATED, &page))
        }
        Err(error) if error.kind() == ManageErrorKind::AlreadyIssued => {
            let id = error.key_id().ok_or(Refusal::NotFound)?;
            let record = signed_in.key(&id.to_string()).await?;
            let page = issued_page(&signed_in, "This key was shown already", None, &record);
            Ok(rendered(StatusCode::CONFLICT, &page))
        }
        Err(error) if is_about_input(error.kind()) => {
            input.explain(&error);
            let page = form_page(&signed_in, input, token);
            Ok(rendered(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn is_about_input(kind: ManageErrorKind) -> bool {
    matches!(
        kind,
        ManageErrorKind::InvalidInput
            | ManageErrorKind::TooManyKeys
            | ManageErrorKind::Exceeds
            | ManageErrorKind::OutsidePolicy
    )
}

pub(super) fn issued_page<'a>(
    signed_in: &SignedIn,
    title: &'static str,
    key: Option<&'a ApiKey>,
    record: &KeyRecord,
) -> IssuedPage<'a> {
    IssuedPage {
        frame: Frame::within(signed_in, "keys"),
        title,
        plaintext: key.map(ApiKey::expose_secret),
        key: ShownKey::new(record, &[], signed_in.now),
    }
}

fn form_page(signed_in: &SignedIn, input: Input, token: String) -> FormPage {
    FormPage {
        frame: Frame::within(signed_in, "keys"),
        scopes: scope_boxes(&input.scopes, signed_in.record.scopes(), &ScopeSet::new()),
        expirations: EXPIRATIONS.to_vec(),
        input,
        token,
    }
}
