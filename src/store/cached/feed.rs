//! How a cache takes what the feed tells.

use super::core::Core;
use crate::store::contract::feed::{FeedEvent, FeedListener};

impl FeedListener for Core {
    fn on_event(&self, event: FeedEvent) {
        match event {
            FeedEvent::Added(id) => self.forget(&[id], true),
            FeedEvent::Changed(id) => self.forget(&[id], false),
            FeedEvent::Reset => self.forget_all(),
            FeedEvent::CaughtUp { as_of } => self.note_proof(self.moment(as_of)),
            FeedEvent::InStep => self.note_in_step(),
            FeedEvent::Lost => self.note_lost(),
        }
        self.observe_feed();
        // Last, so that whoever hears of a change and asks this cache does not get the old record.
        self.downstream.tell(event);
    }
}
