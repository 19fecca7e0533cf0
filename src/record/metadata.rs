//! What an owner notes down about a key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names and values that an owner gives a key, such as `environment` = `production`.
///
/// They mean nothing to this crate. It iterates in the order of the names, octet by octet. The
/// type holds any texts; [`KeyManager`](crate::manage::KeyManager) refuses more than 16 entries,
/// names of other than 1 to 64 octets, values of more than 256, and control characters. In serde,
/// a map of texts.
///
/// ```
/// use tower_api_key::record::Metadata;
///
/// let metadata = Metadata::new().with("environment", "production").with("team", "payments");
/// assert_eq!(metadata.value("environment"), Some("production"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<Box<str>, Box<str>>);

impl Metadata {
    /// No entries.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The same with that entry, in place of one of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// The names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The last value of a name counts.
impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Self(
            entries
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_an_object_in_json_in_the_order_of_its_names() {
        let metadata = Metadata::from_iter([("b", "2"), ("a", "\""), ("b", "3")]);
        let text = r#"{"a":"\"","b":"3"}"#;
        assert_eq!(serde_json::to_string(&metadata).unwrap(), text);
        assert_eq!(serde_json::from_str::<Metadata>(text).unwrap(), metadata);
        assert_eq!((metadata.len(), metadata.value("c")), (2, None));
    }
}
