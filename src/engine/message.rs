//! What goes into the engine and comes out of it, and its settings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{Fetch, FetchError, ForkOrder, Forked, Reply, Synthesis, SynthesisError};
use crate::acd::{Wish, config::FloorConfig};
use crate::call::config::CallConfig;
use crate::call::prompts::Prompts;
use crate::id::{AgentId, CallId, RecordingId};
use crate::ivr;
use crate::journal::{Entry, StateCause};
use crate::media::{self, config::MediaConfig};
use crate::sip::{self, Flow, Target, config::SipConfig};

/// What the engine is told from outside.
#[derive(Debug)]
pub enum Input {
    /// One SIP message, whole.
    Message {
        /// When it reached this machine, as far as is known; never after the time it is handled at.
        received: Instant,
        /// Where it came from.
        from: Flow,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A stream connection is there, before its first message.
    ConnectionOpened {
        /// Which; never used again.
        connection: u64,
        /// The other end.
        remote: SocketAddr,
        /// The name that the other end's certificate proves.
        peer: Option<String>,
    },
    /// A stream connection is gone.
    ConnectionClosed(u64),
    /// A message could not be sent there.
    SendFailed(Flow),
    /// A host name was looked up; said again when its time is over. No targets: it leads nowhere now.
    Resolved {
        /// The text of the [`sip::Host`].
        name: String,
        /// Where it leads, best first.
        targets: Vec<Target>,
    },
    /// A media shard has something to say.
    Media(media::Event),
    /// The journal is on disk up to this sequence number.
    Committed(u64),
    /// The file of a recording is complete.
    RecordingStored {
        /// Which.
        recording: RecordingId,
        /// Its length.
        length_ms: u64,
        /// Audio that could not be written.
        lost_ms: u64,
    },
    /// A recording is where it stays, in its final format.
    RecordingFiled {
        /// Of which call.
        call: CallId,
        /// Which.
        recording: RecordingId,
        /// Its file, relative to the data folder.
        file: String,
        /// The file's SHA-256 in hexadecimal.
        sha256: String,
    },
    /// The sound of a recording, asked for by [`Output::LoadSound`].
    SoundLoaded {
        /// Who wants to hear it.
        call: CallId,
        /// Which.
        recording: RecordingId,
        /// `None` when it cannot be read.
        clip: Option<Arc<media::Clip>>,
    },
    /// A service answered, or did not.
    Fetched {
        /// The number of the request.
        id: u64,
        /// What came of it.
        answer: Result<Reply, FetchError>,
    },
    /// A voice spoke a sentence, or did not.
    Synthesized {
        /// The number of the sentence.
        id: u64,
        /// Its sound.
        sound: Result<Arc<media::Clip>, SynthesisError>,
    },
    /// A bot outside did something.
    Forked {
        /// Its number.
        id: u64,
        /// What.
        event: Forked,
    },
    /// Somebody with the right to it wants something.
    Command(Command),
}

/// What operators, supervisors and the console may ask.
#[derive(Debug)]
pub enum Command {
    /// Change an agent's state.
    Agent {
        /// Whose.
        agent: AgentId,
        /// What.
        wish: Wish,
        /// Who asks.
        by: StateCause,
    },
    /// Take a new configuration, whole; addresses and ports stay as they are.
    Reload(Box<Settings>),
    /// New callers walk through these flows; who is in one goes on in his own.
    Flows(Arc<ivr::Library>),
    /// New plays have these sounds.
    Prompts(Arc<Prompts>),
    /// Take no new calls; [`Output::Drained`] comes when the last one is over.
    Drain,
    /// End a call.
    HangUp(CallId),
    /// Pause a recording or resume it; what cannot be done is not.
    Recording {
        /// Of which call.
        call: CallId,
        /// True: nothing said from now on is recorded.
        pause: bool,
        /// Who asks, as in [`RecordingPaused`](crate::journal::Kind::RecordingPaused).
        by: String,
        /// Why, in his words.
        why: String,
    },
}

/// What the engine asks of the outside.
#[derive(Debug)]
pub enum Output {
    /// Send one SIP message.
    Send {
        /// Where to.
        flow: Flow,
        /// Its bytes.
        bytes: Bytes,
    },
    /// Something is to be known of a connection.
    Link(sip::LinkOrder),
    /// Tell a media shard.
    Media {
        /// Which, counted from 0.
        shard: usize,
        /// What.
        command: media::Command,
    },
    /// Append to the journal.
    Journal(Entry),
    /// Say [`Input::Committed`] when the journal is on disk up to here.
    Commit(u64),
    /// Bring the customer's side of a recording to this call. Owes [`Input::SoundLoaded`].
    LoadSound {
        /// Who wants to hear it.
        call: CallId,
        /// Which.
        recording: RecordingId,
    },
    /// Ask an HTTP service. Owes [`Input::Fetched`].
    Fetch(Fetch),
    /// Have a sentence spoken. Owes [`Input::Synthesized`].
    Synthesize(Synthesis),
    /// Reach a bot outside, tell it something, let it go.
    Fork(ForkOrder),
    /// The last call ended after [`Command::Drain`].
    Drained,
}

/// All configuration that may change while running.
#[derive(Clone)]
pub struct Settings {
    /// Signalling.
    pub sip: SipConfig,
    /// Media.
    pub media: MediaConfig,
    /// Agents and queues.
    pub floor: FloorConfig,
    /// Numbers, trunks, supervisors.
    pub call: CallConfig,
    /// Minutes by which the centre's clock is ahead of UTC.
    pub utc_offset_minutes: i32,
    /// Checked flows.
    pub flows: Arc<ivr::Library>,
    /// Sounds.
    pub prompts: Arc<Prompts>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings(…)")
    }
}
