//! Folds the journal into what a new process has to know of the last one: dialogs that are up, phones that are
//! registered, the last agents of callers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::id::{AgentId, CallId, QueueName, RecordingId};
use crate::journal::{About, Binding, Booking, Entry, Hours, Kind, OpenLeg};
use crate::report::regulars::Regulars;

/// Dialogs whose peers were not told of their end, and phones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Places {
    legs: BTreeMap<CallId, Vec<OpenLeg>>,
    phones: BTreeMap<AgentId, Vec<Binding>>,
    /// Calendars opened or closed by hand.
    #[serde(default)]
    hours: BTreeMap<String, Set>,
    /// Who talked last with whom.
    #[serde(default)]
    regulars: Regulars,
    /// Who is to be called back.
    #[serde(default)]
    callbacks: BTreeMap<CallId, Callback>,
    /// Messages in boxes.
    #[serde(default)]
    voicemails: BTreeMap<RecordingId, Voicemail>,
}

/// A message in the box of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Voicemail {
    /// The message.
    pub recording: RecordingId,
    /// The call in which it was left.
    pub call: CallId,
    /// The box.
    pub queue: QueueName,
    /// Who left it; empty when he does not show his number.
    pub from: String,
    /// When it was complete.
    pub at: Wall,
    /// Its length.
    pub length_ms: u64,
    /// Who heard it first, and when.
    pub heard: Option<(String, Wall)>,
}

/// Somebody who is to be called back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// What was booked.
    pub booking: Booking,
    /// Tries that came to nothing.
    pub tries: u32,
    /// When the next one begins at the earliest.
    pub again_at: Option<Wall>,
}

/// What somebody set a calendar to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Set {
    /// What holds.
    pub state: Hours,
    /// Who said so.
    pub by: String,
    /// Since when.
    pub since: Wall,
    /// Until when; none = until it is set again.
    pub until: Option<Wall>,
}

impl Places {
    /// Takes the next entry.
    pub fn handle(&mut self, entry: &Entry) {
        self.regulars.handle(entry);
        match (&entry.about, &entry.kind) {
            (About::Call(call), Kind::LegUp { leg, dialog, .. }) => {
                let legs = self.legs.entry(*call).or_default();
                legs.retain(|open| open.leg != *leg);
                legs.push(OpenLeg { leg: *leg, dialog: dialog.clone() });
            }
            (About::Call(call), Kind::LegDown { leg }) => {
                if let Some(legs) = self.legs.get_mut(call) {
                    legs.retain(|open| open.leg != *leg);
                    if legs.is_empty() {
                        self.legs.remove(call);
                    }
                }
            }
            (_, Kind::CallbackBooked { booking }) => {
                let callback = Callback { booking: (**booking).clone(), tries: 0, again_at: None };
                self.callbacks.insert(booking.callback, callback);
            }
            (_, Kind::CallbackTried { callback, tries, again_at, .. }) => {
                if let Some(known) = self.callbacks.get_mut(callback) {
                    (known.tries, known.again_at) = (*tries, *again_at);
                }
            }
            (_, Kind::CallbackEnded { callback, .. }) => _ = self.callbacks.remove(callback),
            (About::Call(call), Kind::VoicemailLeft { queue, recording, from, length_ms }) => {
                let (recording, call, queue, from) = (*recording, *call, queue.clone(), from.clone());
                let message =
                    Voicemail { recording, call, queue, from, at: entry.at, length_ms: *length_ms, heard: None };
                self.voicemails.insert(recording, message);
            }
            (_, Kind::VoicemailHeard { recording, by, .. }) => {
                if let Some(message) = self.voicemails.get_mut(recording) {
                    message.heard = Some((by.clone(), entry.at));
                }
            }
            (_, Kind::VoicemailDeleted { recording, .. }) => _ = self.voicemails.remove(recording),
            (About::Agent(agent), Kind::Registered { binding: Some(binding), .. }) => {
                let phones = self.phones.entry(agent.clone()).or_default();
                phones.retain(|phone| !phone.is_replaced_by(binding));
                phones.push(binding.clone());
            }
            (About::Agent(agent), Kind::ContactGone { uri, .. }) => {
                if let Some(phones) = self.phones.get_mut(agent) {
                    phones.retain(|phone| phone.uri != *uri);
                }
            }
            (About::Agent(agent), Kind::Unregistered { .. }) => _ = self.phones.remove(agent),
            (About::Node, Kind::CalendarSet { calendar, state: Some(state), until, by }) => {
                let set = Set { state: *state, by: by.clone(), since: entry.at, until: *until };
                self.hours.insert(calendar.clone(), set);
            }
            (About::Node, Kind::CalendarSet { calendar, state: None, .. }) => _ = self.hours.remove(calendar),
            // Whoever is still there is told again by the new process.
            (About::Node, Kind::NodeStarted { .. }) => self.phones.clear(),
            (About::Call(_) | About::Agent(_) | About::Node, _) => {}
        }
    }

