//! Skills: what a caller needs and an agent has.
//!
//! A list means all of it. One entry of the list is `name`, `name>=n`, `!name`, or several of them joined by
//! `|`, of which one is enough. Levels run from 1 to 10, 10 best. With `?` at its end an entry is a preference: agents
//! who meet more of those are taken first, but nobody waits for one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One entry of a list of skills.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Skill {
    any_of: Vec<Term>,
    is_preferred: bool,
}

#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
struct Term {
    name: String,
    level: u8,
    not: bool,
}

/// Why a text is not a skill.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SkillError {
    /// A name is empty or has a blank, `!`, `<`, `>`, `=`, `?` or `&` in it; holds the part concerned.
    #[error(
        "`{0}` is not a skill: write name, name>=n, !name, or several joined by |, with ? at the end when it is preferred only"
    )]
    Name(String),
    /// The level is not a number from 1 to 10; holds the part concerned.
    #[error("the level in `{0}` must be from 1 to 10")]
    Level(String),
}

impl Skill {
    /// True when an agent with these skills (name to level) satisfies it.
    pub fn is_met(&self, skills: &BTreeMap<String, u8>) -> bool {
        self.any_of.iter().any(|term| {
            let has = skills.get(&term.name).is_some_and(|level| *level >= term.level);
            has != term.not
        })
    }

    /// The same with every level that is asked for lower by `levels`, but not below 1. What must not be there stays.
    pub fn relaxed(mut self, levels: u8) -> Self {
        for term in self.any_of.iter_mut().filter(|term| !term.not) {
            term.level = term.level.saturating_sub(levels).max(1);
        }
        self
    }

    /// True when an agent who does not satisfy it may serve too, after those who do.
    pub fn is_preferred(&self) -> bool {
        self.is_preferred
    }

    /// The names in it, for the check that somebody has them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.any_of.iter().map(|t| t.name.as_str())
    }
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Term { name, level, not }) in self.any_of.iter().enumerate() {
            let (bar, not) = (if at > 0 { "|" } else { "" }, if *not { "!" } else { "" });
            write!(f, "{bar}{not}{name}")?;
            if *level > 1 {
                write!(f, ">={level}")?;
            }
        }
        if self.is_preferred { f.write_str("?") } else { Ok(()) }
    }
}

impl FromStr for Skill {
    type Err = SkillError;

    /// Reads one entry of a list, e.g. `lang:ar>=3|lang:fr` or `patient?`. Blanks around the parts do not matter.
    fn from_str(text: &str) -> Result<Self, SkillError> {
        let preferred = text.trim_end().strip_suffix('?');
        let any_of = preferred.unwrap_or(text).split('|').map(read_term).collect::<Result<_, _>>()?;
        Ok(Self { any_of, is_preferred: preferred.is_some() })
    }
}

fn read_term(text: &str) -> Result<Term, SkillError> {
    let text = text.trim();
    let (not, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let (name, level) = match rest.split_once(">=") {
        Some((name, level)) => {
            let level: u8 = level.trim().parse().map_err(|_| SkillError::Level(text.to_owned()))?;
            (name.trim_end(), level)
        }
        None => (rest, 1),
    };
    if !(1..=10).contains(&level) {
        return Err(SkillError::Level(text.to_owned()));
    }
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || "!<>=?&".contains(c)) {
        return Err(SkillError::Name(text.to_owned()));
    }
    Ok(Term { name: name.to_owned(), level, not })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(skill: &str, has: &[(&str, u8)]) -> bool {
        let skills = has.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect();
        skill.parse::<Skill>().unwrap().is_met(&skills)
    }

    #[test]
    fn name_level_not_and_or_mean_what_they_say() {
        let sara = &[("lang:ar", 7), ("billing", 2)];
        assert!(met("billing", sara) && met(" lang:ar >= 7 ", sara));
        assert!(!met("lang:ar>=8", sara) && !met("lang:en", sara));
        assert!(met("!lang:en", sara) && !met("!billing", sara) && met("!billing>=3", sara));
        assert!(met("lang:en|billing", sara) && met("lang:en | !lang:fr", sara) && !met("lang:en|billing>=3", sara));
    }

    #[test]
    fn a_question_mark_at_the_end_makes_the_whole_entry_a_preference() {
        for (text, preferred) in [("a", false), ("a?", true), (" a>=3 | !b ? ", true)] {
            assert_eq!(text.parse::<Skill>().unwrap().is_preferred(), preferred, "{text}");
        }
        assert!(met("a>=3|!b?", &[("a", 1)]) && !met("a>=3?", &[("a", 2)]), "what it asks for is the same");
    }

    #[test]
    fn a_relaxed_skill_asks_for_lower_levels_and_is_written_as_it_is_read() {
        for (text, levels, relaxed) in
            [("a>=5", 2, "a>=3"), ("a >= 2", 5, "a"), ("a|b>=9?", 1, "a|b>=8?"), ("!a>=5", 3, "!a>=5")]
        {
            let skill = text.parse::<Skill>().unwrap().relaxed(levels);
            assert_eq!(skill.to_string(), relaxed);
            assert_eq!(relaxed.parse::<Skill>().unwrap(), skill);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["", "!", "a|", "a b", "a>3", "a=3", "!!a", "?", "a?|b", "a??", "?a"] {
            assert!(matches!(text.parse::<Skill>(), Err(SkillError::Name(_))), "{text}");
        }
        for text in ["a>=0", "a>=11", "a>=x", "a>="] {
            assert!(matches!(text.parse::<Skill>(), Err(SkillError::Level(_))), "{text}");
        }
    }
}
