//! Bots on a WebSocket, from outside: one that hears, speaks and hands over, and every way to be a bad one.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;
#[path = "common/wire.rs"]
mod wire;

use std::fmt::Write as _;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use common::*;
use futures_util::{SinkExt, StreamExt};
use hatif::robot::audio::{level_db, stands_above, tone};
use hatif::robot::{Answering, Source};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Bytes, Message};

const CUSTOMER: &str = "0551234";
const CUSTOMER_HZ: f64 = 1_004.0;
const BOT_HZ: f64 = 604.0;
const AGENT_HZ: f64 = 804.0;
/// How loud every tone is sent.
const LEVEL_DBM0: f64 = -16.0;

/// Runs `serve` on each connection to a port of its own, one thread for all of them.
fn listen<F, T>(serve: F) -> u16
where
    F: Fn(TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("non-blocking");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    port
}

/// A flow for each of these services: `bot` at `/calls/…`; agents by its word, the goodbye by any other.
fn flow(service: &str) -> String {
    format!(
        "flow = 1\nname = \"{service}\"\nlanguages = [\"ar\", \"en\"]\nstart = \"bot\"\n\
         [vars]\ntopic = {{ type = \"text\", default = \"general\" }}\nsecret = {{ type = \"text\", default = \"4711\" }}\n\
         [node.bot]\nkind = \"fork\"\nservice = \"{service}\"\npath = \"/calls/{{caller.number}}\"\n\
         send = {{ topic = \"{{topic}}\" }}\ninto = {{ topic = \"/topic\" }}\ntimeout = \"2m\"\n\
         results = {{ agent = \"queue\" }}\nnext = \"bye\"\non = {{ timeout = \"late\", error = \"failed\" }}\n\
         [node.queue]\nkind = \"queue\"\nqueue = \"support\"\n\
         on = {{ ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }}\n\
         [node.bye]\nkind = \"play\"\nsay = [{{ prompt = \"goodbye\" }}]\nnext = \"end\"\n\
         [node.late]\nkind = \"play\"\nsay = [{{ prompt = \"sorry_timeout\" }}]\nnext = \"end\"\n\
         [node.failed]\nkind = \"play\"\nsay = [{{ prompt = \"sorry_error\" }}]\nnext = \"end\"\n\
         [node.end]\nkind = \"hangup\"\n"
    )
}

/// A server with these bots: name, base_url and further keys; the n-th is reached by 700 + n.
fn server(bots: &[(&str, String)]) -> Server {
    let (ports, folder) = (free_ports(), temp_folder());
    let mut text = floor("announce_every = \"0s\"");
    for (n, (name, keys)) in bots.iter().enumerate() {
        std::fs::write(folder.join(format!("{name}.toml")), flow(name)).expect("written");
        let number = 700 + n;
        let _ = write!(
            text,
            "[[service]]\nname = \"{name}\"\n{keys}\n[[number]]\nmatch = \"{number}\"\nflow = \"{name}\"\npublic = true\n"
        );
    }
    std::fs::write(folder.join("main.toml"), hatif::ivr::SHIPPED_FLOWS[0].1).expect("written");
    std::fs::write(folder.join("survey.toml"), hatif::ivr::SHIPPED_FLOWS[1].1).expect("written");
    let shipped = format!("flows = \"{}/tests/common/flows\"", root().display());
    let text = config(ports, &text).replace(&shipped, &format!("flows = \"{}\"", folder.display()));
    Server::configured(ports, &text)
}

// ---- a good bot -------------------------------------------------------------------------------------------------

/// What the bot tells the test.
#[derive(Debug)]
enum Told {
    Start {
        path: String,
        authorization: String,
        text: Value,
    },
    /// What it heard, and how long that took on its clock.
    Heard(Vec<i16>, std::time::Duration),
    /// All it said has been played.
    Played,
    Digit(String),
}

fn acceptor(identity: &wire::Identity) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(identity.der.clone())], key)
        .expect("an identity");
    TlsAcceptor::from(Arc::new(config))
}