    /// The dialogs with their calls, oldest call first.
    pub fn legs(&self) -> impl Iterator<Item = (CallId, &OpenLeg)> {
        self.legs.iter().flat_map(|(call, legs)| legs.iter().map(|open| (*call, open)))
    }

    /// Who is to be called back, in the order in which it was booked.
    pub fn callbacks(&self) -> impl Iterator<Item = &Callback> {
        self.callbacks.values()
    }

    /// Messages in boxes, oldest first.
    pub fn voicemails(&self) -> impl Iterator<Item = &Voicemail> {
        self.voicemails.values()
    }

    /// Calendars that are set by hand.
    pub fn hours(&self) -> &BTreeMap<String, Set> {
        &self.hours
    }

    /// The last agents of callers.
    pub fn regulars(&self) -> &Regulars {
        &self.regulars
    }

    /// The phones with their users, of each the one registered last at the end.
    pub fn phones(&self) -> impl Iterator<Item = (&AgentId, &Binding)> {
        self.phones.iter().flat_map(|(agent, phones)| phones.iter().map(move |phone| (agent, phone)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::*;

    fn phone(uri: &str, instance: Option<&str>) -> Kind {
        let hop = crate::journal::Hop { transport: "udp".into(), listener: 0, remote: ([10, 0, 0, 7], 5060).into() };
        let instance = instance.map(str::to_owned);
        let reg_id = instance.as_ref().map(|_| 1);
        let (q, expires_s, path, call_id, cseq) = (1_000, 120, Vec::new(), "r".to_owned(), 1);
        let binding = Binding { uri: uri.into(), hop, q, expires_s, path, instance, reg_id, call_id, cseq };
        Kind::Registered { transport: "udp".into(), binding: Some(binding) }
    }

    fn uris(places: &Places) -> Vec<&str> {
        places.phones().map(|(_, phone)| phone.uri.as_str()).collect()
    }

    #[test]
    fn phones_are_known_until_they_go_or_a_process_starts() {
        let about = || About::Agent("101".into());
        let mut places = Places::default();
        let mut take = |kind: Kind| places.handle(&entry(1, 0, about(), kind));
        take(phone("sip:a@h", None));
        take(phone("sip:b@h", Some("<urn:x>")));
        take(phone("sip:c@h", Some("<urn:x>")));
        assert_eq!(uris(&places), ["sip:a@h", "sip:c@h"], "the same flow of the same phone");
        let text = serde_json::to_string(&places).unwrap();
        assert_eq!(serde_json::from_str::<Places>(&text).unwrap(), places);
        places.handle(&entry(2, 0, about(), Kind::ContactGone { uri: "sip:a@h".into(), expired: true }));
        assert_eq!(uris(&places), ["sip:c@h"]);
        let mut gone = places.clone();
        gone.handle(&entry(3, 0, about(), Kind::Unregistered { expired: true }));
        assert_eq!(uris(&gone), [""; 0]);
        places.handle(&entry(3, 0, About::Node, Kind::NodeStarted { version: "1".into() }));
        assert_eq!(uris(&places), [""; 0]);
    }
}
