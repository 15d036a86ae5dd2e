//! Keys of people, queues and calendars.

use super::{Section, key};

/// `[[calendar]]`.
pub const CALENDAR: Section = Section {
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
};

/// `[[holiday]]`.
pub const HOLIDAY: Section = Section {
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
};

/// `[[agent]]`.
pub const AGENT: Section = Section {
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
        key("groups", "list of names", "none", "Groups he belongs to, for the `ladder` of a queue."),
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
            "capacity",
            "1–9 calls",
            "`1`",
            "How many calls he may have at once, those of his own included: with fewer he is offered callers. See `docs/queues.md`.",
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
};

/// `[[supervisor]]`.
pub const SUPERVISOR: Section = Section {
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
};

/// `[[pause_code]]`.
pub const PAUSE_CODE: Section = Section {
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
};

/// `[[queue]]`.
pub const QUEUE: Section = Section {
    name: "queue",
    list: true,
    about: "Where callers wait.",
    keys: &[
        key("name", "letters, digits, `-`, `_`, `.`", "required", "Its name in numbers, flows, records and metrics."),
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
            "ladder",
            "list of steps, at most 16",
            "none",
            "Who may serve those who have waited: see `[[queue.ladder]]`.",
        ),
        key("voicemail", "table", "none", "The queue has a box for messages: see `[queue.voicemail]`."),
        key("callback", "table", "none", "Callers may be called back: see `[queue.callback]`."),
        key(
            "dispatch",
            "table",
            "none",
            "A service outside is asked who shall serve each caller: see `[queue.dispatch]`.",
        ),
        key("sticky", "table", "none", "Whom callers wait for before all others: see `[queue.sticky]`."),
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
            "overflow",
            "table of `to` (`\"queue:NAME\"`, `\"number:N\"`, `\"flow:NAME\"`) and bounds: `wait` (duration 1 s–24 h), `size` and `per_agent` (whole number, or `{ on = N, off = M }`, 1–100000)",
            "never",
            "Where callers go when there are too many: who has waited for `wait`; who comes when `size` wait, or `per_agent` for each agent logged in, until no more than `off` do; who comes when he would wait `estimated_wait` (duration, or two); who comes to a full queue.",
        ),
        key(
            "resume_within",
            "duration 0–1 h",
            "`\"0s\"`",
            "Who hangs up waiting and calls again within this time keeps the time he has waited, twice at most; `\"0s\"` = nobody. `\"60s\"` is usual.",
        ),
        key(
            "announce_every",
            "duration, `\"0s\"` or 5 s–1 h",
            "`\"30s\"`",
            "How often the caller hears his place; `\"0s\"` = never.",
        ),
        key(
            "announcements",
            "list of prompts",
            "none",
            "Prompts that who waits hears over the music by turns, one each `announcements_every`.",
        ),
        key(
            "announcements_every",
            "duration 10 s–1 h",
            "`\"60s\"`",
            "Time from one announcement to the next, and before the first.",
        ),
        key(
            "exit_keys",
            "table of key to `\"queue:NAME\"`, `\"number:N\"`, `\"flow:NAME\"`, `\"callback\"` or `\"voicemail\"`",
            "none",
            "Where a key leads that is pressed while waiting: `{ \"1\" = \"flow:voicemail\" }`.",
        ),
        key(
            "announce_wait",
            "true or false",
            "`false`",
            "With his place he hears in how many minutes he may expect an answer, once three callers of the queue were served.",
        ),
        key("rna_threshold", "whole number 1–100", "`2`", "Missed rings in a row after which `rna_action` is done."),
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
    not_built: &["relax", "priority", "autofill", "language"],
};

