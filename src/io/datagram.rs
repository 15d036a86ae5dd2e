//! Datagrams with the moment the kernel got them: what waited in its queue is as old as it is, however late it is read.

#![allow(clippy::disallowed_methods, reason = "this is the shell: it owns the sockets and reads the clock")]

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// An age beyond is the doing of a clock that was set, not of a queue.
const AGE_MAX: Duration = Duration::from_secs(60);

/// A datagram socket whose messages say when they came.
pub struct Datagrams {
    socket: UdpSocket,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// One datagram.
pub struct Datagram {
    /// Who sent it.
    pub remote: SocketAddr,
    /// When the kernel got it; never in the future.
    pub received: Instant,
    /// Its payload.
    pub bytes: Bytes,
}

impl Datagrams {
    /// Takes over a bound, non-blocking socket.
    ///
    /// # Errors
    ///
    /// The system's, when it gives no time stamps.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { socket, buffer: vec![0; DATAGRAM_BYTES_MAX], control: cmsg_space!(TimeSpec) })
    }

    /// The next datagram that waits.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when none waits; others tell of an earlier send (ICMP) and pass.
    pub fn receive(&mut self) -> io::Result<Datagram> {
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut self.control), MsgFlags::empty())?;
        let received = moment(stamp(&message)?);
        let remote = message.address.as_ref().and_then(address).ok_or(io::ErrorKind::InvalidData)?;
        let length = message.bytes;
        let bytes = Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default());
        Ok(Datagram { remote, received, bytes })
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// The system's; `WouldBlock` when its queue is full.
    pub fn send(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
        self.socket.send_to(bytes, remote).map(drop)
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Who sent a message.
pub(super) fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

/// The kernel's wall time of a message's receipt.
///
/// # Errors
///
/// When the room for control messages was too small for it.
pub(super) fn stamp<S>(message: &RecvMsg<'_, '_, S>) -> nix::Result<Option<TimeSpec>> {
    Ok(message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
        _ => None,
    }))
}

/// Both clocks, read at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The monotonic one.
    pub now: Instant,
    /// Wall time since 1970.
    wall: Duration,
}

impl Clocks {
    /// Reads them.
    pub fn read() -> Self {
        Self { now: Instant::now(), wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Wall time of a moment just past, on the monotonic clock. No stamp, one of the future and one older than
    /// `age_max` (the doing of a clock that was set) count as now.
    pub fn moment(&self, stamp: Option<TimeSpec>, age_max: Duration) -> Instant {
        self.told(stamp, age_max).unwrap_or(self.now)
    }

    /// The same; `None` where it would count as now for want of a stamp to believe.
    pub fn told(&self, stamp: Option<TimeSpec>, age_max: Duration) -> Option<Instant> {
        let age = stamp.and_then(|stamp| self.wall.checked_sub(Duration::from(stamp)));
        self.now.checked_sub(age.filter(|age| *age <= age_max)?)
    }
}

fn moment(stamp: Option<TimeSpec>) -> Instant {
    Clocks::read().moment(stamp, AGE_MAX)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_datagram_is_as_old_as_it_waited() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(local).unwrap();
            socket.set_nonblocking(true).unwrap();
            let here = socket.local_addr().unwrap();
            let mut datagrams = Datagrams::new(socket).unwrap();
            assert_eq!(datagrams.receive().err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
            let peer = UdpSocket::bind(local).unwrap();
            // The kernel begins to stamp a moment after it was asked to.
            let stamped = (0..50).any(|_| {
                let before = Instant::now();
                peer.send_to(b"old", here).unwrap();
                let sent = Instant::now();
                // Not a timer that is waited for: the datagram is to grow old.
                thread::sleep(Duration::from_millis(20));
                let datagram = datagrams.receive().unwrap();
                assert_eq!((&datagram.bytes[..], datagram.remote), (&b"old"[..], peer.local_addr().unwrap()));
                let slack = Duration::from_millis(5);
                assert!(datagram.received + slack >= before);
                datagram.received <= sent + slack
            });
            assert!(stamped, "read late, a datagram counts as new");
        }
    }

    /// A clock that was set does not make messages older than they are.
    #[test]
    fn a_stamp_of_another_time_counts_as_now() {
        let now = Instant::now();
        assert!(moment(Some(TimeSpec::from_duration(Duration::from_secs(1)))) >= now);
        let ahead = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(3_600);
        assert!(moment(Some(TimeSpec::from_duration(ahead))) >= now);
    }
}
