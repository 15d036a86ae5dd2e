//! The kinds of nodes: their keys, what stands behind each, and the edges they have.

use super::super::flow::Edge;

/// A kind of node.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// For people who point at it in an editor.
    pub(super) does: &'static str,
    /// Besides `kind` and `on`.
    pub(super) keys: &'static [Key],
    pub(super) edges: &'static [Edge],
}

/// A key of a node.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) is_required: bool,
    pub(super) does: &'static str,
}

/// What stands behind a key.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Bool,
    Integer(u32, u32),
    Duration,
    /// A name: of a node, a flow, a queue, a variable.
    Name,
    Expression,
    /// Text with expressions in braces.
    Template,
    /// Begins with `/`, as a template.
    Path,
    Templates,
    /// Names to expressions.
    Expressions,
    /// Names to templates.
    Fields,
    Say,
    /// Telephone keys to nodes.
    Keys,
    /// A telephone key.
    Dialled,
    /// A telephone key, or nothing.
    Terminator,
    /// The least and the greatest number.
    Range,
    Cases,
    /// A map variable, or variables with JSON pointers.
    Into,
    /// Names to names.
    Names,
    Relax,
    OfferCallback,
}

const fn must(name: &'static str, shape: Shape, does: &'static str) -> Key {
    Key { name, shape, is_required: true, does }
}

const fn may(name: &'static str, shape: Shape, does: &'static str) -> Key {
    Key { name, shape, is_required: false, does }
}

const NEXT: Key = must("next", Shape::Name, "The node that follows.");
const QUEUE: Key = must("queue", Shape::Name, "A queue of the configuration.");
const SAY: Key = must("say", Shape::Say, "What the caller hears.");
const SAY_AGAIN: Key = may("say_again", Shape::Say, "The question when it is repeated; without it, as the first time.");
const SAY_NO_INPUT: Key = may("say_no_input", Shape::Say, "Said before the repetition when nothing was pressed.");
const SAY_INVALID: Key = may("say_invalid", Shape::Say, "Said before the repetition when something else was pressed.");
const TIMEOUT: Key =
    may("timeout", Shape::Duration, "Time for the first key, from the end of the question: 500ms to 60s.");
const TRIES: Key = may("tries", Shape::Integer(1, 10), "How often the question is asked in all.");
const BARGE_IN: Key = may("barge_in", Shape::Bool, "A key cuts it short; default true.");
const TYPE_AHEAD: Key = may("type_ahead", Shape::Bool, "Keys pressed before the question count; default true.");
const INTER_DIGIT: Key = may("inter_digit", Shape::Duration, "Longest pause between two keys: 500ms to 60s.");
const MAX_WAIT: Key = may("max_wait", Shape::Duration, "Longest wait in the queue: 1s to 24h.");

/// What `[defaults]` may hold besides `on`.
pub(super) const DEFAULTS: [Key; 6] = [TIMEOUT, INTER_DIGIT, MAX_WAIT, TRIES, BARGE_IN, TYPE_AHEAD];

