//! Spoken values and places from outside: a real voice (espeak-ng), and recorded pieces as tones that show which were played.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use hatif::robot::Source;
use hatif::robot::audio::{dominant, tone, write_wav};
use serde_json::json;

const THREE_HZ: f64 = 700.0;
const CALLS_HZ: f64 = 1_300.0;
/// How long each recorded piece is.
const PIECE_MS: u64 = 800;
/// 20 ms at 8 kHz.
const FRAME: usize = 160;

/// A flow that counts three calls in this language and hangs up.
fn counting(folder: &Path, language: &str) {
    let text = format!(
        "flow = 1\nname = \"count_{language}\"\nlanguages = [\"{language}\"]\nstart = \"say\"\n[vars]\n\
         waiting = {{ type = \"number\", default = 3 }}\n[node.say]\nkind = \"play\"\n\
         say = [{{ count = \"waiting\", noun = \"call\" }}]\nnext = \"end\"\non = {{ error = \"end\" }}\n\
         [node.end]\nkind = \"hangup\"\n"
    );
    fs::write(folder.join(format!("count_{language}.toml")), text).expect("a flow");
}

/// What a caller of this number hears until the call ends.
fn heard(server: &Server, from: &str, number: &str) -> Vec<i16> {
    let phone = server.customer(from, Source::Silence);
    let call = phone.invite(number).expect("sent");
    call.answered(SOON).unwrap_or_else(|e| panic!("{number} is not answered: {e}\n{}", phone.trace()));
    assert!(call.ended(seconds(20)), "the flow ends\n{}", phone.trace());
    call.heard()
}

/// Frames that are no silence.
fn loud(sound: &[i16]) -> usize {
    let energy = |frame: &[i16]| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64;
    sound.chunks_exact(FRAME).filter(|frame| energy(frame) > 100.0 * 100.0).count()
}

#[test]
fn callers_hear_a_voice_and_where_all_pieces_are_recorded_exactly_these() {
    let (ports, folder) = (free_ports(), temp_folder());
    let (flows, prompts) = (folder.join("flows"), folder.join("prompts"));
    fs::create_dir_all(&flows).expect("a folder");
    fs::create_dir_all(prompts.join("en")).expect("a folder");
    counting(&flows, "ar");
    counting(&flows, "en");
    let piece = |id: &str, hz: f64| {
        write_wav(&prompts.join(format!("en/{id}.wav")), &tone(hz, -10.0, PIECE_MS)).expect("a recording");
    };
    piece("en.n.3", THREE_HZ);
    piece("en.noun.call.other", CALLS_HZ);
    // Who waits for the voice hears no music: what is heard is the voice.
    write_wav(&prompts.join("music.wav"), &[0; 8_000]).expect("silence");
    let tts = "[tts]\nexec = [\"espeak-ng\", \"-v\", \"{language}\", \"-s\", \"150\", \"--stdin\", \"--stdout\"]\n\
               letter_by_letter = true\n";
    let numbers = "[[number]]\nmatch = \"500\"\nflow = \"count_ar\"\npublic = true\n\
                   [[number]]\nmatch = \"501\"\nflow = \"count_en\"\npublic = true\n";
    let text = config(ports, &format!("{tts}{numbers}"))
        .replace(&format!("{}/tests/common/flows", root().display()), &flows.display().to_string())
        .replace(&format!("{}/prompts", root().display()), &prompts.display().to_string());
    let server = Server::configured(ports, &text);

    let kept = || fs::read_dir(server.data.join("tts")).map(Iterator::count).unwrap_or(0);
    for (from, files) in [("0551111", 1), ("0552222", 1)] {
        let sound = heard(&server, from, "500");
        assert!(loud(&sound) * 20 > 500, "{from} hears {} frames of {}", loud(&sound), sound.len() / FRAME);
        let record = server.ended_call(from);
        assert_eq!(record["trouble"], json!([]), "{record:#}");
        wait_until(SOON, "the sentence is kept", || kept() == files);
    }

    let sound = heard(&server, "0553333", "501");
    let voiced: Vec<i16> = sound.chunks_exact(FRAME).skip_while(|frame| loud(frame) == 0).flatten().copied().collect();
    let piece = (PIECE_MS * 8) as usize;
    let (first, second) = (&voiced[800..piece - 800], &voiced[piece + 800..2 * piece - 800]);
    assert_eq!((dominant(first), dominant(second)), (Some(THREE_HZ), Some(CALLS_HZ)));
    assert!(loud(&voiced).abs_diff((2 * PIECE_MS / 20) as usize) <= 2, "nothing else: {} frames", loud(&voiced));
    assert_eq!(server.ended_call("0553333")["trouble"], json!([]));
    assert_eq!(kept(), 1, "recorded pieces need no voice");
    server.idle(SOON);
    fs::remove_dir_all(folder).expect("removed");
}

/// Ten wait, and hear their places from recordings that are silent here; who comes eleventh is told his by a voice.
#[test]
fn f19_the_eleventh_in_the_queue_hears_his_place() {
    let (ports, folder) = (free_ports(), temp_folder());
    for language in ["ar", "en"] {
        fs::create_dir_all(folder.join(language)).expect("a folder");
        for place in 1..=10 {
            write_wav(&folder.join(format!("{language}/position_{place}.wav")), &[0; 800]).expect("silence");
        }
        write_wav(&folder.join(format!("{language}/position_more.wav")), &tone(THREE_HZ, -10.0, PIECE_MS))
            .expect("a tone");
    }
    write_wav(&folder.join("music.wav"), &[0; 8_000]).expect("silence");
    let tts = "[tts]\nexec = [\"espeak-ng\", \"-v\", \"{language}\", \"--stdin\", \"--stdout\"]\n\
               letter_by_letter = true\n";
    let text = config(ports, &format!("{tts}{}", floor("")))
        .replace(&format!("{}/prompts", root().display()), &folder.display().to_string());
    let server = Server::configured(ports, &text);
    let waits = |n: u32| {
        let phone = server.customer(&format!("05500{n:02}"), Source::Silence);
        let call = phone.invite("600").expect("sent");
        call.answered(SOON).unwrap_or_else(|e| panic!("{n} is not answered: {e}\n{}", phone.trace()));
        (phone, call)
    };
    let ten: Vec<_> = (1..=10).map(waits).collect();
    let (_phone, eleventh) = waits(11);
    wait_until(seconds(20), "he hears a voice", || loud(&eleventh.heard()) * 20 > 1_000);
    assert_ne!(dominant(&eleventh.heard()), Some(THREE_HZ), "it is not the recording for all places beyond ten");
    assert_eq!(fs::read_dir(server.data.join("tts")).map(Iterator::count).unwrap_or(0), 1, "one sentence was spoken");
    for (_, call) in &ten {
        assert_eq!(loud(&call.heard()), 0, "the others hear recordings only");
        call.hang_up();
    }
    eleventh.hang_up();
    let record = server.ended_call("0550011");
    assert_eq!(record["trouble"], json!([]), "{record:#}");
    server.idle(SOON);
    fs::remove_dir_all(folder).expect("removed");
}
