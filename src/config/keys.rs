//! Every key there is: what it takes, its default, its limits. The reader knows no other keys, and the table in
//! `docs/configuration.md` is written from this one.

use std::fmt::Write;

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
pub const NOT_BUILT: [&str; 8] = ["tls", "service", "webhook", "user", "callback", "skill", "cluster", "retention"];

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
        ],
        not_built: &["tts"],
    },
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
    Section {
        name: "calendar",
        list: true,
        about: "When the centre, or a part of it, is open. Queues name it (`calendar`), flows ask it (nodes of kind `hours`), people open and close it by hand (`hatif calendars set`).",
        keys: &[
            key("name", "letters, digits, `-`, `_`, `.`", "required", "Its name."),
            key("timezone", "name as `Asia/Riyadh`", "the centre's", "Whose local time the hours are."),
            key(
                "open",
                "table of days or ranges of days with spans, as `{ \"sun-thu\" = [\"08:00-12:00\", \"13:00-17:00\"], sat = \"09:00-13:00\" }`",
                "required",
                "Open hours of the week: `mon` to `sun`. `22:00-02:00` goes past midnight, `00:00-24:00` is the whole day.",
            ),
            key(
                "ics",
                "list of files",
                "`[]`",
                "Holidays of iCalendar files, read with the configuration: events of whole days, once or yearly. What `[[holiday]]` says of a day goes first.",
            ),
        ],
        not_built: &[],
    },
    Section {
        name: "holiday",
        list: true,
        about: "A day, or some in a row, whose hours differ.",
        keys: &[
            key("name", "text", "required", "What people call it; stands in the API."),
            key("calendars", "list of `[[calendar]]` names", "all of them", "Whose holiday it is."),
            key("date", "`YYYY-MM-DD`, or `MM-DD` for every year", "this or `hijri`", "Its first day."),
            key(
                "hijri",
                "`MM-DD`",
                "this or `date`",
                "Its first day by the Umm al-Qura calendar, every year: `10-01` is Eid al-Fitr.",
            ),
            key("days", "whole number 1–60", "`1`", "How many days it lasts."),
            key("open", "span or list of spans", "never", "When it is open on these days all the same."),
        ],
        not_built: &[],
    },
    Section {
        name: "agent",
        list: true,
        about: "Somebody who answers.",
        keys: &[
            key("id", "letters, digits, `-`, `_`, `.`", "required", "SIP user, digest user and own number."),
            key("name", "text", "the id", "Shown to people."),
            key(
                "password",
                "text",
                "required, or `password_file`, unless there is a `contact`",
                "For REGISTER and for calls from his phone.",
            ),
            key("password_file", "file", "–", "The password is this file's first line."),
            key("skills", "table of skill to level 1–10", "none", "10 is best."),
            key("queues", "list of `[[queue]]` names", "none", "Queues he serves."),
            key(
                "weights",
                "table of queue to weight 1–1000",
                "1 each",
                "How likely he is against the others in a queue of strategy `weighted`: `{ support = 3 }`.",
            ),
            key(
                "auto_ready",
                "true or false",
                "`false`",
                "Ready as soon as his phone is there (after a log-out only when he says so).",
            ),
            key(
                "contact",
                "`sip:[USER@]ADDRESS[:PORT]`",
                "–",
                "A fixed address instead of registration; the agent then counts as always there.",
            ),
            key(
                "codecs",
                "list as `media.codecs`",
                "`media.codecs`",
                "What his legs may speak, in just this order, whatever the other side speaks: `[\"opus\", \"pcma\"]` for a phone on a bad network.",
            ),
            key(
                "srtp",
                "`never`, `offer` or `required`",
                "`\"offer\"`",
                "As `srtp` of a trunk, for his phone. A browser is protected by DTLS in any case.",
            ),
        ],
        not_built: &["team", "language", "wrap_up", "webrtc"],
    },
    Section {
        name: "supervisor",
        list: true,
        about: "Somebody who may listen in.",
        keys: &[
            key("id", "letters, digits, `-`, `_`, `.`", "required", "SIP user, digest user and own number."),
            key("name", "text", "the id", "Shown to people."),
            key("password", "text", "required, or `password_file`", "For REGISTER and for calls from his phone."),
            key("password_file", "file", "–", "The password is this file's first line."),
            key("queues", "list of `[[queue]]` names", "all queues", "Whose agents may be heard."),
        ],
        not_built: &["team", "role"],
    },
    Section {
        name: "pause_code",
        list: true,
        about: "A reason for which an agent takes no calls.",
        keys: &[
            key(
                "id",
                "letters, digits, `-`, `_`, `.`",
                "required",
                "What journal, metrics and API call it. `LOGIN`, `RNA`, `LAGGED` and `MAXPAUSE` are the system's own.",
            ),
            key("label", "table of language to text", "none", "What people read: `{ ar = \"غداء\", en = \"Lunch\" }`."),
            key("digits", "1 to 8 digits", "–", "Dialled after `*12` for it; the id itself works too."),
            key("paid", "true or false", "`true`", "Whether it is paid time."),
            key("productive", "true or false", "`false`", "Whether it is work, as a training is."),
            key("max", "duration 10 s–24 h", "none", "How long it may last."),
            key(
                "after_max",
                "`alert`, `ready`, `pause` or `logout`",
                "`\"alert\"`",
                "What happens then: it is told alone, the agent is ready, paused with code `MAXPAUSE`, or logged out.",
            ),
            key("roles", "list of `agent`, `supervisor`", "both", "Who may choose it; API keys count as supervisors."),
        ],
        not_built: &[],
    },
    Section {
        name: "queue",
        list: true,
        about: "Where callers wait.",
        keys: &[
            key(
                "name",
                "letters, digits, `-`, `_`, `.`",
                "required",
                "Its name in numbers, flows, records and metrics.",
            ),
            key(
                "strategy",
                "`longest_idle`, `ring_all`, `ring_progressive`, `fewest_calls`, `least_talk`, `round_robin`, `linear`, `random`, `weighted`",
                "`\"longest_idle\"`",
                "How the agent is chosen among those free and able; `docs/queues.md` says what each does.",
            ),
            key(
                "calendar",
                "name of a `[[calendar]]`",
                "always open",
                "Outside its hours nobody gets in: the caller takes the edge `closed` of his flow, or hears that the office is closed. Who waits is still served, and an agent may transfer somebody there at any time.",
            ),
            key("service_level", "duration 1 s–1 h", "`\"20s\"`", "Answers within it count as within service level."),
            key("ring_timeout", "duration 1 s–5 min", "`\"15s\"`", "How long one agent rings."),
            key(
                "ring_progressive_delay",
                "duration 1 s–5 min",
                "`\"10s\"`",
                "With `ring_progressive`: how long it rings before one more agent is rung beside.",
            ),
            key(
                "ring_max",
                "whole number 1–1000",
                "`50`",
                "With `ring_all` and `ring_progressive`: the most agents who ring for one caller at once.",
            ),
            key("wrap_up", "duration 0–1 h", "`\"10s\"`", "Time after a talk before the next offer."),
            key(
                "wrap_up_mode",
                "`none`, `optional`, `optional_timed`, `timed` or `discretionary`",
                "`\"timed\"`",
                "Whether there is a wrap-up and who ends it; `docs/queues.md` says what each does.",
            ),
            key(
                "wrap_up_max",
                "duration 1 s–4 h",
                "`\"15m\"`",
                "The longest wrap-up when the agent extends it, and of mode `discretionary`; never less than `wrap_up`.",
            ),
            key("record", "`always` or `never`", "`\"never\"`", "Recording from the agent's answer on."),
            key(
                "record_pause_max",
                "duration 10 s–1 h",
                "`\"5m\"`",
                "A pause of the recording (API, or `*6` on the agent's phone) ends by itself after this.",
            ),
            key("caller_id", "number", "–", "What calls of its agents to a trunk show."),
            key("max_wait", "duration 1 s–24 h", "`\"10m\"`", "The longest wait."),
            key("max_waiting", "whole number 1–100000", "`1000`", "Most callers waiting at once; one more is told so."),
            key(
                "skills",
                "list of `NAME`, `NAME>=LEVEL`, `!NAME`, `A|B`, each with `?` when preferred only",
                "none",
                "What an agent must be able to do for any caller of this queue; all of them. Who meets more of those with `?` is taken first.",
            ),
            key(
                "weight",
                "whole number 1–1000000",
                "`1`",
                "Between queues whose first callers rank the same: higher first.",
            ),
            key(
                "strict_priority",
                "true or false",
                "`false`",
                "Callers of a higher priority always come before those of a lower one; else a minute of priority is a minute of waiting.",
            ),
            key(
                "max_wait_strict",
                "duration 0–24 h",
                "`\"0s\"`",
                "Who has waited this long goes before everybody who has not, in whichever queue; `\"0s\"` = never.",
            ),
            key(
                "segments",
                "table of segment to duration 0–24 h",
                "none",
                "Head start of callers whom the flow counts to a segment: `{ gold = \"3m\", silver = \"1m\" }`.",
            ),
            key(
                "when_none_logged_in",
                "`\"wait\"`, `\"hangup\"`, `\"queue:NAME\"`, `\"number:N\"`, `\"flow:NAME\"`, or a table of such an `action` and `after` (duration 0–24 h)",
                "`\"wait\"`",
                "What becomes of callers when no agent of the queue is logged in: at once, or after it has been so for `after` while somebody waits. `hangup`: the flow goes on at its edge; without a flow an apology.",
            ),
            key(
                "when_all_paused",
                "as `when_none_logged_in`",
                "`\"wait\"`",
                "… when all who are logged in and have the caller's skills are paused or have no phone.",
            ),
            key(
                "when_none_skilled",
                "as `when_none_logged_in`",
                "`\"wait\"`",
                "… when agents are logged in, but none with the skills the caller needs, at their level.",
            ),
            key(
                "announce_every",
                "duration, `\"0s\"` or 5 s–1 h",
                "`\"30s\"`",
                "How often the caller hears his place; `\"0s\"` = never.",
            ),
            key(
                "rna_threshold",
                "whole number 1–100",
                "`2`",
                "Missed rings in a row after which `rna_action` is done.",
            ),
            key(
                "rna_action",
                "`pause`, `logout`, `alert` or `ready`",
                "`\"pause\"`",
                "What happens to an agent who let his phone ring so often: paused with code `RNA`, logged out, told alone, or nothing.",
            ),
            key("reject_threshold", "whole number 1–100", "`3`", "The same for calls he declined …"),
            key("reject_action", "as `rna_action`", "`\"ready\"`", "… and what happens then."),
            key("busy_threshold", "whole number 1–100", "`3`", "… his phone was busy …"),
            key("busy_action", "as `rna_action`", "`\"ready\"`", "… and what happens then."),
            key("unreachable_threshold", "whole number 1–100", "`3`", "… his phone could not be reached …"),
            key("unreachable_action", "as `rna_action`", "`\"ready\"`", "… and what happens then."),
            key("timeout_threshold", "whole number 1–100", "`3`", "… his phone said nothing at all …"),
            key("timeout_action", "as `rna_action`", "`\"ready\"`", "… and what happens then."),
            key(
                "exclude_agent",
                "duration 0–1 h",
                "`\"30s\"`",
                "How long a caller is not offered again to an agent who missed him.",
            ),
            key(
                "delay_no_answer",
                "duration 0–1 h",
                "`\"10s\"`",
                "Before the agent's next offer, after he did not answer.",
            ),
            key(
                "music",
                "text",
                "the centre's",
                "Hold music of those who wait here, and of those on hold in its talks: a WAV file in the folder of prompts. Without it `music.wav` there, else some chords of ours.",
            ),
            key("delay_rejected", "duration 0–1 h", "`\"30s\"`", "… after he declined."),
            key("delay_busy", "duration 0–1 h", "`\"30s\"`", "… after his phone was busy."),
            key("delay_unreachable", "duration 0–1 h", "`\"5s\"`", "… after his phone could not be reached."),
            key("delay_timeout", "duration 0–1 h", "`\"5s\"`", "… after his phone said nothing at all."),
        ],
        not_built: &["callback", "relax", "overflow", "priority", "autofill", "language"],
    },
];

/// The tables of `docs/configuration.md`, in Markdown.
pub fn reference() -> String {
    let mut text = String::new();
    for section in SECTIONS {
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
