//! What notifications say: a letter, and the ids of keys in hexadecimal digits.

use crate::record::id::KeyId;
use crate::store::feed::FeedEvent;

/// New secrets work.
pub(super) const ADDED: &str = "a";
/// Keys were changed or deleted.
pub(super) const CHANGED: &str = "c";

/// How many ids fit: a payload has less than 8,000 octets.
pub(super) const MOST_IDS: usize = 240;

/// Tells the events in a payload. One that was not understood may mean any change.
pub(super) fn read(payload: &str, mut tell: impl FnMut(FeedEvent)) {
    match events(payload) {
        Some(events) => events.into_iter().for_each(tell),
        None => tell(FeedEvent::Reset),
    }
}

fn events(payload: &str) -> Option<Vec<FeedEvent>> {
    let event = match payload.get(..1)? {
        ADDED => FeedEvent::Added,
        CHANGED => FeedEvent::Changed,
        _ => return None,
    };
    let octets = hex::decode(&payload[1..]).ok()?;
    let ids = octets.chunks(KeyId::LEN).map(|id| id.try_into().ok());
    let events: Option<Vec<_>> = ids.map(|id| id.map(KeyId::from_bytes).map(event)).collect();
    events.filter(|events| !events.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(payload: &str) -> Vec<FeedEvent> {
        let mut events = Vec::new();
        read(payload, |event| events.push(event));
        events
    }

    #[test]
    fn payloads_tell_of_every_key() {
        let [one, two] = [1, 2].map(|octet| KeyId::from_bytes([octet; 16]));
        let (ones, twos) = ("01".repeat(16), "02".repeat(16));
        assert_eq!(told(&format!("c{ones}")), [FeedEvent::Changed(one)]);
        assert_eq!(
            told(&format!("a{ones}{twos}")),
            [FeedEvent::Added(one), FeedEvent::Added(two)]
        );
    }

    #[test]
    fn what_is_not_understood_may_be_any_change() {
        let id = "01".repeat(16);
        let others = [
            "",
            "a",
            "x",
            "é",
            "a01",
            &format!("a{id}0"),
            &format!("z{id}"),
        ];
        for payload in others {
            assert_eq!(told(payload), [FeedEvent::Reset], "{payload}");
        }
    }
}