/// A queue's `callback`.
pub const CALLBACK: Section = Section {
    name: "queue.callback",
    list: false,
    about: "Callers of a queue may hang up and keep their places: they are called back when their turn comes. Also written `callback = { tries = 2 }`; `docs/queues.md` explains it.",
    keys: &[
        key(
            "mode",
            "`agent_first` or `customer_first`",
            "`\"agent_first\"`",
            "Who is rung first: the agent, who hears that the customer's phone rings, or the customer, while the agent is reserved.",
        ),
        key(
            "dial",
            "`trunk:NAME`, a list of them, or `sip:USER@ADDRESS[:PORT]`; `{number}` in USER is the customer's",
            "the trunk the caller came by",
            "The way to the customer.",
        ),
        key("tries", "whole number 1–20", "`3`", "How often he is called at most."),
        key("retry_after", "duration 1 min–72 h", "`\"15m\"`", "From a try that came to nothing to the next."),
        key("expires_after", "duration 1 min–168 h", "`\"24h\"`", "From the booking to when it is given up."),
        key("ring", "duration 5 s–2 min", "`\"30s\"`", "How long his phone rings."),
        key(
            "calendar",
            "name of a `[[calendar]]`",
            "the queue's",
            "He is called in its open hours alone; the place is kept meanwhile.",
        ),
    ],
    not_built: &[],
};

/// A queue's `voicemail`.
pub const VOICEMAIL: Section = Section {
    name: "queue.voicemail",
    list: false,
    about: "A box for messages: callers get there by a rule of the queue or a flow, agents of the queue listen by `*17`. Also written `voicemail = { max = \"3m\" }`; `docs/queues.md` explains it.",
    keys: &[
        key("greeting", "prompt", "`\"voicemail_greeting\"`", "What callers hear before the tone."),
        key("min", "duration 0–1 min", "`\"2s\"`", "What is shorter is no message."),
        key("max", "duration 5 s–30 min", "`\"3m\"`", "The longest message."),
        key("keep", "duration 24 h–87600 h", "`\"720h\"`", "So long messages stay in the box."),
    ],
    not_built: &[],
};

/// A queue's `sticky`.
pub const STICKY: Section = Section {
    name: "queue.sticky",
    list: false,
    about: "Whom callers of a queue wait for before all others who may serve them; also written `sticky = { last_agent = \"15s\" }`. `docs/queues.md` explains it.",
    keys: &[
        key(
            "last_agent",
            "duration 0–1 h",
            "`\"0s\"`",
            "So long a caller waits for the agent who talked with him last, if he serves the queue; `\"0s\"` = not at all.",
        ),
        key("group", "group of agents", "none", "Then, or first when he knows nobody, he waits for this group …"),
        key("group_time", "duration 0–1 h", "–", "… for so long; then for all. To be written beside `group`."),
    ],
    not_built: &[],
};

/// One step of a queue's `ladder`.
pub const LADDER: Section = Section {
    name: "queue.ladder",
    list: true,
    about: "One step for those who have waited in a queue; also written `ladder = [{ after = \"30s\", relax = 2 }]`. `docs/queues.md` explains it.",
    keys: &[
        key("name", "text", "`\"step 1\"`, …", "Its name in reasons and records."),
        key("after", "duration 0–24 h", "required", "It begins when the caller has been in the queue for so long."),
        key(
            "skills",
            "list as the queue's `skills`",
            "the queue's",
            "What is asked of agents in place of the queue's `skills`; what the flow asks for comes in addition.",
        ),
        key(
            "relax",
            "whole number 0–9",
            "`0`",
            "So much lower are all levels asked for, the flow's too, but not below 1.",
        ),
        key(
            "agents",
            "list of `[[agent]]` ids",
            "the members",
            "Agents who serve by this step, members of the queue or not.",
        ),
        key("groups", "list of groups of agents", "the members", "Groups whose agents serve by this step."),
        key(
            "mode",
            "`cumulative` or `replace`",
            "`\"cumulative\"`",
            "Whether those who serve by the steps before serve on, or no more.",
        ),
        key(
            "skip_unstaffed",
            "true or false",
            "`false`",
            "Go on to the next step at once when nobody who serves at this one is there: all are offline, paused or without a phone.",
        ),
    ],
    not_built: &[],
};
