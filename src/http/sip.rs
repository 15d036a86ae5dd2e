//! SIP over WebSocket at `/sip` of the HTTP listener (RFC 7118): for browsers behind the proxy that serves the pages.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::io::ws;

use super::App;
use super::problem::Problem;

/// The handshake; the connection then belongs to signalling.
pub async fn sip(
    State(app): State<App>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    if let Err(refusal) = app.streams.judge(request.headers()) {
        return (refusal.code, refusal.why).into_response();
    }
    let Some(answer) = ws::answer(request.headers()) else {
        return Problem::bad_request("this address speaks SIP over WebSocket (RFC 7118)").into_response();
    };
    let remote = client(&app, remote, request.headers());
    let listener = app.config.load().http_sip_listener();
    match app.streams.take(listener, remote, hyper::upgrade::on(&mut request)) {
        true => (StatusCode::SWITCHING_PROTOCOLS, answer).into_response(),
        false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Whose connection it is: behind a trusted proxy, the last address that it added (X-Forwarded-For).
fn client(app: &App, remote: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    if !app.streams.trusts(remote.ip()) {
        return remote;
    }
    let said = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = said.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    last.map_or(remote, |ip| SocketAddr::new(ip, remote.port()))
}
