//! Media as the engine sees it: ports, sounds that end, keys. No packet moves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::id::{LegId, RecordingId};
use crate::journal::{LegRole, Quality};
use crate::media::{Command, Event};

use super::dice::Dice;

/// The modelled shard.
#[derive(Default)]
pub struct Media {
    legs: BTreeMap<LegId, Leg>,
    ports: BTreeMap<u16, LegId>,
    recordings: BTreeMap<RecordingId, LegId>,
}

struct Leg {
    port: u16,
    role: LegRole,
    phone: Option<IpAddr>,
}

/// Something that will happen after a while.
#[derive(Debug)]
pub enum Later {
    /// A word to the engine.
    Event(Event),
    /// Storage says that a recording is complete.
    Stored(RecordingId),
    /// No RTP came for too long, if the leg is still there.
    Quiet(LegId),
}

impl Media {
    /// Does `command`; returns what follows, and when.
    ///
    /// # Errors
    ///
    /// A command that a real shard could only take for a fault of the engine.
    pub fn handle(&mut self, command: Command, dice: &mut Dice) -> Result<Vec<(Duration, Later)>, String> {
        let soon = Duration::from_micros(dice.between(30, 900));
        let mut later = Vec::new();
        match command {
            Command::Open { leg, port, role, remote, .. } => {
                let port = port.number();
                if let Some(other) = self.ports.get(&port) {
                    return Err(format!("port {port} is opened for {leg:?} while {other:?} has it"));
                }
                // Now and then another program holds the port.
                if dice.below(2_000) == 0 {
                    later.push((soon, Later::Event(Event::OpenFailed { leg, error: "address in use".into() })));
                } else {
                    self.legs.insert(leg, Leg { port, role, phone: remote.map(|address| address.ip()) });
                    self.ports.insert(port, leg);
                    later.push((soon, Later::Event(Event::Opened { leg })));
                    // A phone now and then sends nothing at all.
                    if dice.below(150) == 0 {
                        later.push((Duration::from_secs(60), Later::Quiet(leg)));
                    }
                }
            }
            Command::Play { leg, play, clips } => {
                let Some(known) = self.legs.get(&leg) else { return Ok(later) };
                let samples: usize = clips.iter().map(|clip| clip.ulaw.len()).sum();
                let length = Duration::from_micros(samples as u64 * 125);
                later.push((length, Later::Event(Event::PlayDone { leg, play })));
                if known.role == LegRole::Customer && dice.chance(60) {
                    let digit = if dice.chance(90) { '1' } else { char::from(b'0' + dice.below(10) as u8) };
                    let after = Duration::from_millis(dice.between(100, 5_000));
                    later.push((after, Later::Event(Event::Digit { leg, digit })));
                }
            }
            Command::Bridge { a, b } => {
                self.known(a, "bridged")?;
                self.known(b, "bridged")?;
            }
            Command::Record { recording, customer, others } => {
                self.known(customer, "recorded")?;
                for other in others {
                    self.known(other, "recorded")?;
                }
                self.recordings.insert(recording, customer);
            }
            Command::RecordTrack { leg, .. } => self.known(leg, "recorded beside a call")?,
            Command::PauseRecord { .. } | Command::ResumeRecord { .. } | Command::StopTrack { .. } => {}
            Command::AwaitQuiet { .. } => {}
            Command::StopRecord { recording } => {
                if self.recordings.remove(&recording).is_some() {
                    later.push((Duration::from_millis(dice.between(1, 50)), Later::Stored(recording)));
                }
            }
            Command::Close { leg } => {
                // A leg whose opening failed is closed too: the engine need not know.
                if let Some(closed) = self.legs.remove(&leg) {
                    self.ports.remove(&closed.port);
                    let quality = Quality { received: 1, sent: 1, mos: 4.4, ..Quality::default() };
                    later.push((soon, Later::Event(Event::Closed { leg, quality })));
                }
            }
            Command::Mix { leg, voices } => {
                self.known(leg, "listening")?;
                for voice in voices {
                    self.known(voice, "listened to")?;
                }
            }
            Command::Update { leg, remote, .. } => {
                if let (Some(known), Some(address)) = (self.legs.get_mut(&leg), remote) {
                    known.phone = Some(address.ip());
                }
            }
            Command::Report { leg } => {
                self.known(leg, "reported")?;
                later.push((soon, Later::Event(Event::Quality { leg, quality: Quality::default() })));
            }
            Command::Music { .. } | Command::Silence { .. } | Command::Tone { .. } => {}
            Command::Echo { .. } | Command::Unbridge { .. } | Command::Press { .. } => {}
            Command::Fork { .. } | Command::Unfork { .. } => {}
        }
        Ok(later)
    }

    fn known(&self, leg: LegId, what: &str) -> Result<(), String> {
        match self.legs.contains_key(&leg) {
            true => Ok(()),
            false => Err(format!("{leg:?} is {what} but not open")),
        }
    }

    /// Whether this leg has its port.
    pub fn has(&self, leg: LegId) -> bool {
        self.legs.contains_key(&leg)
    }

    /// Legs whose media goes to this phone.
    pub fn legs_of(&self, phone: IpAddr) -> Vec<LegId> {
        self.legs.iter().filter(|(_, leg)| leg.phone == Some(phone)).map(|(id, _)| *id).collect()
    }

    /// Ports that are open now.
    pub fn open(&self) -> usize {
        self.legs.len()
    }

    /// Recordings that run now.
    pub fn recording(&self) -> usize {
        self.recordings.len()
    }
}
