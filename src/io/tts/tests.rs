//! The voice against real programs and a real adaptor on loopback.

use std::fs;
use std::io::{Read, Write};

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("hatif-tts-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn shell(script: &str) -> TtsConfig {
    let exec = ["sh", "-c", script, "voice", "{language}"].map(str::to_owned);
    TtsConfig { voice: Some(Voice::Exec(exec.into())), ..TtsConfig::default() }
}

fn sentence(text: &str) -> Synthesis {
    Synthesis { id: 1, language: "ar".into(), text: text.into(), is_private: false, is_optional: false }
}

fn state(config: TtsConfig, folder: &Path) -> Arc<State> {
    Arc::new(State::new(config, &folder.join("tts"), |text| text.to_uppercase()).unwrap())
}

/// A program that notes what it was told and speaks half a second.
fn noting(folder: &Path) -> String {
    fs::write(folder.join("sound.wav"), wave::write(&[1_000; 4_000])).unwrap();
    let (notes, sound) = (folder.join("notes"), folder.join("sound.wav"));
    format!("echo \"$1 $(cat)\" >> {}; cat {}", notes.display(), sound.display())
}

#[tokio::test]
async fn a_sentence_is_spoken_once_and_kept_in_memory_and_on_disk() {
    let folder = folder("once");
    let (config, notes) = (shell(&noting(&folder)), || fs::read_to_string(folder.join("notes")).unwrap());
    let first = state(config.clone(), &folder);
    for _ in 0..2 {
        let clip = speak(Arc::clone(&first), &sentence("ثلاث مكالمات")).await.unwrap();
        assert_eq!(clip.length_ms(), 500);
    }
    assert_eq!(notes(), "ar ثلاث مكالمات\n");
    // Another process finds it on disk.
    let second = state(config.clone(), &folder);
    assert_eq!(speak(Arc::clone(&second), &sentence("ثلاث مكالمات")).await.unwrap().length_ms(), 500);
    assert_eq!(notes().lines().count(), 1);
    let kept = || fs::read_dir(folder.join("tts")).unwrap().count();
    assert_eq!(kept(), 1);
    // What is the caller's own is spoken and remembered, and never on disk.
    let secret = Synthesis { is_private: true, ..sentence("four two") };
    for _ in 0..2 {
        speak(Arc::clone(&second), &secret).await.unwrap();
    }
    assert_eq!((notes().lines().count(), kept()), (2, 1));
    // Another voice says it in its own way, here a slow reader of letters.
    let other = state(TtsConfig { letter_by_letter: true, ..config }, &folder);
    speak(other, &sentence("one")).await.unwrap();
    assert!(notes().ends_with("ar ONE\n"), "{}", notes());
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_voice_that_fails_says_so() {
    let folder = folder("fails");
    let failed =
        async |script: &str| speak(state(shell(script), &folder), &sentence("x")).await.unwrap_err().to_string();
    assert_eq!(failed("exit 3").await, "sh failed");
    assert_eq!(failed("echo sorry").await, "what it says: it is no WAV file");
    assert_eq!(failed("yes").await, format!("sh says more than {SOUND_BYTES} bytes"));
    let none = TtsConfig::default();
    assert_eq!(speak(state(none, &folder), &sentence("x")).await, Err(SynthesisError::NoVoice));
    let absent = TtsConfig { voice: Some(Voice::Exec(vec!["/nowhere/voice".into()])), ..TtsConfig::default() };
    let error = speak(state(absent, &folder), &sentence("x")).await.unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/voice cannot be run"), "{error}");
    fs::remove_dir_all(folder).unwrap();
}

/// What hangs is killed with all that it started, and its place is free again.
#[tokio::test]
async fn a_voice_that_hangs_is_killed() {
    let folder = folder("hangs");
    let pid = folder.join("pid");
    let script = format!("sleep 600 & echo $! > {}; cat; wait", pid.display());
    let began = Instant::now();
    let until = began + Duration::from_millis(400);
    let command: Vec<String> = ["sh", "-c", &script].map(str::to_owned).into();
    let hung = tokio::task::spawn_blocking(move || exec::run(&command, "ar", "x", 100, until)).await.unwrap();
    assert_eq!(hung, Err(SynthesisError::Timeout));
    assert!(began.elapsed() < Duration::from_secs(5));
    let pid = fs::read_to_string(pid).unwrap();
    let gone = || match fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while !gone() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(gone(), "the sleeper {pid} lives");
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn too_many_at_once_are_refused() {
    let folder = folder("many");
    let state = state(TtsConfig { parallel: 1, ..shell(&noting(&folder)) }, &folder);
    state.waiting.store(WAITING_MAX + 1, Ordering::Relaxed);
    assert_eq!(speak(Arc::clone(&state), &sentence("x")).await, Err(SynthesisError::Busy));
    assert_eq!(state.waiting.load(Ordering::Relaxed), WAITING_MAX + 1, "a place that was not taken is not given back");
    // Where something stands in, fewer may wait.
    state.waiting.store(OPTIONAL_MAX + 1, Ordering::Relaxed);
    let optional = Synthesis { is_optional: true, ..sentence("x") };
    assert_eq!(speak(Arc::clone(&state), &optional).await, Err(SynthesisError::Busy));
    assert!(speak(Arc::clone(&state), &sentence("x")).await.is_ok());
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_adaptor_gets_language_and_text_and_answers_sound() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for (status, body) in [("200 OK", wave::write(&[500; 800])), ("500 Broken", Vec::new())] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut piece = [0; 1_024];
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0, "the request ends early");
                request.extend_from_slice(&piece[..read]);
            }
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            requests.push(String::from_utf8(request).unwrap());
        }
        requests
    });
    let folder = folder("url");
    let url = Voice::Url(format!("http://{address}/speak"));
    let state = state(TtsConfig { voice: Some(url), ..TtsConfig::default() }, &folder);
    assert_eq!(speak(Arc::clone(&state), &sentence("مرحبا")).await.unwrap().length_ms(), 100);
    let error = speak(Arc::clone(&state), &sentence("two")).await.unwrap_err();
    assert_eq!(error.to_string(), "the voice answers HTTP 500");
    let requests = asked.join().unwrap();
    assert!(requests[0].starts_with("POST /speak HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].ends_with("{\"language\":\"ar\",\"text\":\"مرحبا\"}"), "{}", requests[0]);
    assert!(requests[0].to_lowercase().contains("accept: audio/wav\r\n"), "{}", requests[0]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn caches_have_their_bounds() {
    let folder = folder("bounds");
    let wav = wave::write(&[0; 500]);
    let limit = wav.len() as u64 * 2;
    let cache = Mutex::new(Cache::open(&folder, limit).with_memory(2_000));
    for key in ["a", "b", "c"] {
        Cache::keep(&cache, key, &wav);
    }
    let mut cache = cache.into_inner().unwrap();
    assert_eq!(["a", "b", "c"].map(|key| cache.file(key).is_some()), [false, true, true], "the oldest went");
    assert!(!folder.join("a.wav").exists() && folder.join("c.wav").exists());
    fs::write(folder.join("d.part"), "half").unwrap();
    assert!(Cache::open(&folder, limit / 2).file("c").is_some());
    assert!(!folder.join("b.wav").exists() && !folder.join("d.part").exists());
    // 500 samples are 1,000 bytes in both laws.
    let clip = Arc::new(Clip::from_pcm16(&[0; 500]));
    cache.remember("x", &clip);
    cache.remember("y", &clip);
    assert!(cache.remembered("x").is_some());
    cache.remember("z", &clip);
    assert_eq!(["x", "y", "z"].map(|key| cache.remembered(key).is_some()), [true, false, true]);
    fs::remove_dir_all(folder).unwrap();
}
