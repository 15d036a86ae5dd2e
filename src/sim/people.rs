//! What people do: customers call, agents press keys and make calls, a supervisor listens, phones are switched off.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::centre::{CARRIER, SUPERVISOR, agent_address, agent_id, registers};
use super::media::Later;
use super::phone::{Phone, Script, Wishes};
use super::world::{Event, World};
use crate::acd::Wish;
use crate::engine::{Command, Input};
use crate::id::AgentId;
use crate::journal::{AgentStateName, StateCause};

impl World {
    /// A customer calls, and the next one is awaited.
    pub(super) fn arrive(&mut self) {
        self.customer();
        let gap = self.dice.gap_ms(self.plan.calls_per_hour);
        self.schedule(Duration::from_millis(gap), Event::Arrive);
    }

    /// More calls from the carrier in one moment than it may bring.
    pub(super) fn burst(&mut self) {
        for _ in 0..self.dice.between(5, 20) {
            let patience = self.dice.between(3_000, 60_000);
            self.trunk_call("600", Duration::from_millis(patience));
        }
        let gap = self.dice.between(300, 900);
        self.schedule(Duration::from_secs(gap), Event::Burst);
    }

    fn customer(&mut self) {
        // Some hang up at once, most wait for minutes.
        let patience = match self.dice.below(20) {
            0 => self.dice.between(1, 900),
            1..=3 => self.dice.between(1_000, 20_000),
            _ => self.dice.between(20_000, 400_000),
        };
        let patience = Duration::from_millis(patience);
        let number = match self.dice.below(40) {
            0..=20 => "500",
            21..=27 => "600",
            28..=32 => "601",
            33 | 34 => "604",
            35 | 36 => "602",
            37 | 38 => "510",
            // Closed to strangers.
            _ => "7009",
        };
        if self.dice.chance(25) {
            let number = if self.dice.chance(5) { "8123" } else { number };
            return self.trunk_call(number, patience);
        }
        let id = self.next_caller();
        let ip = Ipv4Addr::from(0x0a10_0000u32.wrapping_add(u32::try_from(id).unwrap_or(0)));
        let address = SocketAddr::from((ip, 5_060));
        self.stranger(address, id, number, patience);
    }

    fn trunk_call(&mut self, number: &str, patience: Duration) {
        let id = self.next_caller();
        let port = 10_000 + u16::try_from(id % 50_000).unwrap_or(0);
        self.stranger(SocketAddr::new(CARRIER.ip(), port), id, number, patience);
    }

    fn stranger(&mut self, address: SocketAddr, id: u64, number: &str, patience: Duration) {
        // Some call again, from other phones too.
        let number_of_his = if id.is_multiple_of(5) { 900_000 + id / 5 % 8 } else { id };
        let phone = Phone::new(address, &format!("9{number_of_his:06}"), None, None);
        self.passing_call(address, phone, id, "customers.example", number, patience);
    }

    fn passing_call(
        &mut self,
        address: SocketAddr,
        mut phone: Phone,
        id: u64,
        host: &str,
        number: &str,
        patience: Duration,
    ) {
        let script = Script {
            holds: u32::from(self.dice.chance(5)),
            key_after: self.dice.chance(20).then(|| Duration::from_millis(self.dice.between(500, 30_000))),
            late: self.dice.chance(10),
            ..Script::patient(patience)
        };
        let mut wishes = Wishes::default();
        phone.dial(self.now, &format!("c{id}"), host, number, script, &mut wishes);
        self.phones.insert(address, phone);
        self.passing.insert(address);
        self.grant(address, wishes);
    }

    fn next_caller(&mut self) -> u64 {
        self.callers += 1;
        self.callers
    }

    /// The supervisor listens to somebody.
    pub(super) fn listen(&mut self) {
        let id = self.next_caller();
        let ip = Ipv4Addr::from(0x0a0a_0000u32.wrapping_add(u32::try_from(id).unwrap_or(0)));
        let address = SocketAddr::from((ip, 5_060));
        let phone = Phone::new(address, SUPERVISOR, Some(format!("pw-{SUPERVISOR}")), None);
        // Mostly to one who talks.
        let busy = self.engine.floor().agents().find(|a| a.state == AgentStateName::Busy).map(|a| a.id.to_string());
        let whom = busy.filter(|_| self.dice.chance(80));
        let whom = whom.unwrap_or_else(|| agent_id(self.dice.below(self.plan.agents)));
        let patience = Duration::from_millis(self.dice.between(5_000, 200_000));
        self.passing_call(address, phone, id, "10.0.0.1", &format!("*81{whom}"), patience);
        let gap = self.dice.between(20, 120);
        self.schedule(Duration::from_secs(gap), Event::Listen);
    }

