//! Query parameters, read one by one; every one that is wrong is told.

use std::collections::BTreeMap;

use axum::extract::Query;
use http::Uri;
use jiff::Timestamp;

use super::fields::parse_time;
use super::problem::{FieldError, FieldErrorCode, Problem, ProblemCode};

/// The parameters of a request that were not read yet, and what was wrong with the others.
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Parameters {
    /// The parameters of a target, each of these names at most once, and no other.
    pub(super) fn of(uri: &Uri, names: &[&'static str]) -> Self {
        let mut errors = Vec::new();
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Ok(Query(pairs)) = pairs else {
            let message = "expected a query of the form name=value&name=value";
            errors.push(FieldError::value("query", message));
            return Self {
                values: BTreeMap::new(),
                errors,
            };
        };
        let mut values = BTreeMap::new();
        // Each once, however often it was sent.
        let mut add = |error| {
            if !errors.contains(&error) {
                errors.push(error);
            }
        };
        for (name, value) in pairs {
            let Some(known) = names.iter().find(|known| ***known == name) else {
                let message = format!("expected no parameters but {names:?}");
                add(FieldError::new("query", FieldErrorCode::Unknown, message));
                continue;
            };
            if values.insert(name, value).is_some() {
                let message = "expected this parameter once";
                add(FieldError::new(*known, FieldErrorCode::Duplicate, message));
            }
        }
        Self { values, errors }
    }

    pub(super) fn refuse(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// A whole number from 1 to `max`, or else the default.
    pub(super) fn limit(&mut self, default: usize, max: usize) -> usize {
        let Some(text) = self.values.remove("limit") else {
            return default;
        };
        let digits = text.bytes().all(|octet| octet.is_ascii_digit());
        let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
        limit.filter(|_| digits).unwrap_or_else(|| {
            let message = format!("expected a whole number from 1 to {max}");
            self.refuse(FieldError::value("limit", message));
            default
        })
    }

    /// A value that `read` understands.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.values.remove(name)?;
        let value = read(&text);
        if value.is_none() {
            self.refuse(FieldError::value(name, expected));
        }
        value
    }

    pub(super) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let expected = "expected a time as RFC 3339 writes it, such as 2027-01-31T00:00:00Z";
        self.value(name, expected, parse_time)
    }

    /// What was read, unless anything was wrong.
    pub(super) fn finish<T>(self, read: T) -> Result<T, Problem> {
        if self.errors.is_empty() {
            Ok(read)
        } else {
            Err(Problem::new(ProblemCode::InvalidParameters).with_errors(self.errors))
        }
    }
}
