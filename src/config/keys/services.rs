//! The keys of services outside, and of what asks them.

use super::{Key, Section, key};

const SERVICE_KEYS: &[Key] = &[
    key("name", "name", "required", "What queues and flows call it by."),
    key(
        "base_url",
        "`http://` or `https://HOST[:PORT][/PATH]`",
        "required",
        "Where it is; the path of each request is put behind it. Redirections are not followed.",
    ),
    key("token", "text", "none", "Sent as `Authorization: Bearer …`."),
    key("token_file", "file", "none", "… from the first line of a file."),
    key("username", "text", "none", "Sent with `password` as `Authorization: Basic …`."),
    key("password", "text", "none", "See `username`."),
    key("password_file", "file", "none", "… from the first line of a file."),
    key("ca", "PEM file", "the authorities of the system", "Authorities for its certificate."),
    key(
        "retries",
        "whole number 0–5",
        "`0`",
        "How often a request is repeated when it cannot be sent or the answer is a 5xx, all within its own time-out.",
    ),
    key("max_concurrency", "whole number 1–10000", "`50`", "Most requests at once; one more fails at once."),
    key(
        "answer_kb",
        "whole number 1–1024",
        "`64`",
        "Largest answer, in KiB; a larger one is an error and is not read.",
    ),
    key(
        "breaker_failures",
        "whole number 0–1000",
        "`5`",
        "After so many failures in a row (time-out, no connection, 5xx) the service is left alone, and who would ask it goes on at once; 0 = never.",
    ),
    key("breaker_open", "duration 1 s–1 h", "`\"30s\"`", "For so long; then one request tries."),
];

/// `[[service]]`.
pub const SERVICE: Section = Section {
    name: "service",
    list: true,
    about: "An HTTP service of the house. Addresses and passwords stand here and nowhere else: flows and queues name it.",
    keys: SERVICE_KEYS,
    not_built: &[],
};

/// `[tts]`.
pub const TTS: Section = Section {
    name: "tts",
    list: false,
    about: "The voice that speaks what flows say, and places in queues, where nobody recorded them; [flows](flows.md#numbers-dates-and-money) explains it. Without `exec` or `url` there is none: a tone stands in, and \"ten or more\" for a place.",
    keys: &[
        key(
            "exec",
            "list of texts: program and arguments",
            "none",
            "Run for each sentence, without a shell: the sentence comes on stdin as UTF-8, a WAV file (16 bit PCM, any rate) is expected on stdout. `{language}` in an argument is the language, as `ar`. It is killed after 3 s. `[\"espeak-ng\", \"-v\", \"{language}\", \"--stdin\", \"--stdout\"]` is good for tests.",
        ),
        key(
            "url",
            "`http://` or `https://HOST[:PORT][/PATH]`",
            "none",
            "In place of `exec`: gets a POST of `{\"language\": \"ar\", \"text\": \"…\"}` and answers a WAV file within 3 s.",
        ),
        key(
            "letter_by_letter",
            "true or false",
            "`false`",
            "The voice reads Arabic letter by letter, as espeak-ng does: what readers know by themselves is spelled out for it.",
        ),
        key("parallel", "whole number 1–64", "`2`", "Most sentences spoken at once; up to 64 more wait."),
        key(
            "cache_mb",
            "whole number 0–100000",
            "`256`",
            "Sentences are kept in `tts/` of the data folder, so that they are spoken once; beyond this many MB the oldest go. Codes, numbers and names that are read out, and texts with values in them, are never written there.",
        ),
    ],
    not_built: &[],
};

/// A queue's `dispatch`.
pub const DISPATCH: Section = Section {
    name: "queue.dispatch",
    list: false,
    about: "A service is asked about each caller of a queue who shall serve him; also written `dispatch = { service = \"crm\" }`. `docs/queues.md` explains it.",
    keys: &[
        key("service", "name of a `[[service]]`", "required", "Who is asked, by POST."),
        key("path", "path as `/dispatch`", "`\"/\"`", "Where, behind its `base_url`."),
        key(
            "timeout",
            "duration up to 5 s",
            "`\"500ms\"`",
            "The answer must be there within this time; then the queue decides. The caller has his place meanwhile and is offered to nobody.",
        ),
        key(
            "hold",
            "duration 0–1 h",
            "`\"20s\"`",
            "So long he waits for the agents it names; then, or at once when none of them is there, for all.",
        ),
    ],
    not_built: &[],
};
