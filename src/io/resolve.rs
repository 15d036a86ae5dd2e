//! Host names to addresses, off the signalling path: NAPTR, SRV, A and AAAA as RFC 3263 asks.
//!
//! Each name of the configuration has a task that asks, tells the engine, and asks again when the answer's time is
//! over. Where name servers do not answer, what was found last stays in force.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it asks name servers and reads the clock")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::engine::Input;
use crate::sip::config::{Host, SipConfig, Target, Transport};
use crate::sip::locate::{self, First, Naptr, Service, Srv};

use super::driver::Inbox;

/// An answer is used at least so long, whatever it says.
const TTL_MIN: Duration = Duration::from_secs(5);
/// And at most so long.
const TTL_MAX: Duration = Duration::from_secs(3_600);
/// First and longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// Most SRV records of one service that are followed.
const SERVERS_MAX: usize = 16;

/// The names that are looked up. Cheap to clone.
#[derive(Clone)]
pub struct Names {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: Handle,
    inbox: Inbox,
    state: Mutex<State>,
}

/// Who is asked, and for what.
#[derive(Default)]
struct State {
    servers: Vec<SocketAddr>,
    tasks: BTreeMap<Host, JoinHandle<()>>,
}

/// What we have listeners for: transport, and whether IPv4.
type Usable = BTreeSet<(Transport, bool)>;

impl Names {
    /// Nothing is asked yet.
    pub fn new(runtime: Handle, inbox: Inbox) -> Self {
        Self { shared: Arc::new(Shared { runtime, inbox, state: Mutex::default() }) }
    }

    /// Looks up the names of this configuration from now on, and no others. `servers`: name servers; empty = those
    /// of the system.
    pub fn set(&self, sip: &SipConfig, servers: &[SocketAddr]) {
        let usable: Usable = sip.listeners.iter().map(|l| (l.transport, l.address.is_ipv4())).collect();
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { servers: asked, tasks } = &mut *state;
        // Others are asked now: everything is looked up anew; what was found stays in force until then.
        let moved = asked != servers;
        servers.clone_into(asked);
        tasks.retain(|host, task| {
            let wanted = sip.names.contains(host) && !moved;
            if !wanted {
                task.abort();
            }
            wanted
        });
        let new: Vec<&Host> = sip.names.iter().filter(|host| !tasks.contains_key(*host)).collect();
        if new.is_empty() {
            return;
        }
        let resolver = match resolver(servers) {
            Ok(resolver) => resolver,
            Err(error) => {
                tracing::error!(%error, "host names cannot be looked up: no name servers");
                return;
            }
        };
        for host in new {
            let search = Search { resolver: resolver.clone(), usable: usable.clone(), until: None, failed: None };
            let task = self.shared.runtime.spawn(keep(self.shared.inbox.clone(), search, host.clone()));
            tasks.insert(host.clone(), task);
        }
    }
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = match servers.is_empty() {
        true => TokioResolver::builder_tokio()?,
        false => {
            let server = |address: &SocketAddr| {
                let port = |mut connection: ConnectionConfig| {
                    connection.port = address.port();
                    connection
                };
                let connections = vec![port(ConnectionConfig::udp()), port(ConnectionConfig::tcp())];
                NameServerConfig::new(address.ip(), true, connections)
            };
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = Duration::from_secs(3);
    options.attempts = 2;
    // Each name remembers its own answer, by the rules above.
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

/// Keeps the engine told of one name.
async fn keep(inbox: Inbox, mut search: Search, host: Host) {
    let (name, mut wait) = (host.to_string(), RETRY.0);
    loop {
        (search.until, search.failed) = (None, None);
        match search.find(&host).await {
            Ok(targets) => {
                tracing::debug!(name, targets = targets.len(), "a host name was looked up");
                let empty = targets.is_empty();
                inbox.send(Input::Resolved { name: name.clone(), targets });
                if empty {
                    wait = (wait * 2).min(RETRY.1);
                } else {
                    wait = RETRY.0;
                    tokio::time::sleep(lifetime(search.until, Instant::now())).await;
                    continue;
                }
            }
            Err(error) => {
                tracing::warn!(name, %error, "a host name cannot be looked up: what it led to stays in force");
                wait = (wait * 2).min(RETRY.1);
            }
        }
        tokio::time::sleep(wait / 2).await;
    }
}

/// How long an answer that is valid until then is used.
fn lifetime(until: Option<Instant>, now: Instant) -> Duration {
    until.map_or(TTL_MAX, |until| until.saturating_duration_since(now)).clamp(TTL_MIN, TTL_MAX)
}

struct Search {
    resolver: TokioResolver,
    usable: Usable,
    /// The earliest end of the answers so far.
    until: Option<Instant>,
    /// Why one of several servers has no address: no reason to miss the others.
    failed: Option<NetError>,
}

impl Search {
    /// Where this host is now; empty when its name leads nowhere.
    async fn find(&mut self, host: &Host) -> Result<Vec<Target>, NetError> {
        let Host::Name { name, port, transport } = host else { return Ok(Vec::new()) };
        let (services, otherwise) = match locate::first(name, *port, *transport) {
            First::Addresses(transport, port) => return self.plain(name, transport, port).await,
            First::Servers(service) => {
                let transport = service.transport;
                (vec![service], transport)
            }
            First::Transports => {
                let records = self.naptr(name).await?;
                let offered = locate::offered(records, |transport| self.can(transport));
                match offered.is_empty() {
                    true => (locate::guessed(name, |transport| self.can(transport)), self.favourite()),
                    false => (offered, self.favourite()),
                }
            }
        };
        let mut listed = false;
        let mut servers = Vec::new();
        for Service { transport, name } in services {
            let mut list = self.srv(&name).await?;
            listed |= !list.is_empty();
            list.retain(|srv| srv.target != ".");
            list.sort_by_key(|srv| (srv.priority, std::cmp::Reverse(srv.weight)));
            list.truncate(SERVERS_MAX);
            let mut known = Vec::new();
            for srv in list {
                match self.addresses(&srv.target, transport).await {
                    Ok(addresses) if addresses.is_empty() => {}
                    Ok(addresses) => known.push((srv, addresses)),
                    Err(error) => self.failed = Some(error),
                }
            }
            servers.push((transport, known));
        }
        match listed {
            true => {
                let targets = locate::targets(&servers);
                match self.failed.take() {
                    Some(error) if targets.is_empty() => Err(error),
                    // Whoever was missed is asked for again soon.
                    Some(_) => {
                        self.note(Instant::now());
                        Ok(targets)
                    }
                    None => Ok(targets),
                }
            }
            false => self.plain(name, otherwise, otherwise.default_port()).await,
        }
    }

    async fn plain(&mut self, name: &str, transport: Transport, port: u16) -> Result<Vec<Target>, NetError> {
        Ok(locate::plain(transport, port, &self.addresses(name, transport).await?))
    }

    /// UDP where we serve it, as RFC 3263 §4.1 ends; else the first that we do.
    fn favourite(&self) -> Transport {
        let order = [Transport::Udp, Transport::Tcp, Transport::Tls];
        order.into_iter().find(|transport| self.can(*transport)).unwrap_or(Transport::Udp)
    }

    fn can(&self, transport: Transport) -> bool {
        self.usable.iter().any(|(usable, _)| *usable == transport)
    }

    async fn naptr(&mut self, name: &str) -> Result<Vec<Naptr>, NetError> {
        let lookup = self.ask(name, RecordType::NAPTR).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let record = |data: &RData| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_ascii(),
            }),
            _ => None,
        };
        Ok(lookup.iter().flat_map(Lookup::answers).filter_map(|answer| record(&answer.data)).collect())
    }

