//! The sockets of a shard.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::TrySendError;
use nix::cmsg_space;
use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rustix::event::epoll;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::shared::{Outbox, SharedPort};
use super::{Counters, ToStorage};
use crate::io::datagram::{self, Clocks};
use crate::media::Chunk;
use crate::media::recorder::CHUNK;
use crate::media::shard::{Channel, Delivery, PacketIo};

/// Datagrams longer than this are cut: no RTP packet of ours is.
pub(super) const DATAGRAM_BYTES: usize = 2_048;
/// Room the kernel keeps for one leg's packets.
const RECEIVE_BUFFER: usize = 256 * 1_024;
/// Expedited forwarding (RFC 3246) as TOS octet.
const TOS_EF: u32 = 46 << 2;
/// A packet that waited longer than this came before a clock was set, or while the thread stood still: it counts as new.
pub(super) const AGE_MAX: Duration = Duration::from_secs(1);
/// A wait that is not worth a time stamp: jitter of a tenth of this is not heard, nor shown.
const HARDLY: Duration = Duration::from_micros(500);
/// A packet later than this after a socket was connected came after it, whatever two clocks say.
const SETTLES: Duration = Duration::from_millis(2);

/// The sockets of a shard, by slot.
pub(super) struct Sockets {
    pub(super) epoll: OwnedFd,
    bind: IpAddr,
    open: Vec<Option<Place>>,
    /// The port that legs without one of their own share.
    shared: Option<(SharedPort, Outbox)>,
    /// Room for the kernel's time stamp of one datagram.
    control: Vec<u8>,
    storage: ToStorage,
    counters: Arc<Counters>,
}

/// A datagram that was read.
pub(super) struct Came {
    /// When the kernel got it; never in the future of the round.
    pub(super) at: Instant,
    /// Who sent it.
    pub(super) source: SocketAddr,
    /// Its bytes in the buffer.
    pub(super) length: usize,
}

/// How a slot is reached.
enum Place {
    Own(Pair),
    Shared,
}

pub(super) struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Whom the RTP socket is connected to.
    connected: Option<Connected>,
}

/// The kernel's filter of a socket.
struct Connected {
    /// Whom it lets through, as the socket writes it.
    peer: SocketAddr,
    /// The same, as the shard writes it.
    source: SocketAddr,
    /// Packets of before may still be in the queue: none is when one came later than this.
    until: Instant,
    /// None of before is: what comes is the peer's.
    settled: bool,
}

fn datum(slot: u32, channel: Channel) -> u64 {
    (u64::from(slot) << 1) | u64::from(channel == Channel::Rtcp)
}

pub(super) fn address(datum: u64) -> (u32, Channel) {
    ((datum >> 1) as u32, if datum & 1 == 0 { Channel::Rtp } else { Channel::Rtcp })
}

impl Pair {
    pub(super) fn bind(address: IpAddr, port: u16) -> io::Result<Self> {
        let rtcp_port = port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { rtp: udp(address, port)?, rtcp: udp(address, rtcp_port)?, connected: None })
    }

    pub(super) fn socket(&self, channel: Channel) -> &UdpSocket {
        match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        }
    }
}

fn udp(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address((address, port).into()), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // All three are wishes: a system that limits them still carries the call.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = setsockopt(&socket, sockopt::ReceiveTimestampns, &true);
    let _ = match address {
        IpAddr::V4(_) => rustix::net::sockopt::set_ip_tos(&socket, TOS_EF as u8),
        IpAddr::V6(_) => rustix::net::sockopt::set_ipv6_tclass(&socket, TOS_EF),
    };
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(socket.into())
}

impl Sockets {
    pub(super) fn new(
        epoll: OwnedFd,
        bind: IpAddr,
        shared: Option<SharedPort>,
        storage: ToStorage,
        counters: Arc<Counters>,
    ) -> Self {
        let shared = shared.map(|port| (port, Outbox::new()));
        Self { epoll, bind, open: Vec::new(), shared, control: cmsg_space!(TimeSpec), storage, counters }
    }