async fn good_bot<S: AsyncRead + AsyncWrite + Unpin>(stream: S, told: mpsc::Sender<Told>) {
    let (mut path, mut authorization) = (String::new(), String::new());
    #[allow(clippy::result_large_err, reason = "the shape is tungstenite's")]
    let door = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        let value = request.headers().get("authorization");
        authorization = value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, door).await else { return };
    let (mut heard, mut began) = (Vec::new(), None);
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => {
                let text: Value = serde_json::from_str(&text).expect("JSON");
                match text["event"].as_str().unwrap_or_default() {
                    "start" => {
                        let (path, authorization) = (std::mem::take(&mut path), std::mem::take(&mut authorization));
                        let _ = told.send(Told::Start { path, authorization, text });
                        // Three seconds at once: who speaks faster than time is played in time.
                        let sound: Vec<u8> =
                            tone(BOT_HZ, LEVEL_DBM0, 3_000).iter().flat_map(|sample| sample.to_le_bytes()).collect();
                        for piece in sound.chunks(3_210) {
                            let _ = socket.send(Message::Binary(Bytes::copy_from_slice(piece))).await;
                        }
                        let _ = socket.send(Message::text(r#"{"event":"mark","name":"said"}"#)).await;
                    }
                    "mark" => {
                        assert_eq!(text["name"], "said");
                        let _ = told.send(Told::Played);
                    }
                    "dtmf" => {
                        let _ = told.send(Told::Digit(text["digit"].as_str().unwrap_or_default().to_owned()));
                        let done = json!({ "event": "done", "result": "agent", "data": { "topic": "billing" } });
                        let _ = socket.send(Message::text(done.to_string())).await;
                    }
                    other => panic!("{other}"),
                }
            }
            Message::Binary(sound) => {
                assert_eq!(sound.len(), 320, "20 ms");
                let began = *began.get_or_insert_with(Instant::now);
                heard.extend(sound.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                if heard.len() == 4 * 8_000 {
                    let _ = told.send(Told::Heard(heard.clone(), began.elapsed()));
                }
            }
            _ => {}
        }
    }
}

/// Over TLS, with the service's token; the caller is heard, hears, presses a key and talks with an agent.
#[test]
fn a_bot_hears_the_caller_speaks_to_him_and_hands_him_over() {
    let (told, tells) = mpsc::channel();
    let authority = wire::Authority::new("bots");
    let acceptor = acceptor(&authority.server());
    let port = listen(move |stream| {
        let (acceptor, told) = (acceptor.clone(), told.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                good_bot(stream, told).await;
            }
        }
    });
    let folder = temp_folder();
    std::fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
    let ca = folder.join("ca.pem");
    let keys = format!("base_url = \"https://127.0.0.1:{port}/v1\"\ntoken = \"s3cret\"\nca = \"{}\"", ca.display());
    let server = server(&[("bot", keys)]);
    let agent = server.agent("101", AGENT_HZ, Answering::After(ms(200)));
    server.agents_in("ready", 1.0);

    let customer = server.customer(CUSTOMER, Source::Tone(CUSTOMER_HZ));
    let call = customer.invite("700").expect("sent");
    call.answered(SOON).expect("answered");
    let tell = || tells.recv_timeout(SOON).unwrap_or_else(|e| panic!("{e}\n{}", server.log()));
    let Told::Start { path, authorization, text } = tell() else { panic!("the first is the start") };
    assert_eq!((path.as_str(), authorization.as_str()), ("/v1/calls/0551234", "Bearer s3cret"));
    assert!(text["call"].as_str().is_some_and(|call| call.starts_with("call_")), "{text}");
    let mut rest = text.clone();
    rest.as_object_mut().expect("an object").remove("call");
    let expected = json!({
        "event": "start", "caller": CUSTOMER, "called": "700", "language": "ar", "rate": 8_000, "encoding": "s16le",
        "data": { "topic": "general" },
    });
    assert_eq!(rest, expected);

    std::thread::sleep(ms(500));
    let hears = call.listen(seconds(2));
    let level = level_db(&hears, BOT_HZ);
    assert!((level - LEVEL_DBM0).abs() < 1.0, "the caller hears the bot at {level:.2} dBm0");
    assert!(stands_above(&hears, BOT_HZ, CUSTOMER_HZ, MARGIN_DB));
    assert!(matches!(tell(), Told::Played), "before a fourth second is heard");
    let Told::Heard(sound, took) = tell() else { panic!("sound") };
    let level = level_db(&sound[8_000..], CUSTOMER_HZ);
    assert!((level - LEVEL_DBM0).abs() < 1.0, "the bot hears the caller at {level:.2} dBm0");
    assert!(stands_above(&sound[8_000..], CUSTOMER_HZ, BOT_HZ, MARGIN_DB), "and not itself");
    assert!((ms(3_700)..ms(4_400)).contains(&took), "4 s of sound in {took:?}");
    assert_eq!(server.metric("hatif_forks_active", &[]), 1.0);

    assert!(call.press("5"), "a key");
    assert!(matches!(tell(), Told::Digit(digit) if digit == "5"));
    let inside = agent.incoming(SOON).expect("handed over to the queue");
    inside.answered(SOON).expect("the agent answers");
    std::thread::sleep(seconds(1));
    let from = Instant::now();
    std::thread::sleep(seconds(2));
    let (caller_hears, agent_hears) = (call.heard_since(from), inside.heard_since(from));
    assert!(stands_above(&caller_hears, AGENT_HZ, BOT_HZ, MARGIN_DB), "the caller hears the agent");
    assert!(stands_above(&agent_hears, CUSTOMER_HZ, BOT_HZ, MARGIN_DB), "the agent hears the caller");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));

    let record = server.ended_call(CUSTOMER);
    let path: Vec<&str> = record["ivr"]["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(path[..2], ["bot", "queue"], "{record:#}");
    let counted = || server.metric("hatif_service_seconds_count", &[("service", "bot"), ("result", "ok")]);
    wait_until(SOON, "it is counted", || counted() == 1.0);
    server.idle(SOON);
}

// ---- bad bots ---------------------------------------------------------------------------------------------------

type Socket = WebSocketStream<TcpStream>;

/// A bot that shakes hands, reads the first message and then does this.
fn bot<F, T>(act: F) -> u16
where
    F: Fn(Socket) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let act = Arc::new(act);
    listen(move |stream| {
        let act = Arc::clone(&act);
        async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            if let Some(Ok(Message::Text(_))) = socket.next().await {
                act(socket).await;
            }
        }
    })
}

