//! FLAC (RFC 9639): half of a WAV's size, and not one sample is another.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Stream, StreamInfo};
use flacenc::config;
use flacenc::error::Verify;
use flacenc::source::{Context, Fill, FrameBuf};

use super::RATE;

/// Samples of one block and channel.
const BLOCK: usize = 4_096;
/// Bits of a sample.
const BITS: usize = 16;

fn fault(error: impl std::fmt::Debug) -> io::Error {
    io::Error::other(format!("{error:?}"))
}

/// Writes all samples, interleaved, at 8 kHz.
///
/// # Errors
///
/// The source's, the disk's, the encoder's.
pub fn encode(samples: impl Iterator<Item = io::Result<i16>>, count: u16, out: &mut File) -> io::Result<()> {
    let channels = usize::from(count);
    let config = config::Encoder::default().into_verified().map_err(|(_, error)| fault(error))?;
    let mut info = StreamInfo::new(RATE as usize, channels, BITS).map_err(fault)?;
    info.set_block_sizes(BLOCK, BLOCK).map_err(fault)?;
    let mut context = Context::new(BITS, channels);
    let mut out = BufWriter::new(out);
    out.write_all(&head(&info)?)?;
    let mut samples = samples;
    let mut block: Vec<i32> = Vec::with_capacity(BLOCK * channels);
    loop {
        block.clear();
        for sample in samples.by_ref().take(BLOCK * channels) {
            block.push(i32::from(sample?));
        }
        if block.is_empty() {
            break;
        }
        let mut buffer = FrameBuf::with_size(channels, block.len() / channels).map_err(fault)?;
        buffer.fill_interleaved(&block).map_err(fault)?;
        context.fill_interleaved(&block).map_err(fault)?;
        let number = context.current_frame_number().unwrap_or_default();
        let frame = flacenc::encode_fixed_size_frame(&config, &buffer, number, &info).map_err(fault)?;
        info.update_frame_info(&frame);
        let mut bytes = ByteSink::new();
        frame.write(&mut bytes).map_err(fault)?;
        out.write_all(bytes.as_slice())?;
    }
    info.set_block_sizes(BLOCK, BLOCK).map_err(fault)?;
    info.set_md5_digest(&context.md5_digest());
    info.set_total_samples(context.total_samples());
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&head(&info)?)?;
    out.flush()
}

/// What stands before the frames.
fn head(info: &StreamInfo) -> io::Result<Vec<u8>> {
    let mut bytes = ByteSink::new();
    Stream::with_stream_info(info.clone()).write(&mut bytes).map_err(fault)?;
    Ok(bytes.as_slice().to_vec())
}

/// Reads a file, giving each sample, interleaved; returns how many there are of each channel.
///
/// # Errors
///
/// It cannot be read or is damaged.
pub fn decode(path: &Path, mut each: impl FnMut(i16)) -> io::Result<u64> {
    let mut reader = claxon::FlacReader::open(path).map_err(io::Error::other)?;
    let channels = u64::from(reader.streaminfo().channels.max(1));
    let mut samples = 0;
    for sample in reader.samples() {
        each(i16::try_from(sample.map_err(io::Error::other)?).map_err(io::Error::other)?);
        samples += 1;
    }
    Ok(samples / channels)
}