/// All kinds.
pub(super) const KINDS: [Kind; 16] = [
    Kind { name: "play", does: "Says something.", keys: &[SAY, BARGE_IN, NEXT], edges: &[Edge::Error] },
    Kind {
        name: "menu",
        does: "Asks for one key.",
        keys: &[
            SAY,
            must("keys", Shape::Keys, "Where each key leads."),
            SAY_AGAIN,
            SAY_NO_INPUT,
            SAY_INVALID,
            TIMEOUT,
            TRIES,
            BARGE_IN,
            TYPE_AHEAD,
        ],
        edges: &[Edge::NoInput, Edge::Invalid, Edge::Error],
    },
    Kind {
        name: "collect",
        does: "Asks for several keys.",
        keys: &[
            SAY,
            may("into", Shape::Name, "The variable that receives them."),
            may("min", Shape::Integer(1, 32), "Fewest keys; default 1."),
            must("max", Shape::Integer(1, 32), "Most keys."),
            may("terminator", Shape::Terminator, "The key that ends the answer; \"\" for none."),
            INTER_DIGIT,
            may("mask", Shape::Bool, "Written down as stars everywhere."),
            may("survey", Shape::Name, "The survey question this answers; needs range."),
            may("range", Shape::Range, "Least and greatest number accepted."),
            NEXT,
            SAY_AGAIN,
            SAY_NO_INPUT,
            SAY_INVALID,
            TIMEOUT,
            TRIES,
            BARGE_IN,
            TYPE_AHEAD,
        ],
        edges: &[Edge::NoInput, Edge::Invalid, Edge::Error],
    },
    Kind {
        name: "set",
        does: "Gives variables, and lang, new values.",
        keys: &[must("set", Shape::Expressions, "Variables and expressions."), NEXT],
        edges: &[Edge::Error],
    },
    Kind {
        name: "switch",
        does: "Goes where the first true condition leads.",
        keys: &[
            must("case", Shape::Cases, "Conditions in order."),
            must("else", Shape::Name, "Where it leads when none is true."),
        ],
        edges: &[Edge::Error],
    },
    Kind {
        name: "hours",
        does: "Goes where the hours of a calendar lead.",
        keys: &[must("calendar", Shape::Name, "A calendar of the configuration.")],
        edges: &[Edge::Open, Edge::Closed, Edge::Holiday, Edge::Emergency],
    },
    Kind {
        name: "http",
        does: "Asks a service of the house.",
        keys: &[
            must("service", Shape::Name, "A service of the configuration."),
            may("get", Shape::Path, "Path and query behind the service's base_url."),
            may("post", Shape::Path, "As get, and a body is sent."),
            may("body", Shape::Fields, "The JSON object that is sent."),
            may("timeout", Shape::Duration, "Longest time for the answer: 100ms to 5s."),
            may("into", Shape::Into, "Variables and where in the answer their values stand, or one map variable."),
            NEXT,
        ],
        edges: &[Edge::Timeout, Edge::NotFound, Edge::Error],
    },
    Kind {
        name: "fork",
        does: "A bot on a WebSocket hears and speaks.",
        keys: &[
            must("service", Shape::Name, "A service of the configuration."),
            must("path", Shape::Path, "Path behind the service's base_url."),
            may("send", Shape::Fields, "Goes with the first message."),
            may("into", Shape::Into, "Taken from the bot's last message."),
            may("timeout", Shape::Duration, "Longest talk: 1s to 60m."),
            may("results", Shape::Names, "Where the bot's word leads."),
            NEXT,
        ],
        edges: &[Edge::Timeout, Edge::Error],
    },
    Kind {
        name: "queue",
        does: "Waits in a queue and talks with an agent.",
        keys: &[
            QUEUE,
            may("skills", Shape::Templates, "Skills asked of the agent, all of them."),
            may("relax", Shape::Relax, "Fewer skills after a while."),
            may("priority", Shape::Integer(0, 1_000), "In minutes of waiting."),
            may("segment", Shape::Template, "What kind of caller he is."),
            MAX_WAIT,
            may("offer_callback", Shape::OfferCallback, "Offers to call back while he waits."),
        ],
        edges: &[
            Edge::Ended,
            Edge::Timeout,
            Edge::Full,
            Edge::NoAgents,
            Edge::NoneLoggedIn,
            Edge::NoneSkilled,
            Edge::AllPaused,
            Edge::Closed,
            Edge::Error,
        ],
    },
    Kind {
        name: "callback",
        does: "Keeps the caller's place in a queue; he is called back.",
        keys: &[QUEUE, may("number", Shape::Template, "The number to call; his own without it."), NEXT],
        edges: &[Edge::Failed, Edge::Error],
    },
    Kind {
        name: "transfer",
        does: "Connects to a number or address.",
        keys: &[must("to", Shape::Template, "Number or address.")],
        edges: &[Edge::Ended, Edge::Busy, Edge::NoAnswer, Edge::Failed, Edge::Error],
    },
    Kind {
        name: "voicemail",
        does: "The caller leaves a message in the box of a queue.",
        keys: &[QUEUE, NEXT],
        edges: &[Edge::Failed],
    },
    Kind {
        name: "record",
        does: "The caller records something.",
        keys: &[
            SAY,
            may("max", Shape::Duration, "Longest recording."),
            may("silence", Shape::Duration, "So much silence ends it."),
            may("terminator", Shape::Terminator, "The key that ends it."),
            may("into", Shape::Name, "A text variable that receives the recording's id."),
            may("survey", Shape::Name, "It belongs to this survey's answer."),
            NEXT,
        ],
        edges: &[Edge::NoInput, Edge::Error],
    },
    Kind {
        name: "flow",
        does: "Goes through another flow and comes back.",
        keys: &[
            must("flow", Shape::Name, "Which."),
            may("with", Shape::Expressions, "Its parameters."),
            may("into", Shape::Names, "Variables and what of its returns they take over."),
            NEXT,
        ],
        edges: &[Edge::Error],
    },
    Kind {
        name: "goto",
        does: "Goes on elsewhere.",
        keys: &[
            may("node", Shape::Name, "A node of this flow."),
            may("flow", Shape::Name, "Another flow; nothing comes back."),
        ],
        edges: &[],
    },
    Kind { name: "hangup", does: "Ends the call.", keys: &[], edges: &[] },
];
