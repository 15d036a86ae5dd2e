//! Payload types: which number stands for what, in the peer's descriptions and in ours.
//!
//! RFC 3551 §6 has the static numbers, RFC 3264 §5.1 the rule that each side names its own, RFC 7587 Opus, RFC 3389
//! comfort noise, RFC 4733 telephone events.

use std::fmt::Write as _;

use smallvec::SmallVec;

use super::{Codec, Media, Negotiated};

/// The static payload type of comfort noise (RFC 3389 §4); it goes with codecs of an 8,000 clock that have none of
/// their own.
pub const COMFORT_NOISE_PAYLOAD: u8 = 13;

/// The payload types of telephone-events in our own offers, by clock: as most phones and browsers number them.
const EVENT_PAYLOADS: [(u8, u32); 2] = [(101, 8_000), (110, 48_000)];
/// Numbers without a fixed meaning (RFC 3551 §3).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// Most names of codecs that an error repeats, and the longest of them.
const NAMES_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 24;

/// What one payload type stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// Sound.
    Sound(Codec),
    /// Key presses, at this clock.
    Events(u32),
    /// Noise for pauses, at 8,000.
    ComfortNoise,
}

/// What an offer of ours lists, by the payload types that we give.
///
/// Its answer is read with the same list: a number of ours keeps its meaning there, and the peer sends by our numbers
/// whatever his own are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Formats {
    codecs: SmallVec<[(u8, Codec); 4]>,
    events: SmallVec<[(u8, u32); 2]>,
    comfort_noise: bool,
}

impl Formats {
    /// For a first offer: `codecs` in this order by their usual numbers, telephone-events once for each clock among
    /// them (RFC 4733 §2.1), and comfort noise when the other side of the call makes it.
    pub fn new(codecs: &[Codec], comfort_noise: bool) -> Self {
        Self::by_numbers(codecs, comfort_noise, &[])
    }

    /// For a later offer: what is agreed keeps its numbers, for a number may not change its meaning within a session
    /// (RFC 3264 §8.3.2).
    pub fn keeping(codecs: &[Codec], agreed: &Negotiated) -> Self {
        let clock = agreed.codec.clock_hz();
        let events = agreed.events.map(|events| (events.receive, Format::Events(clock)));
        let sounds = agreed.accepts.iter().map(|(number, codec)| (*number, Format::Sound(*codec)));
        let kept: SmallVec<[(u8, Format); 6]> = sounds.chain(events).collect();
        Self::by_numbers(codecs, agreed.comfort_noise, &kept)
    }

    fn by_numbers(codecs: &[Codec], comfort_noise: bool, kept: &[(u8, Format)]) -> Self {
        let mut taken: SmallVec<[u8; 8]> = kept.iter().map(|(number, _)| *number).collect();
        let mut number = |format: Format, usual: u8| {
            if let Some((number, _)) = kept.iter().find(|(_, known)| *known == format) {
                return Some(*number);
            }
            let free = |number: &u8| !taken.contains(number);
            let number = Some(usual).filter(free).or_else(|| DYNAMIC.into_iter().find(free))?;
            taken.push(number);
            Some(number)
        };
        let mut formats = Self::default();
        for codec in codecs {
            if let Some(number) = number(Format::Sound(*codec), codec.payload_type()) {
                formats.codecs.push((number, *codec));
            }
        }
        for (usual, clock) in EVENT_PAYLOADS {
            if codecs.iter().any(|codec| codec.clock_hz() == clock)
                && let Some(number) = number(Format::Events(clock), usual)
            {
                formats.events.push((number, clock));
            }
        }
        formats.comfort_noise = comfort_noise && codecs.iter().any(|codec| has_comfort_noise(*codec));
        formats
    }

    /// The lines of the offer, in order.
    pub(super) fn lines(&self) -> SmallVec<[(u8, Format); 8]> {
        let noise = self.comfort_noise.then_some((COMFORT_NOISE_PAYLOAD, Format::ComfortNoise));
        let sounds = self.codecs.iter().map(|(number, codec)| (*number, Format::Sound(*codec)));
        let events = self.events.iter().map(|(number, clock)| (*number, Format::Events(*clock)));
        sounds.chain(noise).chain(events).collect()
    }

    /// Our number for `codec`.
    pub(super) fn number_of(&self, codec: Codec) -> Option<u8> {
        self.codecs.iter().find(|(_, known)| *known == codec).map(|(number, _)| *number)
    }

    /// Our number for key presses at this clock.
    pub(super) fn events_at(&self, clock_hz: u32) -> Option<u8> {
        self.events.iter().find(|(_, clock)| *clock == clock_hz).map(|(number, _)| *number)
    }

