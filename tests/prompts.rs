//! A speaker's recordings become prompts, from outside: the list, the import, the report, and one put in over the API.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/ask.rs"]
mod ask;
mod common;

use std::f64::consts::TAU;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use ask::request;
use common::*;
use hatif::media::loudness::{loudness, peak};
use hatif::robot::Source;
use hatif::robot::audio::stands_above;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use serde_json::{Value, json};

/// A voice of one tone that swells, with silence around it.
fn voice(rate: u32, hz: f64, level: f64, spoken_s: f64) -> Vec<f64> {
    let (rate, silence) = (f64::from(rate), 0.8);
    let total = ((2.0 * silence + spoken_s) * rate) as usize;
    let at = |n: usize| {
        let t = n as f64 / rate - silence;
        let swell = if (0.0..spoken_s).contains(&t) { (TAU * 2.0 * t).sin().abs() } else { 0.0 };
        level * swell * (TAU * hz * n as f64 / rate).sin()
    };
    (0..total).map(at).collect()
}

fn wav(samples: &[f64], spec: WavSpec) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).expect("a writer");
    for sample in samples {
        for _channel in 0..spec.channels {
            let written = match spec.sample_format {
                SampleFormat::Float => writer.write_sample(*sample as f32),
                SampleFormat::Int => {
                    let full = f64::from((1u32 << (spec.bits_per_sample - 1)) - 1);
                    writer.write_sample((sample * full).clamp(-full, full) as i32)
                }
            };
            written.expect("a sample");
        }
    }
    writer.finalize().expect("whole");
    bytes.into_inner()
}

const fn spec(sample_rate: u32, bits_per_sample: u16, channels: u16) -> WavSpec {
    WavSpec { channels, sample_rate, bits_per_sample, sample_format: SampleFormat::Int }
}

/// A centre with prompts of its own: its configuration, and the folder of its prompts.
fn centre(folder: &Path) -> (PathBuf, PathBuf) {
    let prompts = folder.join("prompts");
    let text = config(free_ports(), &floor("announcements = [\"position_more\"]"));
    let text = text.replace(&format!("{}/prompts", root().display()), &prompts.display().to_string());
    let file = folder.join("hatif.toml");
    fs::write(&file, text).expect("written");
    (file, prompts)
}

fn samples(path: &Path) -> (Vec<f32>, WavSpec) {
    let mut reader = WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let spec = reader.spec();
    (reader.samples::<i16>().map(|s| f32::from(s.expect("a sample")) / 32_768.0).collect(), spec)
}

