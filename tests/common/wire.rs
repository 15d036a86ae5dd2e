//! A SIP client of a few lines that speaks over UDP, TCP, TLS, WebSocket and WebSocket over TLS, and nothing of the
//! engine's code. It blocks, each wait has a deadline, and it says what the test tells it to say, right or wrong.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// The word of Via, and what decides how bytes travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Way {
    pub const ALL: [Way; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    pub fn via(self) -> &'static str {
        ["UDP", "TCP", "TLS", "WS", "WSS"][self as usize]
    }

    pub fn label(self) -> &'static str {
        ["udp", "tcp", "tls", "ws", "wss"][self as usize]
    }
}

// ---- certificates -----------------------------------------------------------------------------------------------

/// A certificate authority of one test.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, and the authority it was made by.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
    key_der: Vec<u8>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub fn issue(&self, names: Vec<SanType>) -> Identity {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            key_der: key.serialize_der(),
        }
    }

    /// A certificate for a server on the loopback addresses.
    pub fn server(&self) -> Identity {
        self.issue(vec![address("127.0.0.1"), address("::1")])
    }

    /// What a client believes and shows.
    pub fn client(&self, shows: Option<&Identity>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match shows {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_der.clone()));
                let chain = vec![CertificateDer::from(identity.der.clone())];
                builder.with_client_auth_cert(chain, key).expect("an identity")
            }
        })
    }
}

impl Identity {
    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.certificate).expect("written");
        std::fs::write(folder.join(format!("{name}.key")), &self.key).expect("written");
    }
}

pub fn address(ip: &str) -> SanType {
    SanType::IpAddress(ip.parse().expect("an address"))
}

pub fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("a name"))
}

pub fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("a URI"))
}

// ---- the wire ---------------------------------------------------------------------------------------------------

trait Both: Read + Write + Send {}
impl<T: Read + Write + Send> Both for T {}

enum Carrier {
    Datagrams(UdpSocket),
    Bytes(Box<dyn Both>),
    Frames(Box<WebSocket<Box<dyn Both>>>),
}

/// One socket or connection to the server.
pub struct Wire {
    pub way: Way,
    pub local: SocketAddr,
    pub server: SocketAddr,
    /// The certificate that the server showed.
    pub certificate: Option<Vec<u8>>,
    /// Single line ends that came between messages, and WebSocket pongs.
    pub pongs: u32,
    carrier: Carrier,
    control: Option<TcpStream>,
    buffer: Vec<u8>,
}

const PATIENCE: Duration = Duration::from_secs(10);

impl Wire {
    /// Connects; a WebSocket asks for `sip` and names no Origin.
    pub fn open(way: Way, server: SocketAddr, tls: &Arc<ClientConfig>) -> io::Result<Self> {
        Self::open_with(way, server, tls, &[("Sec-WebSocket-Protocol", "sip")])
    }

    /// Connects with these headers in the WebSocket handshake. A refusal is an error that holds its status.
    pub fn open_with(
        way: Way,
        server: SocketAddr,
        tls: &Arc<ClientConfig>,
        headers: &[(&'static str, &str)],
    ) -> io::Result<Self> {
        if way == Way::Udp {
            let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
            let socket = UdpSocket::bind(any)?;
            return Self::from_socket(socket, server);
        }
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        Self::over(way, stream, tls, headers)
    }

    /// From this socket, to be reached at its port.
    pub fn from_socket(socket: UdpSocket, server: SocketAddr) -> io::Result<Self> {
        socket.connect(server)?;
        let local = socket.local_addr()?;
        Ok(Self::made(Way::Udp, local, server, None, Carrier::Datagrams(socket), None))
    }

    /// Over a TCP connection that is up.
    pub fn over(
        way: Way,
        stream: TcpStream,
        tls: &Arc<ClientConfig>,
        headers: &[(&'static str, &str)],
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (local, server, control) = (stream.local_addr()?, stream.peer_addr()?, stream.try_clone()?);
        let (bytes, certificate): (Box<dyn Both>, _) = match way {
            Way::Udp | Way::Tcp | Way::Ws => (Box::new(stream), None),
            Way::Tls | Way::Wss => {
                let name = ServerName::IpAddress(server.ip().into());
                let mut connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
                let mut stream = stream;
                while connection.is_handshaking() {
                    connection.complete_io(&mut stream)?;
                }
                let certificate =
                    connection.peer_certificates().and_then(|list| list.first()).map(|first| first.to_vec());
                (Box::new(StreamOwned::new(connection, stream)), certificate)
            }
        };
        let carrier = match way {
            Way::Udp | Way::Tcp | Way::Tls => Carrier::Bytes(bytes),
            Way::Ws | Way::Wss => {
                let mut request = format!("ws://{server}/sip").into_client_request().map_err(io::Error::other)?;
                for (name, value) in headers {
                    request.headers_mut().insert(*name, HeaderValue::from_str(value).map_err(io::Error::other)?);
                }
                let (frames, _) = tungstenite::client(request, bytes).map_err(|error| match error {
                    tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer)) => {
                        io::Error::other(answer.status().as_u16().to_string())
                    }
                    other => io::Error::other(other.to_string()),
                })?;
                Carrier::Frames(Box::new(frames))
            }
        };
        Ok(Self::made(way, local, server, certificate, carrier, Some(control)))
    }

    /// A TLS connection that the server opened to us, who show this certificate.
    pub fn accepted(stream: TcpStream, shows: &Identity) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (local, server, control) = (stream.local_addr()?, stream.peer_addr()?, stream.try_clone()?);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(shows.key_der.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(shows.der.clone())], key)
            .map_err(io::Error::other)?;
        let mut connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        let mut stream = stream;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let carrier = Carrier::Bytes(Box::new(StreamOwned::new(connection, stream)));
        Ok(Self::made(Way::Tls, local, server, None, carrier, Some(control)))
    }

