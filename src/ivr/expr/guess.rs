//! Worlds in which conditions are true: found by trying the literals that stand in them.
//!
//! What conditions compare is simple (`tier == "gold"`, `queue.support.waiting < 5`), so each name is given, one after
//! the other, the values that the conditions themselves name, and numbers one less and one more.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{Expr, IdedExpr, LiteralValue};

use super::{Expression, Facts, LANGUAGE_VARIABLE, QueueFacts, Scene, Type, Value, World, field_type};
use crate::clock::Wall;
use crate::journal::Hours;

/// Most worlds tried for one case.
const WORLDS: usize = 4_096;
/// Most values tried for one name.
const VALUES: usize = 12;

/// Names and the values they shall have: `topic`, `lang`, `caller.number`, `now.hour`, `queue.support.waiting`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Supposition {
    /// By name.
    pub values: BTreeMap<String, Value>,
}

/// A world of which only queues are known.
struct Queues<'a>(&'a BTreeMap<String, QueueFacts>);

impl World for Queues<'_> {
    fn queue(&self, name: &str) -> Option<QueueFacts> {
        Some(self.0.get(name).copied().unwrap_or_default())
    }

    fn hours(&self, _calendar: &str) -> Option<Hours> {
        None
    }
}

impl Supposition {
    /// A world, as near to the present one as trying finds it, in which case `wanted` of a switch is taken: it is true
    /// and all before it are false. One more than there are cases stands for none of them.
    ///
    /// `likely` has values that are worth trying beside those that the cases name, by variable. `None` when no such world is
    /// found.
    pub fn for_case(
        cases: &[&Expression],
        wanted: usize,
        vars: &BTreeMap<String, Value>,
        language: &str,
        languages: &[String],
        facts: &Facts,
        likely: &BTreeMap<String, Value>,
    ) -> Option<Self> {
        let asked = cases.get(..=wanted).unwrap_or(cases);
        let (mut names, mut literals): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
        // What the wanted case itself names is tried first.
        for case in cases.get(wanted).into_iter().chain(asked) {
            let mut found = BTreeSet::new();
            gather(case.program.expression(), &mut found, &mut literals);
            found.retain(|name| !names.contains(name));
            names.extend(found);
        }
        let mut tried: Vec<(String, Vec<Option<Value>>)> = Vec::new();
        for name in names {
            let Some(ty) = type_of(&name, vars) else { continue };
            // As it is, first: the fewer changes the better.
            let mut values: Vec<Option<Value>> = vec![None];
            let of_type: Vec<Value> = match (ty, name.as_str()) {
                (Type::Bool, _) => [true, false].map(Value::Bool).into(),
                (Type::Text, LANGUAGE_VARIABLE) => languages.iter().cloned().map(Value::Text).collect(),
                _ => literals.iter().flat_map(|literal| near(literal, ty)).collect(),
            };
            for value in of_type.into_iter().chain(likely.get(&name).filter(|value| value.ty() == ty).cloned()) {
                if values.len() < VALUES && !values.contains(&Some(value.clone())) {
                    values.push(Some(value));
                }
            }
            tried.push((name, values));
        }
        let worlds = tried.iter().map(|(_, values)| values.len()).fold(1_usize, usize::saturating_mul);
        (0..worlds.min(WORLDS)).find_map(|number| {
            let mut rest = number;
            let mut supposed = Self::default();
            for (name, values) in &tried {
                let value = values.get(rest % values.len().max(1)).cloned().flatten();
                rest /= values.len().max(1);
                supposed.values.extend(value.map(|value| (name.clone(), value)));
            }
            supposed.leads_to(asked, wanted, vars, language, facts).then_some(supposed)
        })
    }

