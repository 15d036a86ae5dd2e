//! The port that all legs of a shard share: read and written in batches.
//!
//! One system call reads or writes up to 64 datagrams. What legs send waits in the outbox for the end of the round,
//! or until 64 wait: the thread never sleeps on a packet.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Instant;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use nix::sys::time::TimeSpec;
use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_send_buffer_size,
};

use super::sockets::{AGE_MAX, Came, DATAGRAM_BYTES, Pair, unmapped};
use crate::io::datagram::{self, Clocks};
use crate::media::shard::Channel;

/// Room the kernel keeps for the packets of all legs: some 40 ms of 2,000 calls.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Datagrams of one system call.
pub(super) const BATCH: usize = 64;

/// The bound sockets of a shared port.
pub(super) struct SharedPort {
    pair: Pair,
    port: u16,
}

impl SharedPort {
    /// Binds the first port of `free` that no other program holds.
    ///
    /// # Errors
    ///
    /// The system's, for the last one tried; `AddrInUse` when there was none to try.
    pub(super) fn bind(address: IpAddr, free: &mut impl Iterator<Item = u16>) -> io::Result<Self> {
        let mut failed = io::ErrorKind::AddrInUse.into();
        for port in free {
            match Pair::bind(address, port) {
                Ok(pair) => return Ok(Self { pair, port }.with_room()),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => failed = error,
                Err(error) => return Err(error),
            }
        }
        Err(failed)
    }

    /// Many legs' packets wait in one queue. Who may go beyond the system's limit does, others get what it allows.
    fn with_room(self) -> Self {
        let socket = self.socket(Channel::Rtp);
        if set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER).is_err() {
            let _ = set_socket_recv_buffer_size(socket, RECEIVE_BUFFER);
        }
        let _ = set_socket_send_buffer_size(socket, RECEIVE_BUFFER);
        self
    }

    /// Its number: what SDP announces.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn socket(&self, channel: Channel) -> &UdpSocket {
        self.pair.socket(channel)
    }
}

/// Room for what one system call reads.
pub(super) struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; DATAGRAM_BYTES]; BATCH]>,
    came: [Option<Came>; BATCH],
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffers: Box::new([[0; DATAGRAM_BYTES]; BATCH]),
            came: array::from_fn(|_| None),
        }
    }

    /// Reads what waits at a socket, at most [`BATCH`] datagrams; errors are what ICMP told of packets sent before.
    pub(super) fn read(&mut self, socket: RawFd, clocks: &Clocks) {
        self.came.fill_with(|| None);
        let mut slices = self.buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let Ok(messages) = recvmmsg(socket, &mut self.headers, &mut slices, MsgFlags::empty(), None) else { return };
        for (message, place) in messages.zip(&mut self.came) {
            let source = message.address.as_ref().and_then(datagram::address).map(unmapped);
            let at: Instant = clocks.moment(datagram::stamp(&message).ok().flatten(), AGE_MAX);
            *place = source.map(|source| Came { at, source, length: message.bytes });
        }
    }

    /// What was read, oldest first.
    pub(super) fn datagrams(&mut self) -> impl Iterator<Item = (&Came, &mut [u8])> {
        let filled = self.came.iter().zip(self.buffers.iter_mut());
        filled.filter_map(|(came, buffer)| {
            let came = came.as_ref()?;
            Some((came, buffer.get_mut(..came.length)?))
        })
    }
}

