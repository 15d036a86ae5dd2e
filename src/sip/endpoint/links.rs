//! Connections: whom they lead to, how far they are trusted, and those that may be opened again.
//!
//! The number of a connection names one stream for as long as it lives. The number of a *path* names a peer by
//! the name its certificate must prove, its address and its transport, for ever: the outside opens a connection
//! for it when something is to be sent and none is there. So a connection that was verified for one name never
//! carries requests for another, though both may live at one address (RFC 5923 §8, RFC 5922 §7).

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::super::config::Transport;
use super::super::dialog::Dialog;
use super::super::message::Message;
use super::super::registrar::Registrar;
use super::{Endpoint, Flow, Output};

/// Most paths; names beyond are not reached.
const PATHS_MAX: usize = 4_096;
/// Path numbers start here: above all that connections ever get.
const PATHS_FROM: u64 = 1 << 62;

/// All that is known of streams.
#[derive(Debug, Default)]
pub(super) struct Links {
    open: HashMap<u64, Link>,
    paths: BTreeMap<(String, Transport, SocketAddr), u64>,
}

/// One open connection.
#[derive(Debug)]
struct Link {
    remote: SocketAddr,
    /// The name that the other end's certificate proves.
    peer: Option<String>,
    standing: Standing,
}

/// How much patience a connection deserves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Standing {
    /// Nobody we know, and no call: it is closed soon.
    Stranger,
    /// Carries a call of somebody unknown.
    Busy,
    /// Carries a registered user or a trunk.
    Known,
}

/// What whoever holds the connections is told of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkOrder {
    /// From now on the connection number of this flow means: a connection to its address whose other end proves
    /// this name. Open one when something is to be sent and none is there.
    Path {
        /// Where, and over what.
        flow: Flow,
        /// The name in the certificate.
        name: String,
    },
    /// How much patience this connection deserves from now on.
    Standing {
        /// Which.
        connection: u64,
        /// How much.
        standing: Standing,
    },
}

impl Links {
    /// A message came over a connection: it is open, also if nobody said so before.
    pub fn heard(&mut self, from: Flow) {
        if let Some(connection) = from.connection {
            self.open.entry(connection).or_insert_with(|| Link {
                remote: from.remote,
                peer: None,
                standing: Standing::Stranger,
            });
        }
    }

    /// The connection is gone; returns whom it led to.
    pub fn closed(&mut self, connection: u64) -> Option<SocketAddr> {
        self.open.remove(&connection).map(|link| link.remote)
    }

    /// True when something can be sent over it.
    pub fn is_open(&self, connection: u64) -> bool {
        connection >= PATHS_FROM || self.open.contains_key(&connection)
    }

    /// The name that the certificate of the other end of this flow proves.
    pub fn peer(&self, flow: Flow) -> Option<&str> {
        self.open.get(&flow.connection?)?.peer.as_deref()
    }
}

impl Endpoint {
    /// A connection is there. `peer` is the name that the certificate of the other end proves.
    pub fn handle_opened(&mut self, connection: u64, remote: SocketAddr, peer: Option<String>) {
        let known = peer.as_ref().is_some_and(|name| self.config.trunk_peers.contains_key(name));
        self.links.open.insert(connection, Link { remote, peer, standing: Standing::Stranger });
        if known {
            self.raise(Some(connection), Standing::Known);
        }
    }

    /// A connection is gone. Sessions survive: their next request asks for a new one, to the peer's Contact.
    /// Requests under way on it fail, registrations over it end.
    pub fn handle_closed(&mut self, now: Instant, connection: u64) {
        if let Some(remote) = self.links.closed(connection) {
            self.fail_clients(now, remote, |flow| flow.connection == Some(connection));
        }
        let changes = self.registrar.handle_closed(connection);
        self.tell_changes(changes);
    }

    /// Nothing can be sent over this flow: requests under way on it fail with 503.
    pub fn handle_send_failed(&mut self, now: Instant, flow: Flow) {
        self.fail_clients(now, flow.remote, |other| *other == flow);
    }

    /// The flow to a peer over streams of this transport.
    ///
    /// Over TLS and WSS the other end must prove `name`; the flow is the same for each request to this name,
    /// address and transport, and for no others. `None`: we have no listener of this transport and address family,
    /// whose address our Via could say.
    pub fn flow_to(&mut self, transport: Transport, remote: SocketAddr, name: &str) -> Option<Flow> {
        let listener = self.config.listener_for(transport, remote)?;
        let flow = Flow { transport, listener, remote, connection: None };
        if !transport.is_secure() {
            return Some(flow);
        }
        let name = name.to_ascii_lowercase();
        let key = (name, transport, remote);
        if let Some(path) = self.links.paths.get(&key) {
            return Some(Flow { connection: Some(*path), ..flow });
        }
        if self.links.paths.len() >= PATHS_MAX {
            return None;
        }
        let path = PATHS_FROM + u64::try_from(self.links.paths.len()).ok()?;
        let flow = Flow { connection: Some(path), ..flow };
        self.outputs.push_back(Output::Link(LinkOrder::Path { flow, name: key.0.clone() }));
        self.links.paths.insert(key, path);
        Some(flow)
    }

    /// Who sends over this connection is known, or has a call: it may stay.
    pub(super) fn raise(&mut self, connection: Option<u64>, standing: Standing) {
        let Some(connection) = connection else { return };
        if let Some(link) = self.links.open.get_mut(&connection).filter(|link| link.standing < standing) {
            link.standing = standing;
            self.outputs.push_back(Output::Link(LinkOrder::Standing { connection, standing }));
        }
    }

    /// Flow with its connection, if that is still open.
    pub(super) fn open_flow(&self, flow: Flow) -> Flow {
        Flow { connection: flow.connection.filter(|id| self.links.is_open(*id)), ..flow }
    }

    pub(super) fn send(&mut self, flow: Flow, bytes: Bytes) {
        let gone = flow.connection.is_some_and(|connection| !self.links.is_open(connection));
        let flow = if gone { without_connection(flow, &bytes) } else { flow };
        self.outputs.push_back(Output::Send { flow, bytes });
    }
}

/// Where the next request of a dialog goes: the connection that is open, the one by which the page came back, else
/// [`Dialog::hop`].
pub(super) fn way(dialog: &Dialog, links: &Links, registrar: &Registrar) -> Flow {
    let hop = dialog.hop(|id| links.is_open(id));
    let page = dialog.page().filter(|_| hop.connection.is_none());
    page.and_then(|(user, page)| registrar.flow_of_page(&user, &page)).unwrap_or(hop)
}

/// True when nothing can be sent to the other end: a page is reached by its own connection alone, which is closed, and it
/// has not registered by another.
pub(super) fn has_lost_page(dialog: &Dialog, links: &Links, registrar: &Registrar) -> bool {
    let hop = dialog.hop(|id| links.is_open(id));
    let over_web = matches!(hop.transport, Transport::Ws | Transport::Wss);
    let page = dialog.page().filter(|_| over_web && hop.connection.is_none());
    page.is_some_and(|(user, page)| registrar.flow_of_page(&user, &page).is_none())
}

/// The connection that a message was to take is gone. A response goes to where its Via says the sender listens, over
/// a new one (RFC 3261 §18.2.2); a request to where it was going.
fn without_connection(flow: Flow, bytes: &Bytes) -> Flow {
    let mut flow = Flow { connection: None, ..flow };
    if let Ok(message) = Message::parse(bytes.clone())
        && !message.is_request()
        && let Some(via) = message.via()
    {
        flow.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    }
    flow
}
