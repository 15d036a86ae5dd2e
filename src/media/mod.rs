//! The media plane: RTP in and out, prompts, music, digits, bridging, recording, listening.
//!
//! A [`shard::Shard`] serves the legs of many calls; the legs that are bridged, recorded together or listened to
//! must be in the same shard. It is pure: packets and commands come in with the time they came, packets leave by
//! the [`shard::PacketIo`] trait. `io::media` gives each shard a thread and its sockets.
//!
//! ```text
//!   Command ──> shard ──> Event                 (engine)
//!   packet  ──> latch ──> digits                (engine, and the other leg)
//!                    ├──> timeline ──> recorder ──> Chunk (storage)
//!                    │            └──> mix ──> listener's phone
//!                    └──> relay ──> the other leg's phone
//!                    │            └──> fork ──> a bot outside
//!   tick    ──> play, music, tone, mix, bot ──> phone
//! ```

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads the clock once, as its zero of time"))]

pub mod clip;
pub mod codec;
pub mod config;
pub mod demux;
pub mod dtls;
pub mod dtmf;
pub mod ear;
pub mod fork;
pub mod ice;
pub mod inband;
pub mod jitter;
pub mod latch;
pub mod leg;
pub mod loudness;
pub mod mixer;
pub mod mouth;
pub mod paths;
pub mod plc;
pub mod port;
pub mod press;
pub mod prompt;
pub mod punctual;
pub mod reception;
pub mod recorder;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod seal;
pub mod shard;
pub mod shared;
pub mod srtp;
pub mod stream;
pub mod stun;
pub mod terms;
pub mod timeline;
pub mod tones;
pub mod voice;
pub mod wave;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

pub use crate::journal::{LegRole, Quality};
pub use clip::Clip;
pub use codec::{Codec, Law};
pub use port::{Port, PortRange};
pub use terms::Terms;

use crate::id::{LegId, RecordingId};

