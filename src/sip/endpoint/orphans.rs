//! Dialogs that outlive a process: what is told of them for the journal, and their end in the next process.

use std::time::Instant;

use super::super::config::{Listener, Transport};
use super::super::dialog::{Dialog, DialogSeed};
use super::super::header::{HeaderName, Method, NameAddr};
use super::super::session::State;
use super::super::uri::Uri;
use super::table::Purpose;
use super::{DialogNote, Endpoint, Flow, Output, SessionId};

impl Endpoint {
    /// Tells of the dialog of a session that came up, or whose peer is reached another way than was told.
    ///
    /// Requests of ours that only raise CSeq are not told: the number of the last BYE leaps over them.
    pub(super) fn note_dialog(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Up { .. } = session.state else { return };
        let place = session.dialog.place();
        if session.noted != Some(place) {
            session.noted = Some(place);
            let seed = Box::new(session.dialog.seed());
            self.outputs.push_back(Output::Dialog(DialogNote::Up { session: id, seed }));
        }
    }

    /// Ends a dialog of a process that is gone: BYE with this Reason, repeated until it is answered or 32 s have
    /// passed. Its answer changes nothing: 481 is as good as 200.
    ///
    /// Returns the number by which [`DialogNote::Down`] tells that it is over.
    pub fn bye_orphan(&mut self, now: Instant, seed: DialogSeed, reason: &str) -> SessionId {
        self.last_session += 1;
        let id = SessionId(self.last_session);
        let mut dialog = Dialog::orphan(seed);
        let hop = dialog.hop(|_| false);
        if matches!(hop.transport, Transport::Ws | Transport::Wss) {
            // Browsers do not listen: the connection died with the process, and with it the way to the peer.
            self.orphan_ended(id);
            return id;
        }
        let flow = self.way_back(hop, dialog.next_uri());
        let branch = self.new_branch();
        let mut request = dialog.request(Method::Bye, &self.via(flow, branch));
        request.header(HeaderName::Reason, reason);
        self.start_client(now, branch, flow, Method::Bye, request.finish(), Purpose::Orphan(id));
        id
    }

    /// The BYE was answered, or never will be.
    pub(super) fn orphan_ended(&mut self, session: SessionId) {
        self.outputs.push_back(Output::Dialog(DialogNote::Down { session }));
    }

    /// The same way by the listeners of now, which may stand in another order. Over TLS the peer has to prove the name
    /// that stands in the URI, if one does.
    fn way_back(&mut self, flow: Flow, uri: &[u8]) -> Flow {
        let fits = |l: &Listener| l.transport == flow.transport && l.address.is_ipv4() == flow.remote.is_ipv4();
        let same = self.config.listeners.get(usize::from(flow.listener)).is_some_and(fits);
        let listener = match same {
            true => flow.listener,
            false => self.config.listener_for(flow.transport, flow.remote).unwrap_or(flow.listener),
        };
        let name = NameAddr::parse(uri).map_or(uri, |route| route.uri);
        let name = Uri::parse(name).filter(|uri| uri.ip().is_none()).map(|uri| uri.host_text().into_owned());
        let named = name.filter(|_| flow.transport.is_secure());
        named.and_then(|name| self.flow_to(flow.transport, flow.remote, &name)).unwrap_or(Flow { listener, ..flow })
    }
}