/// Reads until the other side ends it.
async fn linger(mut socket: Socket) {
    while let Some(Ok(_)) = socket.next().await {}
}

/// 10 MB of speech, in messages that are each allowed.
fn floods() -> u16 {
    bot(|mut socket: Socket| async move {
        for _ in 0..320 {
            if socket.send(Message::Binary(Bytes::from(vec![7; 32_768]))).await.is_err() {
                return;
            }
        }
        linger(socket).await;
    })
}

/// 10 MB in one message.
fn huge() -> u16 {
    bot(|mut socket: Socket| async move {
        let _ = socket.send(Message::Binary(Bytes::from(vec![7; 10 << 20]))).await;
        linger(socket).await;
    })
}

/// A hundred thousand messages, as fast as they go.
fn shouts() -> u16 {
    bot(|mut socket: Socket| async move {
        for _ in 0..100_000 {
            if socket.send(Message::text(r#"{"event":"mark","name":"a"}"#)).await.is_err() {
                return;
            }
        }
    })
}

/// All of them at once: each caller takes the edge of his bot, and nothing is left.
#[test]
fn bad_bots_take_the_edge() {
    let never = listen(|stream| async move {
        let _held = stream;
        tokio::time::sleep(seconds(60)).await;
    });
    let refuses = listen(|stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = stream;
        let mut request = [0; 2_048];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    });
    let dies = bot(|socket: Socket| async move {
        tokio::time::sleep(seconds(1)).await;
        drop(socket);
    });
    let babbles = bot(|mut socket: Socket| async move {
        let _ = socket.send(Message::text("{\"event\":")).await;
        linger(socket).await;
    });
    // It reads nothing, so it answers no ping either.
    let sleeps = bot(|socket: Socket| async move {
        let _held = socket;
        tokio::time::sleep(seconds(60)).await;
    });
    let polite = bot(|mut socket: Socket| async move {
        let _ = socket.send(Message::text(r#"{"event":"done"}"#)).await;
        let _ = socket.close(None).await;
        linger(socket).await;
    });
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let bots = [
        ("never", never, "failed"),
        ("refuses", refuses, "failed"),
        ("dies", dies, "failed"),
        ("babbles", babbles, "failed"),
        ("floods", floods(), "failed"),
        ("huge", huge(), "failed"),
        ("shouts", shouts(), "failed"),
        ("sleeps", sleeps, "failed"),
        ("nobody", nobody, "failed"),
        ("polite", polite, "bye"),
    ];
    let server = server(
        &bots.map(|(name, port, _)| (name, format!("base_url = \"http://127.0.0.1:{port}\"\nmax_concurrency = 5"))),
    );
    let calls: Vec<_> = (0..bots.len())
        .map(|n| {
            let phone = server.customer(&format!("055000{n}"), Source::Tone(CUSTOMER_HZ));
            let call = phone.invite(&format!("{}", 700 + n)).expect("sent");
            (phone, call)
        })
        .collect();
    for ((name, ..), (phone, call)) in bots.iter().zip(&calls) {
        assert!(call.ended(seconds(40)), "{name}: the caller is told and let go\n{}", phone.trace());
    }
    for (n, (name, _, node)) in bots.iter().enumerate() {
        let record = server.ended_call(&format!("055000{n}"));
        assert_eq!(record["ivr"]["path"], json!(["bot", node, "end"]), "{name}: {record:#}");
    }
    server.idle(SOON);
    assert_eq!(server.metric("hatif_forks_active", &[]), 0.0);
}

/// Twelve callers at a time, whose bots send more than anybody can hear: each is told, and the process is as large as before.
#[test]
fn bots_that_flood_leave_memory_as_it_was() {
    let bots = [("floods", floods()), ("huge", huge()), ("shouts", shouts())];
    let keys = bots.map(|(name, port)| (name, format!("base_url = \"http://127.0.0.1:{port}\"\nbreaker_failures = 0")));
    let server = server(&keys);
    let round = |round: usize| {
        let calls: Vec<_> = (0..12)
            .map(|n| {
                let from = format!("055{round}0{n:02}");
                let phone = server.customer(&from, Source::Silence);
                let call = phone.invite(&(700 + n % 3).to_string()).expect("sent");
                (from, phone, call)
            })
            .collect();
        for (from, phone, call) in &calls {
            assert!(call.ended(seconds(30)), "{from}: {}", phone.trace());
            assert_eq!(server.ended_call(from)["ivr"]["path"], json!(["bot", "failed", "end"]), "{from}");
        }
    };
    // What is made once and kept, threads and pools of buffers, is there after the first.
    round(0);
    server.idle(SOON);
    let before = server.resident_bytes();
    (1..=8).for_each(round);
    server.idle(SOON);
    let grown = server.resident_bytes().saturating_sub(before);
    // 640 MB of sound and over three million messages were offered. Freed memory is not given back to the system at once.
    assert!(grown < 32 << 20, "{} KiB more than before", grown >> 10);
}

/// After so many failures the bot is left alone, and a full house takes nobody more.
#[test]
fn the_breaker_and_the_bound_of_the_service_hold_for_bots() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let talks = bot(linger);
    let bots = [
        ("down", format!("base_url = \"http://127.0.0.1:{nobody}\"\nbreaker_failures = 1\nbreaker_open = \"60s\"")),
        ("small", format!("base_url = \"http://127.0.0.1:{talks}\"\nmax_concurrency = 1")),
    ];
    let server = server(&bots);
    let count =
        |service, result| server.metric("hatif_service_seconds_count", &[("service", service), ("result", result)]);
    for result in ["error", "breaker_open"] {
        let customer = server.customer(CUSTOMER, Source::Silence);
        let call = customer.invite("700").expect("sent");
        assert!(call.ended(seconds(20)));
        wait_until(SOON, result, || count("down", result) == 1.0);
    }
    let first = server.customer("0551111", Source::Silence);
    let talk = first.invite("701").expect("sent");
    talk.answered(SOON).expect("answered");
    wait_until(SOON, "it talks", || server.metric("hatif_forks_active", &[]) == 1.0);
    let second = server.customer("0552222", Source::Silence);
    assert!(second.invite("701").expect("sent").ended(seconds(20)), "there is no place for him");
    assert_eq!(count("small", "error"), 1.0);
    assert_eq!(talk.hang_up_and_wait(SOON), Some(200));
    wait_until(SOON, "it is counted", || count("small", "hangup") == 1.0);
    server.idle(SOON);
}
