//! Worlds of all sizes, and their rules.

use super::*;

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub agents: u32,
    pub queues: u32,
}

impl Size {
    /// Mostly small, as there callers wait and everything meets everything; some of up to 100 agents in 20 queues.
    pub fn of(dice: &mut Dice) -> Self {
        let [agents, queues] = match dice.roll(16) {
            0 => [40 + dice.roll(61), 1 + dice.roll(20)],
            1..4 => [12 + dice.roll(28), 1 + dice.roll(8)],
            _ => [5 + dice.roll(7), 1 + dice.roll(4)],
        };
        Self { agents: agents as u32, queues: queues as u32 }
    }

    /// All queues that may be.
    pub fn queues(self) -> impl Iterator<Item = QueueName> {
        (0..self.queues).map(move |n| self.queue(n))
    }

    pub fn queue(self, n: u32) -> QueueName {
        QueueName::from(format!("q{n:02}"))
    }

    pub fn agent(self, n: u32) -> AgentId {
        AgentId::from(format!("1{n:02}"))
    }

    /// One of the queues.
    pub fn some_queue(self, dice: &mut Dice) -> QueueName {
        self.queue(dice.roll(u64::from(self.queues)) as u32)
    }

    /// One of the agents, seldom one who never was.
    pub fn some_agent(self, dice: &mut Dice) -> AgentId {
        self.agent(dice.roll(u64::from(self.agents) + 1) as u32)
    }

    /// Where an agent stands in the file: not where his id would put him.
    fn position(self, n: u32) -> u32 {
        n * 103 % self.agents
    }
}

fn action(dice: &mut Dice) -> AgentAction {
    dice.pick(&AgentAction::WORDS).map_or(AgentAction::Ready, |(_, action)| action)
}

/// The rules of a world, as they are at first or after a reload.
pub fn config(dice: &mut Dice, size: Size) -> FloorConfig {
    let mut config = FloorConfig { grace: Duration::from_secs(dice.roll(20)), ..FloorConfig::default() };
    let max = (dice.roll(3) != 0).then(|| Duration::from_secs(1 + dice.roll(90)));
    let lunch = PauseCode { max, after_max: action(dice), digits: Some("1".to_owned()), ..PauseCode::new("LUNCH") };
    let coach = PauseCode { roles: BTreeSet::from([PauseRole::Supervisor]), ..PauseCode::new("COACH") };
    config.pauses.codes = [lunch, coach].map(|code| (code.id.clone(), code)).into();
    config.pauses.force = dice.roll(2) == 0;
    let is_without_one = dice.roll(4) == 0;
    let names: Vec<QueueName> = size.queues().collect();
    let last = names.len() - usize::from(is_without_one && names.len() > 1);
    for name in names.into_iter().take(last) {
        let seconds = |dice: &mut Dice, below| Duration::from_secs(dice.roll(below));
        let strategies = Strategy::WORDS.map(|(_, strategy)| strategy);
        let queue = QueueConfig {
            strategy: dice.pick(&strategies).unwrap_or(Strategy::LongestIdle),
            wrap_up: seconds(dice, 10),
            wrap_up_mode: dice.pick(&WrapUpMode::WORDS).map_or(WrapUpMode::Timed, |(_, mode)| mode),
            wrap_up_max: seconds(dice, 30),
            ring_progressive_delay: Duration::from_secs(1 + dice.roll(12)),
            ring_max: 1 + dice.roll(6) as u32,
            max_wait: Duration::from_secs(20 + dice.roll(200)),
            max_waiting: 4 + dice.roll(10) as u32,
            weight: dice.roll(3) as u32,
            strict_priority: dice.roll(3) == 0,
            max_wait_strict: (dice.roll(2) == 0).then(|| Duration::from_secs(1 + dice.roll(120))),
            segments: BTreeMap::from([("gold".to_owned(), seconds(dice, 100))]),
            no_agents: no_agents(dice, size, &name),
            dispatch: sticky::dispatch(dice),
            sticky: sticky::rules(dice),
            overflow: excess::overflow(dice, size, &name),
            resume_within: (dice.roll(2) == 0).then(|| Duration::from_secs(5 + dice.roll(100))),
            announce_every: (dice.roll(2) == 0).then(|| seconds(dice, 60)),
            announce_wait: dice.roll(2) == 0,
            announcements: ["one", "two"].into_iter().take(dice.roll(3) as usize).map(str::to_owned).collect(),
            announcements_every: Duration::from_secs(10 + dice.roll(30)),
            exit_keys: excess::exit_keys(dice, size, &name),
            rna_threshold: dice.roll(4) as u32,
            exclude_agent: seconds(dice, 30),
            delay_no_answer: seconds(dice, 10),
            delay_rejected: seconds(dice, 10),
            rna_action: action(dice),
            on_rejected: MissRule { threshold: dice.roll(4) as u32, action: action(dice) },
            on_busy: MissRule { threshold: dice.roll(4) as u32, action: action(dice) },
            on_timeout: MissRule { threshold: dice.roll(4) as u32, action: action(dice) },
            skills: dice
                .pick(&[&["!new"][..], &["en>=3?"], &[], &[]])
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect(),
            ..QueueConfig::new(name.clone())
        };
        let mut queue = queue;
        for number in 1..=dice.roll(4) {
            let step = ladder::step(dice, size, number, queue.ladder.last());
            queue.ladder.push(step);
        }
        config.queues.insert(name, queue);
    }
    for n in 0..size.agents {
        let id = size.agent(n);
        let mut skills = BTreeMap::new();
        for name in ["ar", "en", "new"] {
            if dice.roll(3) != 0 {
                skills.insert(name.to_owned(), 1 + dice.roll(10) as u8);
            }
        }
        let agent = AgentConfig {
            skills,
            queues: size.queues().filter(|_| dice.roll(3) != 0).collect(),
            groups: ["g", "h"].into_iter().filter(|_| dice.roll(3) == 0).map(str::to_owned).collect(),
            auto_ready: dice.roll(3) != 0,
            contact: (dice.roll(4) != 0).then(|| "192.0.2.1:5060".parse().unwrap()),
            position: size.position(n),
            capacity: dice.pick(&[1, 1, 1, 1, 1, 2, 2, 3]).unwrap_or(1),
            weights: size.queues().filter(|_| dice.roll(2) == 0).map(|q| (q, 1 + n)).collect(),
            ..AgentConfig::new(id.clone())
        };
        if dice.roll(8) != 0 {
            config.agents.insert(id, agent);
        }
    }
    config
}

/// Queues after this one among the first few; perhaps some that are not there.
pub fn later(size: Size, name: &QueueName) -> impl Iterator<Item = Way> {
    (0..=2).map(move |n| size.queue(n)).filter(move |queue| queue > name).map(Way::Queue)
}

/// Rules for when nobody is there; they lead to later queues only, perhaps to one that is not there.
fn no_agents(dice: &mut Dice, size: Size, name: &QueueName) -> NoAgentRules {
    let mut rules = NoAgentRules::default();
    for lack in Lack::ALL {
        let ways: Vec<Way> = later(size, name).chain([Way::Wait, Way::HangUp, Way::Number("7".to_owned())]).collect();
        let after = Duration::from_secs(dice.pick(&[0, 0, 3, 20]).unwrap_or(0));
        *rules.of_mut(lack) = NoAgentRule { way: dice.pick(&ways).unwrap_or_default(), after };
    }
    rules
}
