//! The members of a body, read one by one; every one that is wrong is told.

use std::str::FromStr;

use jiff::Timestamp;

use super::json::Json;
use super::problem::{FieldError, FieldErrorCode, Problem, ProblemCode};
use crate::key::formats::KeyFormats;
use crate::manage::error::ManageError;
use crate::manage::limits::{MAX_SCOPES, check_metadata, check_name, check_reason, check_scopes};
use crate::record::metadata::Metadata;
use crate::scope::name::Scope;
use crate::scope::set::ScopeSet;

/// The members of an object that were not read yet, and what was wrong with the others.
pub(super) struct Fields<'a> {
    members: Vec<(String, Json)>,
    /// What no text may hold a key of.
    formats: &'a KeyFormats,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(body: Json, formats: &'a KeyFormats) -> Self {
        let mut errors = Vec::new();
        let Json::Object(members) = body else {
            errors.push(wrong_type("", "expected an object"));
            return Self {
                members: Vec::new(),
                formats,
                errors,
            };
        };
        Self {
            members,
            formats,
            errors,
        }
    }

    /// Whether a member of that name was sent.
    pub(super) fn has(&self, field: &'static str) -> bool {
        self.members.iter().any(|(name, _)| is_at(name, field))
    }

    pub(super) fn refuse(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    pub(super) fn missing(&mut self, field: &'static str) {
        let message = "expected this member";
        self.refuse(FieldError::new(field, FieldErrorCode::Missing, message));
    }

    /// A name: text that shows something.
    pub(super) fn name(&mut self, field: &'static str) -> Option<String> {
        let text = self.text(field)?;
        self.checked(field, check_name(&text, self.formats), text)
    }

    /// A reason: text, which may be empty.
    pub(super) fn reason(&mut self, field: &'static str) -> Option<String> {
        let text = self.text(field)?;
        self.checked(field, check_reason(&text, self.formats), text)
    }

    pub(super) fn boolean(&mut self, field: &'static str) -> Option<bool> {
        match self.take(field)? {
            Json::Boolean(value) => Some(value),
            _ => self.wrong_type(field, "expected true or false"),
        }
    }

    /// A whole number from 0 or more to `max`.
    pub(super) fn number(&mut self, field: &'static str, min: u64, max: u64) -> Option<u64> {
        let message = format!("expected a whole number from {min} to {max}");
        let Json::Integer(number) = self.take(field)? else {
            return self.wrong_type(field, &message);
        };
        let number = u64::try_from(number).ok();
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.refuse(FieldError::value(field, message));
        }
        number
    }

    /// A time, or null.
    #[expect(clippy::option_option, reason = "missing or wrong, or null, or a time")]
    pub(super) fn time_or_null(&mut self, field: &'static str) -> Option<Option<Timestamp>> {
        let message = "expected a time as RFC 3339 writes it, such as 2027-01-31T00:00:00Z";
        match self.take(field)? {
            Json::Null => Some(None),
            Json::Text(text) => {
                let time = parse_time(&text);
                if time.is_none() {
                    self.refuse(FieldError::value(field, message));
                }
                time.map(Some)
            }
            _ => self.wrong_type(field, message),
        }
    }

    pub(super) fn scopes(&mut self, field: &'static str) -> Option<ScopeSet> {
        let message = "expected a list of texts";
        let Json::List(items) = self.take(field)? else {
            return self.wrong_type(field, message);
        };
        if items.len() > MAX_SCOPES {
            let found = items.len();
            let message = format!("expected at most {MAX_SCOPES} scopes, found {found}");
            self.refuse(FieldError::value(field, message));
            return None;
        }
        let mut scopes = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let at = format!("{field}/{index}");
            match item {
                Json::Text(name) => match Scope::from_str(&name) {
                    Ok(scope) => scopes.push(scope),
                    Err(error) => {
                        let error = error.to_string();
                        self.refuse(FieldError::new(at, FieldErrorCode::Value, error));
                    }
                },
                _ => self.refuse(FieldError::new(at, FieldErrorCode::Type, "expected a text")),
            }
        }
        let scopes = ScopeSet::from(scopes);
        self.checked(field, check_scopes(&scopes, self.formats), scopes)
    }

    pub(super) fn metadata(&mut self, field: &'static str) -> Option<Metadata> {
        let message = "expected an object whose members are texts";
        let Json::Object(members) = self.take(field)? else {
            return self.wrong_type(field, message);
        };
        let sent = members.len();
        let mut entries = Vec::new();
        for (name, value) in members {
            match value {
                Json::Text(value) => entries.push((name, value)),
                _ => return self.wrong_type(field, message),
            }
        }
        let metadata = Metadata::from_iter(entries);
        if metadata.len() < sent {
            let message = "expected each name once";
            self.refuse(FieldError::new(field, FieldErrorCode::Duplicate, message));
            return None;
        }
        self.checked(field, check_metadata(&metadata, self.formats), metadata)
    }

    /// What was read, unless anything was wrong. No member may be left.
    pub(super) fn finish<T>(mut self, read: T) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.members) {
            // Names of ours are told; what else was sent is not repeated.
            let of_ours = OURS.iter().find(|ours| is_at(&name, ours));
            let error = match of_ours {
                Some(ours) => FieldError::new(*ours, FieldErrorCode::Unknown, NOT_HERE),
                None => FieldError::new("", FieldErrorCode::Unknown, "found an unknown member"),
            };
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
        }
        if self.errors.is_empty() {
            Ok(read)
        } else {
            Err(Problem::new(ProblemCode::InvalidFields).with_errors(self.errors))
        }
    }

    fn text(&mut self, field: &'static str) -> Option<String> {
        match self.take(field)? {
            Json::Text(text) => Some(text),
            _ => self.wrong_type(field, "expected a text"),
        }
    }

    /// The value of a member that was sent once.
    fn take(&mut self, field: &'static str) -> Option<Json> {
        let at = self
            .members
            .iter()
            .position(|(name, _)| is_at(name, field))?;
        let (_, value) = self.members.remove(at);
        if self.has(field) {
            self.members.retain(|(name, _)| !is_at(name, field));
            let message = "expected this member once";
            self.refuse(FieldError::new(field, FieldErrorCode::Duplicate, message));
            return None;
        }
        Some(value)
    }

    fn checked<T>(
        &mut self,
        field: &'static str,
        check: Result<(), ManageError>,
        value: T,
    ) -> Option<T> {
        match check {
            Ok(()) => Some(value),
            Err(error) => {
                self.refuse(FieldError::value(field, error));
                None
            }
        }
    }

    fn wrong_type<T>(&mut self, field: &'static str, message: &str) -> Option<T> {
        self.refuse(wrong_type(field, message));
        None
    }
}

