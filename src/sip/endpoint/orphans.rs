//! Dialogs that outlive a process: what is written down of them, and their end in the next one.

use std::time::Instant;

use super::super::dialog::{Dialog, DialogSeed};
use super::super::header::{HeaderName, Method};
use super::table::Purpose;
use super::{Endpoint, SessionId};

impl Endpoint {
    /// How to send in the dialog of a session that is answered; `None` when there is no such session.
    pub fn seed_of(&self, session: SessionId) -> Option<DialogSeed> {
        self.sessions.get(&session).map(|session| session.dialog.seed())
    }

    /// Ends a dialog of a process that is gone: BYE with this Reason, repeated until it is answered or 32 s have
    /// passed. Its answer changes nothing: 481 is as good as 200.
    pub fn bye_orphan(&mut self, now: Instant, seed: DialogSeed, reason: &str) {
        let mut dialog = Dialog::orphan(seed);
        let flow = dialog.hop(|_| false);
        let branch = self.new_branch();
        let mut request = dialog.request(Method::Bye, &self.via(flow, branch));
        request.header(HeaderName::Reason, reason);
        self.start_client(now, branch, flow, Method::Bye, request.finish(), Purpose::Nothing);
    }
}