    fn made(
        way: Way,
        local: SocketAddr,
        server: SocketAddr,
        certificate: Option<Vec<u8>>,
        carrier: Carrier,
        control: Option<TcpStream>,
    ) -> Self {
        Self { way, local, server, certificate, pongs: 0, carrier, control, buffer: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Datagrams(socket) => socket.send(bytes).map(drop),
            Carrier::Bytes(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Carrier::Frames(frames) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                frames.send(Message::text(text)).map_err(io::Error::other)
            }
        }
    }

    /// Sends any WebSocket message.
    pub fn frame(&mut self, message: Message) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Frames(frames) => frames.send(message).map_err(io::Error::other),
            Carrier::Datagrams(_) | Carrier::Bytes(_) => panic!("no WebSocket"),
        }
    }

    /// The next message. `Ok(None)`: nothing within this time; an error: the connection is over.
    pub fn receive(&mut self, within: Duration) -> io::Result<Option<String>> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(message) = self.framed() {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match self.read(left) {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// One read: a whole message, or nothing yet.
    fn read(&mut self, left: Duration) -> io::Result<Option<String>> {
        if let Some(control) = &self.control {
            control.set_read_timeout(Some(left))?;
        }
        let mut buffer = vec![0; 65_536];
        match &mut self.carrier {
            Carrier::Datagrams(socket) => {
                socket.set_read_timeout(Some(left))?;
                let length = socket.recv(&mut buffer)?;
                Ok(Some(String::from_utf8_lossy(&buffer[..length]).into_owned()))
            }
            Carrier::Bytes(stream) => match stream.read(&mut buffer)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                length => {
                    self.buffer.extend_from_slice(&buffer[..length]);
                    Ok(None)
                }
            },
            Carrier::Frames(frames) => match frames.read() {
                Ok(Message::Text(text)) if text.trim().is_empty() => {
                    self.pongs += 1;
                    Ok(None)
                }
                Ok(Message::Text(text)) => Ok(Some(text.to_string())),
                Ok(Message::Binary(bytes)) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Ok(Message::Pong(_)) => {
                    self.pongs += 1;
                    Ok(None)
                }
                Ok(Message::Close(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Message::Ping(_) | Message::Frame(_)) => Ok(None),
                Err(tungstenite::Error::Io(error)) => Err(error),
                Err(error) => Err(io::Error::other(error)),
            },
        }
    }

    /// A whole message out of what was read from a byte stream.
    fn framed(&mut self) -> Option<String> {
        while self.buffer.starts_with(b"\r\n") {
            self.pongs += 1;
            self.buffer.drain(..2);
        }
        let head = self.buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.buffer[..head]).into_owned();
        let body: usize = header(&text, "Content-Length").and_then(|v| v.parse().ok()).unwrap_or(0);
        (self.buffer.len() >= head + body).then(|| {
            let whole: Vec<u8> = self.buffer.drain(..head + body).collect();
            String::from_utf8_lossy(&whole).into_owned()
        })
    }

    /// Waits until the other end closes; what still comes is given back. `None`: it did not within this time.
    pub fn closed(&mut self, within: Duration) -> Option<Vec<String>> {
        let deadline = Instant::now() + within;
        let mut seen = Vec::new();
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            match self.receive(left) {
                Ok(Some(message)) => seen.push(message),
                Ok(None) => {}
                Err(_) => return Some(seen),
            }
        }
    }

    /// Host, port and URI parameters of our address. A browser has no address of its own (RFC 7118 §5).
    pub fn place(&self) -> (String, &'static str) {
        match self.way {
            Way::Udp => (self.local.to_string(), ""),
            Way::Tcp => (self.local.to_string(), ";transport=tcp"),
            Way::Tls => (self.local.to_string(), ";transport=tls"),
            Way::Ws | Way::Wss => (format!("c{}.phone.test", self.local.port()), ";transport=ws"),
        }
    }
}

// ---- messages ---------------------------------------------------------------------------------------------------

/// The first value of a header.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    headers(message, name).next()
}

/// All lines of a header.
pub fn headers<'a>(message: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().skip(1).filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status of a response; 0 for a request.
pub fn code(message: &str) -> u16 {
    message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// The URI in a Contact, From or To.
pub fn uri_of(value: &str) -> &str {
    value.split_once('<').and_then(|(_, rest)| rest.split('>').next()).unwrap_or(value)
}

/// An audio offer or answer from the loopback address, in this direction.
pub fn sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

pub fn is_ip(text: &str) -> bool {
    text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}
