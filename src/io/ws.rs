//! SIP over WebSocket (RFC 7118): the handshake and its door, and one frame for one message.
//!
//! The subprotocol `sip` is demanded. A browser says which page it shows (Origin): pages of other hosts are refused
//! unless the configuration names them. Clients must mask (RFC 6455 §5.1); a message, in fragments or not, is at most
//! [`MESSAGE_BYTES_MAX`](crate::sip::stream::MESSAGE_BYTES_MAX) bytes.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::stream::carrier::{Carrier, Heard, Over};

pub mod limits;

use limits::limits;

/// Why a handshake is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status.
    pub code: StatusCode,
    /// For whoever looks for the fault.
    pub why: &'static str,
}

/// Judges the headers of a handshake.
///
/// # Errors
///
/// 400 without the subprotocol `sip`; 403 for a page that is not allowed.
pub fn judge(headers: &HeaderMap, origins: &BTreeSet<String>) -> Result<(), Refusal> {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    if !offered.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case("sip")) {
        return Err(Refusal { code: StatusCode::BAD_REQUEST, why: "the subprotocol must be sip (RFC 7118)" });
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let page = origin.split_once("://").map_or("", |(_, host)| host);
    let allowed = match origins.is_empty() {
        true => !page.is_empty() && page.eq_ignore_ascii_case(host),
        false => origins.contains("*") || origins.contains(&origin),
    };
    match allowed {
        true => Ok(()),
        false => Err(Refusal { code: StatusCode::FORBIDDEN, why: "pages of this origin may not connect" }),
    }
}

/// The server's side of the handshake on a connection of our own. `None`: refused or broken.
pub async fn accept<S>(stream: S, origins: BTreeSet<String>) -> Option<Frames<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    #[allow(clippy::result_large_err, reason = "the shape is tungstenite's")]
    let door = move |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        match judge(request.headers(), &origins) {
            Ok(()) => {
                response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
                Ok(response)
            }
            Err(refusal) => {
                let mut answer = ErrorResponse::new(Some(refusal.why.to_owned()));
                *answer.status_mut() = refusal.code;
                Err(answer)
            }
        }
    };
    let stream = tokio_tungstenite::accept_hdr_async_with_config(stream, door, Some(limits())).await.ok()?;
    Some(Frames { stream })
}

/// What an HTTP server answers to a handshake that [`judge`] let in; `None` when it is none.
pub fn answer(headers: &HeaderMap) -> Option<HeaderMap> {
    let word = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let asks = word(header::UPGRADE).eq_ignore_ascii_case("websocket")
        && word(header::CONNECTION).split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        && word(header::SEC_WEBSOCKET_VERSION) == "13";
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    let mut answer = HeaderMap::new();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let accept = derive_accept_key(key.as_bytes());
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).ok()?);
    answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
    Some(answer)
}

/// A connection that an HTTP server has given away after [`answer`].
pub async fn upgraded(stream: hyper::upgrade::Upgraded) -> Frames<TokioIo<hyper::upgrade::Upgraded>> {
    let stream = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(limits())).await;
    Frames { stream }
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub struct Frames<S> {
    stream: WebSocketStream<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Carrier for Frames<S> {
    async fn receive(&mut self) -> Result<Heard, Over> {
        let bytes = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            // Its answer is sent with the next read or write.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(Heard::KeepAlive),
            Some(Ok(Message::Frame(_))) => return Ok(Heard::Part),
            Some(Ok(Message::Close(_))) | None => return Err(Over::Closed),
            // A tab that was closed says no goodbye: that is no fault of framing.
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => return Err(Over::Closed),
            Some(Err(Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_))) => return Err(Over::Frame),
            Some(Err(_)) => return Err(Over::Closed),
        };
        if bytes.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            return Ok(Heard::Message(bytes));
        }
        Ok(if bytes.len() >= 4 { Heard::Ping } else { Heard::KeepAlive })
    }

    async fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        let message = match std::str::from_utf8(&bytes) {
            Ok(text) => Message::text(text),
            Err(_) => Message::Binary(bytes),
        };
        self.stream.send(message).await.map_err(io::Error::other)
    }

    async fn ping(&mut self) -> io::Result<()> {
        self.stream.send(Message::Ping(Bytes::new())).await.map_err(io::Error::other)
    }

    async fn close(&mut self) {
        let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let _ = self.stream.close(Some(goodbye)).await;
    }

    /// A frame is not seen before its end: who lets one trickle in is closed as idle.
    fn is_partial(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn judged(list: &[(&'static str, &'static str)], origins: &[&str]) -> u16 {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        judge(&headers(list), &origins).map_or_else(|refusal| refusal.code.as_u16(), |()| 101)
    }

    /// RFC 7118 §4.1: no `sip`, no connection.
    #[test]
    fn the_subprotocol_is_demanded() {
        assert_eq!(judged(&[], &[]), 400);
        assert_eq!(judged(&[("sec-websocket-protocol", "sips, msrp")], &[]), 400);
        assert_eq!(judged(&[("sec-websocket-protocol", "msrp , SIP")], &[]), 101);
    }

    #[test]
    fn pages_of_other_hosts_are_refused_unless_named() {
        let sip = ("sec-websocket-protocol", "sip");
        let own = [sip, ("host", "pbx.example:8080"), ("origin", "http://PBX.example:8080")];
        let other = [sip, ("host", "pbx.example:8080"), ("origin", "https://app.example")];
        assert_eq!((judged(&own, &[]), judged(&other, &[])), (101, 403));
        let named = ["https://app.example"];
        assert_eq!((judged(&own, &named), judged(&other, &named)), (403, 101));
        assert_eq!(judged(&other, &["*"]), 101);
        assert_eq!(judged(&[sip, ("host", "h"), ("origin", "null")], &[]), 403);
        assert_eq!(judged(&[sip, ("host", "")], &[]), 101, "no browser");
    }

    /// RFC 6455 §1.3, with its example.
    #[test]
    fn an_upgrade_is_answered_with_its_key() {
        let ask = headers(&[
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(answer(&ask).unwrap()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer(&headers(&[("upgrade", "websocket")])), None);
    }
}