    /// Somebody changes an agent's state by the API.
    pub(super) fn whim(&mut self) {
        let agent = AgentId::from(agent_id(self.dice.below(self.plan.agents)));
        let state = self.engine.floor().agent(&agent).map(|view| view.state);
        let is_away = matches!(state, Some(AgentStateName::Paused | AgentStateName::Offline));
        let wish = match self.dice.below(5) {
            // Nobody stays away for ever.
            _ if is_away => Wish::Ready,
            0 => Wish::Pause("lunch".into()),
            1 => Wish::Logout,
            2 => Wish::FinishWrapUp,
            _ => Wish::Ready,
        };
        let by = if self.dice.chance(50) { StateCause::Agent } else { StateCause::Supervisor };
        self.engine.handle(self.now, Input::Command(Command::Agent { agent, wish, by }));
        let gap = self.dice.between(3_000, 15_000);
        self.schedule(Duration::from_millis(gap), Event::Whim);
    }

    /// Somebody ends a call by the API.
    pub(super) fn intervene(&mut self) {
        let calls: Vec<_> = self.engine.calls().map(crate::call::Call::id).collect();
        let chosen = calls.get(usize::try_from(self.dice.below(calls.len() as u64)).unwrap_or(0)).copied();
        if let Some(call) = chosen {
            self.engine.handle(self.now, Input::Command(Command::HangUp(call)));
        }
        let gap = self.dice.between(100, 400);
        self.schedule(Duration::from_secs(gap), Event::Intervene);
    }

    /// An agent uses his phone: feature codes, a colleague, somebody outside, the echo test.
    pub(super) fn errand(&mut self) {
        let address = agent_address(self.dice.below(self.plan.agents));
        let colleague = agent_id(self.dice.below(self.plan.agents));
        let number = match self.dice.below(20) {
            0..=2 => "*11",
            3 => "*12",
            4 => "*127",
            5 => "*13",
            6 | 7 => "*14",
            8..=12 => colleague.as_str(),
            13..=15 => "7123",
            16 | 17 => "7901",
            18 => "8400",
            _ => "9196",
        };
        let id = self.next_caller();
        let patience = Duration::from_millis(self.dice.between(2_000, 90_000));
        let holds = if self.dice.chance(20) { 1 } else { 0 };
        let to = agent_id(self.dice.below(self.plan.agents));
        let transfer = self.dice.chance(15).then_some(to);
        let mut wishes = Wishes::default();
        if let Some(phone) = self.phones.get_mut(&address).filter(|phone| phone.is_on()) {
            let script = Script { holds, transfer, ..Script::patient(patience) };
            phone.dial(self.now, &format!("c{id}"), "10.0.0.1", number, script, &mut wishes);
        }
        self.grant(address, wishes);
        let gap = self.dice.between(5_000, 20_000);
        self.schedule(Duration::from_millis(gap), Event::Errand);
    }

    /// A phone that registers is switched off, in order or by the plug.
    pub(super) fn mishap(&mut self) {
        let registering: Vec<u64> = (0..self.plan.agents).filter(|n| registers(*n)).collect();
        let number = registering.get(usize::try_from(self.dice.below(registering.len() as u64)).unwrap_or(0));
        let address = agent_address(number.copied().unwrap_or(0));
        let mut wishes = Wishes::default();
        if let Some(phone) = self.phones.get_mut(&address).filter(|phone| phone.registers()) {
            match self.dice.chance(60) {
                true => phone.leave(self.now, Duration::from_secs(self.dice.between(20, 200)), &mut wishes),
                // Longer than its registration lasts. Its media stops with it.
                false => {
                    phone.go_dark(self.now, Duration::from_secs(self.dice.between(5, 800)), &mut wishes);
                    for leg in self.media.legs_of(address.ip()) {
                        self.schedule(Duration::from_secs(60), Event::Media(self.fate.life, Later::Quiet(leg)));
                    }
                }
            }
        }
        self.grant(address, wishes);
        let gap = self.dice.between(60, 240);
        self.schedule(Duration::from_secs(gap), Event::Mishap);
    }
}
