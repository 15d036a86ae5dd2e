//! Folds the journal into who talked last with each caller: whom a queue with `sticky` offers him to first.
//!
//! Of the callers who talked last, [`REGULARS_MAX`] are remembered, by the number that they showed; who showed none is
//! nobody in particular.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, CallId};
use crate::journal::{About, Entry, Kind};

/// Most callers remembered; with one more the one who talked longest ago is forgotten.
pub const REGULARS_MAX: usize = 10_000;

/// The last agent of each caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regulars {
    /// Numbers of the calls that are up.
    open: BTreeMap<CallId, String>,
    /// By number: the agent, and when in the order of all talks.
    last: BTreeMap<String, (u64, AgentId)>,
    /// Numbers in that order.
    order: BTreeMap<u64, String>,
    talks: u64,
}

impl Regulars {
    /// Takes the next entry.
    pub fn handle(&mut self, entry: &Entry) {
        match (&entry.about, &entry.kind) {
            (About::Call(call), Kind::CallStarted { to, callback_of: Some(_), .. }) => {
                self.open.insert(*call, to.clone());
            }
            (About::Call(call), Kind::CallStarted { from, .. }) if !from.is_empty() && from != "anonymous" => {
                self.open.insert(*call, from.clone());
            }
            (About::Call(call), Kind::CallEnded { .. }) => _ = self.open.remove(call),
            (About::Call(call), Kind::Connected { agent, .. }) => {
                if let Some(number) = self.open.get(call).cloned() {
                    self.talked(number, agent.clone());
                }
            }
            (About::Call(_) | About::Agent(_) | About::Node, _) => {}
        }
    }

    /// The agent of a queue with whom the caller of this number talked last.
    pub fn agent_of(&self, number: &str) -> Option<&AgentId> {
        self.last.get(number).map(|(_, agent)| agent)
    }

    fn talked(&mut self, number: String, agent: AgentId) {
        self.talks += 1;
        if let Some((before, _)) = self.last.insert(number.clone(), (self.talks, agent)) {
            self.order.remove(&before);
        }
        self.order.insert(self.talks, number);
        if self.last.len() > REGULARS_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.last.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{EndReason, Origin, Party, Purpose};
    use crate::report::samples::entry;

    fn talk(regulars: &mut Regulars, n: u64, from: &str, agent: &str) {
        let about = || About::Call(CallId::new(n, 0));
        let started = Kind::CallStarted {
            from: from.into(),
            to: "600".into(),
            origin: Origin::Stranger,
            purpose: Purpose::Queue,
            language: "ar".into(),
            diverted_from: None,
            callback_of: None,
        };
        let (agent, queue) = (agent.into(), "support".into());
        let connected = Kind::Connected { agent, queue, wait_ms: 0, service_level_ms: 0 };
        let ended = Kind::CallEnded { by: Party::Customer, reason: EndReason::Normal, sip_code: 200 };
        for kind in [started, connected, ended] {
            regulars.handle(&entry(n, 0, about(), kind));
        }
    }

    #[test]
    fn f21_the_last_agent_of_ten_thousand_callers_is_known_and_of_no_one_without_a_number() {
        let mut regulars = Regulars::default();
        talk(&mut regulars, 0, "0", "101");
        talk(&mut regulars, 0, "anonymous", "101");
        assert_eq!(regulars.agent_of("anonymous"), None);
        for n in 1..REGULARS_MAX as u64 {
            talk(&mut regulars, n, &n.to_string(), "102");
        }
        talk(&mut regulars, 20_000, "0", "103");
        assert_eq!(regulars.agent_of("0"), Some(&"103".into()), "the last one counts");
        talk(&mut regulars, 20_001, "new", "104");
        assert_eq!((regulars.agent_of("1"), regulars.agent_of("2")), (None, Some(&"102".into())), "1 is the oldest");
        assert!(regulars.open.is_empty() && regulars.order.len() == REGULARS_MAX);
        let text = serde_json::to_string(&regulars).unwrap();
        assert_eq!(serde_json::from_str::<Regulars>(&text).unwrap(), regulars);
    }
}
