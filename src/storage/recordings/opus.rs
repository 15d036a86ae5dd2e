//! Opus in Ogg (RFC 7845): what a call of 115 MB an hour becomes 22 MB by, and nobody hears it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use ogg::{PacketReader, PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels, Decoder, Encoder};

use super::RATE;

/// Samples of one frame and channel: 20 ms.
const FRAME: usize = 160;
/// Ticks of Ogg's clock for one sample of ours: it always runs at 48 kHz (RFC 7845 §4).
const TICKS: u64 = 6;
/// Bits a second of each channel.
const BITRATE: i32 = 24_000;
/// An Opus packet is never longer (RFC 6716 §3.4, of one frame of 20 ms).
const PACKET_BYTES: usize = 1_275 * 2;
/// Packets of one page: a second, so that a player finds its place.
const PAGE: u64 = 50;
/// Ticks of Ogg's clock that a decoder drops at most before it plays: more is a broken file.
const PRE_SKIP_MOST: u16 = 48_000;

fn channels(count: u16) -> Channels {
    if count == 1 { Channels::Mono } else { Channels::Stereo }
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Writes all samples, interleaved, at 8 kHz. `serial` tells streams of one file apart; any number will do.
///
/// # Errors
///
/// The source's, the disk's, the encoder's.
pub fn encode(
    samples: impl Iterator<Item = io::Result<i16>>,
    count: u16,
    serial: u32,
    out: &mut File,
) -> io::Result<()> {
    let mut encoder = Encoder::new(RATE, channels(count), Application::Audio).map_err(io::Error::other)?;
    encoder.set_bitrate(Bitrate::Bits(BITRATE * i32::from(count))).map_err(io::Error::other)?;
    let lookahead = u64::try_from(encoder.get_lookahead().map_err(io::Error::other)?).unwrap_or_default();
    let mut writer = PacketWriter::new(BufWriter::new(out));
    writer.write_packet(head(count, lookahead * TICKS), serial, PacketWriteEndInfo::EndPage, 0)?;
    writer.write_packet(tags(), serial, PacketWriteEndInfo::EndPage, 0)?;

    let width = FRAME * usize::from(count);
    let (mut samples, mut given, mut frames) = (samples, 0u64, 0u64);
    let mut packet = vec![0; PACKET_BYTES];
    let mut pcm = Vec::with_capacity(width);
    // One frame is held back: only when it is known to be the last can it be marked so.
    let mut held: Option<Vec<u8>> = None;
    loop {
        pcm.clear();
        for sample in samples.by_ref().take(width) {
            pcm.push(sample?);
        }
        given += pcm.len() as u64 / u64::from(count);
        // What the encoder still holds of the last sound is drawn out by silence.
        let owed = given + lookahead > frames * FRAME as u64;
        if pcm.is_empty() && !owed && held.is_some() {
            break;
        }
        pcm.resize(width, 0);
        let bytes = encoder.encode(&pcm, &mut packet).map_err(io::Error::other)?;
        frames += 1;
        let made = packet.get(..bytes).unwrap_or_default().to_vec();
        if let Some(before) = held.replace(made) {
            let end = match (frames - 1).is_multiple_of(PAGE) {
                true => PacketWriteEndInfo::EndPage,
                false => PacketWriteEndInfo::NormalPacket,
            };
            writer.write_packet(before, serial, end, (frames - 1) * FRAME as u64 * TICKS)?;
        }
    }
    // The last page says where the sound ends, not the frame (RFC 7845 §4.4).
    let end = (given + lookahead) * TICKS;
    writer.write_packet(held.unwrap_or_default(), serial, PacketWriteEndInfo::EndStream, end)?;
    writer.inner_mut().flush()
}

/// The identification header (RFC 7845 §5.1).
fn head(count: u16, pre_skip: u64) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(count as u8);
    head.extend(u16::try_from(pre_skip).unwrap_or(PRE_SKIP_MOST).to_le_bytes());
    head.extend(RATE.to_le_bytes());
    // No gain; mono or plain stereo.
    head.extend([0, 0, 0]);
    head
}

/// The comment header (RFC 7845 §5.2), without comments.
fn tags() -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    tags.extend(5u32.to_le_bytes());
    tags.extend(b"hatif");
    tags.extend(0u32.to_le_bytes());
    tags
}

/// Decodes a file, giving its samples, interleaved, piece by piece; returns how many there are of each channel.
///
/// # Errors
///
/// It cannot be read or is not what [`encode`] writes.
pub fn decode(path: &Path, mut each: impl FnMut(&[i16])) -> io::Result<u64> {
    let mut reader = PacketReader::new(BufReader::new(File::open(path)?));
    let mut next = || reader.read_packet().map_err(|_| broken("it is no Ogg file"));
    let head = next()?.ok_or(broken("it is empty"))?.data;
    let (Some(b"OpusHead\x01"), Some(count), Some(skip)) = (head.get(..9), head.get(9), head.get(10..12)) else {
        return Err(broken("it is no Opus file"));
    };
    let count = u16::from(*count);
    let pre_skip = u16::from_le_bytes(skip.try_into().unwrap_or_default());
    if pre_skip > PRE_SKIP_MOST || !(1..=2).contains(&count) {
        return Err(broken("its header is impossible"));
    }
    next()?.ok_or(broken("it has no comments"))?;
    let mut decoder = Decoder::new(RATE, channels(count)).map_err(io::Error::other)?;
    let width = usize::from(count);
    // 120 ms are the longest packet.
    let mut pcm = vec![0; 6 * FRAME * width];
    let mut drop = usize::from(pre_skip) / TICKS as usize;
    let (mut decoded, mut given) = (0u64, 0u64);
    while let Some(packet) = next()? {
        let samples = decoder.decode(&packet.data, &mut pcm, false).map_err(io::Error::other)?;
        decoded += samples as u64;
        let end = match packet.last_in_stream() {
            // Ends before its last frame does.
            true => (decoded.saturating_sub(packet.absgp_page() / TICKS) as usize).min(samples),
            false => 0,
        };
        let first = drop.min(samples - end);
        drop -= first;
        let sound = pcm.get(first * width..(samples - end) * width).unwrap_or_default();
        given += (sound.len() / width) as u64;
        each(sound);
    }
    Ok(given)
}
