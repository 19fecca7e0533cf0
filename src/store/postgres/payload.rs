//! What notifications say: a letter, and the id of a key in hexadecimal.

use crate::record::id::KeyId;
use crate::store::contract::feed::FeedEvent;

/// A new secret works.
pub(super) const ADDED: &str = "a";
/// A key was changed or deleted.
const CHANGED: &str = "c";

/// The letter of an event.
pub(super) fn letter(event: FeedEvent) -> &'static str {
    match event {
        FeedEvent::Added(_) => ADDED,
        _ => CHANGED,
    }
}

/// The event in a payload. One that is not understood may mean any change.
pub(super) fn read(payload: &str) -> FeedEvent {
    event(payload).unwrap_or(FeedEvent::Reset)
}

fn event(payload: &str) -> Option<FeedEvent> {
    let (letter, id) = payload.split_at_checked(1)?;
    let mut bytes = [0; KeyId::LEN];
    hex::decode_to_slice(id, &mut bytes).ok()?;
    let id = KeyId::from_bytes(bytes);
    match letter {
        ADDED => Some(FeedEvent::Added(id)),
        CHANGED => Some(FeedEvent::Changed(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_a_key() {
        let id = KeyId::from_bytes([1; 16]);
        let ones = "01".repeat(16);
        assert_eq!(read(&format!("c{ones}")), FeedEvent::Changed(id));
        assert_eq!(read(&format!("a{ones}")), FeedEvent::Added(id));
        for event in [FeedEvent::Added(id), FeedEvent::Changed(id)] {
            assert_eq!(read(&format!("{}{ones}", letter(event))), event);
        }
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
            assert_eq!(read(payload), FeedEvent::Reset, "{payload}");
        }
    }
}
