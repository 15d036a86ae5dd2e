//! What a browser does before its media: a check (RFC 8445), the DTLS handshake (RFC 5764), and checks for as long as it
//! lives (RFC 7675).

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hatif::media::dtls::{Dtls, Event, Identity, Role};
use hatif::media::seal::{Browser, Security};
use hatif::media::srtp::{Keys, Sender};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

const PASSWORD: &str = "a-password-of-22-chars";

/// Browsers at the even numbers: their certificates, and the keys that they agreed on.
pub struct Browsers {
    server: Identity,
    own: Identity,
    keys: Arc<Mutex<Vec<Option<Keys>>>>,
}

impl Browsers {
    pub fn new(count: usize) -> Self {
        let identity = || Identity::generate().unwrap();
        Self { server: identity(), own: identity(), keys: Arc::new(Mutex::new(vec![None; count])) }
    }

    /// The server's certificate.
    pub fn server(&self) -> &Identity {
        &self.server
    }

    /// What SDP told of browser `n`.
    pub fn security(&self, n: usize) -> Security {
        Security::Dtls(Box::new(Browser {
            ours: (format!("hatif{n}"), PASSWORD.to_owned()),
            theirs: Some("peer".to_owned()),
            role: Some(Role::Server),
            fingerprints: vec![self.own.fingerprint().clone()],
        }))
    }

    /// Checks and shakes hands by the socket of phone `n`, which is connected; its keys are known from then on.
    pub fn shake_hands(&self, n: usize, phone: &UdpSocket) {
        phone.send(&check(n)).unwrap();
        let mut dtls =
            Dtls::new(Instant::now(), &self.own, Role::Client, &[self.server.fingerprint().clone()]).unwrap();
        let (mut buffer, until) = ([0; 2_048], Instant::now() + Duration::from_secs(5));
        loop {
            while let Some(datagram) = dtls.poll_transmit() {
                phone.send(&datagram).unwrap();
            }
            if let Some(event) = dtls.poll_event() {
                let Event::Keys(keys) = event else { panic!("{event:?}") };
                self.keys.lock().unwrap()[n] = Keys::new(keys.profile.into(), &keys.local.key, &keys.local.salt);
                return;
            }
            match phone.recv(&mut buffer) {
                Ok(length) if (20..64).contains(&buffer[0]) => dtls.handle_datagram(Instant::now(), &buffer[..length]),
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
            assert!(Instant::now() < until, "a handshake");
            dtls.handle_timeout(Instant::now());
        }
    }

    /// What seals the packets of phone `n`; none where that is no browser.
    pub fn seals(&self) -> super::Seals {
        let keys = Arc::clone(&self.keys);
        Arc::new(move |n| keys.lock().unwrap()[n].as_ref().map(Sender::new))
    }
}

/// A signed Binding request of browser `n` with USE-CANDIDATE.
pub fn check(n: usize) -> Vec<u8> {
    let mut bytes = b"\x00\x01\0\0\x21\x12\xa4\x42transaction!".to_vec();
    let name = format!("hatif{n}:peer");
    for (kind, value) in [(0x0006u16, name.as_bytes()), (0x802a, &[1; 8]), (0x0025, b""), (0x0008, &[0; 20])] {
        bytes.extend(kind.to_be_bytes());
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let (length, covered) = ((bytes.len() - 20) as u16, bytes.len() - 24);
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(PASSWORD.as_bytes()).unwrap();
    mac.update(&bytes[..covered]);
    bytes[covered + 4..].copy_from_slice(&mac.finalize().into_bytes());
    bytes
}