/// The members of our resources that no client sets, and those of other requests.
const OURS: &[&str] = &[
    "/id",
    "/owner",
    "/key",
    "/digest",
    "/prefix",
    "/status",
    "/created_at",
    "/last_used_at",
    "/revoked",
    "/revision",
    "/secrets",
    "/name",
    "/scopes",
    "/expires_at",
    "/expires_in_days",
    "/metadata",
    "/disabled",
    "/grace_seconds",
    "/reason",
];
const NOT_HERE: &str = "expected no such member: it is not the client's to set here";

/// A time of RFC 3339 (section 5.6), and none of the other forms that jiff also reads.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let octets = text.as_bytes();
    let (date_time, rest) = octets.split_at_checked("2027-01-31T00:00:00".len())?;
    let has_form = |octets: &[u8], form: &[u8]| {
        octets.len() == form.len()
            && octets.iter().zip(form).all(|(octet, form)| match form {
                b'0' => octet.is_ascii_digit(),
                b'T' => matches!(octet, b'T' | b't' | b' '),
                b'Z' => matches!(octet, b'Z' | b'z'),
                b'+' => matches!(octet, b'+' | b'-'),
                form => octet == form,
            })
    };
    let offset = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|octet| octet.is_ascii_digit());
            let digits = digits.count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    let is_plain = has_form(date_time, b"0000-00-00T00:00:00")
        && (has_form(offset, b"Z") || has_form(offset, b"+00:00"));
    is_plain.then(|| text.parse().ok()).flatten()
}

fn is_at(name: &str, pointer: &str) -> bool {
    pointer.strip_prefix('/') == Some(name)
}

fn wrong_type(field: &'static str, message: &str) -> FieldError {
    FieldError::new(field, FieldErrorCode::Type, message.to_owned())
}