    fn pair(&mut self, slot: u32) -> Option<&mut Pair> {
        match self.open.get_mut(slot as usize)?.as_mut()? {
            Place::Own(pair) => Some(pair),
            Place::Shared => None,
        }
    }

    /// A socket of the shared port.
    pub(super) fn shared(&self, channel: Channel) -> Option<RawFd> {
        self.shared.as_ref().map(|(port, _)| port.socket(channel).as_raw_fd())
    }

    /// Sends what waits at the shared port.
    pub(super) fn flush(&mut self) {
        if let Some((port, outbox)) = &mut self.shared {
            let failed = outbox.flush(port.socket(Channel::Rtp));
            self.counters.send_errors.fetch_add(failed, Ordering::Relaxed);
        }
    }

    fn put(&mut self, slot: u32, wanted: Place) {
        let place = slot as usize;
        if place >= self.open.len() {
            self.open.resize_with(place + 1, || None);
        }
        if let Some(place) = self.open.get_mut(place) {
            *place = Some(wanted);
        }
    }

    /// Sends by the shared port: RTP at the end of the round, RTCP of those who want it apart at once.
    fn send_shared(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let Some((port, outbox)) = &mut self.shared else { return };
        let failed = match channel {
            Channel::Rtcp => u64::from(port.socket(channel).send_to(datagram, to).is_err()),
            Channel::Rtp if outbox.push(to, datagram) => 0,
            Channel::Rtp => {
                let failed = outbox.flush(port.socket(channel));
                outbox.push(to, datagram);
                failed
            }
        };
        self.counters.send_errors.fetch_add(failed, Ordering::Relaxed);
    }

    /// An IPv4 address as an IPv6 socket wants it.
    fn mapped(&self, address: SocketAddr) -> SocketAddr {
        match (self.bind, address.ip()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
            (IpAddr::V6(_), IpAddr::V6(_)) | (IpAddr::V4(_), _) => address,
        }
    }

    /// Reads one datagram; errors are what ICMP told of packets sent before, and are read away by this.
    ///
    /// The first of a round, which waited longest, is asked for its time stamp. When it hardly waited, the others did
    /// not either: they count as coming now, and where the kernel filters they need no asking who sent them. That
    /// spares a seventh of what a relayed packet costs.
    pub(super) fn receive(
        &mut self,
        round: &mut Round,
        slot: u32,
        channel: Channel,
        buffer: &mut [u8],
    ) -> Option<Came> {
        let Some(Some(Place::Own(pair))) = self.open.get_mut(slot as usize) else { return None };
        if let (Waits::Hardly, Channel::Rtp, Some(Connected { source, settled: true, .. })) =
            (round.waits, channel, &pair.connected)
        {
            let (length, _) = rustix::net::recv(&pair.rtp, buffer, RecvFlags::empty()).ok()?;
            return Some(Came { at: round.clocks.now, source: *source, length });
        }
        let fd = pair.socket(channel).as_raw_fd();
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut self.control), MsgFlags::empty()).ok()?;
        let source = unmapped(message.address.as_ref().and_then(datagram::address)?);
        // What waited in the kernel while others were served is as old as it is: our own delay is no jitter.
        let told = round.clocks.told(datagram::stamp(&message).ok().flatten(), AGE_MAX);
        let at = told.unwrap_or(round.clocks.now);
        round.saw(at);
        if let (Channel::Rtp, Some(known), Some(came)) = (channel, &mut pair.connected, told) {
            known.settled |= came > known.until;
        }
        Some(Came { at, source, length: message.bytes })
    }
}

/// A turn of the thread's loop.
pub(super) struct Round {
    pub(super) clocks: Clocks,
    waits: Waits,
}

/// How long the packets of a round waited in the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Waits {
    /// Nobody looked yet.
    Unknown,
    /// No longer than [`HARDLY`].
    Hardly,
    /// Longer: each has its own time.
    Long,
}

impl Round {
    pub(super) fn begin() -> Self {
        Self { clocks: Clocks::read(), waits: Waits::Unknown }
    }

