//! baresip, a softphone that people use: run, told what to do, heard.
#![allow(dead_code, clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hatif::robot::audio::{read_wav, tone, write_wav};

use super::common::{SOON, ms, seconds, temp_folder, wait_until};

/// A running baresip: microphone = a file with a tone, loudspeaker = files dumped by its `sndfile` module.
pub struct Baresip {
    child: Child,
    folder: PathBuf,
    control: SocketAddr,
}

impl Baresip {
    /// `account` as in its accounts file. Uses ports from `port` to `port + 29`.
    pub fn start(account: &str, hz: f64, port: u16) -> Self {
        Self::start_with(account, hz, port, "")
    }

    /// With these lines more in its configuration.
    pub fn start_with(account: &str, hz: f64, port: u16, lines: &str) -> Self {
        Self::speaking(account, &tone(hz, -16.0, 120_000), port, lines)
    }

    /// Whose microphone hears this, from the beginning of each call on (8 kHz).
    pub fn speaking(account: &str, sound: &[i16], port: u16, lines: &str) -> Self {
        let folder = temp_folder();
        let microphone = folder.join("microphone.wav");
        write_wav(&microphone, sound).expect("a sound");
        let modules = modules();
        // It takes the next port for TLS, so the control port is further up.
        let (control, rtp) = (port + 5, (port + 8) & !1);
        let config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\ncall_max_calls 4\n\
             audio_source aufile,{}\naudio_player aubridge,nobody\naudio_alert aubridge,nobody\n\
             ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\naudio_level no\n\
             rtp_ports {rtp}-{}\nsnd_path {}\nctrl_tcp_listen 127.0.0.1:{control}\n\
             {lines}module_path {}\nmodule g711.so\nmodule g722.so\nmodule opus.so\nmodule srtp.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n\
             module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n",
            microphone.display(),
            rtp + 20,
            folder.display(),
            modules.display(),
        );
        for (name, text) in [("config", config.as_str()), ("accounts", account), ("contacts", "")] {
            fs::write(folder.join(name), text).expect("written");
        }
        let log = fs::File::create(folder.join("log.txt")).expect("log");
        let child = Command::new("baresip")
            .args(["-f", &folder.display().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("baresip starts; is it installed?");
        let baresip = Self { child, folder, control: SocketAddr::from(([127, 0, 0, 1], control)) };
        wait_until(SOON, "baresip is ready", || baresip.log().contains("baresip is ready"));
        baresip
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    /// One command over its control port (a netstring of JSON).
    #[track_caller]
    pub fn command(&self, command: &str, parameters: &str) {
        let json = format!("{{\"command\":\"{command}\",\"params\":\"{parameters}\",\"token\":\"t\"}}");
        let mut stream = TcpStream::connect_timeout(&self.control, seconds(3)).expect("baresip's control port");
        stream.set_read_timeout(Some(seconds(3))).expect("timeout");
        stream.write_all(format!("{}:{json},", json.len()).as_bytes()).expect("sent");
        // Events come on the same connection, before the answer or after it.
        let (mut text, mut buffer) = (String::new(), [0u8; 2_048]);
        while !text.contains("\"response\":true") {
            let length = stream.read(&mut buffer).unwrap_or(0);
            assert!(length > 0, "no answer to {command} {parameters}: {text}\n{}", self.log());
            text += &String::from_utf8_lossy(&buffer[..length]);
        }
        assert!(text.contains("\"ok\":true"), "{command} {parameters}: {text}\n{}", self.log());
    }

    /// Waits until its log has this text so often.
    #[track_caller]
    pub fn says(&self, text: &str, times: usize) {
        let deadline = std::time::Instant::now() + SOON;
        while self.log().matches(text).count() < times {
            assert!(std::time::Instant::now() < deadline, "not {times} times {text:?}\n{}", self.log());
            std::thread::sleep(ms(30));
        }
    }

    /// What came out of its loudspeaker in the last call, at 8 kHz; complete after the call.
    #[track_caller]
    pub fn heard(&self) -> Vec<i16> {
        let (sound, rate) = self.heard_at_its_rate();
        assert_eq!(rate, 8_000);
        sound
    }

    /// What came out of its loudspeaker in the last call, one channel at the rate of the codec; complete after the call.
    #[track_caller]
    pub fn heard_at_its_rate(&self) -> (Vec<i16>, u32) {
        self.dumped("-dec.wav")
    }

    /// What it gave to its encoder in the last call: its own resampling (8 kHz to that of the codec) is up to 2 dB off.
    #[track_caller]
    pub fn said_at_its_rate(&self) -> (Vec<i16>, u32) {
        self.dumped("-enc.wav")
    }

    #[track_caller]
    fn dumped(&self, kind: &str) -> (Vec<i16>, u32) {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)
            .expect("folder")
            .filter_map(|f| f.ok().map(|f| f.path()))
            .filter(|p| p.to_string_lossy().ends_with(kind))
            .collect();
        files.sort();
        let file = files.last().unwrap_or_else(|| panic!("no sound was dumped: {}", self.log()));
        let (mut channels, rate) = read_wav(file).expect("a WAV file");
        assert!(!channels.is_empty(), "{}", file.display());
        (channels.remove(0), rate)
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Where Debian and others put its modules.
fn modules() -> PathBuf {
    let places =
        ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules", "/usr/local/lib/baresip/modules"];
    let place = places.iter().map(Path::new).find(|p| p.join("aufile.so").exists());
    place.expect("baresip's modules; is it installed?").to_owned()
}