    fn leads_to(
        &self,
        cases: &[&Expression],
        wanted: usize,
        vars: &BTreeMap<String, Value>,
        language: &str,
        facts: &Facts,
    ) -> bool {
        let (mut vars, mut language, mut facts) = (vars.clone(), language.to_owned(), facts.clone());
        let mut queues = BTreeMap::new();
        if !self.apply(&mut vars, &mut language, &mut facts, &mut queues) {
            return false;
        }
        let scene =
            Scene { vars: &vars, language: &language, facts: &facts, wall: facts.wall, world: &Queues(&queues) };
        let truth = |case: &&Expression| case.evaluate(&scene) == Ok(Value::Bool(true));
        let fails = |case: &&Expression| !matches!(case.evaluate(&scene), Ok(Value::Bool(_)));
        !cases.iter().any(fails) && cases.iter().position(truth) == Some(wanted).filter(|at| *at < cases.len())
    }

    /// Makes it so. False when something in it cannot be: a field nobody can set, or a value of another type.
    pub(in crate::ivr) fn apply(
        &self,
        vars: &mut BTreeMap<String, Value>,
        language: &mut String,
        facts: &mut Facts,
        queues: &mut BTreeMap<String, QueueFacts>,
    ) -> bool {
        for (name, value) in &self.values {
            let done = match (vars.get_mut(name), value) {
                (Some(variable), value) if variable.ty() == value.ty() => {
                    *variable = value.clone();
                    true
                }
                (Some(_), _) => false,
                (None, Value::Text(text)) => match name.as_str() {
                    LANGUAGE_VARIABLE => set(language, text),
                    "caller.number" | "caller.e164" => set(&mut facts.caller, text),
                    "call.number" => set(&mut facts.called, text),
                    "call.diverted_from" => set(&mut facts.diverted_from, text),
                    _ => false,
                },
                (None, Value::Number(number)) => match name.split_once('.') {
                    Some(("now", field)) => set_clock(facts, field, *number),
                    Some(("queue", rest)) => match rest.rsplit_once('.') {
                        Some((queue, field)) => queues.entry(queue.to_owned()).or_default().set(field, *number),
                        None => false,
                    },
                    _ => false,
                },
                (None, _) => false,
            };
            if !done {
                return false;
            }
        }
        true
    }
}

impl QueueFacts {
    /// The names of its fields in expressions.
    pub const FIELDS: [&str; 4] = ["waiting", "agents_ready", "longest_wait_s", "ewt"];

    /// Sets the field of this name, as an expression names it; false when there is none or it cannot hold `number`.
    pub fn set(&mut self, field: &str, number: i64) -> bool {
        let Ok(number) = u32::try_from(number) else { return false };
        let place = match field {
            "waiting" => &mut self.waiting,
            "agents_ready" => &mut self.agents_ready,
            "longest_wait_s" => &mut self.longest_wait_s,
            "ewt" => &mut self.ewt,
            _ => return false,
        };
        *place = number;
        true
    }
}

fn set(place: &mut String, text: &str) -> bool {
    text.clone_into(place);
    true
}

/// Moves the centre's clock to this hour, minute or weekday (1 = Monday).
fn set_clock(facts: &mut Facts, field: &str, wanted: i64) -> bool {
    const MINUTE: i64 = 60_000_000;
    let offset = i64::from(facts.utc_offset_minutes) * MINUTE;
    let local = facts.wall.0.saturating_add(offset);
    let (day, in_day) = (local.div_euclid(1_440 * MINUTE), local.rem_euclid(1_440 * MINUTE));
    let (hour, in_hour) = (in_day / (60 * MINUTE), in_day % (60 * MINUTE));
    let moved = match field {
        "hour" if (0..24).contains(&wanted) => day * 1_440 * MINUTE + wanted * 60 * MINUTE + in_hour,
        "minute" if (0..60).contains(&wanted) => {
            day * 1_440 * MINUTE + hour * 60 * MINUTE + wanted * MINUTE + in_hour % MINUTE
        }
        "weekday" if (1..8).contains(&wanted) => {
            let today = (day + 3).rem_euclid(7) + 1;
            (day + wanted - today) * 1_440 * MINUTE + in_day
        }
        _ => return false,
    };
    facts.wall = Wall(moved - offset);
    true
}