    /// A packet of it came at `at`.
    fn saw(&mut self, at: Instant) {
        let hardly = self.clocks.now.saturating_duration_since(at) <= HARDLY;
        self.waits = match (self.waits, hardly) {
            (Waits::Unknown | Waits::Hardly, true) => Waits::Hardly,
            (_, false) | (Waits::Long, true) => Waits::Long,
        };
    }
}

/// An IPv4 source seen on an IPv6 socket is an IPv4 source.
pub(super) fn unmapped(source: SocketAddr) -> SocketAddr {
    if source.is_ipv4() { source } else { SocketAddr::new(source.ip().to_canonical(), source.port()) }
}

impl PacketIo for Sockets {
    fn open(&mut self, slot: u32, port: u16) -> Result<(), String> {
        let pair = Pair::bind(self.bind, port).map_err(|error| format!("cannot open media port {port}: {error}"))?;
        for channel in [Channel::Rtp, Channel::Rtcp] {
            let data = epoll::EventData::new_u64(datum(slot, channel));
            epoll::add(&self.epoll, pair.socket(channel), data, epoll::EventFlags::IN)
                .map_err(|error| format!("cannot watch media port {port}: {error}"))?;
        }
        self.put(slot, Place::Own(pair));
        Ok(())
    }

    fn share(&mut self, slot: u32) -> Result<(), String> {
        if self.shared.is_none() {
            return Err("this media thread has no shared port".to_owned());
        }
        self.put(slot, Place::Shared);
        Ok(())
    }

    fn close(&mut self, slot: u32) {
        // Closing the descriptors takes them out of epoll.
        if let Some(place) = self.open.get_mut(slot as usize) {
            *place = None;
        }
    }

    fn connect(&mut self, slot: u32, source: Option<SocketAddr>) {
        let peer = source.map(|source| self.mapped(source));
        let Some(pair) = self.pair(slot) else { return };
        // When it fails the socket stays open to all: the shard judges every source anyway.
        pair.connected = match (source, peer) {
            (Some(source), Some(peer)) => pair.rtp.connect(peer).ok().map(|()| Connected {
                peer,
                source,
                until: Instant::now() + SETTLES,
                settled: false,
            }),
            _ => rustix::net::connect_unspec(&pair.rtp).ok().and(None),
        };
    }

