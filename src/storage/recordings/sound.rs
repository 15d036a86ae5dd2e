//! The sound of a recording, in whichever format it stays.

use std::io;
use std::path::Path;

use super::sidecar::{Format, Sidecar};
use super::{RATE, flac, opus};
use crate::id::RecordingId;

/// Longest sound that is read, in samples: half an hour.
const SAMPLES_MAX: usize = RATE as usize * 1_800;

/// The customer's side of a recording that is complete, 8 kHz, at most half an hour.
///
/// # Errors
///
/// There is no such recording, its file cannot be read or is damaged.
pub fn customer_side(data_dir: &Path, recording: RecordingId) -> io::Result<Vec<i16>> {
    let sidecar = Sidecar::read(&data_dir.join(recording.beside("json"))).ok();
    let filed = sidecar.as_ref().and_then(|sidecar| sidecar.files.first());
    let (file, format) = match filed {
        Some(audio) => (audio.file.clone(), audio.format),
        None => (recording.file(), Format::Wav),
    };
    let path = data_dir.join(file);
    let mut samples = Vec::new();
    let mut channels = 2;
    match format {
        Format::Wav => {
            let reader = hound::WavReader::open(&path).map_err(io::Error::other)?;
            channels = usize::from(reader.spec().channels.max(1));
            for sample in reader.into_samples::<i16>().take(SAMPLES_MAX * channels) {
                samples.push(sample.map_err(io::Error::other)?);
            }
        }
        Format::Opus => drop(opus::decode(&path, |piece| samples.extend_from_slice(piece))?),
        Format::Flac => drop(flac::decode(&path, |sample| samples.push(sample))?),
    }
    Ok(samples.into_iter().step_by(channels).take(SAMPLES_MAX).collect())
}
