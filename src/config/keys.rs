//! Every key there is: what it takes, its default, its limits. The reader knows no other keys, and the table in
//! `docs/configuration.md` is written from this one.

mod floor;
mod services;

use std::fmt::Write;

pub use floor::{CALLBACK, LADDER, STICKY, VOICEMAIL};
pub use services::DISPATCH;

/// One table of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name in the file.
    pub name: &'static str,
    /// Written `[[name]]`, any number of times.
    pub list: bool,
    /// What it is for.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Keys that are documented elsewhere and refused by this build.
    pub not_built: &'static [&'static str],
}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What is written there, with its limits.
    pub takes: &'static str,
    /// What holds when it is absent; `required` when it must be there.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn key(name: &'static str, takes: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, takes, default, about }
}

/// Tables that the project plans and this build refuses.
pub const NOT_BUILT: [&str; 7] = ["tls", "webhook", "user", "callback", "skill", "cluster", "retention"];

/// The section of this name.
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|s| s.name == name)
}

/// All tables, in the order a file usually has them.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "centre",
        list: false,
        about: "The centre as a whole.",
        keys: &[
            key(
                "timezone",
                "name as `Asia/Riyadh`",
                "`\"UTC\"`",
                "The centre's time zone. This build writes every time in UTC and warns of any other zone.",
            ),
            key(
                "languages",
                "list of language codes",
                "`[\"ar\", \"en\"]`",
                "Languages callers can be spoken to in; the first is the default. Prompts are shipped for `ar` and `en`.",
            ),
            key(
                "force_pause_code",
                "true or false",
                "`false`",
                "A pause without one of the `[[pause_code]]` is refused.",
            ),
            key(
                "emergency",
                "list of digits",
                "`[\"112\", \"911\", \"997\", \"998\", \"999\"]`",
                "Numbers that are never held back: not for load, not by `[outbound]`, not by a trunk's `max_calls` or `max_calls_per_second`, not while Hatif drains. Where they go a `[[number]]` says.",
            ),
        ],
        not_built: &[],
    },
    Section {
        name: "sip",
        list: false,
        about: "Signalling.",
        keys: &[
            key(
                "listen",
                "list of `udp:`, `tcp:`, `tls:`, `ws:` or `wss:`, each with `ADDRESS:PORT`",
                "`[\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]`",
                "Where SIP is received; IPv6 as `[::1]`. `0.0.0.0` and `[::]` need `address`; `tls` and `wss` need a certificate. Requests of ours over a transport leave by its first listener.",
            ),
            key(
                "domain",
                "host name or IP address",
                "`address`, else the first listener's address",
                "Our domain: realm of digest challenges, host of our own URIs, right side of agents' addresses.",
            ),
            key(
                "address",
                "IP address",
                "the address of the listener",
                "What Via and Contact say, when phones reach this machine under another address (NAT).",
            ),
            key(
                "agent_expires",
                "duration 1 min–1 h",
                "`\"2m\"`",
                "Longest registration granted to an agent's phone; supervisors get up to an hour. A phone that asks for less than a minute is refused (423).",
            ),
            key(
                "agent_grace",
                "duration 0–5 min",
                "`\"15s\"`",
                "How long an agent whose phone is lost (connection cut, registration run out) keeps his state; then he is unreachable. He gets no offer meanwhile.",
            ),
            key(
                "tls_certificate",
                "PEM file",
                "–",
                "Our certificate with its chain. Read again when the file changes.",
            ),
            key("tls_key", "PEM file", "–", "Its private key."),
            key(
                "tls_client",
                "`off`, `optional` or `required`",
                "`\"off\"`",
                "Whether those who connect by TLS or WSS show a certificate of `tls_client_ca`.",
            ),
            key("tls_client_ca", "PEM file", "–", "Authorities for the certificates of those who connect."),
            key(
                "tls_ca",
                "PEM file",
                "the authorities of the system",
                "Authorities for the certificates of trunks we connect to.",
            ),
            key(
                "ws_origins",
                "list of `https://HOST`, or `*`",
                "the host connected to",
                "Web pages that may open a WebSocket (their Origin). Clients that are no browser say none and may.",
            ),
            key(
                "trusted_proxies",
                "list of IP addresses",
                "`[]`",
                "Proxies that many users come through: `connections_per_source` does not hold for them.",
            ),
            key(
                "dns",
                "list of `ADDRESS` or `ADDRESS:PORT`",
                "those of the system",
                "Name servers for host names (RFC 3263).",
            ),
            key(
                "first_message",
                "duration 100 ms–1 m",
                "`\"10s\"`",
                "Time of a new connection for its handshake and first whole message, and of any begun message to end.",
            ),
            key(
                "idle",
                "duration 100 ms–1 h",
                "`\"30s\"`",
                "A connection without registered user, trunk or call is closed after so long without a message; with a call of a stranger after 10 minutes, with a user or trunk after 2 hours.",
            ),
            key(
                "connections_per_source",
                "whole number 1–100000",
                "`64`",
                "Connections of one IPv4 address or IPv6 /64 that holds no registered user or trunk; one more is closed at once.",
            ),
            key(
                "max_connections",
                "whole number 1–100000",
                "`10000`",
                "Connections in all; one more is closed at once.",
            ),
            key(
                "trace_calls",
                "whole number 0–100000",
                "`2000`",
                "Calls whose SIP messages are kept in memory for `hatif calls trace`, and a quarter as many attempts that became no call: at most 64 messages a call, 64 MB of all; 0 keeps none.",
            ),
        ],
        not_built: &["certificate", "private_key", "session_expires"],
    },
    Section {
        name: "guard",
        list: false,
        about: "What strangers and load may do to signalling. A source is an IPv4 address or an IPv6 /64.",
        keys: &[
            key(
                "calls_per_second_per_source",
                "whole number 0–1000000",
                "`20`",
                "New calls a second that a source nobody knows may begin, twice as many at once, and ten times as many other requests; more are refused with 503 or dropped. `0` = no limit.",
            ),
            key(
                "calls_per_second_per_known_source",
                "whole number 0–1000000",
                "`1000`",
                "The same for trunks, fixed phones and sources that hold a registered user.",
            ),
            key(
                "failures_before_back_off",
                "whole number 0–1000000",
                "`10`",
                "Wrong passwords of a source for one user; further ones get 403 with Retry-After, unread, for longer each time. Nobody else is locked out. `0` = never.",
            ),
            key(
                "ban_after",
                "whole number 0–1000000",
                "`20`",
                "Wrong answers to fresh challenges within 60 s that ban a source. Never a trunk, a fixed phone, a source with a registered user. `0` = nobody.",
            ),
            key(
                "ban_time",
                "duration 1 s–24 h",
                "`\"10m\"`",
                "How long the first ban lasts; each further one twice as long, a day at most.",
            ),
            key(
                "max_message_age",
                "duration, `\"0s\"` or 10 ms–60 s",
                "`\"500ms\"`",
                "New requests that waited longer are dropped; when all have waited for more than a tenth of it for some time, the more get 503 the older they are. Never ACK, BYE, responses or requests of a call that is up. `\"0s\"` = never.",
            ),
            key(
                "trusted",
                "list of `ADDRESS` or `ADDRESS/BITS`",
                "`[]`",
                "Networks that are neither counted nor banned: one's own proxies and test tools.",
            ),
        ],
        not_built: &[],
    },
    Section {
        name: "outbound",
        list: false,
        about: "What may go out over trunks, so that a stolen account costs little. Emergency numbers always may.",
        keys: &[
            key(
                "calls_per_user",
                "whole number 0–10000",
                "`2`",
                "Calls of one user over trunks at once, those he transferred included; more get 503. `0` = no limit.",
            ),
            key(
                "calls_per_minute_per_user",
                "whole number 0–10000",
                "`30`",
                "Calls that one user begins over trunks within 60 s; more get 503. `0` = no limit.",
            ),
            key(
                "max_call",
                "duration, `\"0s\"` or 1 s–24 h",
                "`\"1h\"`",
                "How long a user's call over a trunk may last from its answer on, those he transferred included; then it ends on both sides. Calls that are up keep the value they were answered with. `\"0s\"` = no limit.",
            ),
            key(
                "deny",
                "list of patterns, as `match` of a number",
                "`[\"0900*\", \"900XXXXXX*\", \"0700*\", \"+1900*\", \"+979*\", \"00979*\", \"+882*\", \"00882*\", \"+883*\", \"00883*\"]`",
                "Numbers no call over a trunk may reach, a flow's transfer neither: 403. By default premium rates and the networks of no country. A number is held against them in every form that the trunk's `country` gives it.",
            ),
            key(
                "allow_international",
                "`true` or `false`",
                "`false`",
                "Whether numbers of another country than the trunk's `country` may be reached; where the trunk has none, numbers that begin with `+` or `00`.",
            ),
            key(
                "allow",
                "list of patterns, as `match` of a number",
                "`[]`",
                "Numbers that may be reached in spite of `deny` and `allow_international`: `[\"+971*\", \"00971*\"]`.",
            ),
        ],
        not_built: &[],
    },
    Section {
        name: "media",
        list: false,
        about: "RTP.",
        keys: &[
            key(
                "address",
                "IP address",
                "`sip.address`, else the first listener's address",
                "What SDP announces: where phones send their audio.",
            ),
            key("bind", "IP address", "`media.address`", "What media sockets are bound to, when it differs (NAT)."),
            key(
                "ports",
                "`\"FIRST-LAST\"`, within 1024–65535, at least 2 ports",
                "`\"20000-29999\"`",
                "Two ports (RTP and RTCP) for each leg: 10,000 ports carry 5,000 legs, that is 2,500 bridged calls. Keep it away from `net.ipv4.ip_local_port_range`.",
            ),
            key(
                "codecs",
                "list of `pcma`, `pcmu`, `g722`, `opus`, `g729`",
                "`[\"pcma\", \"pcmu\"]`",
                "Allowed codecs, in our order; when we ring somebody, what the caller speaks goes first. `g729` is only passed on between the two phones of a `dial` that is relayed and not recorded, when the caller has nothing else.",
            ),
            key(
                "mux",
                "true or false",
                "`false`",
                "All legs of a media thread share one port, the first even ones of `ports`: a firewall needs two ports a thread. Peers that send from elsewhere than their SDP says, several behind one NAT at once, cannot be told apart then, nor calls that a peer sends all from one port of its own when they begin together: not for trunks to such a peer; supervisors' legs keep ports of their own. Raise `net.core.rmem_max` to 8388608: all packets wait in one queue.",
            ),
            key("shards", "whole number 1–64", "half the cores, at least 1", "Media threads."),
            key(
                "timeout",
                "duration, `\"0s\"` or 10 s–24 h",
                "`\"60s\"`",
                "A leg that sends neither RTP nor RTCP for so long ends its call; `\"0s\"` = never. Not while on hold.",
            ),
        ],
        not_built: &["srtp", "ice", "dscp"],
    },
    Section {
        name: "http",
        list: false,
        about: "API, health and (without `[metrics]`) `/metrics`.",
        keys: &[key(
            "listen",
            "`ADDRESS:PORT`",
            "`\"127.0.0.1:8080\"`",
            "Plain HTTP. Beyond this machine put a reverse proxy with TLS before it.",
        )],
        not_built: &["tls", "acme", "certificate", "private_key"],
    },
    Section {
        name: "metrics",
        list: false,
        about: "A listener of its own for Prometheus.",
        keys: &[key(
            "listen",
            "`ADDRESS:PORT`",
            "absent: `/metrics` on the `[http]` listener",
            "Serves only `/metrics`, `/livez` and `/readyz`.",
        )],
        not_built: &["per_agent", "token", "token_file"],
    },
    Section {
        name: "data",
        list: false,
        about: "What is kept.",
        keys: &[key(
            "dir",
            "folder",
            "`\"./data\"`",
            "Journal, call records (SQLite), recordings, control socket. Created when absent; mode 0700.",
        )],
        not_built: &["database"],
    },
    Section {
        name: "ivr",
        list: false,
        about: "Flows and prompts.",
        keys: &[
            key(
                "flows",
                "folder",
                "`\"ivr-scripts\"`",
                "Its `*.toml` files are the flows; `prompts.toml` in it holds the words of each prompt. A folder without flows: the shipped ones, `main` and `survey`.",
            ),
            key("prompts", "folder", "`\"prompts\"`", "Recordings as `LANGUAGE/ID.wav`."),
            key(
                "fallback",
                "queue",
                "none",
                "Takes over callers whose flow cannot go on, after an apology. Without one the apology is the end of the call.",
            ),
        ],
        not_built: &[],
    },
    services::TTS,
    Section {
        name: "recording",
        list: false,
        about: "Where recordings wait and what becomes of them.",
        keys: &[
            key(
                "archive",
                "`wav`, `opus` or `flac`",
                "`\"wav\"`",
                "What a recording becomes after its call: it stays WAV (115 MB an hour), or Opus in Ogg at 24 kb/s a channel (22 MB an hour), or FLAC (about half, no sample changed). The WAV is removed when the archive was read back. A restart applies it.",
            ),
            key(
                "pool_mb",
                "whole number 8–4096",
                "`64`",
                "Memory in MB for audio that waits while the disk stalls, shared by all recordings and taken only then: 64 MB are 10 s of 200 calls. What finds no room is silence in the file (`hatif_recording_loss_seconds_total`). A restart applies it.",
            ),
        ],
        not_built: &[],
    },
    Section {
        name: "log",
        list: false,
        about: "Messages on stderr.",
        keys: &[
            key(
                "level",
                "`error`, `warn`, `info`, `debug` or `trace`",
                "`\"info\"`",
                "At `debug` phone numbers appear; at `trace` whole SIP messages.",
            ),
            key("format", "`text` or `json`", "`\"text\"`", "`json`: one object a line."),
        ],
        not_built: &["file"],
    },
    Section {
        name: "trunk",
        list: true,
        about: "A carrier or PBX: how calls go there, and how calls from there are known.",
        keys: &[
            key(
                "name",
                "letters, digits, `-`, `_`, `.`",
                "required",
                "Its name in `dial = \"trunk:NAME\"`, `from`, records and metrics.",
            ),
            key(
                "hosts",
                "list of `ADDRESS[:PORT]`, `NAME[:PORT]`, `sip:HOST:PORT;transport=tls`, or `{ host = \"…\", priority = 10, weight = 10 }`",
                "required, unless calls only come in by `digest` or `tls`",
                "Where calls go and whose addresses calls come from. Names are looked up (NAPTR, SRV, A and AAAA). Lower `priority` first; among equals calls are shared by `weight`.",
            ),
            key(
                "direction",
                "`both`, `in` or `out`",
                "`\"both\"`",
                "Which way calls may go; a call the other way gets 403.",
            ),
            key(
                "max_calls",
                "whole number 1–100000",
                "`1000`",
                "Most calls at once, both ways together; one more gets 503, or takes the next trunk of its list.",
            ),
            key(
                "max_calls_per_second",
                "whole number 1–10000",
                "`100`",
                "Most new calls in one second, both ways together; one more gets 503 with Retry-After, or takes the next trunk of its list.",
            ),
            key(
                "username",
                "text",
                "–",
                "Answers the trunk's challenges; only its own realm and addresses ever get the answer.",
            ),
            key("password", "text", "–", "For `username`."),
            key("password_file", "file", "–", "The password is this file's first line."),
            key(
                "realm",
                "text",
                "the realm of its registrar, or a host of `hosts`",
                "The one realm whose challenges are answered.",
            ),
            key(
                "domain",
                "host name or IP address",
                "the first host",
                "Right side of our address at the trunk, when it registers.",
            ),
            key(
                "register",
                "true or false",
                "`false`",
                "Registers `username` there, renews it, and takes it back at the end.",
            ),
            key("register_expires", "duration 1 min–24 h", "`\"10m\"`", "How long a registration is asked for."),
            key(
                "options_interval",
                "duration, `\"0s\"` or 5 s–1 h",
                "`\"30s\"`",
                "How often each host is asked for a sign of life: 3 silences or a 503 are down, 1 answer is up; `\"0s\"` = never, always up.",
            ),
            key(
                "inbound_auth",
                "`address`, `digest` or `tls`",
                "`\"address\"`",
                "How a call proves to come from the trunk: its source address; `username` and `password`; its certificate.",
            ),
            key("tls_identity", "name in its certificate", "–", "Connections that prove this name are the trunk's."),
            key(
                "failover",
                "list of codes and `\"4xx\"`, `\"5xx\"`, `\"6xx\"`",
                "408, 5xx, and 6xx but 600, 603, 607, 608",
                "Refusals after which the next host or trunk is tried, as long as the caller has heard nothing. The codes left out are the callee's own word.",
            ),
            key(
                "dial_timeout",
                "duration 1 s–32 s",
                "`\"5s\"`",
                "A host that is wholly silent for so long is left for the next one.",
            ),
            key(
                "country",
                "country calling code",
                "absent: numbers stay as they come",
                "Callers' and dialled numbers become `+` and digits when they come in; `[[number]] match` fits any way to write them.",
            ),
            key(
                "national_prefix",
                "up to 4 digits",
                "that of the country, else `0`",
                "What stands before a number at home.",
            ),
            key(
                "international_prefix",
                "1 to 5 digits",
                "that of the country, else `00`",
                "What stands before a foreign number.",
            ),
            key(
                "format",
                "`plus`, `e164` or `national`",
                "`\"plus\"`",
                "How numbers go out: `+966501234567`, `966501234567` or `0501234567`. Short numbers stay as they are.",
            ),
            key(
                "identity",
                "`from`, `pai` or `rpid`",
                "`\"from\"`",
                "Where the caller's number stands, in and out: From, P-Asserted-Identity or Remote-Party-ID. With the latter two and a `username`, From names that.",
            ),
            key(
                "caller_id",
                "number",
                "–",
                "What our own people's calls show there, unless their `[[queue]]` or the `[[number]]` says another.",
            ),
            key(
                "codecs",
                "list as `media.codecs`",
                "`media.codecs`",
                "What its legs may speak, in just this order, whatever the other side speaks.",
            ),
            key(
                "srtp",
                "`never`, `offer` or `required`",
                "`\"offer\"`",
                "SRTP by keys in SDP: `offer` takes them when they are offered, `required` offers them too and refuses what is neither keyed nor DTLS. Keys are taken over TLS and WSS alone, where nobody on the way reads them: over anything else `required` lets no audio through.",
            ),
        ],
        not_built: &["proxy"],
    },
    Section {
        name: "number",
        list: true,
        about: "A dialled number and what happens; the first match in the file wins. Exactly one of `flow`, `queue`, `dial`.",
        keys: &[
            key(
                "match",
                "digits, `+`, `#`; `X` = one digit; `*` at the end = the rest",
                "required",
                "The dialled number. Feature codes (`*11` …) go before numbers.",
            ),
            key("flow", "name of a flow", "–", "Runs a flow of `ivr.flows`."),
            key("queue", "name of a `[[queue]]`", "–", "Answers and queues."),
            key(
                "dial",
                "`sip:USER@ADDRESS:PORT`, `trunk:NAME` or a list of `trunk:NAME`",
                "–",
                "Bridges straight to an address or trunk; `{number}` in the user is the dialled number. Trunks of a list are tried in turn.",
            ),
            key("caller_id", "number", "–", "For `dial`: the number shown there, whoever calls."),
            key("public", "true or false", "`false`", "Strangers (no account, no trunk) may dial it."),
            key("from", "list of `trunk:NAME`, `agents`", "all trunks and users", "Who of the known may dial it."),
            key("record", "`always` or `never`", "`\"never\"`", "For `dial`; a queue says it itself."),
            key(
                "media",
                "`relay` or `bypass`",
                "`\"relay\"`",
                "For `dial`: whether audio passes through here; `bypass` passes the SDP on and cannot record.",
            ),
        ],
        not_built: &["calendar", "agent", "voicemail"],
    },
    floor::CALENDAR,
    floor::HOLIDAY,
    floor::AGENT,
    floor::SUPERVISOR,
    floor::PAUSE_CODE,
    floor::QUEUE,
    services::SERVICE,
];

/// The tables of `docs/configuration.md`, in Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    for section in SECTIONS.iter().chain([&LADDER, &CALLBACK, &VOICEMAIL, &STICKY, &DISPATCH]) {
        let (open, close) = if section.list { ("[[", "]]") } else { ("[", "]") };
        let _ = writeln!(text, "### `{open}{}{close}`\n\n{}\n", section.name, section.about);
        let _ = writeln!(text, "| key | takes | default | what it does |\n| --- | --- | --- | --- |");
        for key in section.keys {
            let cell = |s: &str| s.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} |",
                key.name,
                cell(key.takes),
                cell(key.default),
                cell(key.about)
            );
        }
        if !section.not_built.is_empty() {
            let names: Vec<String> = section.not_built.iter().map(|n| format!("`{n}`")).collect();
            let _ = writeln!(text, "\nNot built yet, refused: {}.", names.join(", "));
        }
        text.push('\n');
    }
    text
}