    fn send(&mut self, slot: u32, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let to = self.mapped(to);
        let pair = match self.open.get(slot as usize) {
            Some(Some(Place::Own(pair))) => pair,
            Some(Some(Place::Shared)) => return self.send_shared(channel, to, datagram),
            Some(None) | None => return,
        };
        let sent = if channel == Channel::Rtp && pair.connected.as_ref().is_some_and(|known| known.peer == to) {
            rustix::net::send(&pair.rtp, datagram, SendFlags::empty())
        } else {
            rustix::net::sendto(pair.socket(channel), datagram, SendFlags::empty(), &to)
        };
        if sent.is_err() {
            self.counters.send_errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn chunk(&mut self, chunk: Chunk) -> Delivery {
        match self.storage.chunks.try_send(chunk) {
            Ok(()) => Delivery::Taken,
            Err(TrySendError::Full(_)) => {
                self.counters.chunks_refused.fetch_add(1, Ordering::Relaxed);
                Delivery::Full
            }
            Err(TrySendError::Disconnected(_)) => Delivery::Gone,
        }
    }

    fn buffer(&mut self) -> Vec<i16> {
        self.storage.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK * 2))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::thread;

    use super::*;

    /// Read late and all at once, packets are as far apart as they came; jitter (RFC 3550 §6.4.1) sees the network only.
    #[test]
    fn packets_that_waited_keep_their_distances() {
        let (chunks, _storage) = crossbeam_channel::bounded(1);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut sockets = Sockets::new(epoll, Ipv4Addr::LOCALHOST.into(), None, chunks.into(), Arc::default());
        let port = (23_900..23_998).step_by(2).find(|port| sockets.open(0, *port).is_ok()).unwrap();
        let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sent: Vec<(Instant, Instant)> = (0..3)
            .map(|_| {
                let before = Instant::now();
                phone.send_to(b"packet", (Ipv4Addr::LOCALHOST, port)).unwrap();
                let after = Instant::now();
                // Not a timer that is waited for: the packets are to grow old.
                thread::sleep(Duration::from_millis(20));
                (before, after)
            })
            .collect();
        let mut round = Round::begin();
        let mut buffer = [0; DATAGRAM_BYTES];
        // The two clocks are read one after the other.
        let slack = Duration::from_millis(5);
        for (before, after) in sent {
            let came = sockets.receive(&mut round, 0, Channel::Rtp, &mut buffer).unwrap();
            assert_eq!((came.length, came.source), (6, phone.local_addr().unwrap()));
            assert!((before - slack..=after + slack).contains(&came.at) && came.at <= round.clocks.now);
        }
        assert!(sockets.receive(&mut round, 0, Channel::Rtp, &mut buffer).is_none());
    }

    /// What a stranger sent before the socket was connected stays his, however the packets of a round are read; what comes
    /// after is read without asking, and is the phone's.
    #[test]
    fn packets_of_before_the_connection_are_whose_they_are() {
        let (chunks, _storage) = crossbeam_channel::bounded(1);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut sockets = Sockets::new(epoll, Ipv4Addr::LOCALHOST.into(), None, chunks.into(), Arc::default());
        let port = (23_200..23_298).step_by(2).find(|port| sockets.open(0, *port).is_ok()).unwrap();
        let [phone, stranger] = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let addresses = [&phone, &stranger].map(|socket| socket.local_addr().unwrap());
        let say = |who: &UdpSocket| assert_eq!(who.send_to(b"packet", (Ipv4Addr::LOCALHOST, port)).unwrap(), 6);
        [&stranger, &phone, &stranger].into_iter().for_each(say);
        sockets.connect(0, Some(addresses[0]));
        // Not a timer that is waited for: a round comes later than the connection settles.
        thread::sleep(2 * SETTLES);
        let mut buffer = [0; DATAGRAM_BYTES];
        let mut round = Round::begin();
        round.waits = Waits::Hardly;
        let mut source = |round: &mut Round, sockets: &mut Sockets| {
            sockets.receive(round, 0, Channel::Rtp, &mut buffer).map(|came| came.source)
        };
        let queued = [(); 3].map(|()| source(&mut round, &mut sockets).unwrap());
        assert_eq!(queued, [addresses[1], addresses[0], addresses[1]]);
        let is_settled = |sockets: &Sockets| match &sockets.open[0] {
            Some(Place::Own(pair)) => pair.connected.as_ref().unwrap().settled,
            _ => unreachable!(),
        };
        assert!(!is_settled(&sockets));
        // The kernel begins to stamp a moment after it was asked to.
        let settles = (0..50).any(|_| {
            [&stranger, &phone].into_iter().for_each(say);
            thread::sleep(SETTLES);
            assert_eq!(source(&mut Round::begin(), &mut sockets), Some(addresses[0]));
            is_settled(&sockets)
        });
        assert!(settles);
        [&stranger, &phone].into_iter().for_each(say);
        let mut round = Round::begin();
        round.waits = Waits::Hardly;
        assert_eq!(source(&mut round, &mut sockets), Some(addresses[0]));
        assert_eq!(source(&mut round, &mut sockets), None);
    }

    /// A clock that was set makes no packet older than a second, nor younger than now.
    #[test]
    fn a_stamp_of_another_time_counts_as_now() {
        let clocks = Clocks::read();
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let at = |stamp: Duration| clocks.moment(Some(TimeSpec::from_duration(stamp)), AGE_MAX);
        let second = Duration::from_secs(1);
        assert_eq!(at(wall + second), clocks.now);
        assert_eq!(at(wall - 2 * second), clocks.now);
        assert_eq!(clocks.moment(None, AGE_MAX), clocks.now);
        let age = clocks.now - at(wall - second / 2);
        assert!(age.abs_diff(second / 2) < second / 10, "{age:?}");
    }
}