    async fn srv(&mut self, name: &str) -> Result<Vec<Srv>, NetError> {
        let lookup = self.ask(name, RecordType::SRV).await?;
        let record = |data: &RData| match data {
            RData::SRV(srv) => {
                Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_ascii() })
            }
            _ => None,
        };
        Ok(lookup.iter().flat_map(Lookup::answers).filter_map(|answer| record(&answer.data)).collect())
    }

    /// The addresses that a listener of ours of this transport can reach.
    async fn addresses(&mut self, name: &str, transport: Transport) -> Result<Vec<IpAddr>, NetError> {
        let found = match self.resolver.lookup_ip(absolute(name)).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        self.note(found.valid_until());
        Ok(found.iter().filter(|ip| self.usable.contains(&(transport, ip.is_ipv4()))).collect())
    }

    async fn ask(&mut self, name: &str, kind: RecordType) -> Result<Option<Lookup>, NetError> {
        match self.resolver.lookup(absolute(name), kind).await {
            Ok(lookup) => {
                self.note(lookup.valid_until());
                Ok(Some(lookup))
            }
            Err(error) if error.is_no_records_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn note(&mut self, until: Instant) {
        self.until = Some(self.until.map_or(until, |known| known.min(until)));
    }
}

/// With a dot at its end, so that no search list of the system is tried.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lives_between_five_seconds_and_an_hour() {
        let now = Instant::now();
        for (ttl_s, used_s) in [(0, 5), (31, 31), (3_600, 3_600), (86_400, 3_600)] {
            let until = now + Duration::from_secs(ttl_s);
            assert_eq!(lifetime(Some(until), now), Duration::from_secs(used_s));
        }
    }
}
