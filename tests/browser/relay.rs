//! A TCP relay between a page and Hatif, whose connections can be cut.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The relay; what goes through it now, both ends of each connection.
pub struct Relay {
    address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// Passes connections on to this address.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let open = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&open);
        std::thread::spawn(move || {
            for page in listener.incoming().map_while(Result::ok) {
                let Ok(hatif) = TcpStream::connect(server) else { continue };
                for (from, to) in [(&page, &hatif), (&hatif, &page)] {
                    let (mut from, mut to) = (from.try_clone().expect("a copy"), to.try_clone().expect("a copy"));
                    std::thread::spawn(move || {
                        let _ = copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                kept.lock().expect("unharmed").extend([page, hatif]);
            }
        });
        Self { address, open }
    }

    /// Where pages connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections without a word of WebSocket; new ones are passed on.
    pub fn cut(&self) {
        for stream in self.open.lock().expect("unharmed").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
