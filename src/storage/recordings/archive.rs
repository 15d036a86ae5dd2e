//! The smaller file that takes the place of a WAV.
//!
//! ```text
//!   rec_….wav --> rec_….opus.part --read back--> rec_….opus --> sidecar names it --> rec_….wav is removed
//! ```
//!
//! Cut at any moment, either the WAV is there or a whole archive that the sidecar names.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::sidecar::Format;
use super::{RATE, flac, opus, part, rename_durably};

/// How much shorter or longer an archive may be than its WAV, in samples: one frame.
const TOLERANCE: u64 = RATE as u64 / 50;

/// Makes the archive of a WAV beside it, durable and under its final name, after it was read back. The WAV stays.
///
/// Once `stop` is set it gives up soon: the process ends. Returns the archive's path; for [`Format::Wav`] that of the WAV.
///
/// # Errors
///
/// The disk's; the codec's; the archive read back is not what was written. Then only the WAV is there.
pub fn convert(wav: &Path, format: Format, stop: &AtomicBool) -> io::Result<PathBuf> {
    if format == Format::Wav {
        return Ok(wav.to_path_buf());
    }
    let path = wav.with_extension(format.ending());
    let unfinished = part(&path);
    let done = write(wav, &unfinished, format, stop).and_then(|()| check(wav, &unfinished, format));
    match done.and_then(|()| rename_durably(&path)) {
        Ok(()) => Ok(path),
        Err(error) => {
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

fn write(wav: &Path, to: &Path, format: Format, stop: &AtomicBool) -> io::Result<()> {
    let reader = hound::WavReader::open(wav).map_err(io::Error::other)?;
    let channels = reader.spec().channels;
    let samples = reader.into_samples::<i16>().map(|sample| match stop.load(Relaxed) {
        true => Err(io::ErrorKind::Interrupted.into()),
        false => sample.map_err(io::Error::other),
    });
    let mut file = File::create(to)?;
    match format {
        Format::Wav => {}
        // One stream in a file: its number says nothing.
        Format::Opus => opus::encode(samples, channels, 1, &mut file)?,
        Format::Flac => flac::encode(samples, channels, &mut file)?,
    }
    file.sync_all()
}

/// Reads an archive back: Opus must be as long as the WAV, FLAC the same.
fn check(wav: &Path, archive: &Path, format: Format) -> io::Result<()> {
    let mut reader = hound::WavReader::open(wav).map_err(io::Error::other)?;
    let length = u64::from(reader.duration());
    let good = match format {
        Format::Wav => true,
        Format::Opus => opus::decode(archive, |_| {})?.abs_diff(length) <= TOLERANCE,
        Format::Flac => {
            let mut samples = reader.samples::<i16>();
            let mut same = true;
            let read = flac::decode(archive, |sample| {
                same &= samples.next().is_some_and(|known| known.is_ok_and(|known| known == sample));
            })?;
            same && read == length
        }
    };
    if good { Ok(()) } else { Err(io::Error::other("the archive is not what was recorded; the WAV stays")) }
}
