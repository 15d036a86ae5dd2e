//! How threads wake one that waits in epoll: an eventfd, written once however often it is rung until it is heard.
//!
//! Who has something for the thread first puts it where the thread looks, then rings. The thread first hears, then
//! looks. Both sides change the same flag by a swap, so one of the two comes first: if the ringer, then the thread
//! sees what was put there; if the thread, then the ringer finds the bell silent and writes. Nothing waits unheard.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// The bell of one thread. Anybody may ring it; only its thread hears it.
#[derive(Debug)]
pub struct Bell {
    event: OwnedFd,
    /// It was rung and not heard yet: no need to write again.
    is_rung: AtomicBool,
}

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    ///
    /// The system's, when it gives no more file descriptors.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, is_rung: AtomicBool::new(false) })
    }

    /// Wakes the thread; one system call at most until it hears. Never waits.
    pub fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            // It cannot fail: the count is far from its end, since it is read before the next write.
            let _ = rustix::io::write(&self.event, &1u64.to_ne_bytes());
        }
    }

    /// Silences the bell. What was put down before it was rung is seen from here on; look after this, not before.
    pub fn hear(&self) {
        // In this order: a ring between the two writes nothing, and what it announced is seen after the swap.
        let _ = rustix::io::read(&self.event, &mut [0u8; 8]);
        self.is_rung.swap(false, Ordering::AcqRel);
    }
}

impl AsFd for Bell {
    /// Readable while the bell is rung.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
