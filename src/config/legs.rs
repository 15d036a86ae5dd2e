//! How legs talk: codecs of the centre, of an agent, of a trunk.

use crate::call::config::{LegProfile, Srtp};
use crate::media::codec::Codec;

use super::build::duplicate;
use super::reader::Reader;

const CODECS: [(&str, Codec); 5] =
    [("pcma", Codec::Pcma), ("pcmu", Codec::Pcmu), ("g722", Codec::G722), ("opus", Codec::Opus), ("g729", Codec::G729)];

/// The keys of an agent or a trunk.
pub fn profile(reader: &Reader) -> LegProfile {
    let policies = [("never", Srtp::Never), ("offer", Srtp::Offer), ("required", Srtp::Required)];
    LegProfile {
        codecs: codecs(reader).unwrap_or_default(),
        srtp: reader.word("srtp", &policies, &[]).unwrap_or_default(),
    }
}

/// The `codecs` key; `None` when it is absent.
pub fn codecs(reader: &Reader) -> Option<Vec<Codec>> {
    let list = reader.texts("codecs")?;
    let mut codecs: Vec<Codec> = Vec::new();
    let mut understood = true;
    for text in &list {
        match reader.word_of("codecs", text, &CODECS, &["ilbc", "gsm"]) {
            Some(codec) if codecs.contains(&codec) => duplicate(reader, text, "codec"),
            Some(codec) => codecs.push(codec),
            None => understood = false,
        }
    }
    if understood && codecs.iter().all(|codec| *codec == Codec::G729) {
        let place = reader.node("codecs").map_or(reader.place, |n| n.place);
        let message = "no codec that can be heard here is allowed";
        reader.bad(place, message, "allow pcma or pcmu too: g729 is only passed on between two phones".to_owned());
    }
    Some(codecs)
}