fn type_of(name: &str, vars: &BTreeMap<String, Value>) -> Option<Type> {
    if name == LANGUAGE_VARIABLE {
        return Some(Type::Text);
    }
    let known = vars.get(name).map(Value::ty);
    known.or_else(|| {
        let (object, _) = name.split_once('.')?;
        let (_, field) = name.rsplit_once('.')?;
        field_type(object, field)
    })
}

/// Values of type `ty` that something compared with `literal` may have on one side of it or the other.
fn near(literal: &Value, ty: Type) -> Vec<Value> {
    match (literal, ty) {
        (Value::Number(number), Type::Number) => {
            [*number, number.saturating_add(1), number.saturating_sub(1)].map(Value::Number).into()
        }
        (Value::Number(number), Type::Text) => vec![Value::Text(number.to_string())],
        (Value::Text(text), Type::Text) => vec![Value::Text(text.clone()), Value::Text(String::new())],
        (Value::Text(text), Type::Number) => text.parse().map(Value::Number).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Collects the names and the literals of an expression.
fn gather(node: &IdedExpr, names: &mut BTreeSet<String>, literals: &mut Vec<Value>) {
    if let Some(name) = name_of(node) {
        names.insert(name);
        return;
    }
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => literals.push(Value::Text(text.inner().to_owned())),
        Expr::Literal(LiteralValue::Int(number)) => literals.push(Value::Number(*number.inner())),
        Expr::Call(call) => {
            for operand in call.target.as_deref().into_iter().chain(&call.args) {
                gather(operand, names, literals);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|element| gather(element, names, literals)),
        _ => {}
    }
}

/// `topic`, `caller.number`, `queue.support.waiting`; `queue["a b"].waiting` is `queue.a b.waiting`.
fn name_of(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) => Some(format!("{}.{}", name_of(&select.operand)?, select.field)),
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [object, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] => {
                Some(format!("{}.{}", name_of(object)?, name.inner()))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Compiler, Names};
    use super::*;

    #[test]
    fn a_world_is_found_for_each_case_and_for_none() {
        let vars: BTreeMap<String, Value> = [
            ("tier".to_owned(), Value::Text("none".to_owned())),
            ("count".to_owned(), Value::Number(0)),
            ("known".to_owned(), Value::Bool(false)),
        ]
        .into();
        let queues = BTreeSet::from(["support".to_owned()]);
        let names = Names { vars: &vars, queues: &queues };
        let compiler = Compiler::default();
        let sources = [
            "tier == \"gold\" || tier == \"vip\"",
            "count + 1 > 7 && known",
            "queue.support.waiting >= 5 && lang == \"en\"",
            "caller.number.startsWith(\"+966\")",
            "now.hour < 8 || now.weekday in [5, 6]",
            "size(tier) > 3 && size(tier) < 3",
        ];
        let cases: Vec<Expression> = sources.iter().map(|source| compiler.expression(source, names).unwrap()).collect();
        let cases: Vec<&Expression> = cases.iter().collect();
        let facts = Facts { wall: Wall(1_795_341_600_000_000), ..Facts::default() };
        let languages = ["ar".to_owned(), "en".to_owned()];
        let find = |wanted| Supposition::for_case(&cases, wanted, &vars, "ar", &languages, &facts, &BTreeMap::new());
        let supposed = |wanted| find(wanted).map(|s| s.values.into_iter().map(|(n, v)| format!("{n}={v}")).collect());
        let expected: [Option<Vec<&str>>; 7] = [
            Some(vec!["tier=gold"]),
            Some(vec!["count=7", "known=true"]),
            Some(vec!["lang=en", "queue.support.waiting=5"]),
            Some(vec!["caller.number=+966"]),
            Some(vec!["now.hour=7"]),
            None,
            Some(vec![]),
        ];
        for (wanted, expected) in expected.into_iter().enumerate() {
            let found: Option<Vec<String>> = supposed(wanted);
            let expected = expected.map(|e| e.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found, expected, "{:?}", sources.get(wanted));
        }
    }
}
