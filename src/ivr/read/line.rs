//! What a queue node does while the caller waits: `relax` and `offer_callback`.

use std::time::Duration;

use super::super::expr::Type;
use super::super::flow::{CallbackOffer, Relax};
use super::super::value::{Reader, Table, dialled_key};

/// Most steps of one ladder.
const STEPS: usize = 10;
/// A day: nobody waits longer.
const AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));
/// How often callers may be interrupted.
const EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3_600));

impl Reader<'_> {
    /// `relax = [{ after = "60s", skills = ["lang:{lang}"] }]`: the steps in the order of their times.
    pub(super) fn relax(&mut self, table: &Table<'_>) -> Vec<Relax> {
        let Some(value) = table.find("relax") else { return Vec::new() };
        let items = self.array(value);
        if !(1..=STEPS).contains(&items.len()) {
            self.error("bad-value", value.span(), format!("a ladder has 1 to {STEPS} steps"), None);
        }
        let mut steps: Vec<Relax> = Vec::new();
        for item in items.iter().take(STEPS) {
            let Some(step) = self.table(item) else { continue };
            self.only_keys(&step, &["after", "skills"], "a step of relax");
            let Some(at) = self.required(&step, "after", "a step of relax") else { continue };
            let mut skills = Vec::new();
            let Some(wanted) = self.required(&step, "skills", "a step of relax") else { continue };
            for skill in self.array(wanted) {
                skills.extend(self.template(skill));
            }
            let Some(after) = self.duration(&step, "after", AFTER.0, AFTER.1) else { continue };
            if steps.last().is_some_and(|last| last.after >= after) {
                self.error("bad-value", at.span(), "each step begins later than the one before", None);
            }
            steps.push(Relax { after, skills });
        }
        steps
    }

    /// `offer_callback = { when = …, every = "60s", key = "2", next = "callback" }`.
    pub(super) fn offer_callback(&mut self, table: &Table<'_>) -> Option<CallbackOffer> {
        let owner = "offer_callback";
        let offer = self.table_at(table, owner)?;
        self.only_keys(&offer, &["when", "every", "key", "next"], owner);
        let when = self.required(&offer, "when", owner).and_then(|value| {
            let when = self.expression(value)?;
            if let Some(found) = when.ty().filter(|found| *found != Type::Bool) {
                let message = format!("a condition is true or false, this is a {}", found.as_str());
                self.error("expression-type", value.span(), message, None);
            }
            Some(when)
        });
        self.required(&offer, "every", owner);
        let every = self.duration(&offer, "every", EVERY.0, EVERY.1);
        let key = self.required(&offer, "key", owner).and_then(|value| {
            let text = self.string(value)?;
            let mut letters = text.chars();
            let key = letters.next().and_then(dialled_key).filter(|_| letters.next().is_none());
            if key.is_none() {
                let help = Some("one of 0 to 9, *, # or A to D".to_owned());
                self.error("bad-key", value.span(), format!("\"{text}\" is no key of a telephone"), help);
            }
            key
        });
        let next = self.required_target(&offer, "next", owner);
        Some(CallbackOffer { when: when?, every: every?, key: key?, next: next? })
    }
}