/// What the engine asks of a shard. Commands about legs that are not open are ignored.
#[derive(Clone, Debug)]
pub enum Command {
    /// Opens the sockets of a leg: answered by [`Event::Opened`] or [`Event::OpenFailed`].
    Open {
        /// Its name, never used before.
        leg: LegId,
        /// Where it is reached.
        port: Port,
        /// Where the peer's SDP wants its audio, when known.
        remote: Option<SocketAddr>,
        /// The address the leg's signalling comes from: a phone behind NAT sends from there.
        signalling: Option<IpAddr>,
        /// What was negotiated, or what we would like until the answer.
        terms: Terms,
        /// Whose leg it is.
        role: LegRole,
    },
    /// The SDP answer came or a re-INVITE changed it. To be sent also when we answer a leg opened with its remote
    /// address known earlier: the 2 s in which a strange source may lock, and the timeout, count from here.
    Update {
        /// Which.
        leg: LegId,
        /// Where the peer wants its audio; another than before makes the leg learn its source anew; `None` keeps it.
        remote: Option<SocketAddr>,
        /// What holds now. Without `send` it gets nothing (it holds us); without `receive` what comes is not heard, and
        /// silence is no fault.
        terms: Terms,
    },
    /// Plays clips in order, once; then [`Event::PlayDone`]. Replaces what played before, without a `PlayDone` for it.
    Play {
        /// To whom.
        leg: LegId,
        /// Returned in `PlayDone`.
        play: u64,
        /// What.
        clips: Vec<Arc<Clip>>,
    },
    /// Plays one clip for ever; all legs of a shard that hear the same clip hear the same place of it.
    Music {
        /// To whom.
        leg: LegId,
        /// What.
        music: Arc<Clip>,
    },
    /// Ends play, music, tone or echo; a bridged leg hears the other side again.
    Silence {
        /// To whom.
        leg: LegId,
    },
    /// Plays one clip for ever, from its beginning.
    Tone {
        /// To whom.
        leg: LegId,
        /// What.
        tone: Arc<Clip>,
    },
    /// Sends every packet back.
    Echo {
        /// To whom.
        leg: LegId,
    },
    /// Relays audio and digits both ways. An older bridge of either leg ends.
    Bridge {
        /// One side.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Ends the bridge of `a`, for both sides.
    Unbridge {
        /// Either side.
        a: LegId,
    },
    /// Starts a recording, or changes the other side of one that runs. It ends with the customer's leg.
    Record {
        /// Its name.
        recording: RecordingId,
        /// Left channel, and owner.
        customer: LegId,
        /// Right channel: all of these mixed, at most 32; silence while there is none.
        others: SmallVec<[LegId; 4]>,
    },
    /// Tells once when the customer of a recording that runs has said nothing for so long: [`Event::Quiet`].
    AwaitQuiet {
        /// Which.
        recording: RecordingId,
        /// How long, in whole 20 ms.
        silence: Duration,
    },
    /// Nothing said from now on is in the recording, nor in its extra files: silence keeps its time.
    PauseRecord {
        /// Which.
        recording: RecordingId,
    },
    /// Ends a pause.
    ResumeRecord {
        /// Which.
        recording: RecordingId,
    },
    /// Writes what one leg says into a mono file of its own beside a recording that runs; at most 8 at once. It ends with
    /// the leg or with the recording.
    RecordTrack {
        /// Beside which.
        recording: RecordingId,
        /// Who speaks.
        kind: TrackKind,
        /// Whose voice.
        leg: LegId,
    },
    /// Ends the extra file of a leg.
    StopTrack {
        /// Beside which.
        recording: RecordingId,
        /// Whose voice.
        leg: LegId,
    },
    /// Ends a recording with its extra files; answered by [`Event::RecordingEnded`].
    StopRecord {
        /// Which.
        recording: RecordingId,
    },
    /// Lets a leg hear what some others say, in place of its bridge; with none it hears its bridge again.
    ///
    /// Each side of a conversation is mixed by itself: who listens hears both and is heard by nobody; who whispers is
    /// among the voices of the agent only.
    Mix {
        /// Who hears.
        leg: LegId,
        /// Whom, at most 32.
        voices: SmallVec<[LegId; 4]>,
    },
    /// Lets a program outside hear what a leg's phone says and speak to it, in place of its bridge and of what plays.
    Fork {
        /// Whose phone.
        leg: LegId,
        /// The way to the program and back.
        line: Arc<fork::Line>,
    },
    /// Ends that.
    Unfork {
        /// Whose phone.
        leg: LegId,
    },
    /// Asks how the media of a leg is; answered by [`Event::Quality`].
    Report {
        /// Which.
        leg: LegId,
    },
    /// Presses a key towards a phone: as telephone-events, or as a tone where these were not agreed on.
    Press {
        /// Whose phone is told.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long, 40 ms to 8 s.
        length: Duration,
    },
    /// Closes the sockets; answered by [`Event::Closed`].
    Close {
        /// Which.
        leg: LegId,
    },
}

/// What a shard tells the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The leg's ports are open.
    Opened {
        /// Which.
        leg: LegId,
    },
    /// The leg's ports cannot be opened; the leg does not exist.
    OpenFailed {
        /// Which.
        leg: LegId,
        /// The system's words.
        error: String,
    },
    /// The phone pressed a key (RFC 4733): once per key press, at its beginning.
    Digit {
        /// Whose phone.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
    /// The last frame of a `Play` was sent.
    PlayDone {
        /// To whom.
        leg: LegId,
        /// The number given in `Play`.
        play: u64,
    },
    /// The leg is gone and its port is free.
    Closed {
        /// Which.
        leg: LegId,
        /// How the media was.
        quality: Quality,
    },
    /// How the media of a leg has been so far, as [`Command::Report`] asked.
    Quality {
        /// Which.
        leg: LegId,
        /// Its figures.
        quality: Quality,
    },
    /// One-way audio: the two are bridged, the other side speaks, and nothing came from this phone for 5 s although it
    /// may speak and is not on hold. Said once, and once more when it speaks again.
    OneWay {
        /// Whose phone is silent.
        leg: LegId,
        /// False: it speaks again.
        silent: bool,
    },
    /// The customer of a recording has said nothing for as long as [`Command::AwaitQuiet`] said; told 0.3 to 0.5 s late, as
    /// late packets count.
    Quiet {
        /// His leg.
        leg: LegId,
        /// Which recording.
        recording: RecordingId,
        /// He said something before.
        spoke: bool,
    },
    /// Neither RTP nor RTCP came for too long; said once.
    MediaTimeout {
        /// From whom.
        leg: LegId,
    },
    /// A media thread has been more than 20 ms late for a second on end, or on time again for as long.
    Behind {
        /// The thread's number.
        shard: usize,
        /// It is late.
        behind: bool,
    },
    /// The recording's last chunk went to storage.
    RecordingEnded {
        /// Which.
        recording: RecordingId,
        /// Its length in ms of wall time, silence included.
        length_ms: u64,
        /// Audio in ms that storage could not take; silence stands in its place.
        lost_ms: u64,
    },
}

/// A piece of a recording on its way to storage, in order for each recording.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// Which recording.
    pub recording: RecordingId,
    /// Which of its files.
    pub track: Track,
    /// What.
    pub kind: ChunkKind,
}

/// One file of a recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Track {
    /// The call: stereo.
    Main,
    /// One voice beside it: mono.
    Extra {
        /// Who speaks.
        kind: TrackKind,
        /// The how manieth of this kind in the recording, from 1.
        number: u16,
    },
}

/// Who speaks in a file of his own, because the customer does not hear him.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum TrackKind {
    /// A supervisor who whispers or takes part.
    Supervisor,
    /// A colleague whom the agent asks while the customer waits.
    Consult,
}

/// What a chunk holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChunkKind {
    /// The first chunk.
    Start {
        /// How long after the beginning of the recording this file begins, in samples at 8 kHz; 0 for the main file.
        offset: u64,
    },
    /// 16-bit samples at 8 kHz. The main file's are interleaved: left is the customer, right the agent.
    Samples(Vec<i16>),
    /// A pause began or ended here; its samples are silence. In the main file only.
    Pause {
        /// Where, in samples from the beginning; may be before or after what came so far.
        at: u64,
        /// True: it began.
        on: bool,
    },
    /// Chunks were lost because storage was slow: so many samples of silence for each channel keep the time.
    Gap {
        /// Samples for each channel.
        samples: u64,
    },
    /// The last chunk.
    End,
}

#[cfg(test)]
mod tests;