    /// What a number of the answer stands for: what the answer says of it, else what we said.
    pub(super) fn meaning(&self, answer: &Media, number: u8) -> Option<Format> {
        let ours = || self.lines().into_iter().find(|(known, _)| *known == number).map(|(_, format)| format);
        match answer.rtpmap(number) {
            Some(_) => meaning(answer, number),
            None => ours().or_else(|| meaning(answer, number)),
        }
    }
}

/// What a number stands for in the peer's description: what `a=rtpmap` says, else the static assignment.
pub(super) fn meaning(media: &Media, number: u8) -> Option<Format> {
    let codecs = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::G729];
    let Some(map) = media.rtpmap(number) else {
        let sound = codecs.into_iter().find(|codec| *codec != Codec::Opus && codec.payload_type() == number);
        let noise = (number == COMFORT_NOISE_PAYLOAD).then_some(Format::ComfortNoise);
        return sound.map(Format::Sound).or(noise);
    };
    if let Some(codec) = codecs.into_iter().find(|c| is_map(map, c.encoding(), c.clock_hz(), channels(*c))) {
        return Some(Format::Sound(codec));
    }
    if is_map(map, "CN", 8_000, b"1") && number == COMFORT_NOISE_PAYLOAD {
        return Some(Format::ComfortNoise);
    }
    let clocks = EVENT_PAYLOADS.map(|(_, clock)| clock);
    clocks.into_iter().find(|clock| is_map(map, "telephone-event", *clock, b"1")).map(Format::Events)
}

/// True when pauses of this codec may be filled by RFC 3389: Opus and G.729 have a way of their own.
pub(super) fn has_comfort_noise(codec: Codec) -> bool {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => true,
        Codec::Opus | Codec::G729 => false,
    }
}

/// The attributes of one payload type.
pub(super) fn write_maps(text: &mut String, number: u8, format: Format) {
    let _ = match format {
        Format::Sound(codec @ Codec::Opus) => write!(
            text,
            "a=rtpmap:{number} {}/48000/2\r\na=fmtp:{number} minptime=10;useinbandfec=1\r\n",
            codec.encoding()
        ),
        // Annex B, pauses of its own kind, holds unless denied (RFC 4856 §2.1.9): not every phone bears it.
        Format::Sound(codec @ Codec::G729) => {
            write!(text, "a=rtpmap:{number} {}/8000\r\na=fmtp:{number} annexb=no\r\n", codec.encoding())
        }
        Format::Sound(codec) => write!(text, "a=rtpmap:{number} {}/{}\r\n", codec.encoding(), codec.clock_hz()),
        Format::Events(clock) => {
            write!(text, "a=rtpmap:{number} telephone-event/{clock}\r\na=fmtp:{number} 0-15\r\n")
        }
        Format::ComfortNoise => write!(text, "a=rtpmap:{number} CN/8000\r\n"),
    };
}

/// The names of what a stream offers, for an error that a person reads: `PCMU, AMR-WB`.
pub(super) fn names(media: &Media) -> String {
    let fixed = [(0, "PCMU"), (3, "GSM"), (4, "G723"), (8, "PCMA"), (9, "G722"), (15, "G728"), (18, "G729")];
    let named = |number: u8| match media.rtpmap(number) {
        Some(map) => plain_text(map.split(|b| *b == b'/').next().unwrap_or_default()),
        None => fixed.iter().find(|(known, _)| *known == number).map_or_else(|| number.to_string(), |n| n.1.to_owned()),
    };
    let is_sound = |number: &u8| !matches!(meaning(media, *number), Some(Format::Events(_) | Format::ComfortNoise));
    let names: Vec<String> = media.payload_types().filter(is_sound).map(named).take(NAMES_MAX).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Words of the peer that may stand in a header: short, and nothing but letters, digits and what joins them.
pub(super) fn plain_text(words: &[u8]) -> String {
    let plain = words.iter().filter(|b| b.is_ascii_alphanumeric() || b"-._/".contains(b));
    plain.take(NAME_BYTES_MAX).map(|b| char::from(*b)).collect()
}

fn channels(codec: Codec) -> &'static [u8] {
    match codec {
        // Always 2, whatever is sent (RFC 7587 §7).
        Codec::Opus => b"2",
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::G729 => b"1",
    }
}

/// `NAME/CLOCK` or `NAME/CLOCK/CHANNELS`, any case; one channel need not be said.
fn is_map(map: &[u8], name: &str, clock_hz: u32, channels: &[u8]) -> bool {
    let mut parts = map.trim_ascii().split(|b| *b == b'/');
    let is_named = parts.next().is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()));
    let is_clocked = parts.next().and_then(super::parse::decimal::<u32>) == Some(clock_hz);
    is_named && is_clocked && parts.next().unwrap_or(b"1") == channels
}
