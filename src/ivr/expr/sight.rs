//! What an expression sees, looked up at the moment it asks.
//!
//! CEL asks for the longest name first: `caller.number` is one look-up that copies nothing. Only where an object is
//! needed as a whole (`queue["after-hours"].waiting`, `has(caller.number)`) is it made into a map.

use std::collections::{BTreeMap, HashMap};

use cel::common::types::{CelBool, CelInt, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::{FIELDS, Facts, LANGUAGE_VARIABLE, QueueFacts, Scene, Uses, Value};
use crate::clock::Wall;

/// A [`Scene`] with the queues an expression names.
pub(super) struct Sight<'a> {
    vars: &'a BTreeMap<String, Value>,
    language: &'a str,
    facts: &'a Facts,
    wall: Wall,
    queues: Vec<(&'a str, QueueFacts)>,
}

impl<'a> Sight<'a> {
    /// # Errors
    ///
    /// A queue that is gone.
    pub(super) fn new(scene: &Scene<'a>, uses: &'a Uses) -> Result<Self, String> {
        let queue = |name: &'a String| match scene.world.queue(name) {
            Some(facts) => Ok((name.as_str(), facts)),
            None => Err(format!("no queue \"{name}\"")),
        };
        let queues = uses.queues.iter().map(queue).collect::<Result<_, _>>()?;
        Ok(Self { vars: scene.vars, language: scene.language, facts: scene.facts, wall: scene.wall, queues })
    }

    fn now<'v>(&self, field: &str) -> Option<CowVal<'v, 'v>> {
        let offset = i64::from(self.facts.utc_offset_minutes).saturating_mul(60_000_000);
        let local = Wall(self.wall.0.saturating_add(offset));
        let minutes = local.0.div_euclid(60_000_000);
        let number = match field {
            "hour" => minutes.rem_euclid(1_440) / 60,
            "minute" => minutes.rem_euclid(60),
            // The first of January 1970 was a Thursday.
            "weekday" => (minutes.div_euclid(1_440) + 3).rem_euclid(7) + 1,
            "date" => {
                let date: String = local.to_string().chars().take_while(|c| *c != 'T').collect();
                return Some(CowVal::owned(CelString::from(date)));
            }
            _ => return None,
        };
        Some(CowVal::owned(CelInt::from(number)))
    }

    fn queue<'v>(&self, name: &str, field: &str) -> Option<CowVal<'v, 'v>> {
        let (_, facts) = self.queues.iter().find(|(known, _)| *known == name)?;
        let number = match field {
            "waiting" => facts.waiting,
            "agents_ready" => facts.agents_ready,
            "longest_wait_s" => facts.longest_wait_s,
            _ => return None,
        };
        Some(CowVal::owned(CelInt::from(i64::from(number))))
    }

    /// An object with all its fields.
    fn whole<'b>(&'b self, object: &str) -> Option<CowVal<'b, 'b>> {
        let (_, fields) = FIELDS.into_iter().find(|(known, _)| *known == object)?;
        if object == "queue" {
            let of_queue = |name: &'b str| {
                let field = |field: &'static str| Some((field, self.queue(name, field)?));
                (name, CowVal::owned(map(fields.iter().filter_map(|(name, _)| field(name)))))
            };
            return Some(CowVal::owned(map(self.queues.iter().map(|(name, _)| of_queue(name)))));
        }
        let field = |field: &'static str| Some((field, self.field(object, field)?));
        Some(CowVal::owned(map(fields.iter().filter_map(|(name, _)| field(name)))))
    }

    fn field<'b>(&'b self, object: &str, field: &str) -> Option<CowVal<'b, 'b>> {
        let text = match (object, field) {
            ("caller", "number") => &self.facts.caller,
            ("call", "number") => &self.facts.called,
            ("call", "diverted_from") => &self.facts.diverted_from,
            ("now", field) => return self.now(field),
            (object, field) => return self.queue(object.strip_prefix("queue.")?, field),
        };
        Some(CowVal::owned(CelString::from(text.as_str())))
    }
}

impl VariableResolver for Sight<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match self.vars.get(name) {
            Some(Value::Text(text)) => return Some(CowVal::owned(CelString::from(text.as_str()))),
            Some(Value::Number(number)) => return Some(CowVal::owned(CelInt::from(*number))),
            Some(Value::Bool(truth)) => return Some(CowVal::owned(CelBool::from(*truth))),
            None => {}
        }
        match name.rsplit_once('.') {
            Some((object, field)) => self.field(object, field),
            None if name == LANGUAGE_VARIABLE => Some(CowVal::owned(CelString::from(self.language))),
            None => self.whole(name),
        }
    }
}

fn map<'v>(entries: impl Iterator<Item = (&'v str, CowVal<'v, 'v>)>) -> CelMap<'v> {
    let entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
        entries.map(|(name, value)| (CelMapKey::from(name), value.into_owned())).collect();
    CelMap::from(entries)
}