/// Packets that wait for the end of the round.
pub(super) struct Outbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Box<[[u8; DATAGRAM_BYTES]; BATCH]>,
    lengths: [usize; BATCH],
    to: [Option<SockaddrStorage>; BATCH],
    count: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: Box::new([[0; DATAGRAM_BYTES]; BATCH]),
            lengths: [0; BATCH],
            to: [None; BATCH],
            count: 0,
        }
    }

    /// Adds a packet; false when there is no room for it. One that is longer than any of ours is cut, as loss.
    pub(super) fn push(&mut self, to: SocketAddr, datagram: &[u8]) -> bool {
        let length = datagram.len().min(DATAGRAM_BYTES);
        let places = self.buffers.get_mut(self.count).zip(self.to.get_mut(self.count));
        let Some(((buffer, place), known)) = places.zip(self.lengths.get_mut(self.count)) else { return false };
        if let (Some(room), Some(bytes)) = (buffer.get_mut(..length), datagram.get(..length)) {
            room.copy_from_slice(bytes);
        }
        (*place, *known) = (Some(to.into()), length);
        self.count += 1;
        true
    }

    /// Sends all that waits; returns how many the kernel did not take.
    pub(super) fn flush(&mut self, socket: &UdpSocket) -> u64 {
        let (mut sent, mut failed) = (0, 0);
        while sent < self.count {
            match self.write(socket, sent) {
                Ok(0) => break,
                Ok(count) => sent += count,
                Err(Errno::EINTR) => {}
                // The first of them fails, perhaps for what ICMP told of an earlier one; the others have their chance.
                Err(_) => (sent, failed) = (sent + 1, failed + 1),
            }
        }
        self.count = 0;
        failed
    }

    /// One system call for all from `first` on; returns how many the kernel took.
    fn write(&mut self, socket: &UdpSocket, first: usize) -> nix::Result<usize> {
        let slices: [[IoSlice<'_>; 1]; BATCH] = array::from_fn(|n| {
            let length = self.lengths.get(n).copied().unwrap_or_default();
            [IoSlice::new(self.buffers.get(n).and_then(|buffer| buffer.get(..length)).unwrap_or_default())]
        });
        let (slices, to) = (slices.get(first..self.count), self.to.get(first..self.count));
        let (slices, to) = (slices.unwrap_or_default(), to.unwrap_or_default());
        let messages = sendmmsg(socket.as_raw_fd(), &mut self.headers, slices, to, [], MsgFlags::empty())?;
        Ok(messages.count())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn shared() -> SharedPort {
        SharedPort::bind(Ipv4Addr::LOCALHOST.into(), &mut (24_000..24_098).step_by(2)).unwrap()
    }

    #[test]
    fn batches_are_read_and_written_with_their_addresses_and_in_order() {
        for local in [IpAddr::from(Ipv4Addr::LOCALHOST), "::1".parse().unwrap()] {
            let shared = SharedPort::bind(local, &mut (24_000..24_098).step_by(2)).unwrap();
            let phones: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind((local, 0)).unwrap()).collect();
            // The kernel begins to stamp a moment after it was asked to.
            let is_stamped = (0..50).any(|_| {
                phones[0].send_to(b"early", (local, shared.port())).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(2));
                let (clocks, mut inbox) = (Clocks::read(), Inbox::new());
                inbox.read(shared.socket(Channel::Rtp).as_raw_fd(), &clocks);
                inbox.datagrams().any(|(came, _)| came.at < clocks.now)
            });
            assert!(is_stamped);
            for n in 0..100u8 {
                phones[usize::from(n) % 3].send_to(&vec![n; 1 + usize::from(n)], (local, shared.port())).unwrap();
            }
            let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
            let mut heard = Vec::new();
            for expected in [64, 36, 0] {
                let clocks = Clocks::read();
                inbox.read(shared.socket(Channel::Rtp).as_raw_fd(), &clocks);
                let before = heard.len();
                for (came, datagram) in inbox.datagrams() {
                    let n = usize::from(datagram[0]);
                    assert_eq!((came.source, datagram.len()), (phones[n % 3].local_addr().unwrap(), n + 1));
                    assert!(came.at < clocks.now, "stamped by the kernel");
                    heard.push(n);
                    if !outbox.push(came.source, datagram) {
                        assert_eq!(outbox.flush(shared.socket(Channel::Rtp)), 0);
                        assert!(outbox.push(came.source, datagram));
                    }
                }
                assert_eq!(heard.len() - before, expected);
            }
            assert!(heard.is_sorted());
            assert_eq!(outbox.flush(shared.socket(Channel::Rtp)), 0);
            assert_eq!(outbox.flush(shared.socket(Channel::Rtp)), 0, "nothing twice");
            for n in 0..100u8 {
                let mut buffer = [0; 256];
                let (length, from) = phones[usize::from(n) % 3].recv_from(&mut buffer).unwrap();
                assert_eq!((length, buffer[0], from.port()), (usize::from(n) + 1, n, shared.port()));
            }
            phones.iter().for_each(|phone| {
                phone.set_nonblocking(true).unwrap();
                assert!(phone.recv(&mut [0; 9]).is_err());
            });
        }
    }

    #[test]
    fn one_packet_that_cannot_be_sent_costs_no_other() {
        let shared = shared();
        let phone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let here = phone.local_addr().unwrap();
        let mut outbox = Outbox::new();
        for to in [here, "[::1]:9".parse().unwrap(), here, SocketAddr::from(([0, 0, 0, 0], 0)), here] {
            assert!(outbox.push(to, b"packet"));
        }
        assert_eq!(outbox.flush(shared.socket(Channel::Rtp)), 2);
        phone.set_nonblocking(true).unwrap();
        assert_eq!((0..9).filter(|_| phone.recv(&mut [0; 9]).is_ok()).count(), 3);
    }

    #[test]
    fn a_port_of_another_program_is_passed_over() {
        let first = shared();
        let mut free = [first.port(), first.port() + 2, first.port() + 4].into_iter();
        assert_ne!(SharedPort::bind(Ipv4Addr::LOCALHOST.into(), &mut free).unwrap().port(), first.port());
        let mut taken = std::iter::once(first.port());
        let error = SharedPort::bind(Ipv4Addr::LOCALHOST.into(), &mut taken).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