#[test]
fn recordings_of_every_kind_are_imported_at_one_level_and_bad_ones_are_told() {
    let folder = temp_folder();
    let (file, prompts) = centre(&folder);
    let file = file.display().to_string();
    let studio = folder.join("studio");
    fs::create_dir_all(&studio).expect("a folder");
    let float = WavSpec { sample_format: SampleFormat::Float, ..spec(44_100, 32, 1) };
    let write = |name: &str, bytes: Vec<u8>| fs::write(studio.join(name), bytes).expect("written");
    let speaks = |spec: WavSpec, level: f64| wav(&voice(spec.sample_rate, 700.0, level, 1.5), spec);
    write("welcome.wav", speaks(spec(48_000, 24, 2), 0.9));
    write("goodbye.wav", speaks(spec(8_000, 16, 1), 0.05));
    write("topic_menu.WAV", speaks(spec(16_000, 32, 1), 0.5));
    write("survey_thanks.wav", speaks(float, 0.3));
    write("ar.n.100.wav", wav(&voice(44_100, 700.0, 0.4, 0.3), spec(44_100, 16, 1)));
    write("welcom.wav", speaks(spec(16_000, 16, 1), 0.5));
    write("sorry_full.wav", speaks(spec(16_000, 16, 1), 0.001));
    write("sorry_error.wav", wav(&voice(16_000, 700.0, 9.0, 1.5), spec(16_000, 16, 1)));
    write("sorry_closed.wav", wav(&voice(8_000, 700.0, 0.5, 61.0), spec(8_000, 16, 1)));
    write("sorry_timeout.wav", speaks(spec(16_000, 8, 1), 0.5));
    write("sorry_no_agents.wav", b"RIFF no wave".to_vec());
    write("notes.txt", b"not a recording".to_vec());

    let studio = studio.display().to_string();
    let arguments = ["prompts", "import", &studio, "--lang", "ar", "--config", &file];
    let tried = run(&[&arguments[..], &["--dry-run"]].concat(), &[]);
    assert!(tried.code == Some(1) && !prompts.exists(), "a dry run stores nothing: {tried:?}");
    let done = run(&[&arguments[..], &["--json"]].concat(), &[]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let lines = done.lines();
    let of = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap_or_else(|| panic!("no {id} in {done:?}"));
    for id in ["welcome", "goodbye", "topic_menu", "survey_thanks", "ar.n.100"] {
        assert_eq!(of(id)["accepted"], true, "{}", of(id));
        let (sound, stored) = samples(&prompts.join("ar").join(format!("{id}.wav")));
        assert_eq!((stored.sample_rate, stored.channels, stored.bits_per_sample), (8_000, 1, 16));
        let (level, high) = (loudness(&sound, 8_000).expect("sound"), peak(&sound));
        assert!((level + 19.0).abs() < 2.0 && high <= -0.9, "{id}: {level:.1} LUFS, {high:.1} dBTP");
        let spoken = if id == "ar.n.100" { 0.3 } else { 1.5 };
        let length = sound.len() as f64 / 8_000.0;
        assert!((length - spoken - 0.15).abs() < 0.08, "{id}: {length} s");
    }
    for (id, words) in [
        ("welcom", "did you mean \"welcome\""),
        ("sorry_full", "too quiet"),
        ("sorry_error", "clipped"),
        ("sorry_closed", "at most 60 s"),
        ("sorry_timeout", "8 bits a sample"),
        ("sorry_no_agents", "no WAV file"),
    ] {
        let line = of(id);
        assert!(line["accepted"] == false && line["error"].as_str().is_some_and(|e| e.contains(words)), "{line}");
        assert!(!prompts.join("ar").join(format!("{id}.wav")).exists(), "{id}");
    }
    assert_eq!(lines.len(), 11);
    let left: Vec<_> = fs::read_dir(prompts.join("ar")).expect("a folder").flatten().map(|f| f.file_name()).collect();
    assert_eq!(left.len(), 5, "nothing half-written: {left:?}");
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn the_list_for_the_speaker_says_what_to_read_and_where_it_is_used() {
    let folder = temp_folder();
    let (file, prompts) = centre(&folder);
    let file = file.display().to_string();
    let script = |more: &[&str]| {
        let done = run(&[&["prompts", "script", "--lang", "ar", "--config", &file], more].concat(), &[]);
        assert_eq!(done.code, Some(0), "{done:?}");
        done.stdout
    };
    let csv = script(&[]);
    let line = |csv: &str, id: &str| csv.lines().find(|line| line.starts_with(&format!("{id},"))).map(str::to_owned);
    assert_eq!(csv.lines().next(), Some("id,text,used"));
    let menu = line(&csv, "topic_menu").expect("a line");
    assert!(menu.contains("main.") && menu.chars().any(|c| ('\u{0621}'..'\u{064B}').contains(&c)), "{menu}");
    assert!(line(&csv, "sorry_full").is_some_and(|line| line.contains("the engine")));
    assert!(line(&csv, "position_more").is_some_and(|line| line.contains("queue support")), "{csv}");
    assert!(line(&csv, "ar.n.100").is_none());
    assert_eq!(line(&script(&["--units"]), "ar.n.100").as_deref(), Some("ar.n.100,مئة,\"numbers, dates, money\""));
    let paper = script(&["--format", "md"]);
    assert!(paper.starts_with("| id | text | used |\n| --- | --- | --- |\n"));
    assert_eq!(paper.lines().count(), csv.lines().count() + 1);

    // What is recorded is not asked for again.
    fs::create_dir_all(prompts.join("ar")).expect("a folder");
    fs::write(prompts.join("ar/topic_menu.wav"), wav(&voice(8_000, 700.0, 0.1, 1.0), spec(8_000, 16, 1)))
        .expect("written");
    fs::write(prompts.join("ar/old_news.wav"), wav(&voice(8_000, 700.0, 0.1, 1.0), spec(8_000, 16, 1)))
        .expect("written");
    assert!(
        line(&script(&["--missing"]), "topic_menu").is_none() && line(&script(&["--missing"]), "welcome").is_some()
    );
    let refused = run(&["prompts", "script", "--lang", "tr", "--config", &file], &[]);
    assert!(refused.code == Some(2) && refused.stderr.contains("ar, en"), "{refused:?}");

    let report = run(&["prompts", "report", "--config", &file, "--json"], &[]);
    let state = |id: &str, language: &str| {
        let lines = report.lines();
        let line = lines.iter().find(|line| line["id"] == id && line["language"] == language).cloned();
        line.unwrap_or_else(|| panic!("no {id} in {language}: {report:?}"))
    };
    assert_eq!(state("topic_menu", "ar")["state"], "level", "{}", state("topic_menu", "ar"));
    assert_eq!(
        (&state("topic_menu", "en")["state"], &state("old_news", "ar")["state"]),
        (&json!("missing"), &json!("unused"))
    );
    let table = run(&["prompts", "report", "--config", &file, "--lang", "ar", "--strict"], &[]);
    assert_eq!(table.code, Some(6), "{table:?}");
    assert!(
        table
            .stdout
            .lines()
            .next()
            .is_some_and(|line| line.starts_with("ar: 1 of ") && line.contains("1 to be looked at"))
    );
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn a_prompt_put_in_over_the_api_is_heard_by_the_next_caller() {
    let folder = temp_folder();
    let prompts = folder.join("prompts");
    let ports = free_ports();
    let text = config(ports, &floor("announce_every = \"0s\""));
    let text = text.replace(&format!("{}/prompts", root().display()), &prompts.display().to_string());
    let server = Server::configured(ports, &text);
    let path = "/api/v1/prompts/ar/welcome/audio";
    assert_eq!(server.get(path).0, 404);
    let item =
        || items(&server.json("/api/v1/prompts")).into_iter().find(|item| item["id"] == "welcome").expect("listed");
    assert!(item()["seconds"].as_object().is_some_and(serde_json::Map::is_empty), "{:#}", item());
    assert!(item()["used"].as_array().is_some_and(|used| !used.is_empty()) && item()["text"]["ar"].is_string());

    let recording = wav(&voice(16_000, 1_404.0, 0.2, 3.0), spec(16_000, 16, 1));
    let put = |path: &str, body: &[u8]| {
        let (status, answer) = request(&server, "PUT", path, "audio/wav", body);
        (status, serde_json::from_slice::<Value>(&answer).unwrap_or_default())
    };
    let (status, answer) = put(path, &recording);
    assert_eq!(status, 200, "{answer:#}");
    assert!(answer["lufs"].as_f64().is_some_and(|lufs| (lufs + 19.0).abs() < 2.0), "{answer:#}");
    assert!((3.0..3.3).contains(&item()["seconds"]["ar"].as_f64().unwrap_or_default()), "{:#}", item());
    let (status, stored) = request(&server, "GET", path, "audio/wav", b"");
    assert_eq!((status, stored.get(..4)), (200, Some(&b"RIFF"[..])));
    assert_eq!(WavReader::new(Cursor::new(stored)).expect("a WAV file").spec().sample_rate, 8_000);

    let customer = server.customer("0551234", Source::Silence);
    let call = customer.invite("500").expect("sent");
    call.answered(SOON).expect("answered");
    let heard = call.listen(seconds(3));
    let hears = heard.chunks(4_000).any(|piece| stands_above(piece, 1_404.0, 604.0, MARGIN_DB));
    assert!(hears, "the caller hears the new prompt");
    assert_eq!(call.hang_up_and_wait(SOON), Some(200));

    for (path, body, code, words) in [
        ("/api/v1/prompts/ar/welcom/audio", &recording[..], 404, "did you mean"),
        ("/api/v1/prompts/tr/welcome/audio", &recording, 404, "does not speak tr"),
        ("/api/v1/prompts/ar/..%2F..%2Fhatif/audio", &recording, 404, "no prompt"),
        (path, b"no sound", 400, "no WAV file"),
        (path, &wav(&[0.0; 16_000], spec(16_000, 16, 1)), 400, "nothing is said"),
    ] {
        let (status, answer) = put(path, body);
        let told = answer["detail"].as_str().is_some_and(|detail| detail.contains(words));
        assert!(status == code && told, "{path}: {status} {answer:#}");
    }
    assert_eq!(put(path, &vec![0; 11 << 20]).0, 413);
    std::thread::sleep(ms(200));
    let listing = fs::read_dir(server.data.join("journal")).expect("a journal");
    let journal: String = listing
        .map(|file| String::from_utf8_lossy(&fs::read(file.expect("a file").path()).expect("a segment")).into_owned())
        .collect();
    let told = "\"what\":\"prompt.ar.welcome\",\"before\":\"\",\"after\":\"3.1 s\",\"by\":\"api:test\"";
    assert_eq!(journal.matches("prompt.ar.welcome").count(), 1);
    assert!(journal.contains(told), "{journal}");
    let _ = fs::remove_dir_all(folder);
}
